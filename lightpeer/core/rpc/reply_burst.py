"""What the first bytes of a reply over TCP show of the path."""

from __future__ import annotations

TRAIN_GAPS = 3
_SEGMENT_BYTES = 1000  # a TCP segment with data has more, unless it is the last
_HELD_UP_S = 0.2  # the least timeout of TCP in common use
_HELD_UP_BYTES = 3000  # two segments and a bit
_BURST_BYTES = 9000  # beside the first segment: seven of the least size that is usual, 1300


class ReplyBurst:
    """What a reply over TCP shows of the path: its round trip, and its rate, if it was sent in one burst.

    TCP sends its first ten segments at once (RFC 6928), two of which HTTP/2's settings may take: the first
    eight of a reply are a packet train, whatever follows.
    Where several segments are read at once, or one after a timeout, something held them up, a lost one or we,
    and they tell nothing.
    """

    def __init__(self, asked_at: float) -> None:
        """Begin when the request is sent."""
        self.rtt_s: float | None = None
        self._asked_at = asked_at
        self._bytes = 0
        self._start = self._last = asked_at
        self._was_held_up = False

    @property
    def last_at(self) -> float:
        """When something of it came last."""
        return self._last

    @property
    def rate_bytes_per_s(self) -> float:
        """The rate of the bottleneck; 0 where too little came to tell."""
        length = self._last - self._start
        if self._was_held_up or self._bytes < TRAIN_GAPS * _SEGMENT_BYTES or length <= 0:
            return 0.0
        return self._bytes / length

    def add(self, size: int, now: float) -> None:
        """Take bytes that came; what is small before the first full segment is no part of the reply."""
        if self._bytes >= _BURST_BYTES:
            return
        self._was_held_up |= size > _HELD_UP_BYTES
        if self.rtt_s is not None:
            self._was_held_up |= now - self._last >= max(self.rtt_s, _HELD_UP_S)
            self._bytes += size
        elif size >= _SEGMENT_BYTES:
            self.rtt_s, self._start = now - self._asked_at, now
        self._last = now
