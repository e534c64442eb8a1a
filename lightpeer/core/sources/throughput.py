"""How much several sources bring in sum, and whether that fills the link.

A sum is measured over a round trip or more, from one arrival to another: a link that is full gives it exactly
then, however few the arrivals are. After a change nothing counts for a round trip. A pause in which nothing
was asked for says nothing, and the measure begins anew after it.

Where a source that was added brought nothing on top, the link is full. That holds until the sum is another,
or a long time has passed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from lightpeer.core.udp.datagram import MAX_PAYLOAD

LEAST_MEASURE_S: Final = 0.3
LEAST_BYTES: Final = 6 * MAX_PAYLOAD  # with fewer a unit more or less looks like growth
LONGEST: Final = 4.0  # times as long as a measure takes, after which fewer bytes are enough
MEASURES: Final = 3  # the greatest of them is what a full link gives
OTHER: Final = 1.25  # times as much or as little: another link, or another bottleneck
FULL_AGAIN_S: Final = 60.0  # after which a full link is tried again, twice as long each time
MAX_AGAIN_S: Final = 240.0


class Throughput:
    """The sum of what the sources of one track bring, in bytes per second."""

    def __init__(self) -> None:
        self.rates_bytes_per_s: deque[float] = deque(maxlen=MEASURES)  # the last measures
        self.measure_s = LEAST_MEASURE_S  # the least length of one
        self._begin_at = -math.inf  # the next measure, not before
        self._since: float | None = None  # an arrival: later ones count
        self._bytes = 0  # since then
        self._came_at = -math.inf  # the last arrival
        self._full_bytes_per_s = 0.0
        self._full_until = -math.inf
        self._full_again_s = FULL_AGAIN_S

    def on_came(self, arrivals: Sequence[tuple[int, float]]) -> float:
        """Measure arrivals, given by size in bytes and time, oldest first.

        Return when a measure began with one of them, infinity if none did.
        """
        began_at = math.inf
        for size, now in arrivals:
            gap_s, self._came_at = now - self._came_at, now
            if self._since is None or gap_s > LONGEST * self.measure_s:
                self._since, self._bytes = (now if now >= self._begin_at else None), 0
                began_at = min(began_at, now)
                continue
            self._bytes += size
            length_s = now - self._since
            is_enough = self._bytes >= LEAST_BYTES or length_s >= LONGEST * self.measure_s
            if length_s >= self.measure_s and is_enough:
                self.rates_bytes_per_s.append(self._bytes / length_s)
                self._since, self._bytes = now, 0
        return began_at

    def pass_over(self, came_at: float) -> None:
        """Note the time of arrivals that are not measured, such as those beside a probe."""
        self._came_at = came_at

    def is_silent(self, now: float) -> bool:
        """Return whether nothing has come for so long that no source can be judged by it."""
        return now - self._came_at > LONGEST * self.measure_s

    def greatest(self) -> float:
        """Return the greatest of the last measures, of which there must be one."""
        return max(self.rates_bytes_per_s)

    def lately(self) -> float:
        """Return what came lately: while the sum rises it may be more than the last measures."""
        length_s = 0.0 if self._since is None else self._came_at - self._since
        lately = self._bytes / length_s if length_s >= self.measure_s / 2 else 0.0
        return max(lately, *self.rates_bytes_per_s)

    def begin_anew(self, at: float) -> None:
        """Forget all measures; the next one does not begin before `at`."""
        self.rates_bytes_per_s.clear()
        self.pause(at)

    def pause(self, until: float) -> None:
        """Give up the present measure; the next one does not begin before `until`."""
        self._since, self._begin_at = None, until

    def on_full(self, full_bytes_per_s: float, now: float) -> None:
        """Note that the link gives no more than that: for longer each time in a row."""
        self._full_bytes_per_s, self._full_until = full_bytes_per_s, now + self._full_again_s
        self._full_again_s = min(2 * self._full_again_s, MAX_AGAIN_S)

    def on_grown(self) -> None:
        """Note that the sum has grown: the next time that the link is full is the first again."""
        self._full_again_s = FULL_AGAIN_S

    def is_full(self, now: float) -> bool:
        """Return whether the link is still known to be full."""
        if now >= self._full_until:
            return False
        least = min(self.rates_bytes_per_s, default=0.0)
        most = max(self.rates_bytes_per_s, default=math.inf)
        return most > self._full_bytes_per_s / OTHER and least < self._full_bytes_per_s * OTHER
