"""The sending half of a connection: its buffer, the segments in flight, and their retransmission.

A segment is lost once three that were sent after it have come, or by the timer of RFC 6298, which doubles up
to two minutes, as Linux's does: after a long outage a connection may hang for as long again.
"""

from __future__ import annotations

from collections.abc import Callable

from lightpeer.core.udp.round_trip import SmoothedRtt
from lightpeer.testing.tcp.receiving import RECEIVE_BUFFER_BYTES
from lightpeer.testing.tcp.segments import SEGMENT_BYTES, Ack, TcpSegment
from lightpeer.testing.tcp.timer import FIRST_RTO_S, Timer
from lightpeer.testing.tcp.window import Window

SEND_BUFFER_BYTES = 128 * 1024  # or twice the window: Linux lets it grow with that
MIN_RTO_S = 0.2
MAX_RTO_S = 120.0
CLOCK_STEP_S = 0.001  # the granularity G of RFC 6298
MAX_TIMEOUTS = 15  # in a row; a quarter of an hour (tcp_retries2)
REORDERED = 3


class SendingHalf:
    """The sending half. Its stream calls `pump` once it is established, and after each change."""

    def __init__(
        self, timer: Timer, now: Callable[[], float], transmit: Callable[[TcpSegment], None]
    ) -> None:
        """Begin with nothing to send.

        Args:
            timer: the connection's, which belongs to the sender once it is established.
            now: gives virtual time, in seconds.
            transmit: hands a segment to the network.
        """
        self._timer = timer
        self._now = now
        self._transmit_now = transmit
        self.is_ending = False
        self.end_was_acked = False
        self._unsent = bytearray()
        self._capacity_bytes = SEND_BUFFER_BYTES
        self._segments: dict[int, TcpSegment] = {}  # sent, and not acknowledged
        self._next_number = 0
        self._next_order = 0
        self._in_flight_bytes = 0  # each segment counts for a full one, as in Linux
        self._unacked_bytes = 0
        self._window = Window()
        self._peer_room_bytes = RECEIVE_BUFFER_BYTES
        self._rtt = SmoothedRtt()
        self._timeouts = 0  # since something was acknowledged
        self._unanswered = 0  # since anything came

    @property
    def buffered_bytes(self) -> int:
        """Bytes that are not acknowledged yet."""
        return len(self._unsent) + self._unacked_bytes

    @property
    def room_bytes(self) -> int:
        """How many more bytes the buffer takes; 0 or less while it is full."""
        return self._capacity_bytes - self.buffered_bytes

    def write(self, data: bytes | memoryview) -> None:
        """Put bytes into the buffer."""
        self._unsent += data

    def pump(self) -> None:
        """Send lost segments again, then new ones, as far as the windows allow."""
        for segment in [s for s in self._segments.values() if s.is_lost]:
            if self._in_flight_bytes >= self._window.size_bytes:
                return
            self._transmit(segment)
        while self._unsent and self._in_flight_bytes < self._window.size_bytes:
            if self._unacked_bytes + SEGMENT_BYTES > self._peer_room_bytes:
                if not self._segments:
                    self._arm()  # to probe the window
                return
            self._transmit_new(bytes(self._unsent[:SEGMENT_BYTES]))
        has_sent_end = any(s.is_end for s in self._segments.values())
        if self.is_ending and not self._unsent and not has_sent_end and not self.end_was_acked:
            self._transmit_new(b"", is_end=True)

    def on_ack(self, ack: Ack) -> None:
        """Note the peer's acknowledgement, and find losses; call `pump` after it."""
        was_closed, self._peer_room_bytes = self._peer_room_bytes < SEGMENT_BYTES, ack.room_bytes
        self._unanswered = 0
        came = [s for n, s in self._segments.items() if n < ack.expected or n in ack.beyond]
        if came:
            self._on_progress(came)
        self._find_lost(max((s.order for s in came), default=-1))
        if was_closed and not came and ack.room_bytes >= SEGMENT_BYTES:
            self._lose_all()  # the window probe

    def on_timeout(self) -> bool:
        """Send again after the timer went off; return whether the peer is given up."""
        self._timeouts += 1
        self._unanswered += 1
        if self._unanswered > MAX_TIMEOUTS:
            return True
        if self._segments:
            is_first = self._timeouts == 1
            self._window.on_timeout(self._in_flight_bytes, self._next_number, is_first=is_first)
            self._lose_all()
            self._transmit(next(iter(self._segments.values())))
        elif self._unsent:  # the peer had no room
            self._transmit_new(bytes(self._unsent[:SEGMENT_BYTES]))
        return False

    def _transmit_new(self, data: bytes, *, is_end: bool = False) -> None:
        del self._unsent[: len(data)]
        segment = self._segments[self._next_number] = TcpSegment(self._next_number, data, is_end)
        self._next_number += 1
        self._unacked_bytes += len(data)
        self._transmit(segment)

    def _transmit(self, segment: TcpSegment) -> None:
        segment.is_lost = False
        segment.times += 1
        segment.sent_at = self._now()
        segment.order = self._next_order
        self._next_order += 1
        self._in_flight_bytes += SEGMENT_BYTES
        self._transmit_now(segment)
        if not self._timer.is_running:
            self._arm()

    def _forget(self, segment: TcpSegment) -> None:
        del self._segments[segment.number]
        self._unacked_bytes -= len(segment.data)
        self.end_was_acked |= segment.is_end
        if not segment.is_lost:
            self._in_flight_bytes -= SEGMENT_BYTES

    def _on_progress(self, came: list[TcpSegment]) -> None:
        was_full = self._in_flight_bytes + SEGMENT_BYTES >= self._window.size_bytes
        for segment in came:
            self._forget(segment)
        latest = max(came, key=lambda s: s.order)
        if latest.times == 1:  # Karn's rule
            self._rtt.add(self._now() - latest.sent_at)
        if was_full and self._window.grow(latest.number, len(came)):
            self._capacity_bytes = max(self._capacity_bytes, int(2 * self._window.size_bytes))
        self._timeouts = 0
        self._timer.stop()
        if self._segments:
            self._arm()

    def _find_lost(self, newest_order: int) -> None:
        lost = [s for s in self._segments.values() if not s.is_lost and s.order + REORDERED <= newest_order]
        for segment in lost:
            segment.is_lost = True
            self._in_flight_bytes -= SEGMENT_BYTES
        if lost:
            self._window.on_loss(lost[0].number, self._next_number)

    def _lose_all(self) -> None:
        for segment in self._segments.values():
            segment.is_lost = True
        self._in_flight_bytes = 0

    def _arm(self) -> None:
        rto_s, rtt = FIRST_RTO_S, self._rtt
        if rtt.mean_s is not None:
            rto_s = max(MIN_RTO_S, rtt.mean_s + max(4 * rtt.variation_s, CLOCK_STEP_S))
        self._timer.start(min(MAX_RTO_S, rto_s * 2 ** min(self._timeouts, MAX_TIMEOUTS)))
