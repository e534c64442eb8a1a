"""Who of several sources is asked: as few as fill the link, for each more makes its queue longer.

One is asked, the others are opened and silent. Whether one fills the link shows when the next is asked
beside it: the sum grows, or it does not and the newcomer is silent again, each time for longer. While the sum
grows, as many are added at a time as are asked. Of several that are asked one is left out now and then; where
the sum does not fall it stays out: the link may have become thinner, or have grown just when it was added. A
source that stalls is replaced at once.

Sums are compared over a few round trips each, the first of which are left out after a change: what was asked
before it still comes. A time in which there was nothing to ask for tells nothing, and begins anew.

Call order: `on_joined` and `on_left` as sources come and go, `on_came` and `on_idle` as things happen,
`update` after these and at `due`. A source is any hashable key, `now` seconds on a monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final, Generic, TypeVar

from lightpeer.core.datagram import MAX_PAYLOAD

Source = TypeVar("Source")

SETTLE_RTTS: Final = 1.5  # after a change: what is asked of a newcomer begins to come
FINISH_S: Final = 1.5  # more than that after one was left out: it brings what it has begun
MEASURE_RTTS: Final = 1.5
LEAST_MEASURE_S: Final = 0.3
MEASURES: Final = 2  # in which the sum must once have grown
LEAST_BYTES: Final = 6 * MAX_PAYLOAD  # with fewer a unit more or less tells of growth
LONGEST: Final = 4.0  # times as long as that, after which so few bytes are the measure
GREW: Final = 1.12  # a fourth that is as fast as three others adds a third
FELL: Final = 0.92  # a fourth of a link that four fill takes a quarter
AGAIN_S: Final = 15.0  # after a try in vain, twice as long each time
LEAVE_OUT_AGAIN_S: Final = 30.0  # it costs a share of what comes, if it is in vain
MAX_AGAIN_S: Final = 240.0


class Selection(Generic[Source]):
    """The sources of one track, and which of them are asked."""

    def __init__(self) -> None:
        self.asked: list[Source] = []
        self._silent: list[Source] = []  # the next one first
        self.tried: list[Source] = []  # of those asked, to see whether the sum grows
        self._left_out: Source | None = None  # to see whether it falls
        self._before_bytes_per_s = 0.0
        self._since: float | None = None  # what has come since then counts
        self._since_bytes = 0  # all that had come by then
        self._due = math.inf
        self._try_at = self._leave_out_at = -math.inf
        self._try_again_s, self._leave_out_again_s = AGAIN_S, LEAVE_OUT_AGAIN_S
        self._measures = 0  # since the last change

    @property
    def due(self) -> float:
        """When `update` may change something; infinity while nothing comes, or there is no choice."""
        return self._due if self._silent or len(self.asked) > 1 else math.inf

    def on_joined(self, source: Source) -> None:
        """Note a new source."""
        self._silent.append(source)
        self._try_at = -math.inf

    def on_left(self, source: Source) -> None:
        """Note that a source is gone."""
        for sources in (self.asked, self._silent):
            if source in sources:
                sources.remove(source)
        self._begin_anew()

    def on_came(self, now: float) -> None:
        """Note that something came of what was asked for."""
        if self._due == math.inf:
            self._due = now

    def on_idle(self) -> None:
        """Note that there is nothing to ask for."""
        self._undo()
        self._begin_anew()

    def on_stalled(self, source: Source, stalled: Collection[Source]) -> bool:
        """Have another asked in place of one, unless all are `stalled`; return whether there is one."""
        fit = [other for other in self._silent if other not in stalled]
        if source not in self.asked or not fit:
            return False
        self.asked.remove(source)
        self._silent.remove(fit[0])
        self.asked.append(fit[0])
        self._silent.append(source)
        self._begin_anew()
        return True

    def ask(self, source: Source) -> None:
        """Have a source asked from now on, whatever it adds."""
        if source in self._silent:
            self._silent.remove(source)
            self.asked.append(source)
            self._begin_anew()

    def update(self, now: float, rtt_s: float, came_bytes: int) -> bool:
        """Do what is due; return whether another is asked now.

        Args:
            now: the time in seconds.
            rtt_s: a round trip.
            came_bytes: all that has come over the link so far, whatever it was for.
        """
        if not self.asked:
            return self._add(1)
        if now < self.due:
            return False
        measure_s = max(MEASURE_RTTS * rtt_s, LEAST_MEASURE_S)
        is_more = is_changed = False
        if self._since is not None:
            length, size = now - self._since, came_bytes - self._since_bytes
            if size < LEAST_BYTES and length < LONGEST * measure_s:
                self._due = now + measure_s / 2
                return False
            if size < MAX_PAYLOAD:  # nobody is heard: it says nothing of them
                self.on_idle()
                return False
            is_more, is_changed = self._judge(size / length, now)
        if is_changed:
            self._since, self._measures = None, 0
            self._due = now + SETTLE_RTTS * rtt_s + (0.0 if self._left_out is None else FINISH_S)
        else:
            self._since, self._since_bytes, self._due = now, came_bytes, now + measure_s
        return is_more

    def _judge(self, bytes_per_s: float, now: float) -> tuple[bool, bool]:
        """Take what came in a time; return whether another is asked now, and whether there is any change."""
        self._measures += 1
        if self.tried and bytes_per_s < GREW * self._before_bytes_per_s:
            if self._measures < MEASURES:
                return False, False
            self._undo()
            self._try_at = now + self._try_again_s
            self._try_again_s = min(2 * self._try_again_s, MAX_AGAIN_S)
            return False, True
        if self._left_out is not None and bytes_per_s < FELL * self._before_bytes_per_s:
            self._undo()
            self._leave_out_again_s = min(2 * self._leave_out_again_s, MAX_AGAIN_S)
            self._leave_out_at = now + self._leave_out_again_s
            return True, True
        if self.tried:
            self._try_again_s = AGAIN_S
            self._leave_out_at = now + self._leave_out_again_s
        self.tried, self._left_out = [], None
        self._before_bytes_per_s = bytes_per_s
        if self._silent and now >= self._try_at:
            number = len(self.asked)
            self._add(number)
            self.tried = self.asked[number:]
            return True, True
        if len(self.asked) > 1 and now >= self._leave_out_at:
            self._left_out = self.asked.pop()
            self._silent.append(self._left_out)
            self._try_at = max(self._try_at, now + AGAIN_S)
            return False, True
        return False, False

    def _add(self, number: int) -> bool:
        added, self._silent = self._silent[:number], self._silent[number:]
        self.asked += added
        return bool(added)

    def _undo(self) -> None:
        if self._left_out in self._silent:
            self._silent.remove(self._left_out)
            self.asked.append(self._left_out)
        for source in self.tried:
            if source in self.asked:
                self.asked.remove(source)
                self._silent.append(source)
        self.tried, self._left_out = [], None

    def _begin_anew(self) -> None:
        """Forget what was measured, for it is of other sources or of other times."""
        self.tried, self._left_out = [], None
        self._since, self._due = None, math.inf
