"""What is wished for of one track: what its plan says, only as much at a time as keeps the link busy.

What was said earlier may be taken back as long as it has not come. So the plan is asked as late as can be,
and once more whenever what is here has changed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.manifest import rendition_asked, table_of, table_segment
from lightpeer.core.plan.rules import Fixed
from lightpeer.core.plan.view import Drop, View, Want
from lightpeer.core.segments.buffer import SEGMENT_S
from lightpeer.core.segments.pull_call import FEWEST, MOST

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from lightpeer.core.budget.profile import Limits
    from lightpeer.core.segments.buffer import SegmentBuffer
    from lightpeer.core.segments.policy import Policy
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.udp.opening import Chunk

WINDOWS: Final = 1.5  # wished for at a time: one is outstanding
FIXED_WINDOWS: Final = 2.0  # where nothing is to be decided later
MOST_WISHED_SHARE: Final = 0.5  # of the bound, wished for at a time: what replaces needs no room of its own


class Wishes:
    """What is wished for of one track.

    Attributes:
        has_changed: whether what is here has, so that the plan may want something no longer.
        present: how many renditions there were when it saw to that last.
        committed_bytes: so much may be wished for at a time, and more where the window is greater.
    """

    def __init__(self, shared: Shared, policy: Policy, segments: SegmentBuffer) -> None:
        """Wish for nothing yet.

        Args:
            shared: what all sources of the track share, the scheduler among it.
            policy: how the track is played.
            segments: what is here of it.
        """
        self._shared, self._policy, self._segments = shared, policy, segments
        self._plan, self._limits = policy.plan, policy.limits
        self._bursts, self._playout = policy.bursts, policy.playout
        bitrates = [rendition.bitrate_bps for rendition in shared.track.renditions]
        self._view = View(bitrates, shared.track.segment_count, shared.bandwidth.history)
        is_fixed = policy.only is not None
        self._fewest, self._windows = (MOST, FIXED_WINDOWS) if is_fixed else (FEWEST, WINDOWS)
        self._is_content = False  # the plan has nothing to say
        self.present = shared.present
        self.has_changed = True
        self.committed_bytes = 0.0

    def wish_ahead(self, now: float, before_s: float) -> None:
        """Wish for more than fills the window, and no further: what the plan says may change.

        Args:
            now: the time in seconds.
            before_s: seconds of sound that are heard before the segment that is taken next.
        """
        scheduler, bandwidth = self._shared.scheduler, self._shared.bandwidth
        # As it is now: asking changes it, wishing does not.
        enough_bytes = max(self._windows * bandwidth.window_bytes(), self.committed_bytes)
        enough_bytes = min(enough_bytes, MOST_WISHED_SHARE * self._segments.most_bytes)
        while True:
            is_enough = scheduler.wished >= self._fewest and scheduler.wished_bytes >= enough_bytes
            if (is_enough or self._is_content) and not self.has_changed:
                return
            view = self._look(now, before_s)
            decision = self._kept(view) or self._plan.decide(view)
            if isinstance(decision, Drop):
                self.take_back(decision.segment)
                continue
            self.has_changed, self._is_content = False, decision is None
            if decision is None and (scheduler.wished or scheduler.has_event):
                self._bursts.close(view.end, view.ahead_s)
            elif decision is None:
                self._bursts.on_full(view.ahead_s)
                self._bursts.update(view.ahead_s)  # much of it may have been heard before the rest came
                self.has_changed = self._bursts.fetching
                if self._bursts.fetching:
                    continue
            if decision is None or is_enough:
                return
            self._wish(decision.rendition, decision.segment)

    def see_present(self) -> None:
        """Fetch at once if there is more than before; take back what no source has any more.

        What is wanted alone is not taken back.
        """
        if self._shared.present > self.present:
            self._bursts.restart()  # what is ahead may be had in a better one
        self.present, self.has_changed = self._shared.present, True
        for segment, rendition in list(self._segments.wished.items()):
            if rendition >= self.present and self._policy.only is None:
                self.take_back(segment)

    def _kept(self, view: View) -> Want | None:
        """Return the next segment if it is kept: it costs nothing."""
        kept = self._shared.kept
        rendition = kept.best(view.end) if kept is not None and view.may_extend(0) else None
        return None if rendition is None else Want(rendition, view.end)

    @property
    def _best(self) -> int:
        """The greatest rendition that is wanted, of those that there are."""
        is_capped = self._policy.only is None
        return min(self._top, self._shared.present - 1) if is_capped else self._top

    @property
    def _top(self) -> int:
        """The greatest rendition that the listener would take."""
        top_kbps = self._limits.top_kbps
        bitrates = self._view.bitrates_bps
        return len(bitrates) - 1 if top_kbps is None else rendition_asked(bitrates, top_kbps)

    def keep_to(self, limits: Limits) -> None:
        """Keep to other limits from now on."""
        self._limits, self._segments.most_bytes = limits, limits.buffer_bytes

    def _look(self, now: float, before_s: float) -> View:
        """Return what the plan is to see."""
        view, segments = self._view, self._segments
        scheduler, stats = self._shared.scheduler, self._shared.stats
        depth_s = self._bursts.depth_s if self._playout.realtime else math.inf
        wanted = max(0.0, min(depth_s - before_s, view.count - segments.cursor))
        view.now, view.before_s = now, before_s
        view.cursor, view.end = segments.cursor, segments.end
        view.limit = round(min(self._bursts.end, segments.cursor + math.ceil(wanted / SEGMENT_S)))
        view.here, view.wished = segments.here, segments.wished
        view.unasked = scheduler.unasked_bytes(segments.wished)
        view.best = self._best
        self._shared.wanted = 1 + (self._top if self._policy.only is None else self._policy.only)
        rest_bytes = view.left * view.size_bytes(view.best) + scheduler.wished_bytes + scheduler.ready_bytes
        view.room_bytes = segments.room_bytes(rest_bytes) - scheduler.wished_bytes - scheduler.ready_bytes
        view.waste_share = self._limits.waste_share
        view.fetched_bytes = stats.fetched_bytes
        view.wasted_bytes = stats.replaced_bytes + scheduler.wasted_bytes
        for segment in segments.here.keys() & segments.wished.keys():  # to be replaced
            view.wasted_bytes += round(view.size_bytes(segments.here[segment]))
        return view

    def wish_inline(self, source: Hashable, chunks: Sequence[Chunk]) -> None:
        """Wish for the tables and segments that came with an Open as far as they are next, and give them."""
        only, best = self._policy.only, self._best
        chunks = [c for c in chunks if only in {None, c.rendition} and c.rendition <= best]
        for chunk in chunks:
            wanted = self._segments.end
            if wanted >= self._shared.track.segment_count or not chunk.data:
                continue
            if chunk.segment == table_segment(table_of(wanted)):
                self._shared.scheduler.want_table(chunk.rendition, wanted)
            elif chunk.segment == wanted:
                self._wish(chunk.rendition, wanted)
        for chunk in chunks:
            self._shared.scheduler.on_beginning(source, *chunk)

    def take_best(self) -> None:
        """Fetch the greatest rendition that is wanted, as fast as it comes: nobody listens."""
        self._playout.realtime = False
        if self._policy.only is None:
            self._plan = Fixed(self._top)  # of which there may be less now than later

    def take_back(self, segment: int) -> None:
        """Wish for a segment no longer."""
        self._shared.scheduler.take_back(self._segments.wished[segment], segment)
        self._segments.on_dropped(segment)

    def _wish(self, rendition: int, segment: int) -> None:
        self._segments.on_wished(segment, rendition)
        self._shared.scheduler.wish(rendition, segment, can_wait=segment in self._segments.here)
