"""What strangers can do to a server: how much it holds for them, and what an honest listener notices.

    python -m bench.floods [--runs 3] [--seconds 20] [--kinds replies messages places calls silent dials all]

A real server on loopback; an attacking process that comes from 127.0.0.2 to 127.0.0.9, each host with
as many connections as it gets; and `lightpeer play` from 127.0.0.1, first with nobody else there, then
beside each attack. Each figure is the median of runs: the most memory beyond rest (the kernel's
high-water mark), the time to the first sound, and the breaks. All three processes share the cores.

The kinds: `replies` are sealed Opens of 256 KiB for which no window is given; `messages` are small ones
behind a Pull that waits, and metadata that takes two bytes a pair on the wire; `places` are calls without
a message on as many connections as there can be; `calls` are as many of a method that does not exist as
the link carries, from the connections of one host; `silent` are connections that say no more than a
greeting; `dials` are introductions of servers at addresses that accept and never answer; `all` is
everything at once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import h2.config
import h2.connection
import h2.exceptions
import h2.settings
import trio

from bench.footprint import LIGHTPEER
from bench.links.track import Track, prepare, serve_command
from bench.start import memory_mb
from lightpeer.core.addresses import Endpoint
from lightpeer.core.content.uri import parse_uri
from lightpeer.core.rpc.framing import encode_message
from lightpeer.core.trust.identity import Identity, PeerId, parse_peer_id
from lightpeer.core.trust.records import Role, build_record
from lightpeer.core.trust.seals import ClientSeals
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

HOSTS = [f"127.0.0.{n}" for n in range(2, 10)]
CONNECTIONS = 64  # that a host may have
CALLS = 100  # that a connection may have
INLINE_BYTES = 256 * 1024
MEGABYTES = 0.25  # of the track: some twenty seconds
AGAIN_S = 0.05  # until a connection that was cut is made anew
HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "a"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


class Target(NamedTuple):
    """Whom the attack is on, and the track that it has."""

    port: int
    peer_id: PeerId
    track_id: bytes


class Raw:
    """One connection of the attacker's, which gives no window and reads nothing but what ends it."""

    def __init__(self, target: Target, stream: trio.SocketStream, tarpit: Endpoint) -> None:
        self.target = target
        self.tarpit = tarpit  # of its host: an address that accepts and never answers
        self._stream = stream
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
        self._h2.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}
        )
        self._h2.initiate_connection()

    def call(self, path: str, *messages: bytes, more: int = 0) -> int:
        """Begin a call with some messages, and with more of the same pair of metadata; leave it open."""
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, [(":path", path), *HEADERS, *[("a", "b")] * more])
        for message in messages:
            self._h2.send_data(stream_id, encode_message(message))
        return stream_id

    async def flush(self) -> None:
        """Send what was made."""
        await self._stream.send_all(self._h2.data_to_send())

    async def take(self) -> None:
        """Read until the server ends it, answering nothing."""
        while await self._stream.receive_some(65536):
            pass


def sealed(target: Target, identity: Identity, path: str, *bodies: bytes) -> list[bytes]:
    """Return requests of one call, sealed by a peer of the attacker's."""
    seals = ClientSeals(
        identity, path, time_ms=int(time.time() * 1000), nonce=os.urandom(12), recipient=target.peer_id
    )
    return [seals.seal_request(body) for body in bodies]


def replies(raw: Raw) -> Iterator[None]:
    path, identity = "/loudp2p.v1.Streams/Open", Identity(os.urandom(32))
    body = pb.OpenRequest(track_id=raw.target.track_id, inline_bytes=INLINE_BYTES).SerializeToString()
    for _ in range(CALLS):
        raw.call(path, *sealed(raw.target, identity, path, body))
        yield


def messages(raw: Raw) -> Iterator[None]:
    path, identity = "/loudp2p.v1.Streams/Pull", Identity(os.urandom(32))
    wanted = pb.PullRequest(track_id=raw.target.track_id, ranges=[pb.Range(rendition=0, first=0, count=20)])
    for _ in range(CALLS):
        (first,) = sealed(raw.target, identity, path, wanted.SerializeToString())
        raw.call(path, first, *[b""] * 1000, more=400)
        yield


def places(raw: Raw) -> Iterator[None]:
    for number in range(CALLS):
        raw.call("/grpc.health.v1.Health/Watch" if number % 2 else "/loudp2p.v1.Streams/Pull")
        yield


def calls(raw: Raw) -> Iterator[None]:
    while True:
        for _ in range(50):
            raw.call("/loudp2p.v1.Streams/Nothing")
        yield


def silent(_: Raw) -> Iterator[None]:
    yield


def dials(raw: Raw) -> Iterator[None]:
    path = "/loudp2p.v1.Discovery/Exchange"
    for _ in range(CALLS):
        identity, now_s = Identity(os.urandom(32)), int(time.time())
        record = build_record(identity, [raw.tarpit], Role.SERVES, now_s, now_s + 3600)
        body = pb.ExchangeRequest(records=[record], want=1).SerializeToString()
        raw.call(path, *sealed(raw.target, identity, path, body))
        yield


KINDS: dict[str, tuple[Callable[[Raw], Iterator[None]], list[str]]] = {
    "replies": (replies, HOSTS),
    "messages": (messages, HOSTS),
    "places": (places, HOSTS),
    "calls": (calls, HOSTS[:1]),
    "silent": (silent, HOSTS),
    "dials": (dials, HOSTS),
}


async def keep_at_it(target: Target, tarpit: Endpoint, make: Callable[[Raw], Iterator[None]]) -> None:
    """Attack over one connection, and another each time that it is cut."""
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", target.port, local_address=tarpit[0])
            async with stream, trio.open_nursery() as nursery:
                raw = Raw(target, stream, tarpit)
                nursery.start_soon(_until_cut, raw, nursery.cancel_scope)
                for _ in make(raw):
                    await raw.flush()
                await trio.sleep_forever()
        except* (OSError, trio.BrokenResourceError, h2.exceptions.ProtocolError):
            pass
        await trio.sleep(AGAIN_S)


async def _until_cut(raw: Raw, scope: trio.CancelScope) -> None:
    with contextlib.suppress(OSError, trio.BrokenResourceError):
        await raw.take()
    scope.cancel()


def attack(target: Target, kinds: list[str]) -> None:
    """Attack in so many ways, for ever."""

    tarpits: list[socket.socket] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for kind in kinds:
                make, hosts = KINDS[kind]
                for host in hosts:
                    tarpits.append(socket.create_server((host, 0)))
                    for _ in range(CONNECTIONS):
                        nursery.start_soon(keep_at_it, target, tarpits[-1].getsockname(), make)

    trio.run(main)


class Heard(NamedTuple):
    """What a listener noticed."""

    status: int
    first_sound_ms: float
    breaks: int
    break_s: float


def listen(track: Track, address: str, folder: Path) -> Heard:
    """Play the track to its end."""
    stats = folder / "stats.json"
    stats.unlink(missing_ok=True)
    command = [*LIGHTPEER, "play", track.uri, "--bootstrap", address, "--output", "null"]
    command += ["--stats", str(stats), "--state", str(folder / "listener")]
    status = subprocess.run(command, check=False, capture_output=True).returncode
    if status:
        return Heard(status, float("inf"), 0, float("inf"))
    told = json.loads(stats.read_text().splitlines()[-1])
    return Heard(status, told["time_to_first_audio_ms"], told["rebuffers"], told["rebuffer_s"])


def one_run(track: Track, kinds: list[str], seconds: float, folder: Path) -> tuple[float, Heard]:
    """Return the most memory beyond rest in MB, and what a listener noticed beside such an attack."""
    server = subprocess.Popen(serve_command(track, "127.0.0.1:0"), stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        listening = json.loads(server.stdout.readline())
        address = listening["rpc"]
        listen(track, address, folder)  # so that all is loaded, and in the system's memory
        rest_mb, _ = memory_mb(server.pid)
        port = int(address.rpartition(":")[2])
        target = Target(port, parse_peer_id(listening["peer_id"]), parse_uri(track.uri))
        attacker = multiprocessing.get_context("fork").Process(target=attack, args=(target, kinds))
        if kinds:
            attacker.start()
            time.sleep(seconds / 2)
        heard = listen(track, address, folder)
        if kinds:
            time.sleep(seconds / 2)
            attacker.kill()
            attacker.join()
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode}")
        return memory_mb(server.pid)[1] - rest_mb, heard
    finally:
        server.kill()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each attack, beside the listening")
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS, "all"], default=[*KINDS, "all"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        track = prepare(folder / "track", MEGABYTES, 1)
        print("| attack | MB beyond rest | first sound ms | breaks | s of them | status |")
        print("|---|---|---|---|---|---|")
        for kind in ["nobody", *options.kinds]:
            kinds = {"nobody": [], "all": [*KINDS]}.get(kind, [kind])
            runs = [one_run(track, kinds, options.seconds, folder) for _ in range(options.runs)]
            held_mb = statistics.median(held for held, _ in runs)
            figures = zip(*(heard for _, heard in runs), strict=True)
            status, first_ms, breaks, break_s = map(statistics.median, figures)
            print(
                f"| {kind} | {held_mb:.1f} | {first_ms:.0f} | {breaks:g} | {break_s:.2f} | {status:g} |",
                flush=True,
            )


if __name__ == "__main__":
    socket.setdefaulttimeout(10.0)
    main()
