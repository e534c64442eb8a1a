"""TCP of simulated hosts: congestion window, send buffer, retransmission, resets, and nothing unneeded.

Data travels in numbered segments over the same links as UDP, and gets lost as UDP does. Acknowledgements
name the next segment that is expected and those that came out of order (RFC 2018). A segment is lost once
three that were sent after it have come, or by the timer of RFC 6298, which doubles up to two minutes, as
Linux's does: after a long outage a connection may hang for as long again. The window is Reno's (RFC 5681),
with the backoff of CUBIC (RFC 9438), from ten segments on (RFC 6928).

A connection is known to its host by both addresses. What comes for one that is not known is answered with a
reset, as after a process was killed; nothing is answered by a host that is gone.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import trio

if TYPE_CHECKING:
    from lightpeer.net.network import Counters

Address = tuple[str, int]

HEADER_BYTES = 32
SEGMENT_BYTES = 1448
INITIAL_WINDOW_BYTES = 10 * SEGMENT_BYTES
RECEIVE_BUFFER_BYTES = 256 * 1024
SEND_BUFFER_BYTES = 128 * 1024  # or twice the window: Linux lets it grow with that
CONNECT_TIMEOUT_S = 63.0  # six repeats of a SYN, as Linux has it
FIRST_RTO_S = 1.0
MIN_RTO_S = 0.2
MAX_RTO_S = 120.0
MAX_TIMEOUTS = 15  # in a row; a quarter of an hour (tcp_retries2)
REORDERED = 3
BACKOFF = 0.7
ORPHANED_S = 60.0  # how long a closed connection waits for the peer to close too (tcp_fin_timeout)


class Host(Protocol):
    """What a stream needs of the host that it ends at."""

    net: Any  # the internet, which stands above: its time, and what carries a packet
    counters: Counters
    connections: dict[tuple[Address, Address], SimStream]

    @property
    def is_suspended(self) -> bool:
        """Whether the machine stands still."""

    def refuse(self, local: Address, peer: Address, /) -> None:
        """Answer with a reset."""

    def take_syn(self, local: Address, peer: Address, /) -> None:
        """Answer a SYN."""


@dataclass(slots=True, eq=False)
class _Segment:
    number: int
    data: bytes
    is_end: bool = False
    sent_at: float = 0.0
    order: int = -1  # of its latest transmission
    times: int = 0
    is_lost: bool = False


@dataclass(slots=True, frozen=True)
class _Ack:
    """The next segment expected, those that came after it, and the room for more."""

    expected: int
    beyond: frozenset[int]
    room_bytes: int


class SimStream(trio.abc.HalfCloseableStream):
    """One end of a TCP connection."""

    def __init__(self, host: Host, local_address: Address, peer_address: Address) -> None:
        self.local_address = local_address
        self.peer_address = peer_address
        self.is_established = False
        self.settled = trio.Event()  # established, or failed
        self.closed = False  # by its program
        self.error = 0  # errno, once it is broken
        self.on_established: Callable[[], None] = lambda: None
        self._host = host
        self._is_client = False
        self._hangs = False
        self._changed = trio.lowlevel.ParkingLot()
        self._sending = trio.StrictFIFOLock()
        self._receiving = trio.StrictFIFOLock()
        # Sending.
        self._unsent = bytearray()
        self._send_buffer_bytes = SEND_BUFFER_BYTES
        self._is_ending = False
        self._end_was_acked = False
        self._segments: dict[int, _Segment] = {}  # sent, and not acknowledged
        self._next_number = 0
        self._next_order = 0
        self._in_flight_bytes = 0  # each segment counts for a full one, as in Linux
        self._unacked_bytes = 0
        self._window_bytes = float(INITIAL_WINDOW_BYTES)
        self._threshold_bytes = math.inf
        self._recovery_until = 0  # the segment number
        self._peer_room_bytes = RECEIVE_BUFFER_BYTES
        self._rtt_s: float | None = None
        self._rtt_variation_s = 0.0
        self._timeouts = 0  # since something was acknowledged
        self._unanswered = 0  # since anything came
        self._timer_at = math.inf
        self._timer_is_set = False
        # Receiving.
        self._expected = 0
        self._early: dict[int, _Segment] = {}
        self._early_bytes = 0
        self._buffer = bytearray()
        self._has_ended = False  # the peer will send no more
        self._told_room_bytes = RECEIVE_BUFFER_BYTES
        host.connections[local_address, peer_address] = self

    # What programs use.

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send, waiting for room in the buffer."""
        with _Exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            self._check_sendable()
            rest = memoryview(bytes(data))
            while rest:
                await self._wait_for_room()
                room = self._send_buffer_bytes - self._buffered_bytes
                self._unsent += rest[:room]
                rest = rest[room:]
                self._pump()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room in the buffer."""
        with _Exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            await self._wait_for_room()

    async def send_eof(self) -> None:
        """Send no more; what is buffered still goes out."""
        with _Exclusive(self._sending):
            await trio.lowlevel.checkpoint()
            self._check_sendable()
            self._end()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes; empty at the end."""
        with _Exclusive(self._receiving):
            await trio.lowlevel.checkpoint()
            while not (self.closed or self.error or self._buffer or self._has_ended):
                await self._changed.park()
            if self.closed:
                raise trio.ClosedResourceError
            if self._buffer:
                return self._take(max_bytes or 65536)
            if self._has_ended:
                return b""
            raise self._broken()

    async def aclose(self) -> None:
        """Close, with a reset where bytes are left unread."""
        if not self.closed:
            if self._buffer or not self.is_established:
                self.abort()  # as kernels do when bytes are left unread
            else:
                self.closed = True
                self._end()
                self._host.net.call_at(self._host.net.now + ORPHANED_S, self._forget)
                self._changed.unpark_all()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Close without a farewell: the peer is reset."""
        self.closed = True
        if not self.error:
            self._host.refuse(self.local_address, self.peer_address)
            self._break(errno.ECONNABORTED)
        self._changed.unpark_all()

    def reset(self) -> None:
        """Take in a reset."""
        self._break(errno.ECONNRESET if self.is_established else errno.ECONNREFUSED)

    def hang(self) -> None:
        """Let nothing pass any more, without a word to either end."""
        self._hangs = True

    def _broken(self) -> trio.BrokenResourceError:
        error = trio.BrokenResourceError("the connection broke")
        error.__cause__ = OSError(self.error, "the connection broke")
        return error

    def _check_sendable(self) -> None:
        if self.closed or self._is_ending:
            raise trio.ClosedResourceError
        if self.error:
            raise self._broken()

    async def _wait_for_room(self) -> None:
        self._check_sendable()
        while self._buffered_bytes >= self._send_buffer_bytes:
            await self._changed.park()
            self._check_sendable()

    def _take(self, max_bytes: int) -> bytes:
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        if self._told_room_bytes < 2 * SEGMENT_BYTES <= self._room_bytes:
            self._acknowledge()
        return data

    # Connecting.

    def connect(self) -> None:
        """Begin to connect; `settled` is set at the end of it."""
        self._is_client = True
        self._set_timer(FIRST_RTO_S)
        self._send(HEADER_BYTES, None)

    def greet(self) -> None:
        """Answer a SYN."""
        self._set_timer(FIRST_RTO_S)
        self._send(HEADER_BYTES, lambda stream: stream._on_greeting())

    def _on_greeting(self) -> None:
        if not self.is_established:
            self._establish()
        self._acknowledge()

    def _establish(self) -> None:
        self.is_established = True
        self._timeouts, self._timer_at = 0, math.inf
        self.settled.set()
        self.on_established()
        self._pump()

    # Sending.

    @property
    def _buffered_bytes(self) -> int:
        return len(self._unsent) + self._unacked_bytes

    def _end(self) -> None:
        if not self._is_ending and not self.error:
            self._is_ending = True
            self._pump()
            self._forget_if_done()

    def _pump(self) -> None:
        """Send again what is lost, then what is new, as far as the windows go."""
        if not self.is_established or self.error:
            return
        for segment in [s for s in self._segments.values() if s.is_lost]:
            if self._in_flight_bytes >= self._window_bytes:
                return
            self._transmit(segment)
        while self._unsent and self._in_flight_bytes < self._window_bytes:
            if self._unacked_bytes + SEGMENT_BYTES > self._peer_room_bytes:
                if not self._segments:
                    self._arm()  # to look whether there is room again
                return
            self._transmit_new(bytes(self._unsent[:SEGMENT_BYTES]))
        has_sent_end = any(s.is_end for s in self._segments.values())
        if self._is_ending and not self._unsent and not has_sent_end and not self._end_was_acked:
            self._transmit_new(b"", is_end=True)

    def _transmit_new(self, data: bytes, *, is_end: bool = False) -> None:
        del self._unsent[: len(data)]
        segment = self._segments[self._next_number] = _Segment(self._next_number, data, is_end)
        self._next_number += 1
        self._unacked_bytes += len(data)
        self._transmit(segment)

    def _transmit(self, segment: _Segment) -> None:
        segment.is_lost = False
        segment.times += 1
        segment.sent_at = self._host.net.now
        segment.order = self._next_order
        self._next_order += 1
        self._in_flight_bytes += SEGMENT_BYTES
        size = len(segment.data) + HEADER_BYTES
        self._host.counters.add(tx=size)
        self._send(size, lambda stream: stream._on_segment(segment))
        if self._timer_at == math.inf:
            self._arm()

    def _on_ack(self, ack: _Ack) -> None:
        was_closed, self._peer_room_bytes = self._peer_room_bytes < SEGMENT_BYTES, ack.room_bytes
        self._unanswered = 0
        came = [s for n, s in self._segments.items() if n < ack.expected or n in ack.beyond]
        if came:
            self._on_progress(came)
        self._find_lost(max((s.order for s in came), default=-1))
        if was_closed and not came and ack.room_bytes >= SEGMENT_BYTES:
            self._lose_all()  # what was sent to see whether there is room again
        self._pump()
        self._changed.unpark_all()
        self._forget_if_done()

    def _on_progress(self, came: list[_Segment]) -> None:
        was_full = self._in_flight_bytes + SEGMENT_BYTES >= self._window_bytes
        for segment in came:
            del self._segments[segment.number]
            self._unacked_bytes -= len(segment.data)
            self._end_was_acked |= segment.is_end
            if not segment.is_lost:
                self._in_flight_bytes -= SEGMENT_BYTES
        latest = max(came, key=lambda s: s.order)
        if latest.times == 1:  # Karn's rule
            self._sample(self._host.net.now - latest.sent_at)
        if was_full and latest.number >= self._recovery_until:
            slow_start = self._window_bytes < self._threshold_bytes
            size = SEGMENT_BYTES * len(came)
            self._window_bytes += size if slow_start else SEGMENT_BYTES * size / self._window_bytes
            self._send_buffer_bytes = max(self._send_buffer_bytes, int(2 * self._window_bytes))
        self._timeouts = 0
        self._timer_at = math.inf
        if self._segments:
            self._arm()

    def _find_lost(self, newest_order: int) -> None:
        lost = [s for s in self._segments.values() if not s.is_lost and s.order + REORDERED <= newest_order]
        for segment in lost:
            segment.is_lost = True
            self._in_flight_bytes -= SEGMENT_BYTES
        if lost and lost[0].number >= self._recovery_until:
            self._threshold_bytes = max(BACKOFF * self._window_bytes, 2 * SEGMENT_BYTES)
            self._window_bytes = self._threshold_bytes
            self._recovery_until = self._next_number

    def _sample(self, rtt_s: float) -> None:
        if self._rtt_s is None:
            self._rtt_s, self._rtt_variation_s = rtt_s, rtt_s / 2
        else:
            self._rtt_variation_s += (abs(self._rtt_s - rtt_s) - self._rtt_variation_s) / 4
            self._rtt_s += (rtt_s - self._rtt_s) / 8

    # The timer.

    def _arm(self) -> None:
        rto_s = FIRST_RTO_S
        if self._rtt_s is not None:
            rto_s = max(MIN_RTO_S, self._rtt_s + max(4 * self._rtt_variation_s, 0.001))
        self._set_timer(min(MAX_RTO_S, rto_s * 2 ** min(self._timeouts, MAX_TIMEOUTS)))

    def _set_timer(self, after_s: float) -> None:
        self._timer_at = self._host.net.now + after_s
        if not self._timer_is_set:
            self._timer_is_set = True
            self._host.net.call_at(self._timer_at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer_is_set = False
        if self.error or self._timer_at == math.inf:
            return
        if self._host.is_suspended:  # timers stand as the machine does
            self._timer_at = self._host.net.now + FIRST_RTO_S
        if self._host.net.now < self._timer_at:
            self._set_timer(self._timer_at - self._host.net.now)
            return
        self._timer_at = math.inf
        self._on_timeout()

    def _on_timeout(self) -> None:
        self._timeouts += 1
        if not self.is_established:
            if 2**self._timeouts - 1 >= CONNECT_TIMEOUT_S:
                self._break(errno.ETIMEDOUT)
                return
            self._set_timer(FIRST_RTO_S * 2**self._timeouts)
            self._send(HEADER_BYTES, None if self._is_client else lambda stream: stream._on_greeting())
            return
        self._unanswered += 1
        if self._unanswered > MAX_TIMEOUTS:
            self._break(errno.ETIMEDOUT)
            return
        if self._timeouts == 1 and self._segments:
            self._threshold_bytes = max(BACKOFF * self._in_flight_bytes, 2 * SEGMENT_BYTES)
        if self._segments:
            self._window_bytes = SEGMENT_BYTES
            self._recovery_until = self._next_number
            self._lose_all()
            self._transmit(next(iter(self._segments.values())))
        elif self._unsent:  # the peer had no room
            self._transmit_new(bytes(self._unsent[:SEGMENT_BYTES]))

    def _lose_all(self) -> None:
        for segment in self._segments.values():
            segment.is_lost = True
        self._in_flight_bytes = 0

    # Receiving.

    @property
    def _room_bytes(self) -> int:
        return max(0, RECEIVE_BUFFER_BYTES - len(self._buffer) - self._early_bytes)

    def _on_segment(self, segment: _Segment) -> None:
        if not self.is_established:
            self._establish()
        if self.closed and segment.data:
            self._host.refuse(self.local_address, self.peer_address)
            self._break(errno.ECONNABORTED)
            return
        is_new = segment.number >= self._expected and segment.number not in self._early
        if is_new and len(segment.data) <= self._room_bytes:
            self._early_bytes += len(segment.data)
            self._host.counters.add(rx=len(segment.data) + HEADER_BYTES)
            self._early[segment.number] = segment
        while (following := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            self._buffer += following.data
            self._early_bytes -= len(following.data)
            self._has_ended |= following.is_end
        self._acknowledge()
        self._changed.unpark_all()
        self._forget_if_done()

    def _acknowledge(self) -> None:
        self._told_room_bytes = self._room_bytes
        ack = _Ack(self._expected, frozenset(self._early), self._told_room_bytes)
        self._send(HEADER_BYTES, lambda stream: stream._on_bare(ack))

    def _on_bare(self, ack: _Ack) -> None:
        if not self.is_established:
            self._establish()
        self._on_ack(ack)

    # Its end.

    def _send(self, size: int, arrive: Callable[[SimStream], None] | None) -> None:
        """Send a packet, which does something to the other end; None: a SYN."""
        own, other = self.local_address, self.peer_address
        if self._hangs:
            return

        def deliver(target: Host, is_corrupt: bool) -> None:
            stream = target.connections.get((other, own))
            if is_corrupt or (stream is not None and stream._hangs):
                return
            if arrive is None:
                target.take_syn(other, own)
            elif stream is not None:
                arrive(stream)
            else:
                target.refuse(other, own)

        self._host.net.carry(self._host, own[0], other[0], size, deliver, is_udp=False)

    def _break(self, number: int) -> None:
        if not self.error:
            self.error = number
            self._timer_at = math.inf
            self._forget()
            self.settled.set()
            self._changed.unpark_all()

    def _forget_if_done(self) -> None:
        if self.closed and self._end_was_acked and self._has_ended:
            self._forget()

    def _forget(self) -> None:
        """Leave the host's table: nothing is to be sent or received any more."""
        self._host.connections.pop((self.local_address, self.peer_address), None)


class _Exclusive:
    """Hold a lock that nobody may be waiting for: concurrent use of a stream is a bug."""

    def __init__(self, lock: trio.StrictFIFOLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            raise trio.BusyResourceError("another task is using this stream") from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()
