"""Peers that lie or die, alone and beside an honest one: what is kept is exact, or nothing is."""

from __future__ import annotations

import platform
import signal
import socket
from contextlib import ExitStack, suppress
from functools import partial

import pytest

from lightpeer.rpc.limits import ServeLimits
from tests.process.conftest import LONG, SHORT, Client, samples
from tests.process.harness import Server, together

# Each with the transport that meets it.
LIES = {"wrong-byte": "auto", "wrong-start": "auto", "false-seals": "auto", "false-chunks": "grpc"}


PEAK_MIB = 45  # of a client, at any reply; some 38 are Python, the modules and the libraries
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4" + bytes(5)  # with empty SETTINGS
KEEP_PEAK = """
import atexit, pathlib, re
def keep():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path("peak").write_text(re.search("VmHWM: *\\t*(.*) kB", status)[1])
atexit.register(keep)
"""


def faulty(fault: str) -> str:
    """Code for a server with one of the faults of `tests.process.liar`."""
    return f"from tests.process.liar import serve; serve({fault!r})"


@pytest.mark.parametrize(("lie", "transport"), LIES.items())
def test_a_liar_is_not_heard(tmp_path, music, network, lie, transport):
    """Alone it fails the track in one sentence; beside an honest peer nothing is to be noticed."""
    options = ["--transport", transport, "--bitrate", 48, "--json"]
    with Server(tmp_path / "liar", music, code=faulty(lie)) as server:
        alone, beside = Client(tmp_path / "a", server), Client(tmp_path / "b", server, network.first)
        failed, played = together(
            partial(alone.run, "play", LONG, "--output", "wav:x.wav", *options),
            partial(beside.run, "play", LONG, "--output", "wav:x.wav", *options),
        )
    assert failed.status == 5
    assert failed.sentence == failed.event("error")["message"]
    assert "--bootstrap" in failed.sentence
    assert (played.status, played.err) == (0, "")
    assert samples(beside.folder / "x.wav") == network.pcm(LONG)
    lost = [event["peer_id"] for event in played.events if event["event"] == "source_lost"]
    assert lost == ([server.peer_id] if lie != "false-seals" else [])


def test_the_kill_of_a_source_is_not_heard(tmp_path, music, network):
    """Nor is it to be seen in a file, by either transport."""
    with Server(tmp_path / "mortal", music, code=faulty("mortal")) as server:
        client = Client(tmp_path, server, network.first)
        played, fetched = together(
            partial(client.run, "play", LONG, "--output", "wav:x.wav", "--bitrate", 48),
            partial(client.run, "fetch", network.uris[LONG], "-o", "x.opus", LIGHTPEER_TRANSPORT="grpc"),
        )
        assert server.end().status == -signal.SIGKILL
    assert (played.status, played.err) == (fetched.status, fetched.err) == (0, "")
    assert samples(client.folder / "x.wav") == network.pcm(LONG)
    assert (client.folder / "x.opus").read_bytes() == network.rendition(LONG)
    assert not (client.folder / "x.opus.part").exists()


def test_a_silence_is_given_up_in_one_sentence_where_that_was_asked_for(tmp_path, music):
    with Server(tmp_path / "mortal", music, code=faulty("mortal")) as server:
        played = Client(tmp_path, server).run(
            "play", LONG, "--output", "wav:x.wav", "--give-up", "1", "--json"
        )
        assert server.end().status == -signal.SIGKILL
    assert played.status == 3
    message = played.event("error")["message"]
    assert message.startswith("no sound for 1 s, given up: ")
    assert played.event("waiting")["reason"] in message


@pytest.mark.skipif(platform.system() != "Linux", reason="the peak of memory is read as Linux has it")
@pytest.mark.parametrize("bomb", ["hits", "fitting-hits", "least-chunks"])
def test_a_reply_that_would_become_much_memory(tmp_path, music, network, bomb):
    """Some kilobytes of gzip, which made 220 MB of a client; with both runtimes of protobuf."""
    with Server(tmp_path / "bomb", music, code=faulty(f"bomb-{bomb}")) as server:
        clients = {name: Client(tmp_path / name, server, network.first) for name in ("upb", "python")}
        results = together(
            *(
                partial(
                    client.run,
                    "play",
                    SHORT,
                    "--output",
                    "null",
                    before=KEEP_PEAK,
                    PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=runtime,
                )
                for runtime, client in clients.items()
            )
        )
    assert [(result.status, result.err) for result in results] == [(0, "")] * 2
    peaks_kib = [int((client.folder / "peak").read_text()) for client in clients.values()]
    assert max(peaks_kib) <= PEAK_MIB * 1024, peaks_kib


@pytest.mark.skipif(platform.system() != "Linux", reason="127.0.0.2 is an address of this machine there")
def test_idle_connections_do_not_use_up_the_descriptors(tmp_path, music):
    """As many as one host may have, from each of four, and all that the process may have open."""
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))"
    with Server(tmp_path / "server", music, before=few) as server, ExitStack() as idle:
        for host in range(2, 6):
            for _ in range(ServeLimits.connections_per_host):
                source = (f"127.0.0.{host}", 0)
                connection = idle.enter_context(
                    socket.create_connection(server.address, source_address=source)
                )
                with suppress(OSError):  # it may be closed already
                    connection.sendall(HELLO)
        client = Client(tmp_path / "client", server)
        fetched = client.run("fetch", client.find(SHORT)["uri"], "-o", "x.opus")
        assert (fetched.status, fetched.err) == (0, "")
        assert "cannot accept" not in server.err
