"""When a datagram may leave, at a given pace: a small token bucket (GCRA, ITU-T I.371)."""

from __future__ import annotations

import math
from typing import Final

from lightpeer.core.udp.datagram import DATA_OVERHEAD, MAX_PAYLOAD, MIN_PACE_BYTES_PER_S, UDP_HEADER_BYTES

BURST_S: Final = 0.02  # what the timers of a busy computer are late by: less would be lost pace
OVERHEAD_BYTES: Final = DATA_OVERHEAD + UDP_HEADER_BYTES
FULL_DATAGRAM_BYTES: Final = MAX_PAYLOAD + OVERHEAD_BYTES


class Pacer:
    """A bucket that lets bytes go at a pace, with a burst of two datagrams or 20 ms.

    `_clear_s` is when all that was sent would be through at exactly the pace (GCRA's
    theoretical arrival time); a datagram may go so much earlier as the burst allows.
    """

    __slots__ = ("_clear_s", "_max_pace", "_pace", "_stopped")

    def __init__(self, max_pace_bytes_per_s: int) -> None:
        self._max_pace = max_pace_bytes_per_s
        self._pace = MIN_PACE_BYTES_PER_S
        self._stopped = True
        self._clear_s = -math.inf

    def set_pace(self, pace_bytes_per_s: int, now: float) -> None:
        """Change the pace, which also changes how long the bytes already sent take; 0 stops."""
        self._stopped = pace_bytes_per_s == 0
        if not self._stopped:
            pace = max(MIN_PACE_BYTES_PER_S, min(self._max_pace, pace_bytes_per_s))
            self._clear_s = now + max(0.0, self._clear_s - now) * self._pace / pace
            self._pace = pace

    @property
    def pace_bytes_per_s(self) -> int:
        """The pace at which bytes go, or would if they were not stopped."""
        return self._pace

    def ready_at(self) -> float:
        """Return when the next datagram may go."""
        if self._stopped:
            return math.inf
        burst = max(2 * FULL_DATAGRAM_BYTES, self._pace * BURST_S)
        return self._clear_s - (burst - FULL_DATAGRAM_BYTES) / self._pace

    def sent(self, size: int, now: float) -> None:
        """Count a datagram that left."""
        self._clear_s = max(self._clear_s, now) + size / self._pace
