"""The ways in which a server may lie that the protocol allows: each spoils one server, and gives it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest import mock

import trio

from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity
from lightpeer.core.udp.sender import StreamSender
from lightpeer.errors import RpcError
from lightpeer.peering.sealing import TIME_METADATA
from lightpeer.rpc.server import Context, Requests, stream_stream, unary_unary
from tests.pair import MadeTrack, Serving, made_track
from tests.sim.swarm import record_of

PULL, OPEN, SEARCH = (f"/loudp2p.v1.{name}" for name in ("Streams/Pull", "Streams/Open", "Index/Search"))

Spoil = Callable[[Serving, Random], Any]  # gives a context manager


@contextmanager
def _content(server: Serving, change: Callable[[MadeTrack], MadeTrack]) -> Iterator[None]:
    """Change what a server holds; several changes may overlap, and the first to begin may end first."""
    honest = vars(server.shelf).setdefault("honest", server.shelf.tracks)
    changes = vars(server.shelf).setdefault("changes", [])

    def hold() -> None:
        server.shelf.tracks = honest
        for each in changes:
            server.shelf.tracks = {track_id: each(made) for track_id, made in server.shelf.tracks.items()}
        _forget_objects(server)

    changes.append(change)
    hold()
    yield
    changes.remove(change)
    hold()


def _forget_objects(server: Serving) -> None:
    """Have everything read again; in place, for the readers go on."""
    objects = server.streams._objects
    objects._objects.clear()
    objects._bytes = 0


class _Lying:
    """A track whose objects are changed as they are read."""

    def __init__(
        self,
        made: MadeTrack,
        change: Callable[[int, int, bytes], bytes] = lambda *read: read[-1],
        **more: Any,
    ) -> None:
        self._made, self._change = made, change
        self.__dict__.update(more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)

    def read(self, rendition: int, segment: int) -> bytes:
        return self._change(rendition, segment, self._made.read(rendition, segment))


def _flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def flipped_bits(server: Serving, random: Random) -> Any:
    share = random.choice([0.1, 1.0])

    def change(_: int, segment: int, data: bytes) -> bytes:
        return _flip(data) if segment < TABLE_BASE and random.random() < share else data

    return _content(server, lambda made: _Lying(made, change))  # type: ignore[arg-type,return-value]


def wrong_sizes(server: Serving, random: Random) -> Any:
    extra = random.choice([-700, -1, 1, 900])

    def change(_: int, segment: int, data: bytes) -> bytes:
        return data if segment >= TABLE_BASE else data[:extra] if extra < 0 else data + bytes(extra)

    return _content(server, lambda made: _Lying(made, change))  # type: ignore[arg-type,return-value]


def wrong_tables(server: Serving, random: Random) -> Any:
    def change(_: int, segment: int, data: bytes) -> bytes:
        return _flip(data) if segment >= TABLE_BASE else data

    return _content(server, lambda made: _Lying(made, change))  # type: ignore[arg-type,return-value]


def objects_fail(server: Serving, error: Exception) -> Any:
    """Have every read fail, as of a bad disk."""

    def fail(_rendition: int, _segment: int, _data: bytes) -> bytes:
        raise error

    return _content(server, lambda made: _Lying(made, fail))  # type: ignore[arg-type,return-value]


def wrong_manifest(server: Serving, random: Random) -> Any:
    other = made_track(20, title="Another")
    return _content(server, lambda made: _Lying(made, manifest=other.manifest))  # type: ignore[arg-type,return-value]


@contextmanager
def _of_streams(server: Serving, spoil: Callable[[StreamSender], object]) -> Iterator[None]:
    """Spoil the senders of the streams that there are and come."""
    opened = server.streams.open
    spoilt: list[StreamSender] = []

    def take(sender: StreamSender) -> None:
        spoil(sender)
        spoilt.append(sender)

    def open_stream(**terms: Any) -> Any:
        result = opened(**terms)
        if result is not None:
            take(server.streams._streams[result.stream_id].sender)
        return result

    for stream in server.streams._streams.values():
        take(stream.sender)
    server.streams.open = open_stream  # type: ignore[method-assign]
    yield
    server.streams.open = opened  # type: ignore[method-assign]
    for sender in spoilt:
        for name in ("_build", "datagrams_to_send"):
            sender.__dict__.pop(name, None)


def empty_data(server: Serving, random: Random) -> Any:
    def spoil(sender: StreamSender) -> None:
        build = sender._build
        sender._build = lambda unit, _, *when: build(unit, b"", *when)  # type: ignore[method-assign]

    return _of_streams(server, spoil)


def keeps_back(server: Serving, random: Random) -> Any:
    unit_number = random.randrange(4)

    def spoil(sender: StreamSender) -> None:
        give = sender.datagrams_to_send
        build = sender._build

        def build_or_keep(unit: Any, payload: bytes, *when: Any) -> Any:
            return (b"", sender._address) if unit.unit == unit_number else build(unit, payload, *when)

        sender._build = build_or_keep  # type: ignore[method-assign,assignment]
        sender.datagrams_to_send = lambda *a: [d for d in give(*a) if d[0]]  # type: ignore[method-assign]

    return _of_streams(server, spoil)


def mute(server: Serving, random: Random) -> Any:
    def spoil(sender: StreamSender) -> None:
        give = sender.datagrams_to_send
        sender.datagrams_to_send = lambda *a: give(*a) and []  # type: ignore[method-assign]

    return _of_streams(server, spoil)


def holds(server: Serving, random: Random) -> Any:
    def spoil(sender: StreamSender) -> None:
        build = sender._build

        def lie(unit: Any, payload: bytes, pull_no: int, arrived_s: float, now: float) -> Any:
            return build(unit, payload, pull_no, now - random.choice([0.0, 0.3, 6.0, 7.0]), now)

        sender._build = lie  # type: ignore[method-assign]

    return _of_streams(server, spoil)


def floods(server: Serving, random: Random) -> Any:
    def spoil(sender: StreamSender) -> None:
        give = sender.datagrams_to_send
        times = random.choice([2, 20])
        sender.datagrams_to_send = lambda *a: [d for d in give(*a) for _ in range(times)]  # type: ignore[method-assign]

    return _of_streams(server, spoil)


def repeats(server: Serving, random: Random) -> Any:
    """Send the last datagram again and again in place of the next."""

    def spoil(sender: StreamSender) -> None:
        give, last = sender.datagrams_to_send, []

        def again(*arguments: Any) -> Any:
            new = give(*arguments)
            last.extend(new[:1] if not last else [])
            return [last[0] for _ in new]

        sender.datagrams_to_send = again  # type: ignore[method-assign]

    return _of_streams(server, spoil)


def paths(server: Serving, random: Random) -> Any:
    """Show a new path token with each datagram."""

    def spoil(sender: StreamSender) -> None:
        give = sender.datagrams_to_send

        def with_paths(now: float, *more: Any) -> Any:
            sent = give(now, *more)
            if sender._address is None:
                return sent
            sender._token = random.getrandbits(32)
            return [datagram for one in sent for datagram in (one, sender._show_path(now))]

        sender.datagrams_to_send = with_paths  # type: ignore[method-assign]

    return _of_streams(server, spoil)


@contextmanager
def _handler(server: Serving, path: str, handler: Any) -> Iterator[None]:
    with mock.patch.dict(server.rpc._handlers, {path: handler}):
        yield


def mute_grpc(server: Serving, random: Random) -> Any:
    async def never(_requests: Requests, _context: Context) -> None:
        await trio.sleep_forever()

    return _handler(server, PULL, stream_stream(never))


def wrong_chunks(server: Serving, random: Random) -> Any:
    service = server.services

    async def other(requests: Requests, context: Context) -> None:
        with mock.patch.object(service, "_track", return_value=made_track(200)):
            await service.pull(requests, context)

    return _handler(server, PULL, stream_stream(other))


def _refusal(code: StatusCode, text: str) -> Spoil:
    def spoil(server: Serving, random: Random) -> Any:
        async def refuse(_data: bytes, _context: Context) -> bytes:
            raise RpcError(code, text)

        return _handler(server, OPEN, unary_unary(refuse))

    return spoil


def bad_seals(server: Serving, random: Random) -> Any:
    async def spoil(data: bytes, context: Context) -> bytes:
        reply = await server.services.open(data, context)
        return reply[:-1] + bytes([reply[-1] ^ 1])

    return _handler(server, OPEN, unary_unary(spoil))


def stale(server: Serving, random: Random) -> Any:
    """Call every seal stale, and name another time each time."""

    async def refuse(_data: bytes, _context: Context) -> bytes:
        time_ms = str(random.randrange(10**14))
        raise RpcError(StatusCode.UNAUTHENTICATED, "stale: by our clock", [(TIME_METADATA, time_ms)])

    return _handler(server, OPEN, unary_unary(refuse))


@contextmanager
def dead_ends(server: Serving, random: Random) -> Iterator[None]:
    """Name holders that are not there."""
    host = server.host
    nobody = [Identity(random.randbytes(32)) for _ in range(3)]
    records = [record_of(host, identity) for identity in nobody]
    before = list(server.gossip.view.records)
    for record in records:
        server.gossip.view.add(record)
    yield
    for record in server.gossip.view.records:
        if record not in before:
            server.gossip.view.remove(record.peer_id)


def no_inline(server: Serving, random: Random) -> Any:
    return _opened(server, lambda reply: reply.ClearField("chunks"))


def bad_inline(server: Serving, random: Random) -> Any:
    def spoil(reply: Any) -> None:
        for chunk in reply.chunks:
            kind = random.randrange(5)
            if kind == 0:
                chunk.data = b""
            elif kind == 1:
                chunk.data = _flip(chunk.data)
            elif kind == 2:
                chunk.segment = random.choice([1, 5, 2**24 - 1, TABLE_BASE, TABLE_BASE + 1])
            elif kind == 3:
                chunk.data = chunk.data[:700]
            else:
                chunk.data = chunk.data + bytes(700)

    return _opened(server, spoil)


@contextmanager
def _opened(server: Serving, change: Callable[[Any], object]) -> Iterator[None]:
    service = server.services
    honest = service._opened

    async def opened(*arguments: Any) -> Any:
        reply = await honest(*arguments)
        change(reply)
        return reply

    service._opened = opened
    service._search._open_track, before = opened, service._search._open_track
    yield
    service._opened = honest
    service._search._open_track = before


SPOIL: dict[str, Spoil] = {
    "flipped bits": flipped_bits,
    "wrong sizes": wrong_sizes,
    "wrong tables": wrong_tables,
    "wrong manifest": wrong_manifest,
    "empty data": empty_data,
    "keeps back": keeps_back,
    "mute": mute,
    "mute grpc": mute_grpc,
    "wrong chunks": wrong_chunks,
    "holds": holds,
    "floods": floods,
    "repeats": repeats,
    "paths": paths,
    "refuses": _refusal(StatusCode.UNAVAILABLE, "not now"),
    "not here": _refusal(StatusCode.NOT_FOUND, "the track is not here"),
    "busy": _refusal(StatusCode.RESOURCE_EXHAUSTED, "too much to do"),
    "bad seals": bad_seals,
    "stale": stale,
    "dead ends": dead_ends,
    "no inline": no_inline,
    "bad inline": bad_inline,
}
