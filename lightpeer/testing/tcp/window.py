"""The congestion window of a sender: Reno's growth (RFC 5681) with CUBIC's backoff (RFC 9438)."""

from __future__ import annotations

import math

from lightpeer.testing.tcp.segments import SEGMENT_BYTES

INITIAL_WINDOW_BYTES = 10 * SEGMENT_BYTES  # RFC 6928
BACKOFF = 0.7
MIN_THRESHOLD_BYTES = 2 * SEGMENT_BYTES


class Window:
    """How many bytes may be in flight. Segments are named by number; a loss counts once a flight."""

    def __init__(self) -> None:
        self.size_bytes = float(INITIAL_WINDOW_BYTES)
        self._threshold_bytes = math.inf
        self._recovery_until = 0  # a segment number

    def grow(self, latest: int, segments: int) -> bool:
        """Grow after a full window, and return whether it did.

        Args:
            latest: the number of the segment that was sent last of those acknowledged.
            segments: how many were acknowledged.
        """
        if latest < self._recovery_until:
            return False
        size = SEGMENT_BYTES * segments
        is_slow_start = self.size_bytes < self._threshold_bytes
        self.size_bytes += size if is_slow_start else SEGMENT_BYTES * size / self.size_bytes
        return True

    def on_loss(self, first_lost: int, next_number: int) -> None:
        """Shrink for a loss, unless it is of the flight that it has shrunk for.

        Args:
            first_lost: the number of the first lost segment.
            next_number: the number of the next new segment.
        """
        if first_lost >= self._recovery_until:
            self._threshold_bytes = max(BACKOFF * self.size_bytes, MIN_THRESHOLD_BYTES)
            self.size_bytes = self._threshold_bytes
            self._recovery_until = next_number

    def on_timeout(self, in_flight_bytes: int, next_number: int, *, is_first: bool) -> None:
        """Begin again with one segment.

        Args:
            in_flight_bytes: the bytes in flight until now.
            next_number: the number of the next new segment.
            is_first: whether no timeout went before it without an acknowledgement since.
        """
        if is_first:
            self._threshold_bytes = max(BACKOFF * in_flight_bytes, MIN_THRESHOLD_BYTES)
        self.size_bytes = SEGMENT_BYTES
        self._recovery_until = next_number
