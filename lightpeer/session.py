"""One track being streamed: its sources, and the verified segments in order.

The session is the hub of a few cores: the `Scheduler` assembles and verifies
segments, the one `Bandwidth` controls the downlink for all sources, `Ladder` chooses
the rendition, `Playout` says when to fetch and when sound may run. Bytes flow one
way, from the sources through the scheduler into a buffer bounded by the high-water
mark; the player takes segments out of it with `next_segment`, and that it takes no
more is the only backpressure.

A source that lies is dropped at once and not taken again; one that falls silent
loses its work to the others, and so does one that holds up what playback is about to
need, whatever it sends meanwhile, as soon as there is another. When sources are lost
or do not suffice new ones are looked for, until nothing has come for the length of a
tunnel.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import trio

from lightpeer.core.buffer import SEGMENT_S, SegmentBuffer
from lightpeer.core.ladder import Ladder
from lightpeer.core.manifest import table_of, table_segment
from lightpeer.core.playout import Playout
from lightpeer.core.scheduler import PATIENCE_S, Scheduler, SegmentReady
from lightpeer.core.supply import Supply
from lightpeer.errors import LightpeerError, StreamFailedError
from lightpeer.source import PULL_AHEAD, Source

if TYPE_CHECKING:
    from lightpeer.config import Settings
    from lightpeer.core.bandwidth import Bandwidth
    from lightpeer.core.identity import PeerId
    from lightpeer.core.manifest import Track
    from lightpeer.core.opening import Opened
    from lightpeer.wire.network import Network
    from lightpeer.wire.peer import Peer

logger = logging.getLogger(__name__)

MAX_SOURCES = 4  # each costs a handshake of about 1.5 kB; four slow uplinks fill a downlink of 3G
MOST_SOURCES = 6  # when all of those hold up playback: strangers may be in league
FLOOR_SHARE = (
    1.25  # of the bitrate, kept against other downloads while the buffer is low: headers, and some gain
)
URGENT_S = 5.0  # of audio left: enough to fetch from another source what one holds up
NEAR_S = 3.0  # of audio left: what is still missing of the next segment is asked from a second source
QUIET_S = 1.0  # of silence of the first; or when it has more to send before than there is time
MAX_SHARED = 0.02  # of all bytes; and one segment at any time
STALL_LIMIT_S = 30.0  # a tunnel; after it a person would start anew by hand

FindSources: TypeAlias = Callable[[Collection["PeerId"]], AsyncGenerator[tuple["Peer", "Opened"], None]]
"""Gives further sources, those peers excepted."""
TellLie: TypeAlias = Callable[["Peer", str], None]
TellServed: TypeAlias = Callable[["Peer", int, float], None]
"""Takes a peer, the bytes that it delivered, and in how many seconds of fetching."""
TellEvent: TypeAlias = Callable[[str, dict[str, object]], None]


@dataclass(slots=True)
class SessionStats:
    """What a session counts."""

    audio_bytes: int = 0  # verified and taken
    fetched_bytes: int = 0  # verified
    fetching_s: float = 0.0
    segments: int = 0  # taken
    bitrate_seconds: float = 0.0  # kbit/s x seconds over the segments taken
    retransmitted_units: int = 0  # of sources that have ended
    duplicate_units: int = 0
    sources: int = 0  # at most at a time
    transports: set[str] = field(default_factory=set)


class Session:
    """One track being streamed; run `run` in a nursery and take segments with `next_segment`.

    `track`, `network`, `nursery`, `scheduler`, `bandwidth` and `transport_wanted`
    are there for its sources.
    """

    nursery: trio.Nursery

    def __init__(
        self,
        track: Track,
        network: Network,
        settings: Settings,
        bandwidth: Bandwidth,
        find_sources: FindSources,
        *,
        on_event: TellEvent = lambda _kind, _data: None,
        on_lie: TellLie = lambda _peer, _reason: None,
        on_served: TellServed = lambda _peer, _size, _seconds: None,
        sink_ahead_s: Callable[[], float] = lambda: 0.0,
        realtime: bool = True,
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
            on_event: told of "transport", "source_lost", "rebuffering" and "resumed".
            sink_ahead_s: seconds of sound that left the buffer and are not heard yet.
            realtime: False if segments are taken as fast as they come (a file).
        """
        self.track = track
        self.network = network
        self.bandwidth = bandwidth
        self.transport_wanted = settings.transport
        self.scheduler = Scheduler(track)
        self.ladder = Ladder([r.bitrate_bps for r in track.renditions], settings.bitrate_kbps)
        self.playout = Playout(
            start_s=settings.start_buffer_s,
            resume_s=settings.resume_buffer_s,
            low_water_s=settings.low_water_s,
            high_water_s=settings.high_water_s,
            realtime=realtime,
        )
        self._find_sources = find_sources
        self._on_event = on_event
        self._on_lie = on_lie
        self._on_served = on_served
        self._sink_ahead_s = sink_ahead_s
        self._stats = SessionStats()
        self._sources: list[Source] = []
        self._supply = Supply()
        self._buffer = SegmentBuffer(track.segment_count)
        self._progress_at = 0.0
        self._shared_bytes = 0  # asked for a second time
        self._failed: LightpeerError | None = None
        self._fetching_since: float | None = None
        self._transport = ""  # as told last
        self._work = trio.Event()
        self._arrived = trio.Event()  # a segment came, or the session failed
        self._timers = trio.Event()

    # For the player.

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
        if not self._sources:
            return "-"
        return "grpc" if all(source.on_grpc for source in self._sources) else "udp"

    @property
    def stats(self) -> SessionStats:
        """What was counted so far."""
        for source in self._sources:
            self._count(source)
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
            for source in self._sources:
                source.seek()
        self._timers.set()

    async def run(self, peer: Peer, opened: Opened) -> None:
        """Stream until cancelled, beginning with the source that was opened first."""
        self._progress_at = trio.current_time()
        self._supply.begin(self._progress_at)
        async with trio.open_nursery() as self.nursery:
            self._take_inline(peer, opened)
            await self._add_source(peer, opened)
            try:
                await self._run_timers()
            finally:
                for source in self._sources:
                    self._tell_served(source)
                    source.close()

    # The buffer.

    def _take(self) -> SegmentReady:
        segment = self._buffer.take()
        self._stats.audio_bytes += len(segment.data)
        self._stats.segments += 1
        self._stats.bitrate_seconds += self.track.renditions[segment.rendition].bitrate_bps / 1000
        if self.playout.fetching and not self.scheduler.wished():
            self._timers.set()
        return segment

    def _update_playout(self, now: float) -> None:
        interruptions, was_dry = self.playout.rebuffers, self.playout.is_dry
        self.playout.update(self.ahead_s, now, complete=self.complete)
        if self.playout.rebuffers > interruptions:
            self._on_event("rebuffering", {})
        elif was_dry and not self.playout.is_dry:
            self._on_event("resumed", {})

    def _take_inline(self, peer: Peer, opened: Opened) -> None:
        """Take tables and segments that came with the Open; what does not verify costs the peer nothing."""
        chunks = [chunk for chunk in opened.chunks if self.ladder.begin_with(chunk.rendition)]
        for chunk in chunks:
            if chunk.segment == table_segment(table_of(self._buffer.frontier)):
                self.scheduler.wish(chunk.rendition, self._buffer.frontier)  # so that the table is wanted
            elif chunk.segment == self._buffer.frontier < self.track.segment_count:
                self.scheduler.wish(chunk.rendition, chunk.segment)
                self._buffer.frontier += 1
        for chunk in chunks:
            self.scheduler.on_object(peer, chunk.rendition, chunk.segment, chunk.data)
        self._take_ready(trio.current_time())

    def _take_ready(self, now: float) -> None:
        new = False
        while (event := self.scheduler.next_event()) is not None:
            if not isinstance(event, SegmentReady):
                for source in [source for source in self._sources if source.peer is event.source]:
                    self.on_end(source, event.reason, lied=True)
                continue
            self._progress_at = now
            self._stats.fetched_bytes += len(event.data)
            new |= self._buffer.put(event)
        if new:
            self._wake_player()

    def _wake_player(self) -> None:
        self._arrived.set()
        self._arrived = trio.Event()

    # Fetching.

    def _pump(self, now: float) -> None:
        """Take what is complete, wish for what playback needs next, and ask the sources for it."""
        self._take_ready(now)
        self._update_playout(now)
        if self.playout.fetching:
            self._wish()
        bitrate_bps = self.track.renditions[self.ladder.current or 0].bitrate_bps
        is_low = self.buffer_s < self.playout.low_water_s
        self.bandwidth.keep_up(FLOOR_SHARE * bitrate_bps / 8 if is_low else 0.0)
        if self._fetching_since is not None:
            self._stats.fetching_s += now - self._fetching_since
        else:
            self._progress_at = now  # what nobody was asked for is not late
        self._fetching_since = now if self.scheduler.wished() else None
        self._renew(now, is_low=is_low)
        self._ask(now)

    def _wish(self) -> None:
        """Wish far enough ahead to fill the window twice, and no further: the rendition may change."""
        buffer = self._buffer
        limit = min(self.track.segment_count, buffer.cursor + int(self.playout.high_water_s / SEGMENT_S))
        ahead_bytes = 2 * self.bandwidth.window_bytes()
        while buffer.frontier < limit:
            current = self.track.renditions[self.ladder.current or 0]
            enough = max(PULL_AHEAD, ahead_bytes * 8 / (current.bitrate_bps * SEGMENT_S))
            if self.scheduler.wished() >= enough:
                return
            rendition = self.ladder.choose(self.bandwidth.rate_bytes_per_s, self.buffer_s)
            self.scheduler.wish(rendition, buffer.frontier)
            buffer.frontier += 1
            self._work.set()

    def _renew(self, now: float, *, is_low: bool) -> None:
        """Open the track anew where a UDP stream has ended in a long pause, or while UDP was blocked."""
        for source in [source for source in self._sources if source.has_expired(now)]:
            if self.scheduler.wished() and not (source.on_grpc and is_low):
                self._drop(source)
                self._supply.begin(now)
                self._timers.set()

    def _ask(self, now: float, but: Collection[Source] = ()) -> None:
        """Ask for more, soonest of those who will be through soonest with what they have."""
        ready = [source for source in self._sources if source not in but and source.may_ask()]
        for source in sorted(ready, key=Source.backlog_s):
            source.ask(now)

    async def _flush(self) -> None:
        for source in list(self._sources):
            await source.flush()

    # Time.

    async def _run_timers(self) -> None:
        while True:
            self._timers = trio.Event()
            now = trio.current_time()
            self._pump(now)
            await self._flush()
            with trio.move_on_at(self._next_deadline(now)):
                await self._timers.wait()
            now = trio.current_time()
            for source in list(self._sources):
                source.check(now)
            self._check_supply(now)

    def _next_deadline(self, now: float) -> float:
        deadlines = [self._supply.due, *(source.next_deadline() for source in self._sources)]
        if self.scheduler.wished():
            deadlines.append(self._progress_at + STALL_LIMIT_S)
            near_at = now + self.ahead_s - NEAR_S
            deadlines.append(near_at if near_at > now else now + QUIET_S / 2)
            urgent_at = max(self.scheduler.next_due(), now + self.ahead_s - URGENT_S)
            deadlines.append(urgent_at if urgent_at > now else now + 1.0)
        if self.playout.playing and self.playout.realtime and not self._buffer.ahead and not self.complete:
            deadlines.append(now + max(self._sink_ahead_s(), 0.01))  # when the sink runs dry
        return min(deadlines)

    def _check_supply(self, now: float) -> None:
        """Look for more sources when it is time, and give up when nothing came for too long."""
        if self.scheduler.wished() and now >= self._progress_at + STALL_LIMIT_S:
            self._progress_at = math.inf
            self._fail("the stream stopped: no peer sends this track any more")
        self._share_first(now)
        self._check_holder(now)
        if now >= self._supply.due:
            exclude = self._supply.on_look([source.peer.peer_id for source in self._sources], now)
            self.nursery.start_soon(self._look_for_sources, exclude)

    def _check_holder(self, now: float) -> None:
        """Drop a source that holds up playback if there is another that may do better, else look for one.

        In a dead zone nobody is heard, and only a source that has nothing to do may do better.
        """
        holder = self.scheduler.overdue(now)
        if holder is None or self.ahead_s > URGENT_S:
            return
        others = [source for source in self._sources if source.peer is not holder]
        if any(s.heard_at > now - PATIENCE_S or not self.scheduler.holds(s.peer) for s in others):
            for source in [source for source in self._sources if source.peer is holder]:
                self._supply.rest(source.peer.peer_id, now)
                self.on_end(source, "it holds up the track")
        elif len(self._sources) < MOST_SOURCES:
            self._supply.hurry()

    def _share_first(self, now: float) -> None:
        """Ask a second source for what playback needs next, if the first will hardly give it in time."""
        ahead_s, first = self.ahead_s, self.scheduler.first_holder()
        if first is None or ahead_s > NEAR_S or self._shared_bytes > MAX_SHARED * self._stats.fetched_bytes:
            return
        holders = [source for source in self._sources if source.peer is first]
        others = [source for source in self._sources if source.peer is not first]
        time_s = ahead_s if self.playout.realtime else math.inf  # nothing is late for a file
        is_late = any(s.silent_s(now) >= QUIET_S or s.backlog_s() > time_s for s in holders)
        if is_late and any(s.silent_s(now) < QUIET_S for s in others):
            self._shared_bytes += self.scheduler.share_first()
            self._ask(now, but=holders)

    async def _look_for_sources(self, exclude: list[PeerId]) -> None:
        """Open the track at further peers, until there are enough."""
        enough = max(MAX_SOURCES, len(self._sources) + 1)
        try:
            async with aclosing(self._find_sources(exclude)) as found:
                async for peer, opened in found:
                    await self._add_source(peer, opened)
                    self._supply.on_found()
                    if len(self._sources) >= enough:
                        break
        except LightpeerError as error:
            logger.info("no further sources: %s", error)
            if self._supply.only_liars and not self._sources:
                self._fail("whoever has this track sends something else: name other peers with --bootstrap")
        self._supply.on_looked(trio.current_time(), have_any=bool(self._sources))
        self._timers.set()

    def _fail(self, reason: str) -> None:
        self._failed = StreamFailedError(reason)
        self._wake_player()

    # Sources.

    async def _add_source(self, peer: Peer, opened: Opened) -> None:
        source = Source(self, peer)
        source.fetching_before_s = self._stats.fetching_s
        self._sources.append(source)
        self._stats.sources = max(self._stats.sources, len(self._sources))
        await source.start(opened.udp)
        self._timers.set()

    def _drop(self, source: Source) -> None:
        self._sources.remove(source)
        self._count(source)
        source.close()

    def _tell_served(self, source: Source) -> None:
        if source.delivered_bytes:
            seconds = self._stats.fetching_s - source.fetching_before_s
            self._on_served(source.peer, source.delivered_bytes, seconds)

    def _count(self, source: Source) -> None:
        self._stats.retransmitted_units += source.retransmitted_units
        self._stats.duplicate_units += source.duplicate_units
        source.retransmitted_units = source.duplicate_units = 0

    # For the sources.

    def work(self) -> trio.Event:
        """Return an event that is set when there may be more to ask for."""
        if self._work.is_set():
            self._work = trio.Event()
        return self._work

    async def on_data(self, now: float) -> None:
        """Something arrived: take what is complete and ask for more."""
        if self.scheduler.has_event or any(source.may_ask() for source in self._sources):
            self._pump(now)
        await self._flush()

    def on_timers(self) -> None:
        """A deadline may have come nearer."""
        self._timers.set()

    def on_transport(self, source: Source, transport: str) -> None:
        """The source's data comes by another transport from now on."""
        self._stats.transports.add(transport)
        if self._transport not in ("", self.transport):
            self._on_event("transport", {"transport": self.transport, "peer_id": source.peer.name})
        self._transport = self.transport
        self._timers.set()

    def on_end(self, source: Source, reason: str, *, lied: bool = False) -> None:
        """The source is of no more use: drop it, for good if it lied, and look for another."""
        if source not in self._sources:
            return
        if lied:
            self._on_lie(source.peer, reason)
        else:
            self._tell_served(source)
        now = trio.current_time()
        self._supply.on_lost(source.peer.peer_id, now, lied=lied, was_useful=source.has_delivered)
        self._drop(source)
        self._on_event("source_lost", {"peer_id": source.peer.name, "reason": reason})
        self._work.set()
        self._timers.set()
