"""Ctrl-C anywhere: 130, the terminal as it was, nothing half-made left, and not a word too many."""

from __future__ import annotations

import json
import os
import random
import signal
import wave
from functools import partial

import pytest

from tests.process.conftest import LONG, SHORT, Client
from tests.process.harness import (
    CLIENT,
    SERVER,
    OnTerminal,
    Process,
    Server,
    SilentPeer,
    interrupted_before,
    run,
    together,
)

INTERRUPTED = 130


def test_while_modules_are_imported(tmp_path):
    with SilentPeer() as peer:
        search = ["search", "x", "--state", "client", "--bootstrap", peer.rpc]
        serve = [".", "--state", "server", "--listen", "127.0.0.1:0"]
        cases = [(search, CLIENT, module) for module in ("lightpeer.cli.main", "trio", "h2")]
        cases += [(serve, SERVER, module) for module in ("lightpeer.serve.server", "sqlite3")]
        for result in together(
            *(
                partial(run, *command, cwd=tmp_path, code=code, before=interrupted_before(module))
                for command, code, module in cases
            )
        ):
            assert result == (INTERRUPTED, b"", "")


@pytest.mark.parametrize(
    "command",
    [
        "doctor -q --bootstrap {peer}",
        "peers --bootstrap {peer}",
        "join {peer}",
        "search x --bootstrap {peer}",
        "favourite x --bootstrap {peer}",
        "pin x --bootstrap {peer}",
        "fetch x --bootstrap {peer}",
    ],
)
def test_while_a_peer_keeps_silent(tmp_path, command):
    with SilentPeer() as peer:
        arguments = [*command.format(peer=peer.rpc).split(), "--state", "state"]
        with Process(*arguments, cwd=tmp_path, LIGHTPEER_OUTPUT="null") as asking:
            peer.wait_for_client()
            result = asking.end(signal.SIGINT)
    assert (result.status, result.err) == (INTERRUPTED, "")


def test_while_music_plays_on_a_terminal(client):
    command = [*client.common, "play", LONG, "--output", "null", "--stats", "s.json"]
    with OnTerminal(*command, cwd=client.folder) as playing:
        playing.wait_for("/0:22")
        assert not playing.is_restored  # the keys are the player's
        playing.press("\x03")
        assert playing.end() == INTERRUPTED
        assert playing.is_restored
    assert json.loads((client.folder / "s.json").read_text())["played_s"] < 22


def test_ctrl_z_gives_the_terminal_back_and_q_too(client):
    with OnTerminal(*client.common, "play", LONG, "--output", "null", cwd=client.folder) as playing:
        playing.wait_for("/0:22")
        playing.press("\x1a")
        playing.wait_until_stopped()
        assert playing.is_restored
        playing.shown = ""
        playing.process.send_signal(signal.SIGCONT)
        playing.wait_for("/0:22")
        playing.press("q")  # which would wait for Enter, were the keys not ours again
        assert playing.end() == 0
        assert playing.is_restored


def test_while_a_terminal_waits_for_a_peer(tmp_path):
    with SilentPeer() as peer:
        command = ["play", SHORT, "--output", "null", "--state", "state", "--bootstrap", peer.rpc]
        with OnTerminal(*command, cwd=tmp_path) as playing:
            peer.wait_for_client()
            playing.press("\x03")
            assert playing.end() == INTERRUPTED
            assert playing.is_restored


def test_while_a_file_is_fetched(tmp_path, music, network):
    mute = "from tests.process.liar import serve; serve('mute')"
    with Server(tmp_path / "mute", music, code=mute) as server:
        client = Client(tmp_path, server)
        with Process(*client.common, "fetch", network.uris[LONG], "-o", "x.opus", cwd=tmp_path) as fetching:
            server.event("asked")
            assert (tmp_path / "x.opus.part").exists()
            result = fetching.end(signal.SIGINT)
    assert (result.status, result.out) == (INTERRUPTED, b"")
    assert result.sentence == "x.opus.part is kept: the same command goes on from it"
    assert [path.name for path in tmp_path.glob("x*")] == ["x.opus.part"]
    again = Client(tmp_path, network.first, network.second).run(
        "fetch", network.uris[LONG], "-o", "x.opus", "--json"
    )
    assert json.loads(again.out)["kept_bytes"] > 0
    assert [path.name for path in tmp_path.glob("x*")] == ["x.opus"]


def test_while_a_command_plays(client):
    """It is ended with us, though the terminal's Ctrl-C does not reach it."""
    output = "command:sh -c 'echo $$ > pid; exec sleep 60'"
    with OnTerminal(*client.common, "play", LONG, "--output", output, cwd=client.folder) as playing:
        playing.wait_for("/0:22")
        playing.press("\x03")
        assert playing.end() == INTERRUPTED
        assert playing.is_restored
    with pytest.raises(ProcessLookupError):
        os.kill(int((client.folder / "pid").read_text()), 0)


@pytest.mark.parametrize(("end", "status"), [("ctrl-c", INTERRUPTED), ("sigterm", 0)])
def test_while_music_is_imported(tmp_path, end, status):
    (tmp_path / "music").mkdir()
    with wave.open(str(tmp_path / "music" / "Endless.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(random.Random(1).randbytes(16000) * 3600)
    command = ["music", "--state", "state", "--listen", "127.0.0.1:0", "--ladder", "24"]
    with OnTerminal(*command, cwd=tmp_path, code=SERVER) as serving:
        serving.wait_for("1/1  Endless")
        if end == "ctrl-c":
            serving.press("\x03")
        else:
            serving.process.send_signal(signal.SIGTERM)
        assert serving.end() == status
        assert serving.is_restored
        assert "lightpeer" not in serving.shown
