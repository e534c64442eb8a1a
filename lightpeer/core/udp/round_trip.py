"""A path's round trip, smoothed as TCP does it (RFC 6298 section 2)."""

from __future__ import annotations

from typing import Final

OUTAGE_S: Final = 1.0
"""Of silence: a dead zone, and no slow path; what is measured across it says nothing of the link."""

_MEAN_GAIN = 1 / 8
_VARIATION_GAIN = 1 / 4


class SmoothedRtt:
    """The mean round trip and the mean deviation from it, in seconds.

    What is assumed before the first sample is for each user to say: who waits for something that may be
    lost assumes much, who begins to send assumes little.

    Attributes:
        mean_s: None before the first sample.
        variation_s: 0 before it.
    """

    __slots__ = ("mean_s", "variation_s")

    def __init__(self) -> None:
        self.mean_s: float | None = None
        self.variation_s = 0.0

    def add(self, rtt_s: float) -> float:
        """Take a sample; return the mean."""
        if self.mean_s is None:
            self.mean_s, self.variation_s = rtt_s, rtt_s / 2
        else:
            self.variation_s += _VARIATION_GAIN * (abs(self.mean_s - rtt_s) - self.variation_s)
            self.mean_s += _MEAN_GAIN * (rtt_s - self.mean_s)
        return self.mean_s
