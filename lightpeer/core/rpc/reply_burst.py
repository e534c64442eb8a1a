"""Measures a path by the first bytes of a reply over TCP."""

from __future__ import annotations

TRAIN_GAPS = 3
_SEGMENT_BYTES = 1000  # every TCP segment with data has more, except the last
_HELD_UP_S = 0.2  # the smallest timeout of TCP in common use
_HELD_UP_BYTES = 3000  # two segments and a bit
_BURST_BYTES = 9000  # after the first segment: seven of the smallest usual size, 1300


class ReplyBurst:
    """The round trip of a path, and its rate, if a reply came in one burst.

    TCP sends its first ten segments at once (RFC 6928), and HTTP/2's settings may take two of them. So the
    first eight of a reply are a packet train. Segments that are read together, or after a timeout, were
    held up by a loss or by us, and give no rate.

    Args:
        asked_at: when the request was sent, as a monotonic time in seconds.

    Attributes:
        rtt_s: the round trip in seconds, or None before the reply.
    """

    def __init__(self, asked_at: float) -> None:
        self.rtt_s: float | None = None
        self._asked_at = asked_at
        self._bytes = 0
        self._start = self._last = asked_at
        self._was_held_up = False

    @property
    def last_at(self) -> float:
        """When bytes of it last came."""
        return self._last

    @property
    def rate_bytes_per_s(self) -> float:
        """The rate of the bottleneck; 0 if too little came to measure it."""
        length = self._last - self._start
        if self._was_held_up or self._bytes < TRAIN_GAPS * _SEGMENT_BYTES or length <= 0:
            return 0.0
        return self._bytes / length

    def add(self, size: int, now: float) -> None:
        """Count received bytes; small ones before the first full segment are not part of the reply.

        Args:
            size: how many.
            now: the monotonic time in seconds.
        """
        if self._bytes >= _BURST_BYTES:
            return
        self._was_held_up |= size > _HELD_UP_BYTES
        if self.rtt_s is not None:
            self._was_held_up |= now - self._last >= max(self.rtt_s, _HELD_UP_S)
            self._bytes += size
        elif size >= _SEGMENT_BYTES:
            self.rtt_s, self._start = now - self._asked_at, now
        self._last = now
