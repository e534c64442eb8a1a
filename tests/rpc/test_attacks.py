"""The known attacks on HTTP/2 and gRPC servers, against ours: what they cost, and that others are served.

A hostile client writes raw frames into a memory stream; an honest one calls on a connection of its
own before, while and after. Time is virtual, and memory is what Python has allocated at the most.

Sources: CVE-2016-6581 (HPACK bomb), CVE-2019-9511 to 9518, CVE-2023-44487 (rapid reset), CVE-2024-27316
and its like (CONTINUATION), CVE-2025-8671 (made resets).
"""

from __future__ import annotations

import gc
import itertools
import logging
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import hpack
import pytest
import trio
import trio.testing

from lightpeer.core.guard.turns import (
    BURST_S,
    OWN_BURST,
    OWN_DEBT,
    OWN_PER_S,
    READ_WORK,
    TURN_WORK,
    Turn,
    Turns,
)
from lightpeer.core.rpc.frame_gate import ErrorCode, FrameType
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import CALL_WORK, ServerConnection
from lightpeer.core.rpc.stuck_watch import STUCK_S
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.link import STALLED_WRITE_S, Hooks, Link
from lightpeer.rpc.server import LIMITS, REQUEST_S, RpcServer, ServerBounds
from tests.rpc.service import Fixture, MemoryStream, run, serving, stream_pair

pytestmark = pytest.mark.no_cover  # long runs, three times as long under coverage

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
KIB, MIB = 1024, 1024 * 1024
FLOOD_BYTES = 4 * MIB  # whoever may send so much without being cut off is not held back
END_STREAM, END_HEADERS, PADDED, ACK = 0x1, 0x4, 0x8, 0x1


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream_id: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream_id) + payload


def request(path: bytes = b"/t/Sleep", *more: tuple[bytes, bytes]) -> bytes:
    """A block of header fields that leaves the decoder's table alone."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"a")]
    fields += [(b"te", b"trailers"), (b"content-type", b"application/grpc"), *more]
    return hpack.Encoder().encode([(*field, True) for field in fields])


REQUEST = request()
HELLO = PREFACE + frame(FrameType.SETTINGS)


def headers(stream_id: int, block: bytes = REQUEST, flags: int = END_HEADERS) -> bytes:
    return frame(FrameType.HEADERS, block, flags=flags, stream_id=stream_id)


def data(stream_id: int, payload: bytes, flags: int = 0) -> bytes:
    return frame(FrameType.DATA, payload, flags=flags, stream_id=stream_id)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(FrameType.SETTINGS, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream_id: int, increment: int) -> bytes:
    return frame(FrameType.WINDOW_UPDATE, struct.pack(">I", increment), stream_id=stream_id)


def frames_in(received: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Read what the server sent: type, stream and payload of each whole frame."""
    while len(received) >= 9:
        length = int.from_bytes(received[:3], "big")
        yield received[3], int.from_bytes(received[5:9], "big"), received[9 : 9 + length]
        received = received[9 + length :]


def goaway_code(received: bytes) -> int:
    (payload,) = (payload for kind, _, payload in frames_in(received) if kind == FrameType.GOAWAY)
    return struct.unpack(">I", payload[4:8])[0]


class Hostile:
    """A raw connection to the server."""

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
        self.received = bytearray()
        self.is_cut = trio.Event()

    async def read(self) -> None:
        """Take what comes to the end, so that the server's writes are not what ends it."""
        try:
            while piece := await self.stream.receive_some():
                self.received += piece
                if len(self.received) > MIB:  # what counts is at the end
                    del self.received[: 512 * KIB]
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self.is_cut.set()

    async def send(self, piece: bytes) -> None:
        try:
            await self.stream.send_all(piece)
        except trio.BrokenResourceError:
            self.is_cut.set()

    async def flood(self, pieces: Iterator[bytes]) -> int:
        """Send until cut off; give how many bytes that took."""
        sent = 0
        while not self.is_cut.is_set() and sent < FLOOD_BYTES and (piece := next(pieces, None)):
            await self.send(piece)
            sent += len(piece)
        return sent


async def attack(f: Fixture, host: str = "192.0.2.1") -> Hostile:
    """Connect to the server; the stream holds no more than one write at a time."""
    ours, theirs = stream_pair(trio.testing.lockstep_stream_pair)
    theirs.peer_address = (host, 2000)
    await f.network.listener.put.send(theirs)
    return Hostile(ours)


async def is_served(f: Fixture) -> None:
    with trio.fail_after(1):
        assert await f.channel.unary_unary("/t/Echo")(b"honest") == b"honest"


@contextmanager
def memory_below(most_bytes: int) -> Iterator[None]:
    """Check how much more memory than before is in use at any moment."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < most_bytes, f"{peak - before} bytes"


# --- floods, each without an end; they are cut off by their budget ---------------------------------


def repeat(piece: bytes, before: bytes = b"") -> Iterator[bytes]:
    """A flood of equal frames, some at a time."""
    yield HELLO + before
    yield from itertools.repeat(piece * max(1, 8 * KIB // len(piece)))


def each_stream(make: Callable[[int], bytes], before: bytes = b"") -> Iterator[bytes]:
    """A flood with a new stream each time."""
    yield HELLO + before
    for first in itertools.count(1, 128):
        yield b"".join(make(stream_id) for stream_id in range(first, first + 128, 2))


RST = struct.pack(">I", 8)
FLOODS = {
    "rapid reset": lambda: each_stream(lambda n: headers(n) + frame(FrameType.RST_STREAM, RST, stream_id=n)),
    "made resets": lambda: each_stream(lambda n: headers(n) + window_update(n, 2**31 - 1)),
    "more streams than allowed": lambda: each_stream(headers),
    "settings": lambda: repeat(settings((4, 65535))),
    "settings by the thousand": lambda: repeat(settings(*((n, 1) for n in range(9, 2000)))),
    "settings without a setting": lambda: repeat(settings()),
    "ping": lambda: repeat(frame(FrameType.PING, bytes(8))),
    "priority": lambda: repeat(frame(FrameType.PRIORITY, struct.pack(">IB", 3, 1), stream_id=1)),
    "unknown frames": lambda: repeat(frame(0x42)),
    "empty data": lambda: repeat(data(1, b""), headers(1)),
    "padded empty data": lambda: repeat(data(1, b"\0", PADDED), headers(1)),
    "dribbled windows": lambda: repeat(
        window_update(1, 1),
        settings((4, 0)) + headers(1, request(b"/t/Count")) + data(1, b"\0\0\0\0\x091 1000000", END_STREAM),
    ),
    "endless header fields": lambda: repeat(
        frame(FrameType.CONTINUATION, b"\x40\x01a\x01b" * 200, stream_id=1), headers(1, b"", flags=0)
    ),
    "empty continuations": lambda: repeat(
        frame(FrameType.CONTINUATION, stream_id=1), headers(1, REQUEST, flags=0)
    ),
}
OTHER_CODES = {
    "more streams than allowed": {ErrorCode.ENHANCE_YOUR_CALM, ErrorCode.PROTOCOL_ERROR},
    "empty continuations": {ErrorCode.PROTOCOL_ERROR},  # h2 takes 64 of them
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_cut_off_and_an_honest_client_is_served_meanwhile(name, caplog):
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            await is_served(f)
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            with memory_below(3 * MIB):
                nursery.start_soon(is_served, f)
                assert await hostile.flood(FLOODS[name]()) < FLOOD_BYTES
                with trio.fail_after(1):
                    await hostile.is_cut.wait()
            assert goaway_code(bytes(hostile.received)) in OTHER_CODES.get(
                name, {ErrorCode.ENHANCE_YOUR_CALM}
            )
            await is_served(f)
            assert f.calls_left == 0

    with caplog.at_level(logging.INFO, logger="lightpeer"):
        run(main)
    (record,) = caplog.records
    assert "192.0.2.1:2000 ended" in record.message


# --- a single blow that ends the connection --------------------------------------------------------

LARGE_FIELD = b"\x40\x01a\x7f\x81\x1e" + bytes(3968)  # a literal of 3968 bytes, put into HPACK's table
BLOWS = {
    "header list bomb": (
        headers(1, LARGE_FIELD + b"\xbe" * 12_000),  # 48 MB
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "header table bomb": (headers(1, b"\x3f" + b"\xe1\xff\xff\x7f"), ErrorCode.PROTOCOL_ERROR),
    "broken header fields": (headers(1, b"\xff" * 100), ErrorCode.PROTOCOL_ERROR),
    "no window for the connection": (window_update(0, 0), ErrorCode.PROTOCOL_ERROR),
    "no window for a stream": (headers(1) + window_update(1, 0), ErrorCode.PROTOCOL_ERROR),
    "too much window": (window_update(0, 2**31 - 1), ErrorCode.FLOW_CONTROL_ERROR),
    "too much window by a setting": (
        headers(1) + window_update(1, 2**31 - 65536) + settings((4, 2**31 - 1)),
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "more data than the window": (
        headers(1, request(b"/t/Ignore")) + data(1, b"\0\0\0\x3f\xfb" + bytes(16379)) * 17,
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "a frame above the limit": (b"\x00\x40\x01" + bytes(6), ErrorCode.FRAME_SIZE_ERROR),
    "a settings frame cut short": (frame(FrameType.SETTINGS, bytes(5)), ErrorCode.FRAME_SIZE_ERROR),
    "data on a stream never opened": (data(7, b"x"), ErrorCode.PROTOCOL_ERROR),
    "a stream of the server's": (headers(2), ErrorCode.PROTOCOL_ERROR),
    "push": (frame(FrameType.PUSH_PROMISE, bytes(4), stream_id=1), ErrorCode.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", BLOWS)
def test_a_breach_ends_its_connection_alone_with_the_right_code_and_is_logged_once(name, caplog):
    blow, code = BLOWS[name]

    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            await is_served(f)
            call = f.channel.unary_unary("/t/Sleep")(b"5")
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            with memory_below(MIB), trio.fail_after(1):
                await hostile.send(HELLO + blow + frame(FrameType.PING, bytes(8)) * 100)
                await hostile.is_cut.wait()
            assert goaway_code(bytes(hostile.received)) == code
            assert await call == b"awake"

    with caplog.at_level(logging.INFO, logger="lightpeer"):
        run(main)
    (record,) = caplog.records
    assert "192.0.2.1:2000 ended" in record.message


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_after_the_preface_end_it(seed, caplog):
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            with memory_below(MIB), trio.fail_after(1000):
                await hostile.send(HELLO + random.Random(seed).randbytes(5000))
                await hostile.is_cut.wait()
            assert goaway_code(bytes(hostile.received)) != ErrorCode.NO_ERROR
            await is_served(f)

    with caplog.at_level(logging.INFO, logger="lightpeer"):
        run(main)
    assert len(caplog.records) == 1


# --- what only ends a call -------------------------------------------------------------------------


def gzip_of(size: int) -> bytes:
    deflate = zlib.compressobj(1, wbits=31)
    return deflate.compress(bytes(size)) + deflate.flush()


def message(payload: bytes, compressed: bool = False, length: int | None = None) -> bytes:
    return struct.pack(">BI", compressed, len(payload) if length is None else length) + payload


GZIP = (b"grpc-encoding", b"gzip")
BAD_CALLS = {  # the data, and the status
    "a length of 4 GiB": (message(bytes(1000), length=2**32 - 1), b"8"),
    "a length just above the limit": (message(b"", length=4 * MIB + 1), b"8"),
    "a bomb of gzip": (message(gzip_of(64 * MIB), compressed=True), b"8"),
    "what is not gzip": (message(b"\x1f\x8b" + bytes(100), compressed=True), b"13"),
    "an unknown flag": (b"\x02" + bytes(4), b"13"),
    "half a message": (message(b"abc", length=4), b"13"),
    "no message": (b"", b"13"),
    "two messages": (message(b"a") * 2, b"13"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_call_that_breaks_grpc_is_answered_and_nothing_is_held_for_it(name):
    payload, status = BAD_CALLS[name]
    pieces = [payload[at : at + 16384] for at in range(0, len(payload), 16384)] or [b""]
    sent = b"".join(data(1, piece) for piece in pieces[:-1]) + data(1, pieces[-1], END_STREAM)

    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            with memory_below(13 * MIB if "bomb" in name else MIB):
                await hostile.send(HELLO + headers(1, request(b"/t/Echo", GZIP)) + sent)
                await trio.testing.wait_all_tasks_blocked()
            (answer,) = (p for kind, n, p in frames_in(bytes(hostile.received)) if kind == FrameType.HEADERS)
            assert (b"grpc-status", status) in hpack.Decoder().decode(answer, raw=True)
            assert f.server.connection_count == 1
            assert f.calls_left == 0
            await is_served(f)
            await hostile.stream.aclose()

    run(main)


# --- what is bounded, and not refused --------------------------------------------------------------


def test_settings_that_nobody_knows_are_not_kept(caplog):
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO)
            for first in range(9, 9000, 1000):
                await hostile.send(settings(*((n, 1) for n in range(first, first + 1000))))
            await trio.testing.wait_all_tasks_blocked()
            (core,) = (client.core for client in f.server._intake.clients)
            assert len(core._h2.remote_settings) < 20
            await is_served(f)
            await hostile.stream.aclose()

    run(main)
    assert not caplog.records


def test_the_table_of_our_header_fields_stays_small_whatever_the_client_allows():
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + settings((1, 2**32 - 1)))
            for n in range(1, 200, 2):  # the last field comes back in the trailers
                block = request(b"/t/Echo", (b"k", b"%d" % n * 500))
                await hostile.send(headers(n, block) + data(n, message(b""), END_STREAM))
            await trio.testing.wait_all_tasks_blocked()
            (core,) = (client.core for client in f.server._intake.clients)
            assert core._h2.encoder.header_table_size == 4096
            await hostile.stream.aclose()

    run(main)


def test_what_calls_that_nobody_answers_hold_is_bounded_by_the_connections_window():
    async def main():
        async with serving(server_limits=LIMITS) as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            most = LIMITS.connection_window_bytes
            piece = message(bytes(16379))
            await is_served(f)  # what the client half imports counts as no memory held
            with memory_below(2 * most):
                await hostile.send(HELLO)
                for n in range(1, 2 * (most // len(piece)), 2):
                    await hostile.send(headers(n, request(b"/t/Ignore")) + data(n, piece))
                await is_served(f)
                assert not hostile.is_cut.is_set()
                await hostile.send(data(1, piece))  # above the window
                await hostile.is_cut.wait()
            assert goaway_code(bytes(hostile.received)) == ErrorCode.FLOW_CONTROL_ERROR

    run(main)


def test_a_client_that_never_reads_is_cut_off_and_stops_its_handlers():
    async def main():
        async with serving() as f:
            hostile = await attack(f)
            count = request(b"/t/Count"), message(b"1000 50000")
            with memory_below(8 * MIB):
                await hostile.send(HELLO)
                for n in range(1, 20, 2):
                    await hostile.send(headers(n, count[0]) + data(n, count[1], END_STREAM))
                await trio.testing.wait_all_tasks_blocked()
                assert f.service.written <= 10 * (50_000 + 128 * KIB)
                await is_served(f)
                await trio.sleep(STALLED_WRITE_S + 1)
            assert f.server.connection_count == 1  # the honest one
            await is_served(f)

    run(main)


def test_a_client_that_never_gives_window_holds_a_bounded_part_of_each_reply():
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            with memory_below(8 * MIB):
                await hostile.send(HELLO + settings((4, 0)))
                for n in range(1, 100, 2):
                    block = request(b"/t/Count")
                    await hostile.send(headers(n, block) + data(n, message(b"1000 10000"), END_STREAM))
                await trio.testing.wait_all_tasks_blocked()
                # Each got its share of what was open by then: in all less than three times the bound.
                assert f.service.written <= 50 * 10_000 + 3 * Limits().connection_send_bytes
                await is_served(f)
            await hostile.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
            assert f.server.connection_count == 1

    run(main)


# --- memory, however it is tried ------------------------------------------------------------------

HELD = 4 * MIB
INDEXED = b"\x40\x01a\x01b" + b"\xbe" * 400  # a pair in HPACK's table, named again and again


def replies_that_nobody_takes(n: int) -> bytes:
    return headers(n, request(b"/t/Large")) + data(n, message(b"262144"), END_STREAM)


def messages_behind_one_that_waits(n: int) -> bytes:
    return headers(n, request(b"/t/Ignore")) + data(n, message(b"") * 3000)


def metadata_that_nobody_reads(n: int) -> bytes:
    return headers(n, request(b"/t/Ignore") + INDEXED)


def calls_and_nothing_else(n: int) -> bytes:
    return headers(n, request(b"/t/Ignore"))


@pytest.mark.parametrize(
    "make",
    [
        replies_that_nobody_takes,
        messages_behind_one_that_waits,
        metadata_that_nobody_reads,
        calls_and_nothing_else,
    ],
)
def test_all_together_can_make_a_server_hold_no_more_than_its_bound(make):
    """From many networks, each with as much as a connection may have."""

    async def main():
        options = {"held_bytes": HELD}
        async with (
            serving(server_limits=LIMITS, max_connections=30, server_options=options) as f,
            trio.open_nursery() as nursery,
        ):
            await is_served(f)
            with memory_below(3 * HELD):
                for host in range(20):
                    hostile = await attack(f, f"198.51.100.{host}")
                    nursery.start_soon(hostile.read)
                    await hostile.send(HELLO + settings((4, 0)))
                    for n in range(1, 200, 2):
                        await hostile.send(make(n))
                    await trio.testing.wait_all_tasks_blocked()
                    assert f.server._intake._holdings.total_bytes <= HELD
                    await is_served(f)
            nursery.cancel_scope.cancel()

    run(main)


def test_what_is_on_its_way_to_a_client_that_is_let_go_counts_no_more():
    """Else it would be let go again, and again; and the others with it."""
    hosts, reply_bytes = 30, 190_000

    async def main():
        options = {"held_bytes": HELD}
        async with serving(server_limits=LIMITS, max_connections=40, server_options=options) as f:
            await is_served(f)
            for host in range(hosts):
                hostile = await attack(f, f"198.51.100.{host}")
                async with trio.open_nursery() as reading:
                    reading.start_soon(hostile.read)
                    await hostile.send(HELLO + settings((4, MIB)) + window_update(0, MIB))
                    await trio.testing.wait_all_tasks_blocked()
                    reading.cancel_scope.cancel()  # it gives room, and does not read any more
                call = headers(1, request(b"/t/Large")) + data(1, message(b"%d" % reply_bytes), END_STREAM)
                await hostile.send(call)
                await trio.testing.wait_all_tasks_blocked()
                assert f.server._intake._holdings.total_bytes <= HELD
                await is_served(f)
            assert f.server.connection_count - 1 == HELD // reply_bytes  # as many as there is room for

    run(main)


def test_a_client_that_holds_more_than_any_honest_one_is_let_go_at_once():
    async def main():
        async with serving(server_limits=LIMITS) as f, trio.open_nursery() as nursery:
            hostile = await attack(f, "198.51.100.1")
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + settings((4, 0)))
            for n in range(1, 20, 2):
                await hostile.send(replies_that_nobody_takes(n))
            await hostile.is_cut.wait()
            await is_served(f)
            assert f.server.connection_count == 1

    run(main)


def test_a_client_that_gives_no_room_for_what_it_asked_is_let_go_after_a_while():
    async def main():
        async with serving(server_limits=LIMITS) as f, trio.open_nursery() as nursery:
            hostile = await attack(f, "198.51.100.1")
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + settings((4, 0)) + replies_that_nobody_takes(1))
            await trio.sleep(STUCK_S - 1)
            assert not hostile.is_cut.is_set()
            await trio.sleep(STUCK_S + 2)
            assert hostile.is_cut.is_set()
            assert goaway_code(bytes(hostile.received)) == ErrorCode.ENHANCE_YOUR_CALM

    run(main)


# --- places -----------------------------------------------------------------------------------------


def test_calls_that_cost_nothing_to_keep_open_keep_nobody_out():
    async def main():
        async with serving(max_connections=16) as f, trio.open_nursery() as nursery:
            working = f.channel.unary_unary("/t/Sleep")(b"50")
            for number in range(40):
                hostile = await attack(f, f"198.51.100.{number % 8}")
                nursery.start_soon(hostile.read)
                await hostile.send(HELLO + headers(1, request(b"/t/Ignore")))
                await trio.testing.wait_all_tasks_blocked()
            assert f.server.connection_count == 16
            async with open_channel(f.network, "peer", 1) as newcomer:
                with trio.fail_after(1):
                    assert await newcomer.unary_unary("/t/Echo")(b"honest") == b"honest"
            assert await working == b"awake"
            nursery.cancel_scope.cancel()

    run(main)


def test_a_first_message_that_never_comes_ends_its_call_whatever_the_method():
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + headers(1, request(b"/t/Mirror")))
            await trio.sleep(REQUEST_S + 1)
            (answer,) = (p for kind, _, p in frames_in(bytes(hostile.received)) if kind == FrameType.HEADERS)
            assert (b"grpc-status", b"4") in hpack.Decoder().decode(answer, raw=True)
            assert f.calls_left == 0
            await hostile.stream.aclose()

    run(main)


def test_calls_of_no_method_from_many_connections_of_one_host_are_cut_off_together():
    async def main():
        options = {"connections_per_s": 10.0, "work_per_s": 1e6}
        async with (
            serving(max_connections=100, server_options=options) as f,
            trio.open_nursery() as nursery,
        ):
            await is_served(f)
            sent, cut = 0, 0
            for _ in range(60):
                hostile = await attack(f, "198.51.100.1")
                nursery.start_soon(hostile.read)
                flood = each_stream(lambda n: headers(n, request(b"/t/Unknown"), END_HEADERS | END_STREAM))
                with trio.fail_after(1):
                    sent += await hostile.flood(flood)
                    await hostile.is_cut.wait()
                cut += 1
                await is_served(f)
            assert cut == 60
            assert sent < FLOOD_BYTES / 4  # of all of them: no more than one alone may
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(lambda n: headers(n, request(b"/t/Ignore")), id="calls"),
        pytest.param(lambda n: headers(n, request(b"/t/Ignore", *[(b"a", b"b")] * 300)), id="fields"),
        pytest.param(lambda n: headers(n, request(b"/t/Ignore")) + data(n, b"\0" * 5) * 200, id="messages"),
    ],
)
@pytest.mark.parametrize("host", ["198.51.100.1", "2001:db8:1:{:x}00::1"], ids=["an address", "an IPv6 site"])
def test_a_site_has_so_much_of_what_it_sends_read_and_the_others_as_much_as_before(flood, host):
    async def main():
        options = {"work_per_s": 10 * CALL_WORK}
        async with serving(server_options=options) as f, trio.open_nursery() as nursery:
            crowd = [await attack(f, host.format(number)) for number in range(8)]
            for hostile in crowd:
                nursery.start_soon(hostile.read)
                nursery.start_soon(hostile.flood, itertools.chain([HELLO], map(flood, range(1, 200, 2))))
            await trio.sleep(10)
            work = sum(client.core.work_received for client in f.server._intake.clients)
            own = 8 * (OWN_BURST + 10 * OWN_PER_S)
            overdrawn = 8 * 16 * READ_WORK  # by the first read of each
            assert 10 * CALL_WORK * 10 < work < 10 * CALL_WORK * (10 + BURST_S) + own + overdrawn
            with trio.fail_after(0.1):
                await is_served(f)
            nursery.cancel_scope.cancel()

    run(main)


def test_who_connects_anew_for_each_bomb_has_no_more_read():
    async def main():
        options = {"work_per_s": 200.0, "connections_per_s": 1.0}
        grow = frame(FrameType.PING + 0x40, bytes(16_375)) * 2  # of a type that nobody knows
        bomb = HELLO + headers(1, request(b"/t/Ignore")) + grow
        bomb += data(1, struct.pack(">BI", 0, 16_000)) + data(1, b"x") * 6500
        async with serving(server_options=options, max_connections=512) as f, trio.open_nursery() as nursery:
            work = 0.0
            while trio.current_time() < 60:
                before = set(f.server._intake.clients)
                hostile = await attack(f, "198.51.100.1")
                nursery.start_soon(hostile.read)
                with trio.move_on_after(0.4):
                    await hostile.send(bomb)
                work += sum(client.core.work_received for client in set(f.server._intake.clients) - before)
                await hostile.stream.aclose()
                await trio.sleep(0.1)
            assert work < 200 * (60 + BURST_S) + 180 * (OWN_BURST + OWN_DEBT + 5 * READ_WORK)
            nursery.cancel_scope.cancel()

    run(main)


def test_a_byte_at_a_time_is_work():
    async def main():
        async with serving(server_options={"work_per_s": 200.0}) as f, trio.open_nursery() as nursery:
            hostile = await attack(f, "198.51.100.1")
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + headers(1, request(b"/t/Ignore")))
            for byte in frame(FrameType.PING + 0x40, bytes(1000)):
                await hostile.send(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()
            assert (
                f.server._intake._turns.networks.level("198.51.100.1", trio.current_time())
                < 200 * BURST_S - 500
            )
            nursery.cancel_scope.cancel()

    run(main)


def test_whoever_ends_while_it_waits_has_booked_nothing():
    async def main():
        turns = Turns(200.0)
        turns.networks.take("a", 200 * BURST_S, trio.current_time())
        for _ in range(10):
            ours, theirs = trio.testing.memory_stream_pair()
            turn = Turn(turns, "a")
            turn.charge(OWN_BURST + OWN_DEBT / 2 - TURN_WORK, 1, trio.current_time())
            link = Link(theirs, ServerConnection(Limits(), trio.current_time()), Hooks(print), turn)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.run)
                await ours.send_all(b"PRI")
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        assert turns.networks.level("a", trio.current_time()) == pytest.approx(-10 * OWN_DEBT / 2)

    run(main)


def test_data_of_calls_that_have_ended_is_charged():
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f, "198.51.100.1")
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + headers(1, request(b"/t/Unknown")))
            await trio.testing.wait_all_tasks_blocked()
            flood = itertools.repeat(data(1, b"x") * 500)
            assert await hostile.flood(flood) < FLOOD_BYTES
            await is_served(f)
            assert f.server.connection_count == 1

    run(main)


# --- those who take their time -------------------------------------------------------------------


def test_a_byte_a_second_does_not_last_past_the_handshake():
    async def main():
        async with serving(server_limits=Limits(handshake_s=10)) as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            for byte in HELLO:
                await hostile.send(bytes([byte]))
                if hostile.is_cut.is_set():
                    break
                await is_served(f)
                await trio.sleep(1)
            assert 9 <= trio.current_time() <= 11
            assert hostile.is_cut.is_set()

    run(main)


def test_a_request_of_a_byte_a_second_ends_in_time():
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + headers(1, request(b"/t/Echo")))
            for byte in message(bytes(1000))[: int(REQUEST_S) + 5]:
                await hostile.send(data(1, bytes([byte])))
                await trio.sleep(1)
            (answer,) = (p for kind, _, p in frames_in(bytes(hostile.received)) if kind == FrameType.HEADERS)
            assert (b"grpc-status", b"4") in hpack.Decoder().decode(answer, raw=True)
            assert f.calls_left == 0
            await hostile.stream.aclose()

    run(main)


def test_a_thousand_idle_connections_leave_room_for_an_honest_client():
    async def main():
        async with serving(max_connections=512) as f, trio.open_nursery() as nursery:
            await is_served(f)
            call = f.channel.unary_unary("/t/Sleep")(b"20")
            with memory_below(80 * MIB):
                for n in range(1000):
                    ours, theirs = stream_pair()
                    theirs.peer_address = (f"198.51.{n // 250}.{n % 250}", 1)
                    nursery.start_soon(f.server.serve_connection, theirs)
                    await ours.send_all(HELLO)
                    if n % 100 == 99:
                        await trio.testing.wait_all_tasks_blocked()
                assert f.server.connection_count == 512
            assert await call == b"awake"  # whoever is at work keeps its place
            await is_served(f)
            await trio.sleep(LIMITS.idle_s + 1)
            assert f.server.connection_count == 0

    run(main)


def test_one_host_gets_a_part_of_the_connections_and_an_ipv6_network_counts_as_one():
    async def main():
        server = RpcServer({}, bounds=ServerBounds(connections_per_host=3))
        async with trio.open_nursery() as nursery:
            clients = []
            hosts = ["192.0.2.1"] * 5 + [f"2001:db8::{n}" for n in range(5)] + ["2001:db9::1"]
            for n, host in enumerate(hosts):
                ours, theirs = stream_pair()
                theirs.peer_address = (host, n)
                clients.append(ours)
                nursery.start_soon(server.serve_connection, theirs)
                await trio.testing.wait_all_tasks_blocked()
            assert server.connection_count == 7
            for n, client in enumerate(clients):  # of each, those that were idle for longest gave way
                with trio.move_on_after(1) as is_kept:
                    while await client.receive_some():
                        pass
                assert is_kept.cancelled_caught == (n not in {0, 1, 5, 6})
            nursery.cancel_scope.cancel()

    run(main)


def test_when_all_are_at_work_one_more_is_turned_away():
    async def main():
        async with serving(max_connections=1) as f, trio.open_nursery() as nursery:
            call = f.channel.unary_unary("/t/Sleep")(b"5")
            await trio.testing.wait_all_tasks_blocked()
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            with trio.fail_after(1):
                await hostile.is_cut.wait()
            assert await call == b"awake"

    run(main)


def test_a_goaway_by_the_client_is_no_breach(caplog):
    async def main():
        async with serving() as f, trio.open_nursery() as nursery:
            hostile = await attack(f)
            nursery.start_soon(hostile.read)
            await hostile.send(HELLO + frame(FrameType.GOAWAY, bytes(8)))
            with trio.fail_after(1):
                await hostile.is_cut.wait()

    run(main)
    assert not caplog.records
