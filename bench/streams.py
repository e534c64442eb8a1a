"""One server process and many listeners: how evenly it paces, and where it saturates.

    python -m bench.streams [--streams 200] [--seconds 10] [--runs 3]
    python -m bench.streams --hours 500 [--streams 1000] [--cold]

Some 200 UDP streams are opened as 14 peers would, and each keeps more asked than it gets,
so the server's pacing alone says when a datagram leaves. Jitter is how far the time between
two datagrams of a stream is from the first one's size over the pace, as the kernel stamps
their arrival. The pace then doubles until the streams get less than 95 % of it. Every
figure is the median of runs with a fresh server each; server and client have a core each.

With `--hours` the streams are of so many tracks, each an hour long at 48 kbit/s (`library.py`), and
begin somewhere in it; it is their number that grows then, until jitter or rate are beyond bounds.
With `--cold` the system is told each second to forget what it holds of the tracks' files.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

import trio

from bench.library import Sound, drop_from_memory, make_library
from bench.links.measure import cpu_s
from bench.links.track import Track, prepare, serve_command
from bench.start import memory_mb
from lightpeer.core.content.uri import TRACK_ID_BYTES, parse_uri
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity
from lightpeer.core.udp.datagram import Pull, UnitRange, build_pull, peek_stream_id
from lightpeer.core.udp.opening import Opening, UdpTerms
from lightpeer.errors import RpcError
from lightpeer.net.system import SystemNetwork
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.rpc.channel import open_channel

HOST = "127.0.0.1"
STREAMS_PER_PEER = 15  # a server drops a peer's 17th
KBIT_S = 48.0
SATURATED = 0.95
JITTER_MS = 20.0  # p99, to reach
MORE_STREAMS = 200
AGAIN_S = 0.2
HOUR_SEGMENTS, HOUR_SOUNDS, HOUR_UNITS = 3600, 50, 6
MEGABYTES = 1.0
AHEAD_S = 4.0  # kept asked, at the pace
PULL_S = 1.0  # a server that hears nothing for 2 s falls silent
WARM_UP_S = 2.0
UNITS = 12  # of a segment of the track; one that it does not have is passed over
SEGMENTS = 80
SEGMENT_BYTES = 12_000
SO_TIMESTAMPNS = 35  # asm-generic/socket.h
UDP_HEADER = 8  # counts for the pace
RECEIVE_BUFFER = 4 << 20


class Arrival(NamedTuple):
    at_s: float
    size: int  # with the UDP header


class Shape(NamedTuple):
    """What a listener asks of its track."""

    segments: int
    units: int  # of each
    segment_bytes: int


SHORT = Shape(SEGMENTS, UNITS, SEGMENT_BYTES)
HOUR = Shape(HOUR_SEGMENTS, HOUR_UNITS, round(KBIT_S * 125))


class Listener:
    """Asks one stream for more than it gets, segment after segment, round and round."""

    def __init__(self, terms: UdpTerms, pace_bytes_per_s: int, shape: Shape = SHORT, first: int = 0) -> None:
        self._terms, self._pace, self._shape = terms, pace_bytes_per_s, shape
        self._pull_no, self._segment = 0, first
        self._ahead_bytes = 0.0
        self.arrivals: list[Arrival] = []

    def pull(self) -> bytes:
        """Return a PULL for what the pace takes until the one after the next."""
        ranges = []
        while self._ahead_bytes < self._pace * AHEAD_S:
            ranges.append(UnitRange(0, self._segment, 0, self._shape.units))
            self._segment = (self._segment + 1) % self._shape.segments
            self._ahead_bytes += self._shape.segment_bytes
        self._ahead_bytes -= self._pace * PULL_S
        self._pull_no += 1
        return build_pull(
            Pull(self._terms.stream_id, self._pull_no, self._pace, self._terms.path_token, 0, ranges),
            self._terms.keys,
        )

    def jitters_s(self, since_s: float) -> Iterator[float]:
        """Yield how far each pause was from what the pace says."""
        late = [one for one in self.arrivals if one.at_s >= since_s]
        for before, after in pairwise(late):
            yield abs(after.at_s - before.at_s - before.size / self._pace)


class Figures(NamedTuple):
    kbit_s: float  # of each stream, as asked
    got: float  # share of it
    jitter_p50_ms: float
    jitter_p99_ms: float
    server_cpu: float  # share of a core
    server_mb: float  # resident


async def open_streams(track_ids: list[bytes], address: tuple[str, int], count: int) -> list[UdpTerms]:
    """Open streams of tracks, one after the other, as several peers would."""
    network = SystemNetwork()
    found: list[UdpTerms] = []
    async with open_channel(network, *address) as channel:
        while len(found) < count:
            identity = Identity(os.urandom(32))
            peer = Peer(channel, Sealer(identity, network), address=address)
            for _ in range(min(STREAMS_PER_PEER, count - len(found))):
                opening, track_id = Opening(os.urandom(32)), track_ids[len(found) % len(track_ids)]
                reply = await opened_in_time(peer, opening.request(track_id))
                assert peer.peer_id is not None
                opened = opening.accept_untrusted(
                    reply, track_id=track_id, client=identity.peer_id, server=peer.peer_id
                )
                assert opened.udp is not None, "the server has no room for so many streams"
                found.append(opened.udp)
    return found


async def opened_in_time(peer: Peer, request: pb.OpenRequest) -> pb.OpenReply:
    """Open as often as one host may: all these peers come from one."""
    while True:
        try:
            return await peer.open(request)
        except RpcError as error:
            if error.code() != StatusCode.RESOURCE_EXHAUSTED:
                raise
            await trio.sleep(AGAIN_S)


def listen(
    terms: list[UdpTerms],
    kbit_s: float,
    seconds: float,
    server: int,
    shape: Shape = SHORT,
    each_second: Callable[[], object] = lambda: None,
) -> Figures:
    """Take all streams at a pace for some seconds."""
    pace, random = round(kbit_s * 125), Random(1)
    firsts = [random.randrange(shape.segments) if shape == HOUR else 0 for _ in terms]
    listeners = {
        one.stream_id: Listener(one, pace, shape, first) for one, first in zip(terms, firsts, strict=True)
    }
    with udp_socket() as receiver:
        used_s = exchange(receiver, listeners, (HOST, terms[0].port), seconds, server, each_second)
    first_s = min(one.arrivals[0].at_s for one in listeners.values() if one.arrivals)
    since_s, until_s = first_s + WARM_UP_S, first_s + seconds
    jitters = sorted(jitter for one in listeners.values() for jitter in one.jitters_s(since_s))
    got = sum(a.size for one in listeners.values() for a in one.arrivals if since_s <= a.at_s < until_s)
    return Figures(
        kbit_s,
        got / (pace * len(terms) * (until_s - since_s)),
        statistics.median(jitters) * 1000,
        jitters[int(len(jitters) * 0.99)] * 1000,
        used_s / seconds,
        memory_mb(server)[0],
    )


def exchange(
    receiver: socket.socket,
    listeners: dict[int, Listener],
    to: tuple[str, int],
    seconds: float,
    server: int,
    each_second: Callable[[], object],
) -> float:
    """Pull each stream once a second, in turns, and note what comes; return the server's CPU time."""
    began, used_s = time.monotonic(), cpu_s(server)
    next_second = began
    agenda = [(began + PULL_S * k / len(listeners), one) for k, one in enumerate(listeners.values())]
    while (now := time.monotonic()) < began + seconds:
        if now >= next_second:
            next_second += 1.0
            each_second()
        while agenda[0][0] <= now:
            due, one = agenda.pop(0)
            receiver.sendto(one.pull(), to)
            agenda.append((due + PULL_S, one))
        if select.select([receiver], [], [], max(0.0, agenda[0][0] - now))[0]:
            take(receiver, listeners)
    return cpu_s(server) - used_s


def take(receiver: socket.socket, listeners: dict[int, Listener]) -> None:
    """Note what has come; the server is trusted, so tags are not checked here."""
    for _ in range(len(listeners)):
        try:
            data, stamps, _, _ = receiver.recvmsg(2048, 64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        stream_id = peek_stream_id(data)
        if stream_id in listeners:
            seconds, nanoseconds = struct.unpack("qq", stamps[0][2])
            listeners[stream_id].arrivals.append(Arrival(seconds + nanoseconds / 1e9, len(data) + UDP_HEADER))


@contextmanager
def udp_socket() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        receiver.bind((HOST, 0))
        yield receiver


@contextmanager
def server(track: Track, checkout: str = ".") -> Iterator[tuple[int, tuple[str, int]]]:
    """Run a server on a core of its own; give its pid and address."""
    process = subprocess.Popen(serve_command(track, f"{HOST}:0"), cwd=checkout, stdout=subprocess.PIPE)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(process.pid, cores[:1])
    os.sched_setaffinity(0, cores[-1:])
    try:
        assert process.stdout is not None
        host, _, port = json.loads(process.stdout.readline())["rpc"].rpartition(":")
        yield process.pid, (host, int(port))
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, help="200; with --hours 1000 at first")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--hours", type=int, metavar="TRACKS", help="so many tracks of an hour")
    parser.add_argument("--cold", action="store_true", help="read from the disk")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the tracks there")
    parser.add_argument("--checkout", default=".", metavar="DIR", help="whose server is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        if options.hours:
            hours(work / f"hours-{options.hours}", options)
        else:
            paces(prepare(work / f"track-{MEGABYTES:g}", MEGABYTES, 1), options)


def paces(track: Track, options: argparse.Namespace) -> None:
    """Double the pace of streams of one track until they get too little."""
    streams = options.streams or 200
    load = os.getloadavg()[0]
    print(f"{streams} streams from one process; load of the machine before: {load:.1f}.\n")
    print("| kbit/s each | Mbit/s in all | of which got | jitter median / p99 ms | server, of a core |")
    print("|---|---|---|---|---|")
    kbit_s = KBIT_S
    while True:
        one = measure(track, [parse_uri(track.uri)], streams, kbit_s, options)
        total = one.kbit_s * streams / 1000
        jitter = f"{one.jitter_p50_ms:.1f} / {one.jitter_p99_ms:.1f}"
        print(f"| {kbit_s:g} | {total:.1f} | {one.got:.1%} | {jitter} | {one.server_cpu:.0%} |", flush=True)
        if one.got < SATURATED:
            break
        kbit_s *= 2
    print(f"\nSaturated at {one.kbit_s * one.got * streams / 1000:.0f} Mbit/s.")


def hours(work: Path, options: argparse.Namespace) -> None:
    """Add streams of long tracks until they are late or get too little."""
    track = Track(work, "")
    ids_file = work / "ids"
    if not ids_file.exists():
        shutil.rmtree(work, ignore_errors=True)
        sounds = [Sound(work / "sounds", int(KBIT_S), HOUR_SEGMENTS, n) for n in range(HOUR_SOUNDS)]
        ids = make_library(track.state(0), track.music, options.hours, sounds, linked=True)
        os.sync()
        ids_file.write_bytes(b"".join(ids))
    data = ids_file.read_bytes()
    ids = [data[start : start + TRACK_ID_BYTES] for start in range(0, len(data), TRACK_ID_BYTES)]

    def forget() -> None:
        drop_from_memory((work / "sounds").iterdir())

    streams = options.streams or 1000
    load = os.getloadavg()[0]
    print(f"{len(ids)} tracks of an hour, {KBIT_S:g} kbit/s; load of the machine before: {load:.1f}.\n")
    print("| streams | of their rate got | jitter median / p99 ms | server, of a core | resident MB |")
    print("|---|---|---|---|---|")
    while True:
        one = measure(track, ids, streams, KBIT_S, options, HOUR, forget if options.cold else lambda: None)
        jitter = f"{one.jitter_p50_ms:.1f} / {one.jitter_p99_ms:.1f}"
        print(
            f"| {streams} | {one.got:.1%} | {jitter} | {one.server_cpu:.0%} | {one.server_mb:.0f} |",
            flush=True,
        )
        if one.got < SATURATED or one.jitter_p99_ms > JITTER_MS:
            break
        streams += MORE_STREAMS


def measure(
    track: Track,
    track_ids: list[bytes],
    streams: int,
    kbit_s: float,
    options: argparse.Namespace,
    shape: Shape = SHORT,
    each_second: Callable[[], object] = lambda: None,
) -> Figures:
    """Measure fresh servers; return the medians."""
    found = []
    for _ in range(options.runs):
        with server(track, options.checkout) as (pid, address):
            terms = trio.run(open_streams, track_ids, address, streams)
            found.append(listen(terms, kbit_s, options.seconds, pid, shape, each_second))
    return Figures(*(statistics.median(column) for column in zip(*found, strict=True)))


if __name__ == "__main__":
    main()
