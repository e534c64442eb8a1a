"""Who of several sources is asked: as few as fill the link, for each more makes its queue longer.

One is asked, the others are opened and silent. Whether one fills the link shows when the next is probed
beside it with a unit or a few (`probe.py`). Where the sum grows, the newcomer is asked from then on, and
as many are probed next as are asked; until it is measured, what comes is guessed for that. Where the others
gave way the link is full, and whoever else is asked would add nothing: none is probed, and no further sources
are wanted, until the sum is another or a long time has passed. One that is slow has shown nothing of the
link: the next one is probed, each time later.

Of several that are asked one is left out now and then; where the sum does not fall it stays out: the link may
have become thinner, or have grown just when it was added. A source that stalls is replaced at once.

Sums are measured over a round trip or more, from one arrival to another: a link that is full gives them
exactly then, however few they are. After a change nothing counts for a round trip. A time in which there was
nothing to ask for tells nothing, and begins anew.

Call order: `on_joined` and `on_left` as sources come and go, `on_asked`, `on_came` and `on_idle` as things
happen, `update` after these and at `due`. A source is any hashable key, `now` seconds on a monotonic clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from typing import Final, Generic, TypeVar

from lightpeer.core.sources.probe import GROWN, Probe
from lightpeer.core.udp.datagram import MAX_PAYLOAD

Source = TypeVar("Source")

LEAST_MEASURE_S: Final = 0.3
LEAST_BYTES: Final = 6 * MAX_PAYLOAD  # with fewer a unit more or less tells of growth
LONGEST: Final = 4.0  # times as long as that, after which so few bytes are the measure
MEASURES: Final = 3  # of which the greatest is what a full link gives
PROBE_RTTS: Final = 3.0  # and as long as the shortest measure: who has not answered by then is given up
SETTLE_RTTS: Final = 1.5  # after one was left out: what was asked of it still comes
FELL: Final = 0.92  # a fourth of a link that four fill takes a quarter
OTHER: Final = 1.25  # times as much or as little: another link, or another bottleneck
AGAIN_S: Final = 15.0  # after a try in vain, twice as long each time
FULL_AGAIN_S: Final = 60.0  # where the link was full
LEAVE_OUT_AGAIN_S: Final = 30.0  # it costs a share of what comes, if it is in vain
MAX_AGAIN_S: Final = 240.0


class Selection(Generic[Source]):
    """The sources of one track, and which of them are asked."""

    def __init__(self) -> None:
        self.asked: list[Source] = []
        self.probe: Probe[Source] | None = None  # of some of those asked
        self._silent: list[Source] = []  # the next one first
        self._unknown: list[Source] = []  # of the silent, that were never probed: these are the first
        self._left_out: Source | None = None  # to see whether the sum falls
        self._before_bytes_per_s = 0.0  # with that one
        self._guess_bytes_per_s = 0.0  # what comes since the sum has grown, until it is measured
        self._is_guess = False  # what came before the probe
        self._debt_bytes = 0
        self._rates: deque[float] = deque(maxlen=MEASURES)
        self._measure_s = LEAST_MEASURE_S
        self._begin_at = -math.inf  # what is measured next
        self._since: float | None = None  # an arrival: what has come after it counts
        self._bytes = 0  # since then
        self._came_at = -math.inf  # the last
        self._due = math.inf
        self._try_at = self._leave_out_at = self._full_until = -math.inf
        self._full_bytes_per_s = 0.0
        self._try_again_s, self._full_again_s = AGAIN_S, FULL_AGAIN_S
        self._leave_out_again_s = LEAVE_OUT_AGAIN_S

    @property
    def tried(self) -> Collection[Source]:
        """Those that are asked to see whether the sum grows."""
        return () if self.probe is None else self.probe.sources

    @property
    def due(self) -> float:
        """When `update` may change something; infinity while nothing comes, or there is no choice."""
        return self._due if self._silent or len(self.asked) > 1 else math.inf

    def wants_more(self, now: float) -> bool:
        """Return whether further sources may add something, by what those that there are have shown."""
        if self._is_full(now):
            return False
        has_grown = len(self.asked) - len(self.tried) > 1
        return has_grown or (self.probe is None and not self._unknown)

    def on_joined(self, source: Source) -> None:
        """Note a new source."""
        self._silent.insert(len(self._unknown), source)
        self._unknown.append(source)
        self._try_at = -math.inf

    def on_left(self, source: Source) -> None:
        """Note that a source is gone."""
        if source in self.asked:
            self._replace(source)
        self._take_out(source)

    def on_stalled(self, source: Source, stalled: Collection[Source]) -> bool:
        """Have another asked in place of one, unless all are `stalled`; return whether there is one."""
        fit = [other for other in self._silent if other not in stalled]
        if source not in self.asked or not fit:
            return False
        self._replace(source, fit[0])
        self._silent.append(source)
        return True

    def ask(self, source: Source) -> None:
        """Have a source asked from now on, whatever it adds."""
        if source in self._silent:
            self._replace(None, source)

    def may_ask(self, source: Source) -> bool:
        """Return whether one of those asked is to be asked now: who is probed answers first."""
        return self.probe is None or self.probe.may_ask(source)

    def on_asked(self, source: Source, size: int, now: float) -> None:
        """Note that so many bytes were asked of one."""
        if self.probe is not None:
            self.probe.on_asked(source, size, now)

    def on_came(self, source: Source, size: int, now: float) -> bool:
        """Note bytes of what was asked for; return whether `due` is nearer."""
        gap_s, self._came_at = now - self._came_at, now
        if self.probe is not None:
            if not self.probe.on_came(source, size, now):
                return False
            self._due = now
            return True
        if self._since is None or gap_s > LONGEST * self._measure_s:
            self._since, self._bytes = (now if now >= self._begin_at else None), 0
            is_first = self._due == math.inf
            self._due = min(self._due, now)
            return is_first and self.due < math.inf
        self._bytes += size
        length = now - self._since
        is_enough = self._bytes >= LEAST_BYTES or length >= LONGEST * self._measure_s
        if length >= self._measure_s and is_enough:
            self._rates.append(self._bytes / length)
            self._since, self._bytes = now, 0
        return False

    def on_idle(self) -> None:
        """Note that there is nothing to ask for."""
        self._undo()
        self._forget()

    def take_debt(self) -> int:
        """Return what a probe put into the queue of a full link, for the others to make room for; once."""
        debt_bytes, self._debt_bytes = self._debt_bytes, 0
        return debt_bytes

    def update(self, now: float, rtt_s: float) -> bool:
        """Do what is due, where a round trip takes `rtt_s`; return whether another is to be asked now."""
        self._measure_s = max(rtt_s, LEAST_MEASURE_S)
        if not self.asked:
            return self._add(1)
        if now < self.due:
            return False
        self._due = now + self._measure_s / 2
        if self.probe is not None:
            return self._judge(self.probe, now, rtt_s)
        if now - self._came_at > LONGEST * self._measure_s:  # nobody is heard: it says nothing of them
            self.on_idle()
        elif self._rates:
            return self._choose(now, rtt_s)
        elif self._guess_bytes_per_s:
            return self._try(self._guess_bytes_per_s, now, rtt_s, is_guess=True)
        return False

    def _choose(self, now: float, rtt_s: float) -> bool:
        """Probe others, or leave one out, if it is time; return whether another is asked now."""
        self._guess_bytes_per_s = 0.0
        if self._left_out is not None:
            return self._judge_without(now)
        if now >= self._try_at and not self._is_full(now) and self._try(self._lately(), now, rtt_s):
            return True
        if len(self.asked) > 1 and now >= self._leave_out_at:
            self._left_out = self.asked.pop()
            self._silent.append(self._left_out)
            self._before_bytes_per_s = max(self._rates)
            self._try_at = max(self._try_at, now + AGAIN_S)
            self._measure_anew(now + SETTLE_RTTS * rtt_s)
        return False

    def _lately(self) -> float:
        """Return what came lately; in a start it may be more than what was measured before."""
        length = 0.0 if self._since is None else self._came_at - self._since
        lately = self._bytes / length if length >= self._measure_s / 2 else 0.0
        return max(lately, *self._rates)

    def _is_full(self, now: float) -> bool:
        """Return whether the link is still known to be full."""
        if now >= self._full_until:
            return False
        least, most = min(self._rates, default=0.0), max(self._rates, default=math.inf)
        return most > self._full_bytes_per_s / OTHER and least < self._full_bytes_per_s * OTHER

    def _try(self, before_bytes_per_s: float, now: float, rtt_s: float, *, is_guess: bool = False) -> bool:
        """Probe as many as are asked; return whether there is any."""
        number = len(self.asked)
        if not self._add(number):
            return False
        self.probe, self._is_guess = Probe(self.asked[number:], before_bytes_per_s), is_guess
        self._due = now + PROBE_RTTS * rtt_s + LEAST_MEASURE_S
        return True

    def _judge(self, probe: Probe[Source], now: float, rtt_s: float) -> bool:
        """See what a probe has shown; return whether another is to be asked now."""
        if probe.is_over and probe.on_top < GROWN:
            self._debt_bytes = probe.asked_bytes
        if probe.is_over and not probe.is_clear:
            probe.repeat()
            self._due = now + PROBE_RTTS * rtt_s + LEAST_MEASURE_S
            return True
        if probe.has_grown(rtt_s):
            self._try_again_s, self._full_again_s = AGAIN_S, FULL_AGAIN_S
            self._leave_out_at = now + self._leave_out_again_s
            self._measure_anew(now + rtt_s)
            self.probe, known = None, len(self.asked) - len(probe.sources)
            self._guess_bytes_per_s = probe.before_bytes_per_s * len(self.asked) / known
            self._try(self._guess_bytes_per_s, now, rtt_s, is_guess=True)
            return True
        self._undo()
        self._since, self._begin_at = None, now + rtt_s
        if self._is_guess:
            self._guess_bytes_per_s = 0.0  # it was wrong, or they were
            return False
        self._try_at = now + self._try_again_s
        self._try_again_s = min(2 * self._try_again_s, MAX_AGAIN_S)
        if probe.is_full:
            self._full_bytes_per_s, self._full_until = probe.before_bytes_per_s, now + self._full_again_s
            self._full_again_s = min(2 * self._full_again_s, MAX_AGAIN_S)
        return False

    def _judge_without(self, now: float) -> bool:
        """See what comes without the one left out; return whether it is asked again."""
        if max(self._rates) >= FELL * self._before_bytes_per_s:
            self._left_out = None
            return False
        self._undo()
        self._leave_out_again_s = min(2 * self._leave_out_again_s, MAX_AGAIN_S)
        self._leave_out_at = now + self._leave_out_again_s
        self._measure_anew(now)
        return True

    def _measure_anew(self, begin_at: float) -> None:
        self._rates.clear()
        self._since, self._begin_at = None, begin_at

    def _add(self, number: int) -> bool:
        added = self._silent[:number]
        for source in added:
            self._take_out(source)
        self.asked += added
        return bool(added)

    def _take_out(self, source: Source) -> None:
        for sources in (self._silent, self._unknown):
            if source in sources:
                sources.remove(source)

    def _replace(self, source: Source | None, other: Source | None = None) -> None:
        """Have another asked in place of one, and end what is tried, for it was beside others."""
        if source is not None:
            self.asked.remove(source)
        if other is not None or not set(self.asked) <= set(self.tried):
            self._undo()
        self.probe = self._left_out = None
        if other is not None and other not in self.asked:  # as one that was left out may be again
            self._take_out(other)
            self.asked.append(other)
        self._forget()

    def _undo(self) -> None:
        """Take back what is tried."""
        for source in self.tried:
            if source in self.asked:
                self.asked.remove(source)
                self._silent.append(source)
        if self._left_out is not None and self._left_out in self._silent:
            self._silent.remove(self._left_out)
            self.asked.append(self._left_out)
        self.probe = self._left_out = None

    def _forget(self) -> None:
        """Forget what was measured, for it is of other sources or of other times."""
        self._measure_anew(-math.inf)
        self._guess_bytes_per_s = 0.0
        self._due = math.inf
