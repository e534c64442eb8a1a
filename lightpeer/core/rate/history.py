"""What a link gave lately, second by second, while something was to be fetched.

Seconds in which nothing came count as zeros, so an outage shows; those in which nothing was wanted do not.
So the mean over a minute or two says what a track may cost, and the mean over few seconds whether sound will
last.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice
from typing import Final

LONGEST_S: Final = 120
LEAST_S: Final = 0.25  # of fetching, before which it says nothing


class RateHistory:
    """The bytes of the last two minutes of fetching, in bins of a second."""

    def __init__(self, remembered_bytes_per_s: float = 0.0) -> None:
        """Begin with a rate that is remembered of the network, 0 if it is unknown."""
        self.remembered_bytes_per_s = remembered_bytes_per_s
        self._bins: deque[float] = deque(maxlen=LONGEST_S)
        self._since = math.nan  # when the open bin goes on; NaN while nothing is wanted
        self._open_s = self._open_bytes = 0.0

    def note(self, came_bytes: float, now: float, *, fetching: bool) -> None:
        """Count what came since the last call.

        Args:
            came_bytes: how much.
            now: the time in seconds.
            fetching: whether something is to be fetched from now on.
        """
        if not math.isnan(self._since):
            self._add(came_bytes, max(0.0, now - self._since))
        self._since = now if fetching else math.nan

    def _add(self, came_bytes: float, passed_s: float) -> None:
        per_s = came_bytes / passed_s if passed_s else 0.0
        self._open_bytes += 0.0 if passed_s else came_bytes
        skipped_s = max(0.0, passed_s - 2 * LONGEST_S)  # no more than is remembered
        passed_s -= skipped_s
        while passed_s > 0:
            step_s = min(passed_s, 1.0 - self._open_s)
            self._open_bytes += per_s * step_s
            self._open_s += step_s
            passed_s -= step_s
            if self._open_s >= 1.0 - 1e-9:
                self._bins.append(self._open_bytes)
                self._open_s = self._open_bytes = 0.0

    def mean_bytes_per_s(self, seconds: int) -> float:
        """Return the mean over the last seconds of fetching, before any what is remembered."""
        count = min(seconds, len(self._bins))
        total_s = count + self._open_s
        if total_s < LEAST_S:
            return self.remembered_bytes_per_s
        recent = islice(reversed(self._bins), count)
        return (sum(recent) + self._open_bytes) / total_s
