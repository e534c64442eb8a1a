"""The receiving half of a connection: segments put in order, and the room that is left for more."""

from __future__ import annotations

from lightpeer.testing.tcp.segments import SEGMENT_BYTES, Ack, TcpSegment

RECEIVE_BUFFER_BYTES = 256 * 1024


class ReceivingHalf:
    """The segments that have arrived, and the bytes that can be read.

    Attributes:
        has_ended: whether the peer sends no more.
    """

    def __init__(self) -> None:
        self.has_ended = False
        self._expected = 0
        self._early: dict[int, TcpSegment] = {}
        self._early_bytes = 0
        self._buffer = bytearray()
        self._told_room_bytes = RECEIVE_BUFFER_BYTES

    @property
    def readable_bytes(self) -> int:
        """How many bytes can be read now."""
        return len(self._buffer)

    @property
    def room_bytes(self) -> int:
        """How many more bytes there is room for."""
        return max(0, RECEIVE_BUFFER_BYTES - len(self._buffer) - self._early_bytes)

    @property
    def has_new_room(self) -> bool:
        """Whether there is room again, unknown to the peer."""
        return self._told_room_bytes < 2 * SEGMENT_BYTES <= self.room_bytes

    def take_in(self, segment: TcpSegment) -> bool:
        """Put a segment in its place; return whether it was new, and there was room."""
        is_new = segment.number >= self._expected and segment.number not in self._early
        has_room = len(segment.data) <= self.room_bytes
        if is_new and has_room:
            self._early_bytes += len(segment.data)
            self._early[segment.number] = segment
        while (following := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            self._buffer += following.data
            self._early_bytes -= len(following.data)
            self.has_ended |= following.is_end
        return is_new and has_room

    def acknowledge(self) -> Ack:
        """Return the acknowledgement to send now."""
        self._told_room_bytes = self.room_bytes
        return Ack(self._expected, frozenset(self._early), self._told_room_bytes)

    def read(self, max_bytes: int) -> bytes:
        """Return the next bytes, up to a limit."""
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        return data
