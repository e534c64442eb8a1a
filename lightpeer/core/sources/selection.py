"""Which of several sources are asked: as few as fill the link, for each more makes its queue longer.

One is asked, the others are opened and silent. Whether one fills the link shows when the next is probed
beside it with a unit or a few (`probe.py`). Where the sum grows (`throughput.py`), the newcomer is asked from
then on, and as many are probed next as are asked; until the new sum is measured, a guess stands in for it.
Where the others gave way the link is full, and more sources would add nothing: none is probed, and no further
sources are wanted, until the sum is another or a long time has passed. A slow newcomer has shown nothing of
the link: the next one is probed, each time later.

If several are asked one is left out now and then. If the sum does not fall it stays out: the link may have
become thinner, or have grown just when the source was added. A source that stalls is replaced at once.

Call order: `on_joined` and `on_left` as sources come and go, `on_came` and `on_idle` as things happen,
`update` after these and at `due`. While there is a `probe`, that says what may be asked, and is told of it. A
source is any hashable key, `now` seconds on a monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final, Generic, TypeVar

from lightpeer.core.sources.probe import GROWN, Probe
from lightpeer.core.sources.roster import Roster
from lightpeer.core.sources.throughput import LEAST_MEASURE_S, MAX_AGAIN_S, Throughput

SourceT = TypeVar("SourceT")

PROBE_RTTS: Final = 3.0  # and the shortest measure: a source that has not answered by then is given up
SETTLE_RTTS: Final = 1.5  # after one was left out: what was asked of it still comes
FELL: Final = 0.92  # a fourth of a link that four fill takes a quarter
AGAIN_S: Final = 15.0  # after a try in vain, twice as long each time
LEAVE_OUT_AGAIN_S: Final = 30.0  # it costs a share of what comes, if it is in vain


class Selection(Generic[SourceT]):
    """The sources of one track, and which of them are asked."""

    def __init__(self) -> None:
        self._roster: Roster[SourceT] = Roster()
        self.asked = self._roster.asked  # the same list
        self.probe: Probe[SourceT] | None = None  # of some of those asked
        self.due = math.inf  # for `update`; infinity while nothing comes, or there is no choice
        self._throughput = Throughput()
        self._left_out: SourceT | None = None  # to see whether the sum falls
        self._before_bytes_per_s = 0.0  # with that one
        self._guess_bytes_per_s = 0.0  # of the sum since it has grown, until it is measured
        self._is_guess = False  # the sum before the probe
        self._debt_bytes = 0
        self._due_at = math.inf  # `due` where there is a choice
        self._try_at = self._leave_out_at = -math.inf
        self._try_again_s, self._leave_out_again_s = AGAIN_S, LEAVE_OUT_AGAIN_S

    @property
    def tried(self) -> Collection[SourceT]:
        """The sources that are asked to see whether the sum grows."""
        return () if self.probe is None else self.probe.sources

    def wants_more(self, now: float) -> bool:
        """Return whether further sources may add something, as far as the present ones have shown."""
        if self._throughput.is_full(now):
            return False
        has_grown = len(self.asked) - len(self.tried) > 1
        return has_grown or (self.probe is None and not self._roster.unknown)

    def on_joined(self, source: SourceT) -> None:
        """Note a new source."""
        self._roster.join(source)
        self._try_at = -math.inf
        self._set_due()

    def on_left(self, source: SourceT) -> None:
        """Note that a source is gone."""
        if source in self.asked:
            self._replace(source)
        self._roster.leave(source)
        self._set_due()

    def on_stalled(self, source: SourceT, stalled: Collection[SourceT]) -> None:
        """Have another asked in place of one, unless all are `stalled`."""
        fit = [other for other in self._roster.silent if other not in stalled]
        if source in self.asked and fit:
            self._replace(source, fit[0])
            self._roster.silent.append(source)
            self._set_due()

    def ask(self, source: SourceT) -> None:
        """Have a source asked from now on, whatever it adds."""
        if source in self._roster.silent:
            self._replace(None, source)
            self._set_due()

    def on_came(self, source: SourceT, arrivals: Sequence[tuple[int, float]]) -> bool:
        """Note bytes that were asked for and came in one wake-up.

        Return whether a deadline is to be set anew: `due` was infinite before, or a probe is over.

        Args:
            source: the source that sent them.
            arrivals: the size in bytes and the time in seconds of each, oldest first; at least one.
        """
        if self.probe is not None:
            self._throughput.pass_over(arrivals[-1][1])
            over_at = [at for size, at in arrivals if self.probe.on_came(source, size, at)]
            if not over_at:
                return False
            self._due_at = over_at[-1]
            self._set_due()
            return True
        began_at = self._throughput.on_came(arrivals)
        is_first = self._due_at == math.inf
        self._due_at = min(self._due_at, began_at)
        self._set_due()
        return is_first and self.due < math.inf

    def on_idle(self) -> None:
        """Note that there is nothing to ask for."""
        self._undo()
        self._forget()
        self._set_due()

    def take_debt(self) -> int:
        """Return, once, how many bytes a probe put into the queue of a full link: the others make room."""
        debt_bytes, self._debt_bytes = self._debt_bytes, 0
        return debt_bytes

    def update(self, now: float, rtt_s: float) -> None:
        """Do what is due, where a round trip takes `rtt_s`."""
        self._throughput.measure_s = max(rtt_s, LEAST_MEASURE_S)
        if not self.asked:
            self._roster.ask_next(1)
        elif now >= self.due:
            self._due_at = now + self._throughput.measure_s / 2
            self._go_on(now, rtt_s)
        self._set_due()

    def _go_on(self, now: float, rtt_s: float) -> None:
        """See what has come, and try what may add something."""
        if self.probe is not None:
            self._judge(self.probe, now, rtt_s)
        elif self._throughput.is_silent(now):
            self.on_idle()
        elif self._throughput.rates_bytes_per_s:
            self._choose(now, rtt_s)
        elif self._guess_bytes_per_s:
            self._try(self._guess_bytes_per_s, now, rtt_s, is_guess=True)

    def _choose(self, now: float, rtt_s: float) -> None:
        """Probe others, or leave one out, if it is time."""
        self._guess_bytes_per_s = 0.0
        if self._left_out is not None:
            self._judge_without(now)
            return
        is_time = now >= self._try_at and not self._throughput.is_full(now)
        if is_time and self._try(self._throughput.lately(), now, rtt_s):
            return
        if len(self.asked) > 1 and now >= self._leave_out_at:
            self._left_out = self.asked[-1]
            self._roster.silence(self._left_out)
            self._before_bytes_per_s = self._throughput.greatest()
            self._try_at = max(self._try_at, now + AGAIN_S)
            self._throughput.begin_anew(now + SETTLE_RTTS * rtt_s)

    def _try(self, before_bytes_per_s: float, now: float, rtt_s: float, *, is_guess: bool = False) -> bool:
        """Probe as many as are asked; return whether there is any."""
        if not (newcomers := self._roster.ask_next(len(self.asked))):
            return False
        self.probe, self._is_guess = Probe(newcomers, before_bytes_per_s), is_guess
        self._due_at = now + PROBE_RTTS * rtt_s + LEAST_MEASURE_S
        return True

    def _judge(self, probe: Probe[SourceT], now: float, rtt_s: float) -> None:
        """See what a probe has shown."""
        if probe.is_over and probe.on_top < GROWN:
            self._debt_bytes = probe.asked_bytes
        if probe.is_over and not probe.is_clear:
            probe.repeat()
            self._due_at = now + PROBE_RTTS * rtt_s + LEAST_MEASURE_S
        elif probe.has_grown(rtt_s):
            self._try_again_s = AGAIN_S
            self._leave_out_at = now + self._leave_out_again_s
            self._throughput.on_grown()
            self._throughput.begin_anew(now + rtt_s)
            self.probe, known = None, len(self.asked) - len(probe.sources)
            self._guess_bytes_per_s = probe.before_bytes_per_s * len(self.asked) / known
            self._try(self._guess_bytes_per_s, now, rtt_s, is_guess=True)
        else:
            self._undo()
            self._throughput.pause(now + rtt_s)
            self._on_tried_in_vain(probe, now)

    def _on_tried_in_vain(self, probe: Probe[SourceT], now: float) -> None:
        """Put off the next probe, after one that has shown nothing to gain."""
        if self._is_guess:
            self._guess_bytes_per_s = 0.0  # it was wrong, or the newcomers were
            return
        self._try_at = now + self._try_again_s
        self._try_again_s = min(2 * self._try_again_s, MAX_AGAIN_S)
        if probe.is_full:
            self._throughput.on_full(probe.before_bytes_per_s, now)

    def _judge_without(self, now: float) -> None:
        """See what comes without the one left out, and ask it again if that is less."""
        if self._throughput.greatest() >= FELL * self._before_bytes_per_s:
            self._left_out = None
            return
        self._undo()
        self._leave_out_again_s = min(2 * self._leave_out_again_s, MAX_AGAIN_S)
        self._leave_out_at = now + self._leave_out_again_s
        self._throughput.begin_anew(now)

    def _replace(self, source: SourceT | None, other: SourceT | None = None) -> None:
        """Have another asked in place of one, and end the probe: it was beside others."""
        if source is not None:
            self.asked.remove(source)
        if other is not None or not set(self.asked) <= set(self.tried):
            self._undo()
        self.probe = self._left_out = None
        if other is not None:
            self._roster.ask(other)  # one that was left out is asked again already
        self._forget()

    def _undo(self) -> None:
        """Undo what is being tried: a probe, or the leaving out of one."""
        for source in self.tried:
            self._roster.silence(source)
        if self._left_out is not None:
            self._roster.ask(self._left_out)  # unless it is gone
        self.probe = self._left_out = None

    def _forget(self) -> None:
        """Forget the measures: they are of other sources or of other times."""
        self._throughput.begin_anew(-math.inf)
        self._guess_bytes_per_s = 0.0
        self._due_at = math.inf

    def _set_due(self) -> None:
        self.due = self._due_at if self._roster.silent or len(self.asked) > 1 else math.inf
