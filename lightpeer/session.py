"""One track being streamed: its sources, their transports, and the verified segments in order.

The session is the shell around four cores: a `Receiver` for each source, the
`Scheduler` that assembles and verifies segments, the one `Bandwidth` of the
downlink, and `Playout`, which says when to fetch and when sound may run. Bytes
flow one way, from the sources through the scheduler into a buffer bounded by the
high-water mark; the player takes segments from it with `next_segment`, and that
it does not take more is the only backpressure.

A source begins on UDP. If no DATA comes in time, its segments come through
`Streams.Pull` instead, and UDP is tried again now and then. A source that lies is
dropped at once; one that falls silent loses its work to the others, and when
none is left new ones are looked for until the stall limit.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import trio

from lightpeer.core.datagram import TABLE_BASE, UnitRange
from lightpeer.core.ladder import Ladder
from lightpeer.core.manifest import table_bytes, table_segment
from lightpeer.core.playout import Playout
from lightpeer.core.receiver import Receiver, UnitArrived
from lightpeer.core.scheduler import Scheduler, SegmentReady, SourceLied
from lightpeer.errors import LightpeerError, RemoteError, StreamFailedError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

if TYPE_CHECKING:
    from lightpeer.config import Settings
    from lightpeer.core.bandwidth import Bandwidth
    from lightpeer.core.identity import PeerId
    from lightpeer.core.manifest import Track
    from lightpeer.core.opening import Opened
    from lightpeer.wire.network import DatagramSocket, Network
    from lightpeer.wire.peer import Peer, PullCall

logger = logging.getLogger(__name__)

SEGMENT_S = 1.0
MAX_SOURCES = 3  # each costs a handshake of about 1.5 kB
FALLBACK_AFTER_S = 1.0
UDP_RETRY_S = 15.0
GIVE_UP_PROBES = 4  # about four seconds of silence, on a link that had a short round trip
STALL_LIMIT_S = 30.0  # a tunnel; after it a person would restart by hand
LOOK_AGAIN_S = 3.0
PULL_AHEAD = 8  # whole segments asked for on a Streams.Pull call: TCP has its own window
MIN_ASK_SHARE = 0.25  # of the window: rarer PULLs are cheaper, this many keep the link filled

FindSources: TypeAlias = Callable[[Collection["PeerId"]], AsyncGenerator[tuple["Peer", "Opened"], None]]


@dataclass(slots=True)
class SessionStats:
    """What a session counts for `--stats`."""

    audio_bytes: int = 0  # verified and taken
    fetched_bytes: int = 0  # verified
    duplicate_units: int = 0
    fetching_s: float = 0.0
    retransmitted_units: int = 0
    bitrate_seconds: float = 0.0  # sum of kbit/s x seconds over the segments taken
    segments: int = 0
    sources: int = 0
    transports: set[str] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class _Source:
    peer: Peer
    receiver: Receiver | None = None
    socket: DatagramSocket | None = None
    address: tuple[str, int] = ("", 0)
    pull_scope: trio.CancelScope | None = None
    retry_udp_at: float = math.inf
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def on_grpc(self) -> bool:
        return self.pull_scope is not None


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
        first_segment: int = 0,
        on_event: Callable[[str, dict[str, object]], None] = lambda _kind, _data: None,
        sink_ahead_s: Callable[[], float] = lambda: 0.0,
        realtime: bool = True,
    ) -> None:
        """Take the track, the world, and how to find sources beyond the first."""
        self.track = track
        self.stats = SessionStats()
        self.ladder = Ladder([r.bitrate_bps for r in track.renditions], settings.bitrate_kbps)
        self.playout = Playout(
            start_s=settings.start_buffer_s,
            resume_s=settings.resume_buffer_s,
            low_water_s=settings.low_water_s,
            high_water_s=settings.high_water_s,
            realtime=realtime,
        )
        self._network = network
        self._settings = settings
        self._bandwidth = bandwidth
        self._find_sources = find_sources
        self._on_event = on_event
        self._sink_ahead_s = sink_ahead_s
        self._scheduler = Scheduler(track)
        self._sources: list[_Source] = []
        self._banned: set[PeerId | None] = set()
        self._ready: dict[int, SegmentReady] = {}
        self._cursor = first_segment  # the next segment to be taken
        self._frontier = first_segment  # the next segment to be wished for
        self._progress_at = 0.0
        self._look_at = math.inf
        self._looking = False
        self._failed: LightpeerError | None = None
        self._grpc_rate = 0.0
        self._fetch_since: float | None = None
        self._wished = trio.Event()  # there is something to ask for
        self._arrived = trio.Event()  # a segment came, or the session failed
        self._kick = trio.Event()  # the timer's deadlines may have come nearer
        self._nursery: trio.Nursery | None = None

    # For the player.

    @property
    def buffer_s(self) -> float:
        """Seconds of verified audio in a row from the cursor on."""
        ahead = self._cursor
        while ahead in self._ready:
            ahead += 1
        return (ahead - self._cursor) * SEGMENT_S

    @property
    def complete(self) -> bool:
        """Whether all that is left of the track is in the buffer."""
        return self._cursor + round(self.buffer_s / SEGMENT_S) >= self.track.segment_count

    @property
    def source_count(self) -> int:
        """How many peers serve the track to us now."""
        return len(self._sources)

    @property
    def transport(self) -> str:
        """`udp`, `grpc`, or `-` before there is a source."""
        if not self._sources:
            return "-"
        return "grpc" if all(s.on_grpc for s in self._sources) else "udp"

    def goodput_bytes_per_s(self) -> float:
        """Return what the downlink gives now."""
        return self._grpc_rate if self.transport == "grpc" else self._bandwidth.rate_bytes_per_s

    async def next_segment(self) -> SegmentReady | None:
        """Wait for the next segment in order, until sound may run; None after the last one.

        Raises StreamFailedError when nobody can go on with the track.
        """
        while True:
            if self._cursor >= self.track.segment_count:
                return None
            self._update_playout(trio.current_time())
            if self.playout.playing and self._cursor in self._ready:
                return self._take()
            if self._failed is not None:
                raise self._failed
            self._kick.set()
            await self._arrived.wait()

    async def wait_complete(self) -> None:
        """Wait until all that is left of the track has been fetched."""
        while not self.complete:
            await self._arrived.wait()

    def seek(self, segment: int) -> None:
        """Go on at another segment; what is buffered from there on is kept."""
        segment = max(0, min(segment, self.track.segment_count - 1))
        inside = segment in self._ready
        self._cursor = segment
        self._ready = {k: v for k, v in self._ready.items() if k >= segment and inside}
        self.playout.restart()
        if not inside:
            self._frontier = segment
            self._scheduler.clear()
            for source in self._sources:
                if source.receiver:
                    self._bandwidth.on_abandoned(source.receiver.forget_all())
        self._kick.set()

    async def run(self, peer: Peer, opened: Opened) -> None:
        """Stream until cancelled, beginning with the source that was opened first."""
        self._progress_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._take_inline(peer, opened)
            await self._add_source(peer, opened)
            self._look_at = trio.current_time()
            try:
                await self._run_timer()
            finally:
                for source in self._sources:
                    self._close(source)

    # The buffer.

    def _take(self) -> SegmentReady:
        segment = self._ready.pop(self._cursor)
        self._cursor += 1
        self.stats.audio_bytes += len(segment.data)
        self.stats.segments += 1
        self.stats.bitrate_seconds += self.track.renditions[segment.rendition].bitrate_bps / 1000
        fetching = self.playout.fetching
        self._update_playout(trio.current_time())
        if self.playout.fetching and (not fetching or not self._scheduler.wished()):
            self._kick.set()
        return segment

    def _update_playout(self, now: float) -> None:
        self.playout.update(self.buffer_s + self._sink_ahead_s(), now, complete=self.complete)

    def _take_inline(self, peer: Peer, opened: Opened) -> None:
        now = trio.current_time()
        for chunk in opened.chunks:
            if chunk.segment < TABLE_BASE and chunk.segment == self._frontier:
                self.ladder.begin_with(chunk.rendition)
                self._scheduler.wish(chunk.rendition, chunk.segment)
                self._frontier += 1
            elif chunk.segment >= TABLE_BASE and self._frontier == self._cursor:
                self._scheduler.wish(chunk.rendition, self._cursor)
                self._frontier = self._cursor
        for chunk in opened.chunks:
            self._scheduler.on_object(peer, chunk.rendition, chunk.segment, chunk.data)
        self._drain_scheduler(now)

    # Fetching.

    def _pump(self, now: float) -> None:
        """Wish for what playback needs next, and ask the sources for it."""
        self._drain_scheduler(now)
        self._update_playout(now)
        self._count_fetching(now)
        if self.playout.fetching:
            self._wish(now)
        self._ask(now)

    def _wish(self, now: float) -> None:
        window_s_bytes = max(2 * self._bandwidth.window_bytes(now), 1.0)
        while self._frontier < self.track.segment_count:
            ahead_s = (self._frontier - self._cursor) * SEGMENT_S
            if ahead_s >= self._settings.high_water_s:
                return
            rendition = self.ladder.current
            segment_bytes = self.track.renditions[rendition or 0].bitrate_bps / 8 * SEGMENT_S
            if self._scheduler.wished() * segment_bytes > max(window_s_bytes, PULL_AHEAD * segment_bytes):
                return
            rendition = self.ladder.choose(self.goodput_bytes_per_s(), self.buffer_s)
            self._scheduler.wish(rendition, self._frontier)
            self._frontier += 1
            self._announce_work()

    def _announce_work(self) -> None:
        self._wished.set()
        self._wished = trio.Event()

    def _ask(self, now: float) -> None:
        sources = [s for s in self._sources if s.receiver and not s.on_grpc]
        sources.sort(key=lambda s: s.receiver.srtt_s or 0.0 if s.receiver else 0.0)
        for source in sources:
            budget = self._bandwidth.budget_bytes(now)
            if budget < MIN_ASK_SHARE * self._bandwidth.window_bytes(now):
                return
            assert source.receiver is not None
            share = budget / len(sources) if len(sources) > 1 else budget
            ranges = self._scheduler.next_ranges(source.peer, share)
            if not ranges:
                continue
            for _, sizes in ranges:
                self._bandwidth.on_asked(sum(sizes), now)
            pace = self._bandwidth.pace_bytes_per_s() // len(sources)
            if source.receiver.next_deadline() is None:
                self._kick.set()
            source.receiver.ask(ranges, max(pace, 1000), now)

    async def _flush(self) -> None:
        for source in list(self._sources):
            while source.receiver and (datagram := source.receiver.data_to_send()) is not None:
                try:
                    assert source.socket is not None
                    await source.socket.send_to(datagram, source.address)
                except (OSError, trio.ClosedResourceError):
                    logger.debug("could not send to %s", source.peer.name)

    def _drain_receiver(self, source: _Source, now: float) -> None:
        assert source.receiver is not None
        while (event := source.receiver.next_event()) is not None:
            if isinstance(event, UnitArrived):
                self._bandwidth.on_arrived(len(event.payload), event.asked_bytes, event.rtt_s, now)
                self._scheduler.on_unit(source.peer, event.unit, event.payload)
                self.stats.duplicate_units += not event.asked_bytes
                if source.on_grpc:
                    self._return_to_udp(source)
            else:
                self._bandwidth.on_lost(event.asked_bytes, now)
                self._scheduler.on_lost(event.units)
                self.stats.retransmitted_units += len(event.units)

    def _drain_scheduler(self, now: float) -> None:
        while (event := self._scheduler.next_event()) is not None:
            match event:
                case SegmentReady():
                    self._progress_at = now
                    self.stats.fetched_bytes += len(event.data)
                    if event.segment >= self._cursor:
                        self._ready[event.segment] = event
                case SourceLied():
                    self._drop_peer(event.source, event.reason)
        self._arrived.set()
        self._arrived = trio.Event()

    def _count_fetching(self, now: float) -> None:
        if self._fetch_since is not None:
            self.stats.fetching_s += now - self._fetch_since
        self._fetch_since = now if self._scheduler.wished() else None

    # Time.

    async def _run_timer(self) -> None:
        while True:
            self._kick = trio.Event()
            now = trio.current_time()
            self._pump(now)
            await self._flush()
            with trio.move_on_at(self._next_deadline(now)):
                await self._kick.wait()
            now = trio.current_time()
            for source in list(self._sources):
                self._check_source(source, now)
            self._check_supply(now)

    def _next_deadline(self, now: float) -> float:
        deadlines = [self._look_at]
        for source in self._sources:
            deadlines.append(source.retry_udp_at)
            if source.receiver and (deadline := source.receiver.next_deadline()) is not None:
                deadlines.append(deadline)
                if not source.on_grpc and not source.receiver.arrived:
                    deadlines.append((source.receiver.first_pull_at or now) + self._fallback_after_s())
        if self._scheduler.wished():
            deadlines.append(self._progress_at + STALL_LIMIT_S)
        if self.playout.playing and not self._ready and not self.complete:
            deadlines.append(now + max(self._sink_ahead_s(), 0.05))  # when the sink runs dry
        return min(deadlines)

    def _fallback_after_s(self) -> float:
        return max(FALLBACK_AFTER_S, 3 * (self._bandwidth.srtt_s or 0.0))

    def _check_source(self, source: _Source, now: float) -> None:
        receiver = source.receiver
        if receiver is None:
            return
        if now >= source.retry_udp_at:
            self._probe_udp(source, now)
        receiver.handle_timeout(now)
        self._drain_receiver(source, now)
        if source.on_grpc:
            return
        silent = not receiver.arrived and receiver.first_pull_at is not None
        if silent and now - (receiver.first_pull_at or now) >= self._fallback_after_s():
            self._fall_back(source)
        elif receiver.probes_unanswered >= (1 if not source.peer.is_alive else GIVE_UP_PROBES):
            if source.peer.is_alive and self._settings.transport == "auto":
                self._fall_back(source)
            elif len(self._sources) > 1 or not source.peer.is_alive:
                self._drop(source, "it fell silent")

    def _check_supply(self, now: float) -> None:
        """Look for more sources, and give up when there were none for too long."""
        if self._failed is None and self._scheduler.wished() and now - self._progress_at >= STALL_LIMIT_S:
            self._fail(StreamFailedError("the stream stopped: no peer sends this track any more"))
        if now >= self._look_at and not self._looking and self._nursery is not None:
            self._looking = True
            self._nursery.start_soon(self._look_for_sources)

    # Sources.

    async def _add_source(self, peer: Peer, opened: Opened) -> None:
        source = _Source(peer)
        if opened.udp is not None and self._settings.transport != "grpc":
            try:
                host = peer.host
                source.socket = await self._network.open_udp("", family_of=host)
            except OSError as error:
                logger.info("no UDP socket: %s", error)
            else:
                udp = opened.udp
                source.address = (host, udp.port)
                source.receiver = Receiver(udp.stream_id, udp.keys, udp.path_token, trio.current_time())
        self._sources.append(source)
        self.stats.sources = max(self.stats.sources, len(self._sources))
        assert self._nursery is not None
        if source.receiver is not None:
            self._nursery.start_soon(self._receive, source)
            self.stats.transports.add("udp")
        else:
            self._fall_back(source)
        self._kick.set()

    async def _receive(self, source: _Source) -> None:
        assert source.socket is not None
        assert source.receiver is not None
        with source.scope:
            while True:
                try:
                    datagram, address = await source.socket.receive_from()
                except OSError:  # an ICMP error of an earlier send; the probes will tell
                    continue
                except trio.ClosedResourceError:
                    return
                if address[:2] != source.address[:2]:
                    continue
                now = trio.current_time()
                source.receiver.receive(datagram, now)
                self._drain_receiver(source, now)
                self._pump(now)
                await self._flush()

    def _fall_back(self, source: _Source) -> None:
        """Take the source's segments through Streams.Pull from now on."""
        if self._settings.transport == "udp":
            self._drop(source, "UDP does not pass")
            return
        if source.receiver is not None:
            self._bandwidth.on_abandoned(source.receiver.forget_all())
            source.retry_udp_at = trio.current_time() + UDP_RETRY_S
        self._scheduler.release(source.peer)
        source.pull_scope = trio.CancelScope()
        self.stats.transports.add("grpc")
        self._on_event("transport", {"transport": "grpc", "peer_id": source.peer.name})
        assert self._nursery is not None
        self._nursery.start_soon(self._pull, source, source.pull_scope)

    def _probe_udp(self, source: _Source, now: float) -> None:
        """Ask for one small thing again over UDP, to see whether it passes now."""
        assert source.receiver is not None
        source.retry_udp_at = now + UDP_RETRY_S
        if not self._scheduler.wished():
            return
        self._bandwidth.on_abandoned(source.receiver.forget_all())
        size = min(table_bytes(self.track, 0), 1200)
        rendition = self.ladder.current or 0
        source.receiver.ask([(UnitRange(rendition, table_segment(0), 0, 1), [size])], 10_000, now)

    def _return_to_udp(self, source: _Source) -> None:
        assert source.pull_scope is not None
        source.pull_scope.cancel()
        source.pull_scope = None
        source.retry_udp_at = math.inf
        self._scheduler.release(source.peer)
        self._on_event("transport", {"transport": "udp", "peer_id": source.peer.name})

    async def _pull(self, source: _Source, scope: trio.CancelScope) -> None:
        call = source.peer.pull()
        try:
            with scope:
                await self._pull_segments(source, call)
        except RemoteError as error:
            self._drop(source, str(error))
        finally:
            call.cancel()

    async def _pull_segments(self, source: _Source, call: PullCall) -> None:
        outstanding = 0
        track_id = self.track.track_id
        while True:
            keys = self._scheduler.next_objects(source.peer, PULL_AHEAD - outstanding)
            if keys:
                ranges = [pb.Range(rendition=r, first=s, count=1) for r, s in keys]
                await call.send(pb.PullRequest(track_id=track_id, ranges=ranges))
                track_id = b""
                outstanding += len(keys)
            if not outstanding:
                await self._wished.wait()
                continue
            asked_at = trio.current_time()
            chunk = await call.receive()
            if chunk is None:
                raise StreamFailedError("the peer ended the stream")
            outstanding -= 1
            now = trio.current_time()
            self._measure_grpc(len(chunk.data), now - asked_at)
            self._scheduler.on_object(source.peer, chunk.rendition, chunk.segment, chunk.data)
            self._pump(now)

    def _measure_grpc(self, size: int, took_s: float) -> None:
        rate = size / max(took_s, 0.001)
        self._grpc_rate += (rate - self._grpc_rate) / (8 if self._grpc_rate else 1)

    async def _look_for_sources(self) -> None:
        """Open the track at further peers, until there are enough."""
        try:
            known = {s.peer.peer_id for s in self._sources} | self._banned
            async with aclosing(self._find_sources([k for k in known if k])) as found:
                async for peer, opened in found:
                    await self._add_source(peer, opened)
                    if len(self._sources) >= MAX_SOURCES:
                        break
        except LightpeerError as error:
            logger.info("no further sources: %s", error)
        self._looking = False
        self._look_at = trio.current_time() + LOOK_AGAIN_S if not self._sources else math.inf
        self._kick.set()

    def _drop_peer(self, peer: object, reason: str) -> None:
        for source in [s for s in self._sources if s.peer is peer]:
            self._banned.add(source.peer.peer_id)
            self._drop(source, reason)

    def _drop(self, source: _Source, reason: str) -> None:
        if source not in self._sources:
            return
        self._sources.remove(source)
        self._close(source)
        self._scheduler.release(source.peer)
        if source.receiver is not None:
            self._bandwidth.on_abandoned(source.receiver.forget_all())
        self._announce_work()
        self._on_event("source_lost", {"peer_id": source.peer.name, "reason": reason})
        self._look_at = trio.current_time()
        self._kick.set()

    def _close(self, source: _Source) -> None:
        source.scope.cancel()
        if source.pull_scope is not None:
            source.pull_scope.cancel()
        if source.socket is not None:
            source.socket.close()

    def _fail(self, error: LightpeerError) -> None:
        self._failed = error
        self._arrived.set()
        self._arrived = trio.Event()
