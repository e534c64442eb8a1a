"""Sources that hold up playback: late with what it needs next, though the network is there.

As soon as little is left to play, what is still missing of the next segment is asked from a second source as
well (a hedged request), if the first one will hardly give it in time. One that holds an object for longer
than a source that sustains playback would is named as the holder.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.segments.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.segments.asking import Asking
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.sources.dead_zone import DeadZone

URGENT_S: Final = 5.0  # of audio left: enough to fetch from another source what one holds up
NEAR_S: Final = 3.0  # of audio left: what is still missing of the next segment is asked from a second source
MAX_HEDGED: Final = 0.02  # of all bytes, asked for a second time; and one segment at any time


class HoldUps:
    """What is late, among sources in a list that its owner keeps."""

    def __init__(
        self, shared: Shared, sources: Sequence[Source], asking: Asking, dead_zone: DeadZone
    ) -> None:
        """Watch sources.

        Args:
            shared: what they share.
            sources: all of them.
            asking: which of them are asked.
            dead_zone: whether the network is there.
        """
        self._shared = shared
        self._sources = sources
        self._asking = asking
        self._dead_zone = dead_zone
        self._hedged_bytes = 0  # asked for a second time

    def holder(self, now: float, ahead_s: float) -> Source | None:
        """Return the source that holds up playback with `ahead_s` seconds of audio left, if one does."""
        holder = self._shared.scheduler.queue.overdue(now)
        is_harmless = ahead_s > URGENT_S or self._dead_zone.is_in_grace(now)
        return None if is_harmless or not isinstance(holder, Source) else holder

    def hedge_first(self, now: float, ahead_s: float, *, realtime: bool) -> None:
        """Ask a second source for what playback needs next, if the first will hardly give it in time.

        Args:
            now: the time in seconds.
            ahead_s: seconds of audio left.
            realtime: False if nothing is late, since nobody listens.
        """
        scheduler = self._shared.scheduler
        first = scheduler.queue.first_holder()
        if not isinstance(first, Source) or ahead_s > NEAR_S:
            return
        is_due = scheduler.queue.overdue(now) is first  # then what it holds will hardly come twice
        if not is_due and self._hedged_bytes > MAX_HEDGED * self._shared.stats.fetched_bytes:
            return
        quiet_s = self._asking.quiet_s()
        is_late = first.silent_s(now) >= quiet_s or first.udp.backlog_s > (ahead_s if realtime else math.inf)
        others = [source for source in self._sources if source is not first]
        if is_late and any(source.silent_s(now) < quiet_s for source in others):
            self._hedged_bytes += scheduler.queue.hedge_first()
            self._asking.ask_first(others, now)
