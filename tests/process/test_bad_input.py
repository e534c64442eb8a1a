"""What people get wrong and computers lack: one sentence, its exit status, and nothing broken by it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from lightpeer.core.uri import format_uri
from tests.process.conftest import LONG, SHORT, Client
from tests.process.harness import without_library

UNKNOWN = format_uri(bytes(range(32)))
# As for `ulimit -f`: the kernel then refuses as it does on a full disk.
FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


@pytest.fixture
def alone(tmp_path):
    """A client that knows nobody."""
    return Client(tmp_path)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "command",
    [["search", SHORT], ["play", SHORT, "--output", "wav:x"], ["fetch", UNKNOWN, "-o", "x"], ["peers"]],
)
def test_nobody_is_reachable(alone, command):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    result = alone.run(*command, "--bootstrap", address)  # where nobody listens any more
    assert (result.status, result.out) == (3, b"")
    assert "--bootstrap" in result.sentence
    assert set(files(alone.folder)) <= {"state/key"}


def test_nobody_is_known(alone):
    result = alone.run("play", SHORT, "--output", "null")
    assert result.status == 3
    assert result.sentence == "no peer is known: name one with --bootstrap HOST:PORT"


@pytest.mark.parametrize(
    "command", [["search", "no such words"], ["play", "no such words", "--output", "null"]]
)
def test_nothing_is_found(client, command):
    result = client.run(*command)
    assert (result.status, result.out) == (4, b"")
    assert "'no such words'" in result.sentence


@pytest.mark.parametrize("command", [["play", UNKNOWN, "--output", "wav:x"], ["fetch", UNKNOWN, "-o", "x"]])
def test_nobody_holds_the_track(client, command):
    result = client.run(*command)
    assert (result.status, result.out) == (4, b"")
    assert UNKNOWN in result.sentence
    assert not (client.folder / "x").exists()
    assert not (client.folder / "x.part").exists()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["play", "loud:xyz"], "'loud:xyz'"),
        (["play", SHORT, UNKNOWN[:-1]], UNKNOWN[:-1]),
        (["fetch", UNKNOWN.replace("loud:", "loud:0"), "-o", "x"], "loud:0"),
        (["fetch", SHORT, "-o", "x"], SHORT),
        (["fetch", UNKNOWN, "-o", "no/such/folder/x"], "no/such/folder/x"),
        (["fetch", UNKNOWN, "-o", "."], "."),
        (["play", " "], "title"),
        (["play", SHORT, "--output", "speakers"], "'speakers'"),
        (["play", SHORT, "--bitrate", "best"], "--bitrate"),
        (["play", SHORT, "--start", "-3"], "--start"),
        (["play", SHORT, "--bootstrap", "no port"], "--bootstrap"),
        (["search", SHORT, "--limit", "0"], "--limit"),
        (["search", SHORT, "--config", "none.toml"], "none.toml"),
        (["dance"], "dance"),
        ([], "COMMAND"),
    ],
)
def test_a_wrong_argument_costs_no_packet(alone, command, named):
    result = alone.run(*command)
    assert (result.status, result.out) == (2, b"")
    assert named in result.sentence
    assert files(alone.folder) == []


class TestSound:
    def test_no_device(self, client):
        checks = client.run("doctor", "--json").events
        if any(check.get("name") == "sound" and check["verdict"] == "ok" for check in checks):
            pytest.skip("there is a sound device here")
        result = client.run("play", SHORT)
        assert result.status == 6
        assert "--output" in result.sentence

    def test_no_portaudio(self, client):
        result = client.run("play", SHORT, before=without_library("portaudio"))
        assert result.status == 6
        assert "install" in result.sentence
        assert "--output" in result.sentence

    @pytest.mark.parametrize("library", ["opus", "ogg"])
    def test_no_codec(self, client, library):
        result = client.run("play", SHORT, "--output", "wav:x.wav", before=without_library(library))
        assert (result.status, result.out) == (6, b"")
        assert f"lib{library} is not installed" in result.sentence
        assert not (client.folder / "x.wav").exists()

    def test_the_command_that_installs_it_is_this_systems(self, client):
        prefix = "/data/data/com.termux/files/usr"  # as Termux sets it
        result = client.run("play", SHORT, "--output", "null", before=without_library("opus"), PREFIX=prefix)
        assert result.sentence == "libopus is not installed: pkg install libopus"

    def test_a_wav_file_that_cannot_be(self, client):
        (client.folder / "folder").mkdir()
        for place in ("folder", "no/such/x.wav"):
            result = client.run("play", SHORT, "--output", f"wav:{place}")
            assert result.status == 6
            assert place in result.sentence
            assert "--output" in result.sentence


class TestState:
    @pytest.mark.parametrize(
        ("command", "place"),
        [
            (["id"], "file/state"),
            (["search", SHORT], "file/state"),
            (["play", SHORT, "--output", "null"], "/proc/state"),
        ],
    )
    def test_it_cannot_be_written(self, client, command, place):
        (client.folder / "file").write_text("no folder")
        result = client.run(*command, "--state", place)
        assert (result.status, result.out) == (1, b"")
        assert place in result.sentence
        assert "--state" in result.sentence

    @pytest.mark.parametrize("content", [b"", b"\xff" * 32])
    def test_a_corrupt_key_is_left_alone(self, client, content):
        client.state.mkdir()
        key = client.state / "key"
        key.write_bytes(content)
        result = client.run("search", SHORT)
        assert (result.status, result.out) == (1, b"")
        assert f"mv {key} {key}.corrupt" in result.sentence
        assert key.read_bytes() == content

    @pytest.mark.parametrize("content", [b"garbage", b"\0" * 5000])
    def test_a_corrupt_peer_cache_is_set_aside(self, client, content):
        client.state.mkdir()
        (client.state / "peers").write_bytes(content)
        result = client.run("search", SHORT)
        assert result.status == 0
        assert SHORT.encode() in result.out
        assert f"it is now {client.state / 'peers.corrupt'}" in result.sentence
        assert (client.state / "peers.corrupt").read_bytes() == content
        assert client.run("search", SHORT).err == ""

    def test_a_config_file_that_is_none(self, client):
        (client.folder / "c.toml").write_text("outptu = 1")
        result = client.run("search", SHORT, "--config", "c.toml")
        assert result.status == 2
        assert "c.toml" in result.sentence
        assert "outptu" in result.sentence


class TestFullDisk:
    def test_fetch_leaves_nothing_and_what_was_there(self, client):
        uri = client.find(LONG)["uri"]
        (client.folder / "x.opus").write_text("before")
        result = client.run("fetch", uri, "-o", "x.opus", before=FULL_DISK.format(50_000))
        assert result.status == 1
        assert "cannot write x.opus" in result.sentence
        assert (client.folder / "x.opus").read_text() == "before"
        assert not (client.folder / "x.opus.part").exists()

    def test_wav_keeps_what_fitted(self, client):
        result = client.run("play", LONG, "--output", "wav:x.wav", before=FULL_DISK.format(300_000))
        assert result.status == 6
        assert "x.wav cannot be written" in result.err.splitlines()[-1]
        assert (client.folder / "x.wav").stat().st_size == 300_000

    def test_dev_full(self, client):
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full here")
        result = client.run("play", SHORT, "--output", "wav:/dev/full")
        assert result.status == 6
        assert "No space left on device" in result.sentence

    def test_no_key_is_better_than_half_of_one(self, client):
        result = client.run("id", before=FULL_DISK.format(10))
        assert (result.status, result.out) == (1, b"")
        assert str(client.state / "key") in result.sentence
        assert files(client.state) == []

    def test_a_cache_that_cannot_be_kept_is_no_failure(self, client):
        client.run("id")
        result = client.run("search", SHORT, before=FULL_DISK.format(10))
        assert result.status == 0
        assert SHORT.encode() in result.out
        assert str(client.state / "peers") in result.sentence
        assert files(client.state) == ["key"]

    def test_stats(self, client):
        client.run("peers")
        result = client.run(
            "play", SHORT, "--output", "pipe", "--stats", "s.json", before=FULL_DISK.format(10)
        )
        assert result.status == 1
        assert "cannot write s.json" in result.err.splitlines()[-1]


@pytest.mark.parametrize("command", [["search", SHORT], ["search", SHORT, "--json"]])
def test_stdout_that_is_full_or_closed(client, command):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        result = client.run(*command, stdout=full)
    assert result.status == 1
    assert "stdout" in result.err or "output" in result.err
    closed = client.run(*command, before="import os; os.close(1); os.open('/dev/null', os.O_RDONLY)")
    assert closed.status == 1


def test_json_errors_say_what_stderr_says(alone):
    result = alone.run("play", SHORT, "--output", "pipe", "--json")
    assert json.loads(result.out) == {"event": "error", "message": result.sentence, "exit_status": 2}
