"""What `lightpeer-serve` meets: bad folders, bad music, bad bytes from the network, and its end."""

from __future__ import annotations

import random
import signal
import socket
from functools import partial

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.kept import first_source
from lightpeer.config import Settings
from lightpeer.core.content.uri import parse_uri
from lightpeer.core.trust.contact import Contact
from lightpeer.net.system import SystemNetwork
from tests.process.conftest import LONG, SHORT, SHORT_S, Client
from tests.process.harness import LIMIT_S, SERVER, Process, Server, run, together
from tests.serve.media import write_opus, write_wav


def test_what_it_cannot_start_with(tmp_path, network):
    """None of it takes more than a sentence, which says what to do."""
    (tmp_path / "file").touch()
    (tmp_path / "corrupt").mkdir()
    (tmp_path / "corrupt" / "key").write_text("garbage")
    cases = {
        "choose another with --state": [".", "--state", "file/s"],
        f"{network.first.rpc} is in use": [".", "--state", "s3", "--listen", network.first.rpc],
        "another lightpeer-serve uses": [".", "--state", network.first.state],
        "mv corrupt/key corrupt/key.corrupt": [".", "--state", "corrupt"],
    }
    wrong = {
        "none does not exist": ["none", "--state", "s1"],
        "file is not a folder": ["file", "--state", "s4"],
        "192.0.2.1:0 is no address of this machine": [".", "--state", "s2", "--listen", "192.0.2.1:0"],
        "no.host.invalid:0 is no address": [".", "--state", "s5", "--listen", "no.host.invalid:0"],
    }
    commands = (["--listen", "127.0.0.1:0", "--json", *more] for more in (cases | wrong).values())
    results = together(*(partial(run, *command, cwd=tmp_path, code=SERVER) for command in commands))
    for named, result in zip(cases | wrong, results, strict=True):
        status = 2 if named in wrong else 1
        assert result.status == status
        assert named in result.sentence
        assert result.events == [{"event": "error", "message": result.sentence, "exit_status": status}]
    assert (tmp_path / "corrupt" / "key").read_text() == "garbage"


def test_bad_files_are_named_and_the_good_ones_served(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    write_wav(music / f"{SHORT}.wav", SHORT_S)
    whole = write_opus(tmp_path / "whole.opus", 4).read_bytes()
    cut = whole.rindex(b"OggS") - 1000
    bad = {
        "cut.opus": whole[:cut],  # in the midst of a page
        "empty.opus": b"",
        "noise.opus": random.Random(1).randbytes(5000),
        "noise.flac": random.Random(2).randbytes(5000),
        "text.wav": b"no sound at all",
    }
    for name, data in bad.items():
        (music / name).write_bytes(data)
    with Server(tmp_path / "server", music, ladder="24") as server:
        client = Client(tmp_path, server)
        assert client.find(SHORT)["title"] == SHORT
        partly = client.find("prelude")
        assert 1 < partly["duration_s"] < 4
        assert client.run("play", partly["uri"], "--output", "wav:x.wav").status == 0
        result = server.end(signal.SIGTERM)
    assert result.status == 0
    lines = sorted(line.removeprefix("lightpeer-serve: ") for line in result.err.splitlines())
    assert lines[0].startswith(f"imported in part {music / 'cut.opus'}: ")
    named = [line.removeprefix("skipped ").partition(": ")[0] for line in lines[1:]]
    assert named == sorted(str(music / name) for name in bad if name != "cut.opus")


async def udp_port(server, uri, folder):
    """Where a peer says that its datagrams come from, in a sealed reply."""
    settings = Settings(state_dir=folder, bootstrap=(Contact(server.address),))
    async with open_client(settings, SystemNetwork()) as client:
        _, opened = await first_source(client.open_track(parse_uri(uri)))
        return opened.udp.port


class TestNoise:
    """Random bytes, and a client that must not notice."""

    def test_on_tcp(self, client, network):
        said = network.first.err
        rng = random.Random(3)
        starts = [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"]
        sockets = [socket.create_connection(network.first.address, LIMIT_S) for _ in range(8)]
        for number, sock in enumerate(sockets):
            sock.sendall(starts[number % 4] + rng.randbytes(2000))
        assert client.run("play", SHORT, "--output", "wav:x.wav").status == 0
        for sock in sockets:
            with sock:
                assert drained(sock)  # it hangs up on each, and says no more than that of each
        lines = network.first.err.removeprefix(said).splitlines()
        assert len(lines) <= len(sockets)
        assert all("the connection of 127.0.0.1:" in line for line in lines)

    def test_on_udp(self, client, network):
        said = network.first.err
        uri = network.uris[SHORT]
        port = trio.run(udp_port, network.first, uri, client.state)
        rng = random.Random(4)
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            sock.setblocking(False)
            for size in (0, 1, 4, 8, 30, 1200, 60_000):
                for _ in range(10):
                    sock.send(rng.randbytes(size))
            # It reads them before what comes after them.
            played = client.run("play", uri, "--output", "wav:x.wav", "--transport", "udp")
            assert (played.status, played.err) == (0, "")
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        assert network.first.err == said


def drained(sock):
    """Read until the other end hangs up; tell that it did."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


class TestItsEnd:
    def test_sigterm_drains(self, tmp_path, music, network):
        """A client in the middle of a track gets what is under way, then goes on at another peer."""
        with Server(tmp_path / "server", music) as server:
            client = Client(tmp_path, server, network.first)
            options = ["--output", "pipe", "--config", str(little_ahead(tmp_path))]
            with Process(*client.common, "play", LONG, *options, cwd=tmp_path) as playing:
                heard = playing.process.stdout.read(100_000)
                assert server.end(signal.SIGTERM)[::2] == (0, "")
                result = playing.end()
            assert result.status == 0
            assert heard + result.out == network.pcm(LONG)

    def test_an_idle_one_ends_at_once(self, tmp_path):
        (tmp_path / "music").mkdir()
        with Server(tmp_path / "server", tmp_path / "music") as server:
            assert server.tracks == 0
            result = server.end(signal.SIGINT)
        assert result.status == 130
        assert result.err.startswith("lightpeer-serve: 0 tracks: ")
        assert result.err.count("\n") == 1
        (only_here,) = (event for event in server.passed if event["event"] == "only_here")
        assert only_here["port"] == server.address[1]


def little_ahead(folder):
    """A configuration with as small a buffer as may be: less than a minute of what is played."""
    path = folder / "little.toml"
    path.write_text("buffer_bytes = 256000\nbitrate_kbps = 48\n")
    return path
