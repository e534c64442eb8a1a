"""A track around the playhead: what is here, what is wished for next, and whether sound may run.

It joins the buffer of verified segments to the policy of playback, which says when to fetch, when sound
runs, and in which rendition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.manifest import table_of, table_segment
from lightpeer.core.segments.buffer import SEGMENT_S, SegmentBuffer
from lightpeer.core.segments.events import Rebuffering, Resumed
from lightpeer.core.segments.pull_call import MOST

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from lightpeer.core.segments.abr import Ladder
    from lightpeer.core.segments.playout import Playout
    from lightpeer.core.segments.scheduler import SegmentReady
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.udp.opening import Chunk

FLOOR_SHARE: Final = 1.25  # of the bitrate, kept against other downloads while the buffer is low
HERE: Final = 2  # segments, one of which the decoder may only begin with: a seek to them is heard at once
LEAST_PUMP_S: Final = 0.01  # from one look at a sink that is about to run dry to the next


@dataclass(frozen=True, slots=True)
class Policy:
    """How a track is played: when it is fetched and sounds, and in which rendition."""

    playout: Playout
    ladder: Ladder


class PlaybackBuffer:
    """The buffer of one track and its policy.

    Attributes:
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
        self._playout, self._ladder = policy.playout, policy.ladder
        self._shared = shared
        self._renditions = shared.track.renditions
        self._segments = SegmentBuffer(shared.track.segment_count, policy.playout.high_water_s)
        self.sink_until, self.pump_at = -math.inf, math.inf
        self.is_held = False
        self._is_pump_due = False  # at once
        self._pumped_at = -math.inf
        self._fetching_since: float | None = None

    def __len__(self) -> int:
        return len(self._segments)

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
        """Whether the low-water mark is not reached."""
        return self.buffer_s < self._playout.low_water_s

    def on_sink(self, sink_ahead_s: float, now: float) -> None:
        """Note how much sound has left the buffer and is not played yet."""
        self.sink_ahead_s, self.sink_until = sink_ahead_s, now + sink_ahead_s
        self._measure()

    def _measure(self) -> None:
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
        if self._playout.realtime:  # it is on its way to the sink
            self.on_sink(self.sink_ahead_s + SEGMENT_S, now)
        self._is_pump_due |= self._playout.fetching and not self._shared.scheduler.wished
        self._measure()
        stats = self._shared.stats
        stats.audio_bytes += len(segment.data)
        stats.segments += 1
        stats.bitrate_seconds += self._renditions[segment.rendition].bitrate_bps / 1000
        return segment

    def put(self, segment: SegmentReady) -> bool:
        """Take in a segment; return whether it may be played yet."""
        if segment.was_kept:
            self._shared.stats.kept_bytes += len(segment.data)
        else:
            self._shared.stats.fetched_bytes += len(segment.data)
        is_ahead = self._segments.put(segment)
        self._measure()
        return is_ahead

    def seek(self, segment: int) -> bool:
        """Go on at another segment; return whether it is here or on its way, so that the wishes stand."""
        was_playing = self._playout.playing
        self._playout.restart()
        self._is_pump_due = True
        is_near = self._segments.seek(segment)
        if was_playing and self._segments.ahead >= HERE:
            self._playout.go_on()
        self._measure()
        return is_near

    def update(self, now: float) -> None:
        """See whether sound may run, and tell of a change."""
        playout = self._playout
        interruptions, was_dry, before_s = playout.rebuffers, playout.is_dry, playout.rebuffer_s
        playout.update(self.ahead_s, now, complete=self.is_complete)
        if playout.rebuffers > interruptions:
            self._shared.events.append(Rebuffering())
        elif was_dry and not playout.is_dry:
            self._shared.events.append(Resumed(playout.rebuffer_s - before_s))

    # What is wished for.

    def pump(self, now: float) -> None:
        """See whether sound may run, wish for more if it is time to fetch, and keep up the rate."""
        self._pumped_at = now
        self.update(now)
        if self._playout.fetching and not self.is_held:
            self._wish_ahead()
        bitrate_bps = self._renditions[self._ladder.current or 0].bitrate_bps
        floor_bytes_per_s = FLOOR_SHARE * bitrate_bps / 8 if self.is_low else 0.0
        if floor_bytes_per_s != self._shared.bandwidth.kept_up_bytes_per_s:
            self._shared.bandwidth.keep_up(floor_bytes_per_s)
        if self._fetching_since is not None:
            self._shared.stats.fetching_s += now - self._fetching_since
        self._fetching_since = now if self._shared.scheduler.wished else None
        self._is_pump_due = self._shared.scheduler.has_event  # what is kept comes at once
        self._set_pump_at()

    def _wish_ahead(self) -> None:
        """Wish far enough ahead to fill the window twice, and no further: the rendition may change."""
        scheduler, bandwidth = self._shared.scheduler, self._shared.bandwidth
        window_bytes: float | None = None  # as it is now: asking changes it, wishing does not
        while (segment := self._segments.next_wish()) is not None:
            current = self._renditions[self._ladder.current or 0]
            window_bytes = bandwidth.window_bytes() if window_bytes is None else window_bytes
            enough = max(MOST, 2 * window_bytes * 8 / (current.bitrate_bps * SEGMENT_S))
            if scheduler.wished >= enough:
                return
            rendition = self._shared.kept.best(segment) if self._shared.kept else None
            if rendition is None:
                rendition = self._ladder.choose(bandwidth.rate_bytes_per_s, self.buffer_s)
            self._wish(rendition, segment)
        self._playout.on_filled()

    def wish_inline(self, source: Hashable, chunks: Sequence[Chunk]) -> None:
        """Wish for the tables and segments that came with an Open as far as they are next, and give them."""
        chunks = [chunk for chunk in chunks if self._ladder.begin_with(chunk.rendition)]
        for chunk in chunks:
            wanted = self._segments.next_wish()
            if wanted is None or not chunk.data:
                continue
            if chunk.segment == table_segment(table_of(wanted)):
                self._shared.scheduler.want_table(chunk.rendition, wanted)
            elif chunk.segment == wanted:
                self._wish(chunk.rendition, wanted)
        for chunk in chunks:
            self._shared.scheduler.on_beginning(source, *chunk)

    def _wish(self, rendition: int, segment: int) -> None:
        self._shared.scheduler.wish(rendition, segment)
        self._segments.on_wished(segment)
