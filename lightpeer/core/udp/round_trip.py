"""A path's round trip, smoothed as TCP does it (RFC 6298 section 2)."""

from __future__ import annotations

from typing import Final

OUTAGE_S: Final = 1.0
"""So long a silence is a dead zone, not a slow path; a measurement across it says nothing of the link."""

MIN_RTT_S: Final = 0.0005  # a shorter one measures clocks and schedulers alone
MAX_RTT_S: Final = 60.0  # no path is that long

_MEAN_GAIN = 1 / 8
_VARIATION_GAIN = 1 / 4


class SmoothedRtt:
    """The mean round trip and the mean deviation from it, in seconds.

    Each user says what it assumes before the first sample: a timer for losses assumes a long round trip, the
    first pace a short one.

    Attributes:
        mean_s: None before the first sample.
        variation_s: 0 before it.
    """

    __slots__ = ("mean_s", "variation_s")

    def __init__(self) -> None:
        self.mean_s: float | None = None
        self.variation_s = 0.0

    def add(self, *rtts_s: float) -> None:
        """Count samples, in this order."""
        for rtt_s in rtts_s:
            if self.mean_s is None:
                self.mean_s, self.variation_s = rtt_s, rtt_s / 2
            else:
                self.variation_s += _VARIATION_GAIN * (abs(self.mean_s - rtt_s) - self.variation_s)
                self.mean_s += _MEAN_GAIN * (rtt_s - self.mean_s)
