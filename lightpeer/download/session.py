"""One track being streamed: the verified segments in order, and what is wished for next.

The session is the hub of a few cores: the `Scheduler` assembles and verifies
segments, the one `Bandwidth` controls the downlink for all sources, `Ladder` chooses
the rendition, `Playout` says when to fetch and when sound may run. Bytes flow one
way, from the sources through the scheduler into a buffer bounded by the high-water
mark; the player takes segments out of it with `next_segment`, and that it takes no
more is the only backpressure. Which peers are asked is the business of `Sources`. While nothing
comes the session waits: it ends for no outage, however long, but only where every peer that
offers the track sends something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from lightpeer.core.content.manifest import table_of, table_segment
from lightpeer.core.segments.abr import Ladder
from lightpeer.core.segments.buffer import SEGMENT_S, SegmentBuffer
from lightpeer.core.segments.playout import Playout
from lightpeer.core.segments.scheduler import Scheduler, SegmentReady
from lightpeer.core.sources.pull_ahead import MOST
from lightpeer.download.counts import SessionStats
from lightpeer.download.events import Rebuffering, Resumed
from lightpeer.download.sources import Sources
from lightpeer.errors import LightpeerError, StreamFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.rate.bandwidth import Bandwidth
    from lightpeer.core.segments.tables import Kept
    from lightpeer.core.udp.opening import Opened
    from lightpeer.download.sources import FindSources, TellEvent, TellLie, TellServed
    from lightpeer.net.network import Network
    from lightpeer.peering.peer import Peer

FLOOR_SHARE = 1.25  # of the bitrate, kept against other downloads while the buffer is low: headers, some gain
LEAST_PUMP_S = 0.01  # from one look at a sink that is about to run dry to the next


class Session:
    """One track being streamed; run `run` in a nursery and take segments with `next_segment`."""

    def __init__(
        self,
        track: Track,
        network: Network,
        settings: Settings,
        bandwidth: Bandwidth,
        find_sources: FindSources,
        *,
        on_event: TellEvent = lambda _event: None,
        on_lie: TellLie = lambda _peer, _reason: None,
        on_served: TellServed = lambda _peer, _size, _seconds: None,
        sink_ahead_s: Callable[[], float] = lambda: 0.0,
        realtime: bool = True,
        first_segment: int = 0,
        kept: Kept | None = None,
    ) -> None:
        """Prepare to stream.

        Args:
            track: what to stream.
            network: where.
            settings: buffer marks, bitrate and transport.
            bandwidth: the downlink's controller, which outlives the session.
            find_sources: how to find sources beyond the first.
            on_lie: told of each source that broke the protocol or sent false bytes.
            on_served: told of each other source when it ends, what it delivered.
            on_event: told of what happens (`events.py`).
            sink_ahead_s: seconds of sound that left the buffer and are not heard yet.
            realtime: False if segments are taken as fast as they come (a file).
            first_segment: where to begin.
            kept: gives segments that are here already.
        """
        self.track = track
        self.bandwidth = bandwidth
        self.scheduler = Scheduler(track, kept)
        self.ladder = Ladder([r.bitrate_bps for r in track.renditions], settings.bitrate_kbps)
        self.playout = Playout(
            start_s=settings.start_buffer_s,
            resume_s=settings.resume_buffer_s,
            low_water_s=settings.low_water_s,
            high_water_s=settings.high_water_s,
            realtime=realtime,
        )
        self._on_event = on_event
        self._sink_ahead_s = sink_ahead_s
        self._stats = SessionStats()
        self._sources = Sources(
            self,
            network,
            settings.transport,
            self._stats,
            find_sources,
            on_event=on_event,
            on_lie=on_lie,
            on_served=on_served,
        )
        self._buffer = SegmentBuffer(track.segment_count, settings.high_water_s)
        self._buffer.seek(first_segment)
        self._pumped_at = 0.0
        self._fetching_since: float | None = None
        self._failed: LightpeerError | None = None
        self._arrived = trio.Event()  # a segment came, or the session failed
        self._timers = trio.Event()
        self._waiting = trio.CancelScope()  # for what is due next

    # For the player.

    @property
    def cursor(self) -> int:
        """The segment that is taken next."""
        return self._buffer.cursor

    @property
    def buffer_s(self) -> float:
        """Seconds of verified audio in a row from the cursor on."""
        return self._buffer.ahead * SEGMENT_S

    @property
    def ahead_s(self) -> float:
        """Seconds of audio until nothing is left to hear."""
        return self.buffer_s + self._sink_ahead_s()

    @property
    def complete(self) -> bool:
        """Whether all that is left of the track is in the buffer."""
        return self._buffer.is_complete

    @property
    def source_count(self) -> int:
        """How many peers serve the track to us now."""
        return len(self._sources)

    @property
    def transport(self) -> str:
        """`udp`, `grpc`, or `-` while there is no source."""
        return self._sources.transport

    @property
    def stats(self) -> SessionStats:
        """What was counted so far."""
        self._sources.count()
        return self._stats

    async def next_segment(self) -> SegmentReady | None:
        """Wait for the next segment in order, until sound may run; None after the last one.

        Raises StreamFailedError when nobody can go on with the track.
        """
        while not self._buffer.is_at_end:
            self._update_playout(trio.current_time())
            if self.playout.playing and self._buffer.is_next_ready:
                return self._take()
            if self._failed is not None:
                raise self._failed
            if self.playout.realtime:  # the sink may run dry
                self._timers.set()
            await self._arrived.wait()
        return None

    async def wait_complete(self) -> None:
        """Wait until all that is left of the track has been fetched."""
        while not self.complete:
            await self._arrived.wait()

    def seek(self, segment: int) -> None:
        """Go on at another segment; what is buffered from there on is kept."""
        self.playout.restart()
        if not self._buffer.seek(segment):
            self.scheduler.clear()
            self._sources.seek()
        self._timers.set()

    async def run(self, peer: Peer, opened: Opened) -> None:
        """Stream until cancelled, beginning with the source that was opened first."""
        async with trio.open_nursery() as nursery:
            self._take_inline(peer, opened)
            try:
                await self._sources.start(nursery, peer, opened)
                await self._run_timers()
            finally:
                self._sources.close()

    # The buffer.

    def _take(self) -> SegmentReady:
        segment = self._buffer.take()
        self._stats.audio_bytes += len(segment.data)
        self._stats.segments += 1
        self._stats.bitrate_seconds += self.track.renditions[segment.rendition].bitrate_bps / 1000
        if self.playout.fetching and not self.scheduler.wished:
            self._timers.set()
        return segment

    def _update_playout(self, now: float) -> None:
        interruptions, was_dry = self.playout.rebuffers, self.playout.is_dry
        self.playout.update(self.ahead_s, now, complete=self.complete)
        if self.playout.rebuffers > interruptions:
            self._on_event(Rebuffering())
        elif was_dry and not self.playout.is_dry:
            self._on_event(Resumed())

    def _take_inline(self, peer: Peer, opened: Opened) -> None:
        """Take tables and segments that came with the Open; what does not verify costs the peer nothing."""
        chunks = [chunk for chunk in opened.chunks if self.ladder.begin_with(chunk.rendition)]
        for chunk in chunks:
            wanted = self._buffer.next_wish()
            if wanted is None or not chunk.data:
                continue
            if chunk.segment == table_segment(table_of(wanted)):
                self.scheduler.want_table(chunk.rendition, wanted)
            elif chunk.segment == wanted:
                self.scheduler.wish(chunk.rendition, wanted)
                self._buffer.on_wished(wanted)
        for chunk in chunks:
            self.scheduler.on_beginning(peer, chunk.rendition, chunk.segment, chunk.data)
        self._take_ready()

    def _take_ready(self) -> None:
        new = False
        while (event := self.scheduler.next_event()) is not None:
            if isinstance(event, SegmentReady):
                self._stats.fetched_bytes += len(event.data)
                new |= self._buffer.put(event)
            else:
                self._sources.drop_liar(event.source, event.reason)
        if new:
            self._wake_player()

    def _wake_player(self) -> None:
        self._arrived.set()
        self._arrived = trio.Event()

    # Fetching.

    def pump(self, now: float) -> None:
        """Take what is complete, wish for what playback needs next, and ask the sources for it."""
        self._pumped_at = now
        self._take_ready()
        self._update_playout(now)
        if self.playout.fetching:
            self._wish()
        bitrate_bps = self.track.renditions[self.ladder.current or 0].bitrate_bps
        is_low = self.buffer_s < self.playout.low_water_s
        self.bandwidth.keep_up(FLOOR_SHARE * bitrate_bps / 8 if is_low else 0.0)
        if self._fetching_since is not None:
            self._stats.fetching_s += now - self._fetching_since
        self._fetching_since = now if self.scheduler.wished else None
        self._sources.renew(now, is_low=is_low)
        self._sources.ask(now)
        self._waiting.deadline = self._next_deadline(now)  # what comes puts most of them off

    def _wish(self) -> None:
        """Wish far enough ahead to fill the window twice, and no further: the rendition may change."""
        ahead_bytes = 2 * self.bandwidth.window_bytes()
        while (segment := self._buffer.next_wish()) is not None:
            current = self.track.renditions[self.ladder.current or 0]
            enough = max(MOST, ahead_bytes * 8 / (current.bitrate_bps * SEGMENT_S))
            if self.scheduler.wished >= enough:
                return
            rendition = self.ladder.choose(self.bandwidth.rate_bytes_per_s, self.buffer_s)
            self.scheduler.wish(rendition, segment)
            self._buffer.on_wished(segment)
            self._sources.on_wished()
        self.playout.on_filled()

    # Time.

    async def _run_timers(self) -> None:
        while True:
            self._timers = trio.Event()
            self.pump(trio.current_time())
            await self._sources.flush()
            with self._waiting:
                await self._timers.wait()
            self._waiting = trio.CancelScope()
            self._sources.check(trio.current_time())

    def _next_deadline(self, now: float) -> float:
        deadline = self._sources.next_deadline(now)
        if self.playout.playing and self.playout.realtime and not self._buffer.ahead and not self.complete:
            dry_at = now + self._sink_ahead_s()
            deadline = min(deadline, max(dry_at, self._pumped_at + LEAST_PUMP_S))
        return deadline

    # For the sources.

    def on_timers(self) -> None:
        """A deadline may have come nearer."""
        self._timers.set()

    def on_failed(self, reason: str | None) -> None:
        """No peer can go on with the track, which `next_segment` raises; None: one can again."""
        if reason is None and self._failed is None:
            return
        self._failed = None if reason is None else StreamFailedError(reason)
        self._wake_player()
