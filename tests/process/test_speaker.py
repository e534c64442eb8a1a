"""The speaker as people run it, driven by the clients that they have."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import LONG, RARE, Client, Network
from tests.process.harness import LIMIT_S, Process


class Speaker(Process):
    """A speaker that plays to nobody; ready once it is made."""

    def __init__(self, client: Client) -> None:
        self.socket = client.folder / "mpd"
        options = ["--mpd-listen", "127.0.0.1:0", "--mpd-socket", self.socket, "--output", "null", "--json"]
        super().__init__(*client.common, "speaker", *options, cwd=client.folder)
        try:
            self.host, self.port = self.event("listening")["mpd"].split(":")
        except BaseException:
            self.__exit__()
            raise

    def mpc(self, *arguments: str, host: str = "") -> str:
        """What mpc prints."""
        command = ["mpc", "--host", host or self.host, "--port", self.port, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout


@pytest.fixture
def speaker(client: Client) -> Iterator[Speaker]:
    with Speaker(client) as speaker:
        yield speaker


needs_mpc = pytest.mark.skipif(not shutil.which("mpc"), reason="mpc is not installed (apt install mpc)")


@needs_mpc
def test_mpc_searches_plays_and_keeps(speaker: Speaker, network: Network):
    assert speaker.mpc("version") == "mpd version: 0.24.0\n"
    assert speaker.mpc("search", "any", "copper rain") == f"{network.uris[LONG]}\n"
    speaker.mpc("add", f"Search/{RARE}")
    speaker.mpc("insert", network.uris[LONG])
    assert speaker.mpc("playlist", "-f", "%title%").split("\n")[-2] in {LONG, RARE}
    shown = speaker.mpc("play", "2")
    assert "[playing] #2/2" in shown
    assert "[paused]" in speaker.mpc("pause")
    for mode in ("repeat", "random", "consume", "single"):
        assert f"{mode}: on" in speaker.mpc(mode, "on")
    assert "volume: 30%" in speaker.mpc("volume", "30")
    assert "volume: 25%" in speaker.mpc("volume", "-5")
    speaker.mpc("save", "mine")
    assert speaker.mpc("lsplaylists") == "mine\n"
    speaker.mpc("clear")
    speaker.mpc("load", "mine")
    assert len(speaker.mpc("playlist").splitlines()) == 2
    speaker.mpc("move", "2", "1")
    speaker.mpc("del", "1")
    assert speaker.mpc("ls").split() == ["Albums", "Recent", "Search", "mine"]
    assert "Songs:        2" in speaker.mpc("stats")
    assert "Output 1 (lightpeer) is disabled" in speaker.mpc("disable", "1")
    assert speaker.mpc("stop", host=str(speaker.socket))


def test_a_python_client_listens_for_changes(speaker: Speaker, network: Network):
    mpd = pytest.importorskip("mpd", reason="python-mpd2 is not installed (pip install python-mpd2)")
    with connected(mpd.MPDClient(), speaker) as one, connected(mpd.MPDClient(), speaker) as other:
        _use(mpd, one, other, network)


@contextmanager
def connected(client: Any, speaker: Speaker) -> Iterator[Any]:
    client.timeout = LIMIT_S
    client.connect(speaker.host, int(speaker.port))
    try:
        yield client
    finally:
        client.disconnect()


def _use(mpd: Any, one: Any, other: Any, network: Network) -> None:
    assert one.mpd_version == "0.24.0"
    assert {"search", "idle", "close"} <= set(one.commands())
    (hit,) = one.search("any", "copper rain")
    assert (hit["file"], hit["title"]) == (network.uris[LONG], LONG)
    entry = one.addid(hit["file"])
    assert other.idle("playlist") == ["playlist"]
    one.playid(entry)
    assert one.currentsong()["title"] == LONG
    assert one.status()["state"] == "play"
    assert one.find("title", LONG, "window", "0:1") == [hit]
    assert one.list("title", "group", "artist")
    with pytest.raises(mpd.CommandError, match="No such song"):
        one.playid(99)
    with pytest.raises(mpd.CommandError, match="unknown command"):
        one.mount("a", "b")
    one.command_list_ok_begin()
    one.status()
    one.plchanges(0)
    assert len(one.command_list_end()) == 2


def test_a_signal_ends_it_and_its_socket(speaker: Speaker):
    ended = speaker.end(signal.SIGTERM)
    assert (ended.status, ended.out, ended.err) == (128 + signal.SIGTERM, b"", "")
    assert not speaker.socket.exists()


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--mpd-listen", "a b:1", "is not HOST:PORT"),
        ("--mpd-listen", "192.0.2.1:6600", "choose another with --mpd-listen"),
        ("--mpd-socket", "/nowhere/mpd", "choose another with --mpd-socket"),
        ("--output", "pipe", "--json and --output pipe both need stdout"),
    ],
)
def test_where_it_cannot_work_is_told(tmp_path: Path, option: str, value: str, sentence: str):
    alone = Client(tmp_path)
    options = {"--mpd-listen": "127.0.0.1:0", "--output": "null", option: value}
    ended = alone.run("speaker", "--json", *(word for pair in options.items() for word in pair))
    assert ended.status in {1, 2}
    assert sentence in ended.err
