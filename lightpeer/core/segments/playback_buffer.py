"""A track around the playhead: what is here, what is wished for next, and whether sound may run.

It joins the buffer of verified segments to the plan, which says what to fetch, the bursts, which say when,
and the playout, which says when sound runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.segments.buffer import SEGMENT_S, SegmentBuffer
from lightpeer.core.segments.events import Rebuffering, Resumed
from lightpeer.core.segments.playout import LEAST_S, needed_s
from lightpeer.core.segments.wishes import Wishes

if TYPE_CHECKING:
    from lightpeer.core.segments.policy import Policy
    from lightpeer.core.segments.scheduler import SegmentReady
    from lightpeer.core.segments.shared import Shared

LOW_S: Final = 15.0  # ahead: less does not outlast an ordinary dead zone
FLOOR_SHARE: Final = 1.25  # of the bitrate, kept against other downloads while the buffer is low
HERE: Final = 2  # segments, one of which the decoder may only begin with: a seek to them is heard at once
LEAST_PUMP_S: Final = 0.01  # from one look at a sink that is about to run dry to the next
COUNT_FIRST_S: Final = 0.1  # from the first count to the second; then twice as long, and so on
COUNT_EVERY_S: Final = 1.0
LATELY_S: Final = 5  # of fetching
COMMITTED_S: Final = 1.0  # of the rate of these, wished for at a time: what follows is decided later


class PlaybackBuffer:
    """The buffer of one track and its policy.

    Attributes:
        wishes: what of it is to come.
        buffer_s: seconds of verified audio in a row from the playhead on.
        sink_ahead_s: seconds of sound that left the buffer and are not played yet; `on_sink` says so.
        ahead_s: both, which is until nothing is left to play.
        is_held: whether nothing is wished for beyond what came with the Open.
        sink_until: when that sound will have been played, if it runs.
        pump_at: when to call `pump`, minus infinity for at once: at the latest when the sink runs dry, if
            nothing is here for it.
    """

    def __init__(self, shared: Shared, policy: Policy) -> None:
        self.buffer_s = self.sink_ahead_s = self.ahead_s = 0.0
        self._policy, self._playout, self._bursts = policy, policy.playout, policy.bursts
        self._shared = shared
        self._renditions = shared.track.renditions
        self._segments = SegmentBuffer(shared.track.segment_count, policy.limits.buffer_bytes)
        self.wishes = Wishes(shared, policy, self._segments)
        self._least = policy.only or 0  # the lowest rendition that is fetched
        self._counted_bytes = 0  # of what came, in the link's history
        self._count_at, self._count_every_s = -math.inf, COUNT_FIRST_S  # next
        self._was_fetching = False
        self._taken: int | None = None  # the rendition that was taken last
        self.sink_until, self.pump_at = -math.inf, math.inf
        self.is_held = False
        self._is_pump_due = False  # at once
        self._pumped_at = -math.inf
        self._fetching_since: float | None = None

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def size_bytes(self) -> int:
        """How many bytes are here."""
        return self._segments.size_bytes

    @property
    def most_bytes(self) -> int:
        """How many bytes may be here."""
        return self._segments.most_bytes

    @property
    def cursor(self) -> int:
        """The segment that is taken next."""
        return self._segments.cursor

    @property
    def is_complete(self) -> bool:
        """Whether all that is left of the track is here."""
        return self._segments.is_complete

    @property
    def is_at_end(self) -> bool:
        """Whether all segments were taken."""
        return self._segments.is_at_end

    @property
    def is_low(self) -> bool:
        """Whether so little is ahead that others have to yield."""
        return self.ahead_s < LOW_S

    def on_sink(self, sink_ahead_s: float, now: float) -> None:
        """Note how much sound has left the buffer and is not played yet."""
        self.sink_ahead_s, self.sink_until = sink_ahead_s, now + sink_ahead_s
        self._measure()

    def _measure(self) -> None:
        if self.buffer_s != self._segments.ahead * SEGMENT_S:
            self.wishes.has_changed = True
        self.buffer_s = self._segments.ahead * SEGMENT_S
        self.ahead_s = self.buffer_s + self.sink_ahead_s
        self._set_pump_at()

    def _set_pump_at(self) -> None:
        playout = self._playout
        if self._is_pump_due:
            self.pump_at = -math.inf
        elif playout.playing and playout.realtime and not self.buffer_s and not self.is_complete:
            self.pump_at = max(self.sink_until, self._pumped_at + LEAST_PUMP_S)
        else:
            self.pump_at = math.inf

    def take(self, now: float) -> SegmentReady | None:
        """Return the next segment, None while sound is not to run or the segment is not here."""
        self.update(now)
        if not self._playout.playing or not self._segments.is_next_ready:
            self._is_pump_due |= self._playout.realtime  # the sink may run dry
            self._set_pump_at()
            return None
        segment = self._segments.take()
        if segment.segment in self._segments.wished:
            self.wishes.take_back(segment.segment)  # what would replace it comes too late
        if self._playout.realtime:  # it is on its way to the sink
            self.on_sink(self.sink_ahead_s + SEGMENT_S, now)
            self._bursts.listening.heard_s += SEGMENT_S
        on_its_way = self._segments.end - self._segments.cursor  # or here
        self._bursts.update(self.sink_ahead_s + on_its_way * SEGMENT_S)
        self._is_pump_due |= self._bursts.fetching and not self._shared.scheduler.wished
        self._measure()
        stats = self._shared.stats
        stats.audio_bytes += len(segment.data)
        stats.segments += 1
        stats.bitrate_seconds += self._renditions[segment.rendition].bitrate_bps / 1000
        stats.switches += self._taken not in (None, segment.rendition)
        self._taken = segment.rendition
        return segment

    def put(self, segment: SegmentReady) -> bool:
        """Take in a segment; return whether it may be heard yet."""
        stats, size = self._shared.stats, len(segment.data)
        if segment.was_kept:
            stats.kept_bytes += size
        else:
            stats.fetched_bytes += size
        replaced = self._segments.here.get(segment.segment)
        is_better = self._segments.put(segment)
        if not is_better:
            stats.replaced_bytes += size
        elif replaced is not None:
            stats.replaced_bytes += self._renditions[replaced].bitrate_bps // 8
        self._measure()
        return is_better

    def seek(self, segment: int) -> bool:
        """Go on at another segment; return whether it is here or on its way, so that the wishes stand."""
        was_playing = self._playout.playing
        self._playout.restart()
        self._bursts.restart()
        self._is_pump_due = True
        is_near = self._segments.seek(segment)
        self.wishes.has_changed = True  # even if there as little is here as where it was
        if was_playing and self._segments.ahead >= HERE:
            self._playout.go_on()
        self._measure()
        return is_near

    def update(self, now: float) -> None:
        """See whether sound may run, and tell of a change."""
        playout = self._playout
        if playout.playing and self.ahead_s > 0:  # as it is nearly always: it runs on
            return
        interruptions, was_dry, before_s = playout.rebuffers, playout.is_dry, playout.rebuffer_s
        if playout.playing:
            enough_s = 0.0
        else:
            rate = self._shared.bandwidth.measured_bytes_per_s
            enough_s = needed_s(rate, self._renditions[self._least].bitrate_bps)
            if not self._bursts.fetching and not self._shared.scheduler.wished:  # there is no room for more
                enough_s = min(enough_s, LEAST_S)
        playout.update(self.ahead_s, enough_s, now, complete=self.is_complete)
        if playout.rebuffers > interruptions:
            self._shared.events.append(Rebuffering())
        elif was_dry and not playout.is_dry:
            self._shared.events.append(Resumed(playout.rebuffer_s - before_s))

    # What is wished for.

    def pump(self, now: float) -> None:
        """See whether sound may run, wish for more if it is time to fetch, and keep up the rate."""
        self._pumped_at = now
        self.update(now)
        if self.wishes.present != self._shared.present:
            self.wishes.see_present()
        if not self._bursts.fetching:
            self._bursts.update(self.ahead_s)
        if self._bursts.fetching and not self.is_held:
            before_s = max(0.0, self.sink_until - now) if self._playout.realtime else 0.0
            self.wishes.wish_ahead(now, before_s)
        self._keep_up()
        if self._fetching_since is not None:
            self._shared.stats.fetching_s += now - self._fetching_since
        self._fetching_since = now if self._shared.scheduler.wished else None
        self._count(now)
        self._is_pump_due = self._shared.scheduler.has_event  # what is kept comes at once
        self._set_pump_at()

    def _count(self, now: float) -> None:
        """Add what came to the link's history, now and then."""
        is_fetching = self._shared.scheduler.wished > 0
        if not is_fetching and not self._was_fetching:  # other tracks share the history
            self._counted_bytes = self._shared.scheduler.delivered_bytes
            return
        if is_fetching == self._was_fetching and now < self._count_at:
            return
        self._was_fetching, self._count_at = is_fetching, now + self._count_every_s
        self._count_every_s = min(COUNT_EVERY_S, 2 * self._count_every_s)
        delivered_bytes = self._shared.scheduler.delivered_bytes
        came_bytes, self._counted_bytes = delivered_bytes - self._counted_bytes, delivered_bytes
        history = self._shared.bandwidth.history
        history.note(came_bytes, now, fetching=is_fetching)
        self.wishes.committed_bytes = COMMITTED_S * history.mean_bytes_per_s(LATELY_S)

    def _keep_up(self) -> None:
        bitrate_bps = self._renditions[self._taken or self._least].bitrate_bps
        floor_bytes_per_s = FLOOR_SHARE * bitrate_bps / 8 if self.is_low else 0.0
        if floor_bytes_per_s != self._shared.bandwidth.kept_up_bytes_per_s:
            self._shared.bandwidth.keep_up(floor_bytes_per_s)
