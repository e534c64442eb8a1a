"""What people get wrong and computers lack: one sentence, its exit status, and nothing broken by it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from lightpeer.client.setbacks import NOBODY_KNOWN
from lightpeer.core.content.uri import format_uri
from lightpeer.serve.overlay.gossip import ASKS_AT_ONCE
from tests.process.conftest import LONG, SHORT, Client
from tests.process.harness import together, without_library

UNKNOWN = format_uri(bytes(range(32)))
NO_NUMBERS = "numbers take nothing from this list: give loud: ids instead"
# As `ulimit -f` does it: the kernel refuses what comes after so many bytes, as on a full disk.
FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


@pytest.fixture
def alone(tmp_path):
    """A client that knows nobody."""
    return Client(tmp_path)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


class Port:
    """A port at which somebody does this with each connection."""

    def __init__(self, answer: Callable[[socket.socket], object]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self._held: list[socket.socket] = []
        self.rpc = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._answer(connection)
                self._held.append(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._held:
            connection.close()


def web_server(connection: socket.socket) -> None:
    connection.recv(1)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def test_each_cause_is_told_with_the_address(alone):
    quick = Path(alone.folder / "quick.toml")
    quick.write_text("connect_timeout_s = 0.5\ncall_timeout_s = 0.5")
    with (
        Port(lambda connection: connection.close()) as closing,
        Port(web_server) as web,
        Port(lambda connection: None) as silent,
    ):
        causes = {
            closing.rpc: f"{closing.rpc} closes the connection at once: check the port",
            web.rpc: f"what answers at {web.rpc} does not speak HTTP/2 and is no peer: check the port",
            silent.rpc: f"{silent.rpc} does not answer: check the address, and the firewall there",
            "127.0.0.1:1": "nobody listens at 127.0.0.1:1: start the peer there or check the port",
            "a..example:1": "the name a..example is not found: check its spelling",
            "255.255.255.255:1": "there is no route to 255.255.255.255:1: check this machine's network",
        }
        results = together(
            *(partial(alone.run, "peers", "--config", quick, "--bootstrap", place) for place in causes)
        )
    for result, cause in zip(results, causes.values(), strict=True):
        assert (result.status, result.out) == (3, b"")
        assert result.sentence == (
            f"no peer can be reached, as {cause}, or name another with --bootstrap HOST:PORT"
        )


def test_a_bad_name_does_no_harm_beside_a_good_address(client):
    assert client.run("search", SHORT, "--bootstrap", "a..example", "--bootstrap", "x" * 64).status == 0


def test_a_peer_that_is_asked_too_often_can_be_reached(client, network):
    last = client.run("peers")
    for _ in range(4 * ASKS_AT_ONCE):  # a slow machine asks less often
        if last.err:
            break
        last = client.run("peers")
        assert last.status == 0
    assert "was asked too often: wait a minute for news" in last.sentence
    assert network.first.peer_id.encode() in last.out, "it was known before"
    checked = client.run("doctor", "--json", LIGHTPEER_OUTPUT="null")
    peers = [event for event in checked.events if event.get("name") == "peers"]
    assert [event["verdict"] for event in peers] == ["ok"]


def test_an_invite_is_kept_and_tried(alone, network):
    invite = f"loudp2p:{network.first.peer_id}@127.0.0.1:1,{network.first.rpc}"
    joined = alone.run("join", invite)
    assert (joined.status, joined.err) == (0, "")
    assert f"joined: {network.first.peer_id} answers" in joined.out.decode()
    assert alone.run("search", SHORT).status == 0
    assert alone.run("join").out.decode() == f"{invite}\n"
    assert alone.run("join", "--remove", network.first.peer_id).status == 0
    assert alone.run("join").out == b""
    away = alone.run("join", "127.0.0.1:1")
    assert (away.status, away.out) == (0, b"")
    assert away.sentence.startswith("the invite is kept, but no peer can be reached, as nobody listens at")


def test_nobody_is_reachable(alone):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"  # where nobody listens any more
    commands = (
        ["search", SHORT],
        ["play", SHORT, "--output", "wav:x", "--wait", "0"],
        ["fetch", UNKNOWN, "-o", "x"],
        ["peers"],
    )
    for result in together(*(partial(alone.run, *command, "--bootstrap", address) for command in commands)):
        assert (result.status, result.out) == (3, b"")
        assert "--bootstrap" in result.sentence
    assert files(alone.folder) <= {"state/key"}


def test_a_first_peer_is_waited_for_so_long_and_that_is_said(alone):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    result = alone.run("play", SHORT, "--output", "null", "--json", "--wait", "1.5", "--bootstrap", address)
    assert result.status == 3
    waiting = result.event("waiting")
    assert (waiting["since_s"], waiting["next_try_s"]) == (0.0, 1.0)
    assert "no peer can be reached" in waiting["reason"]
    assert "--bootstrap" in result.event("error")["message"]


def test_nobody_is_known(alone):
    result = alone.run("play", SHORT, "--output", "null")
    assert result.status == 3
    assert result.sentence == NOBODY_KNOWN


def test_nothing_is_found(client):
    commands = (["search", "no such words"], ["play", "no such words", "--output", "null"])
    for result in together(*(partial(client.run, *command) for command in commands)):
        assert (result.status, result.out) == (4, b"")
        assert "'no such words'" in result.sentence


def test_nobody_holds_the_track(client):
    commands = (["play", UNKNOWN, "--output", "wav:x"], ["fetch", UNKNOWN, "-o", "x"])
    for result in together(*(partial(client.run, *command) for command in commands)):
        assert (result.status, result.out) == (4, b"")
        assert UNKNOWN in result.sentence
    assert not files(client.folder) & {"x", "x.part"}


WRONG = {
    "'loud:xyz'": ["play", "loud:xyz"],
    UNKNOWN[:-1]: ["play", SHORT, UNKNOWN[:-1]],
    UNKNOWN.replace("1", "0"): ["fetch", UNKNOWN.replace("1", "0"), "-o", "x"],
    "no/such/folder/x": ["fetch", UNKNOWN, "-o", "no/such/folder/x"],
    "'speakers'": ["play", SHORT, "--output", "speakers"],
    "--bootstrap": ["play", SHORT, "--bootstrap", "no port"],
    "--wait": ["play", SHORT, "--wait", "soon"],
    "--give-up": ["play", SHORT, "--give-up", "-1"],
    "--limit": ["search", SHORT, "--limit", "0"],
    "none.toml": ["search", SHORT, "--config", "none.toml"],
    "did you mean search?": ["serch", SHORT],
    "512 characters at most": ["search", "x" * 513],
    "no such user": ["fetch", UNKNOWN, "-o", "~nosuchuser/x"],
    "is not an invite": ["join", "loudp2p:nobody"],
    "'nonsense' is not": ["join", "nonsense"],
    "lightpeer join lists": ["join", "--remove"],
    "nothing is named": ["favourite", "--remove"],
    "no favourites yet": ["play", "--favourites", "--shuffle"],
    "--pick asks": ["pin", SHORT, "--pick"],
    "--album names nothing": ["fetch", "--album", ""],
    "without a field": ["fetch", SHORT, "--name", "{title"],
    "'1:99'": ["play", SHORT, "--start", "1:99"],
    "no profile 'train'": ["usage", "--profile", "train"],
    "'lots'": ["cache", "--cache-size", "lots"],
}


def test_a_wrong_argument_costs_no_packet(alone):
    for named, result in zip(WRONG, together(*(partial(alone.run, *c) for c in WRONG.values())), strict=True):
        assert (result.status, result.out) == (2, b"")
        assert named in result.sentence
    assert files(alone.folder) == set()


def test_json_errors_say_what_stderr_says(alone):
    result = alone.run("play", SHORT, "--output", "pipe", "--json")
    assert json.loads(result.out) == {"event": "error", "message": result.sentence, "exit_status": 2}


class TestSound:
    def test_no_device(self, client):
        result = client.run("play", SHORT)
        if result.status == 0:
            pytest.skip("there is a sound device here")
        assert result.status == 6
        assert "--output" in result.sentence

    def test_no_library(self, client):
        termux = "/data/data/com.termux/files/usr"
        device, wav, prefixed = together(
            partial(client.run, "play", SHORT, before=without_library("portaudio")),
            partial(client.run, "play", SHORT, "--output", "wav:x.wav", before=without_library("ogg")),
            partial(
                client.run, "play", SHORT, "--output", "null", before=without_library("opus"), PREFIX=termux
            ),
        )
        assert (device.status, wav.status, prefixed.status) == (6, 6, 6)
        assert "install" in device.sentence
        assert "--output" in device.sentence
        assert "libogg is not installed: " in wav.sentence
        assert "install libogg0" in wav.sentence
        assert not (client.folder / "x.wav").exists()
        assert prefixed.sentence == "libopus is not installed: pkg install libopus"

    def test_a_wav_file_that_cannot_be(self, client):
        (client.folder / "folder").mkdir()
        result = client.run("play", SHORT, "--output", "wav:folder")
        assert result.status == 6
        assert "cannot write folder (" in result.sentence
        assert "--output" in result.sentence


class TestState:
    def test_it_cannot_be_written(self, client, network):
        (client.folder / "file").touch()
        told, found, played, fetched = together(
            partial(client.run, "id", "--state", "file/state"),
            partial(client.run, "search", SHORT, "--state", "file/state"),
            partial(client.run, "-q", "play", SHORT, "--output", "null", "--state", "/proc/state"),
            partial(client.run, "-q", "fetch", network.uris[SHORT], "-o", "x", "--state", "/proc/state"),
        )
        assert (told.status, told.out) == (1, b""), "an id of one run is nobody's"
        assert (found.status, played.status, fetched.status) == (0, 0, 0)
        assert SHORT.encode() in found.out
        sentence, numbers = found.err.splitlines()
        for said in (told.sentence, sentence, played.sentence, fetched.sentence):
            assert "cannot make the state directory" in said
            assert "--state" in said
        assert numbers == f"lightpeer: {NO_NUMBERS}"

    def test_a_full_disk_at_the_first_start(self, client):
        result = client.run("search", SHORT, before=FULL_DISK.format(10))
        assert (result.status, files(client.folder)) == (0, {"state/usage.lock"}), "which is empty"
        assert SHORT.encode() in result.out
        sentence, numbers = result.err.splitlines()
        assert sentence.startswith(f"lightpeer: cannot save state: cannot write {client.state / 'key'}")
        assert numbers == f"lightpeer: {NO_NUMBERS}"

    def test_numbers_take_nothing_from_a_list_that_another_has_replaced(self, client):
        assert client.run("search", SHORT, "--json").status == 0
        fits = len((client.state / "shown.m3u8").read_bytes()) - 1  # as the key does, and no list
        result = client.run("search", LONG, before=FULL_DISK.format(fits))
        assert (result.status, result.err.splitlines()[-1]) == (0, f"lightpeer: {NO_NUMBERS}")
        refused = client.run("play", 1, "--output", "null")
        assert (refused.status, refused.out) == (2, b"")
        assert refused.sentence.startswith("nothing was listed that 1 could be taken from: search first")

    def test_a_corrupt_key_is_left_alone(self, client):
        client.state.mkdir()
        key = client.state / "key"
        key.write_bytes(b"\xff" * 32)
        result = client.run("search", SHORT)
        assert (result.status, result.out) == (1, b"")
        assert f"mv {key} {key}.corrupt" in result.sentence
        assert key.read_bytes() == b"\xff" * 32

    def test_a_corrupt_peer_cache_is_set_aside(self, client):
        client.state.mkdir()
        (client.state / "peers").write_bytes(b"garbage")
        result = client.run("search", SHORT)
        assert result.status == 0
        assert SHORT.encode() in result.out
        assert f"it is now {client.state / 'peers.corrupt'}" in result.sentence
        assert (client.state / "peers.corrupt").read_bytes() == b"garbage"
        assert client.run("search", SHORT).err == ""

    def test_a_config_file_with_a_typing_error(self, client):
        (client.folder / "c.toml").write_text("outptu = 1")
        result = client.run("search", SHORT, "--config", "c.toml")
        assert result.status == 2
        assert "c.toml" in result.sentence
        assert "outptu" in result.sentence


class TestFullDisk:
    def test_fetch_leaves_what_was_there_and_goes_on_once_there_is_room(self, client, network):
        client.run("id")
        (client.folder / "x.opus").write_text("before")
        fetch = ["fetch", network.uris[LONG], "-o", "x.opus", "--force"]
        result = client.run(*fetch, before=FULL_DISK.format(50_000))
        assert result.status == 1
        assert "cannot write x.opus" in result.sentence
        assert (client.folder / "x.opus").read_text() == "before"
        assert 0 < (client.folder / "x.opus.part").stat().st_size <= 50_000
        result = client.run(*fetch, "--json")
        assert result.status == 0
        assert json.loads(result.out)["kept_bytes"] > 20_000
        assert "x.opus.part" not in files(client.folder)

    def test_wav_keeps_what_fitted(self, client):
        result = client.run("play", LONG, "--output", "wav:x.wav", before=FULL_DISK.format(300_000))
        assert result.status == 6
        assert "x.wav (" in result.err.splitlines()[-1]
        assert (client.folder / "x.wav").stat().st_size == 300_000

    def test_no_key_is_better_than_half_of_one(self, client):
        result = client.run("id", before=FULL_DISK.format(10))
        assert (result.status, result.out) == (1, b"")
        assert str(client.state / "key") in result.sentence
        assert files(client.folder) == set()

    def test_a_cache_that_cannot_be_kept_is_no_failure(self, client):
        client.run("id")
        result = client.run("search", SHORT, before=FULL_DISK.format(100))
        assert result.status == 0
        assert SHORT.encode() in result.out
        assert str(client.state / "peers") in result.sentence
        assert files(client.state) == {"key", "shown.m3u8", "usage", "usage.lock"}, "a few bytes find room"

    def test_a_stdout_that_takes_nothing(self, client):
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full here")
        with Path("/dev/full").open("wb") as full:
            result = client.run("search", SHORT, "--json", stdout=full)
        assert result.status == 1
        assert "cannot write to standard output (No space left on device)" in result.sentence
        closed = client.run("id", before="import os; os.close(1); os.open('/dev/null', os.O_RDONLY)")
        assert closed.status == 1
        assert "cannot write to standard output" in closed.sentence
