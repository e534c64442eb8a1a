"""Which sources of a track are asked, and for how much: as few as fill the link.

`Selection` decides which, each source's flow how much; here that is carried out, soonest with those that will
be through soonest with what they have.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.rate.flow import FIRST_PACE_RTT_S
from lightpeer.core.segments.object_queue import PATIENCE_S
from lightpeer.core.sources.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.segments.source import Source

QUIET_S: Final = 1.0  # of silence of a source: it stalls
QUIET_RTTS: Final = 3.0  # at least, where a round trip takes long
PATIENCE_RTTS: Final = 4.0  # at least, with the source of an object: it may be asked for twice


class Asking:
    """The asking of sources, which it reads from a list that its owner keeps.

    Attributes:
        selection: which are asked; the owner tells it of those that come and go, and of what they bring.
    """

    def __init__(self, shared: Shared, sources: Sequence[Source]) -> None:
        self._shared = shared
        self._sources = sources
        self.selection: Selection[Source] = Selection()
        self._found: list[Source] | None = None  # ready to be asked

    def find_work(self) -> bool:
        """Return whether `ask`, called next, would do something."""
        self._found = self._ready() or None  # no stale answer, if `ask` comes later
        return bool(self._found or self._through())

    def ask(self, now: float, but: Collection[Source] = ()) -> None:
        """Ask for more, soonest of those that will be through soonest with what they have."""
        for source in self._through():
            source.udp.hand_over()
        ready, self._found = self._ready() if self._found is None else self._found, None
        if len(ready) > 1:
            ready.sort(key=lambda source: source.udp.backlog_s)
        for source in ready:
            if source in but or source.is_closed:
                continue
            size = source.udp.ask(now)
            if not size:
                self.selection.on_idle()
            elif self.selection.probe is not None:
                self.selection.probe.on_asked(source, size, now)
        for source in self._sources:
            if source.call.is_open and not source.call.is_answer_due:
                self.ask_call(source, now)

    def ask_call(self, source: Source, now: float) -> None:
        """Ask for more on a source's call, if there is one."""
        if keys := source.ask_call(now):
            self._shared.out.append((source, keys))

    def _ready(self) -> list[Source]:
        """Return those to ask for more."""
        probe = self.selection.probe
        return [
            s
            for s in self.selection.asked
            if (probe is None or probe.may_ask(s))
            and not s.transport.on_grpc
            and s.udp.receiver is not None
            and s.udp.flow.bytes_to_next_pull() <= s.udp.early_bytes
        ]

    def _through(self) -> list[Source]:
        """Return those that are not asked any more, but hold what others may bring the rest of."""
        return [s for s in self._sources if s not in self.selection.asked and s.udp.is_through]

    def select(self, now: float) -> None:
        """Have as many asked as fill the link, and another in place of one that stalls."""
        srtt_s, quiet_s = self._shared.bandwidth.srtt_s, self.quiet_s()
        self._shared.scheduler.queue.patience_s = max(PATIENCE_S, PATIENCE_RTTS * (srtt_s or 0.0))
        stalled = [source for source in self._sources if source.silent_s(now) >= quiet_s]
        selection, probe = self.selection, self.selection.probe
        for source in stalled:
            selection.on_stalled(source, stalled)
        selection.update(now, srtt_s or FIRST_PACE_RTT_S)
        beside = [source for source in selection.asked if source not in selection.tried]
        if selection.probe not in (None, probe):
            for source in beside:
                source.udp.flow.keep_rate()
        if debt_bytes := selection.take_debt():
            for source in beside:
                source.udp.flow.pay_back(debt_bytes / len(beside), now)
        self._tell_shares(len(selection.asked), len(beside))

    def _tell_shares(self, asked: int, beside: int) -> None:
        """Tell all what is to be expected where so many are asked, of which so many are not just probed."""
        share_bytes_per_s = (self._shared.bandwidth.rate_bytes_per_s or math.inf) / max(1, asked)
        self._shared.scheduler.queue.share_bytes_per_s = share_bytes_per_s
        for source in self._sources:
            source.limit(
                beside=beside if source in self.selection.tried else 0,
                share_bytes_per_s=share_bytes_per_s if asked > 1 else math.inf,
            )

    def ask_first(self, sources: Sequence[Source], now: float) -> None:
        """Ask one of these for what is wanted first, whatever is asked of the others."""
        if not any(source in self.selection.asked for source in sources):
            self.selection.ask(min(sources, key=lambda source: source.silent_s(now)))
        self.ask(now, but=[source for source in self._sources if source not in sources])

    def wants_more(self, now: float) -> bool:
        """Return whether further sources may add something."""
        is_stalled = any(source.silent_s(now) >= self.quiet_s() for source in self._sources)
        return is_stalled or self.selection.wants_more(now)

    def quiet_s(self) -> float:
        """Return how long a silence shows that a source stalls."""
        return max(QUIET_S, QUIET_RTTS * (self._shared.bandwidth.srtt_s or 0.0))
