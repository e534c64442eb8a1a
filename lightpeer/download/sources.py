"""The sources of one track: who is asked for what is wished, who is dropped, when others are looked for.

A source that lies is dropped at once and not taken again; one that falls silent
loses its work to the others, and so does one that holds up what playback is about to
need, whatever it sends meanwhile, as soon as there is another. When sources are lost
or do not suffice new ones are looked for. The session calls `ask` when it has wished
for something, and `check` when `next_deadline` has come.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol, TypeAlias

import trio

from lightpeer.core.rate.flow import FIRST_PACE_RTT_S
from lightpeer.core.segments.scheduler import PATIENCE_S
from lightpeer.core.sources.selection import Selection
from lightpeer.core.sources.source_search import Supply
from lightpeer.download.events import SourceLost, TransportChanged
from lightpeer.download.source import Source
from lightpeer.errors import LightpeerError, NothingFoundError

if TYPE_CHECKING:
    from lightpeer.config import Transport
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.rate.bandwidth import Bandwidth
    from lightpeer.core.segments.playout import Playout
    from lightpeer.core.segments.scheduler import Scheduler
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.download.counts import SessionStats
    from lightpeer.download.events import SessionEvent
    from lightpeer.net.network import Network
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)

MAX_SOURCES = 4  # each costs a handshake of about 1.5 kB; four slow uplinks fill a downlink of 3G
MOST_SOURCES = 6  # when all of those hold up playback: strangers may be in league
URGENT_S = 5.0  # of audio left: enough to fetch from another source what one holds up
NEAR_S = 3.0  # of audio left: what is still missing of the next segment is asked from a second source
QUIET_S = 1.0  # of silence of the first; or when it has more to send before than there is time
QUIET_RTTS = 3.0  # at least, where a round trip takes long
MAX_SHARED = 0.02  # of all bytes; and one segment at any time
SILENT_S = 4.0  # of all of them, after which others are looked for: most dead zones are over by then
DEAD_ZONE_S = 2.0  # of silence of all; a shorter one makes nobody late
PATIENCE_RTTS = 4.0  # at least, with the source of an object: it may be asked for twice
AFTERMATH_S = 6.0  # of such a silence: connections that were begun in it fail until then
LENIENT_AGAIN_S = 15.0  # so that who sends a little now and then does not hold playback up for ever

FindSources: TypeAlias = Callable[[Collection["PeerId"]], AsyncGenerator[tuple["Peer", "Opened"], None]]
"""Gives further sources, those peers excepted."""
TellLie: TypeAlias = Callable[["Peer", str], None]
TellServed: TypeAlias = Callable[["Peer", int, float], None]
"""Takes a peer, the bytes that it delivered, and in how many seconds of fetching."""
TellEvent: TypeAlias = Callable[["SessionEvent"], None]


class Listener(Protocol):
    """What the sources need of the session: its wishes and its hurry, and to tell it what happens."""

    track: Track
    scheduler: Scheduler
    bandwidth: Bandwidth
    playout: Playout

    @property
    def ahead_s(self) -> float:
        """Seconds of audio until nothing is left to hear."""

    def pump(self, now: float) -> None:
        """Take what is complete, wish for more, and have it asked for."""

    def on_timers(self) -> None:
        """A deadline may have come nearer."""

    def on_failed(self, reason: str | None) -> None:
        """No peer can go on with the track; None: one can again."""


class Sources:
    """The peers that serve a track to us now, and the search for more; the hub of each `Source`."""

    def __init__(
        self,
        listener: Listener,
        network: Network,
        transport_wanted: Transport,
        stats: SessionStats,
        find_sources: FindSources,
        *,
        on_event: TellEvent,
        on_lie: TellLie,
        on_served: TellServed,
    ) -> None:
        """Have no source yet; `stats` is what they count into, the rest is as `Session` takes it."""
        self.track = listener.track
        self.network = network
        self.scheduler = listener.scheduler
        self.bandwidth = listener.bandwidth
        self.transport_wanted = transport_wanted
        self.on_timers = listener.on_timers
        self._listener = listener
        self._stats = stats
        self._find_sources = find_sources
        self._on_event = on_event
        self._on_lie = on_lie
        self._on_served = on_served
        self._sources: list[Source] = []
        self._supply = Supply()
        self._selection: Selection[Source] = Selection()
        self._shared_bytes = 0  # asked for a second time
        self._heard_at = math.inf  # when any of them was heard last, or had something to send again
        self._lenient_until = -math.inf
        self._transport = ""  # as told last
        self._lost = 0  # sources, so far
        self._checked_at = -math.inf
        self._is_closed = False
        self._work = trio.Event()
        self._checked = trio.Event()  # set at the next time

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def transport(self) -> str:
        """`udp`, `grpc`, or `-` while there is no source."""
        if not self._sources:
            return "-"
        return "grpc" if all(source.on_grpc for source in self._sources) else "udp"

    async def start(self, nursery: trio.Nursery, peer: Peer, opened: Opened) -> None:
        """Begin with the source that was opened first; what runs beside it does so in the nursery."""
        self.nursery = nursery
        self._supply.begin(trio.current_time())
        await self._add(peer, opened)

    def close(self) -> None:
        """End all of them; none is taken any more."""
        self._is_closed = True
        for source in self._sources:
            self._end(source)

    def count(self) -> None:
        """Add what the sources have counted since to the session's counts."""
        for source in self._sources:
            self._stats.retransmitted_units += source.retransmitted_units
            self._stats.duplicate_units += source.duplicate_units
            source.retransmitted_units = source.duplicate_units = 0

    # Asking.

    def on_wished(self) -> None:
        """There is more to ask for."""
        self._work.set()
        if self.scheduler.wished() <= 1:
            self._heard_at = trio.current_time()  # before, nobody had anything to send

    def on_released(self) -> None:
        """There is something to ask for again."""
        self._work.set()
        self.on_timers()

    def seek(self) -> None:
        """Stop what is being sent: playback goes on elsewhere."""
        for source in self._sources:
            source.seek()

    def renew(self, now: float, *, is_low: bool) -> None:
        """Open the track anew where a UDP stream has ended in a long pause, or while UDP was blocked."""
        for source in [source for source in self._sources if source.has_expired(now)]:
            if self.scheduler.wished() and not (source.on_grpc and is_low):
                self._drop(source)
                self._supply.begin(now)
                self.on_released()

    def ask(self, now: float, but: Collection[Source] = ()) -> None:
        """Ask for more, soonest of those who will be through soonest with what they have."""
        for source in self._through():
            source.hand_over()
            self._work.set()  # for who is asked by gRPC
        ready = self._ready()
        if len(ready) > 1:
            ready.sort(key=Source.backlog_s)
        for source in ready:
            if source in but:
                continue
            if size := source.ask(now):
                self._selection.on_asked(source, size, now)
            else:
                self._selection.on_idle()

    def _ready(self) -> list[Source]:
        """Return those to ask for more."""
        return [s for s in self._selection.asked if self._selection.may_ask(s) and s.may_ask()]

    def _through(self) -> list[Source]:
        """Return those that are not asked any more, but hold what others may bring the rest of."""
        return [s for s in self._sources if s.is_through and s not in self._selection.asked]

    async def flush(self) -> None:
        """Send the datagrams that are due."""
        for source in list(self._sources):
            await source.flush()

    # Time.

    def next_deadline(self, now: float) -> float:
        """Return when `check` is due."""
        deadlines = [
            self._supply.due,
            self._selection.due,
            *(source.next_deadline() for source in self._sources),
        ]
        if self.scheduler.wished():
            dry_at = now + self._listener.ahead_s
            if len(self._sources) > 1:
                deadlines.append(max(dry_at - NEAR_S, self._checked_at + QUIET_S / 2))
            deadlines.append(max(dry_at - URGENT_S, self.scheduler.next_due(), self._checked_at + 1.0))
        return min(deadlines)

    def check(self, now: float) -> None:
        """Do what is due: see to each source, and look for more when it is time."""
        self._checked_at = now
        for source in list(self._sources):
            source.check(now)
        self.scheduler.patience_s = max(PATIENCE_S, PATIENCE_RTTS * (self.bandwidth.srtt_s or 0.0))
        self._select(now)
        self._share_first(now)
        self._check_holder(now)
        self._checked.set()
        self._checked = trio.Event()
        if self.scheduler.wished() and all(s.silent_s(now) >= SILENT_S for s in self._sources):
            self._supply.hurry(none_delivers=True)
        if now >= self._supply.due:
            exclude = self._supply.on_look([source.peer.peer_id for source in self._sources], now)
            self.nursery.start_soon(self._look, exclude)

    def _quiet_s(self) -> float:
        return max(QUIET_S, QUIET_RTTS * (self.bandwidth.srtt_s or 0.0))

    def _select(self, now: float) -> None:
        """Have as many asked as fill the link, and another in place of one that stalls."""
        rtt_s, quiet_s = self.bandwidth.srtt_s or FIRST_PACE_RTT_S, self._quiet_s()
        stalled = [source for source in self._sources if source.silent_s(now) >= quiet_s]
        selection, probe = self._selection, self._selection.probe
        is_more = [selection.on_stalled(source, stalled) for source in stalled]
        is_more.append(selection.update(now, rtt_s))
        beside = [source for source in selection.asked if source not in selection.tried]
        if selection.probe not in (None, probe):
            for source in beside:
                source.keep_rate()
        if debt_bytes := selection.take_debt():
            for source in beside:
                source.pay_back(debt_bytes / len(beside), now)
        self._share(len(selection.asked), len(beside))
        if any(is_more):
            self._listener.pump(now)

    def _share(self, asked: int, beside: int) -> None:
        """Tell all what is to be expected where so many are asked, of which so many are not just probed."""
        share_bytes_per_s = (self.bandwidth.rate_bytes_per_s or math.inf) / max(1, asked)
        self.scheduler.share_bytes_per_s = share_bytes_per_s
        for source in self._sources:
            source.limit(
                beside=beside if source in self._selection.tried else 0,
                share_bytes_per_s=share_bytes_per_s if asked > 1 else math.inf,
            )

    def _check_holder(self, now: float) -> None:
        """Drop a source that holds up playback if there is another that does better, else look for one.

        In a dead zone nobody is heard, and when it ends somebody is heard first: nobody is to blame.
        """
        holder = self.scheduler.overdue(now)
        if holder is None or self._listener.ahead_s > URGENT_S or now < self._lenient_until:
            return
        holders, others = self._divide(holder)
        if any(s.heard_at > now - PATIENCE_S for s in others):
            for source in holders:
                self._supply.rest(source.peer.peer_id, now)
                self.on_end(source, "it holds up the track")
        elif len(self._sources) < MOST_SOURCES:
            self._supply.hurry()

    def _share_first(self, now: float) -> None:
        """Ask a second source for what playback needs next, if the first will hardly give it in time."""
        ahead_s, first = self._listener.ahead_s, self.scheduler.first_holder()
        if first is None or ahead_s > NEAR_S or self._shared_bytes > MAX_SHARED * self._stats.fetched_bytes:
            return
        holders, others = self._divide(first)
        time_s = ahead_s if self._listener.playout.realtime else math.inf  # nothing is late for a file
        quiet_s = self._quiet_s()
        is_late = any(s.silent_s(now) >= quiet_s or s.backlog_s() > time_s for s in holders)
        if is_late and any(s.silent_s(now) < quiet_s for s in others):
            self._shared_bytes += self.scheduler.share_first()
            if not any(source in self._selection.asked for source in others):
                self._selection.ask(min(others, key=lambda source: source.silent_s(now)))
            self.ask(now, but=holders)

    def _divide(self, peer: object) -> tuple[list[Source], list[Source]]:
        return [s for s in self._sources if s.peer is peer], [s for s in self._sources if s.peer is not peer]

    # Coming and going.

    def drop_liar(self, peer: object, reason: str) -> None:
        """Drop a peer for good: what it alone gave is false."""
        for source in self._divide(peer)[0]:
            self.on_end(source, reason, lied=True)

    async def _look(self, exclude: list[PeerId]) -> None:
        """Open the track at further peers, until there are enough.

        A search leaves out who was a source when it began, and whom it has opened. Once one of them is lost
        and another search is due, that finds it again, where there may be nobody else.
        """
        enough = max(MAX_SOURCES, len(self._sources) + 1)
        was_answered, was_cut, lost = False, False, self._lost
        try:
            async with aclosing(self._find_sources(exclude)) as found:
                async for peer, opened in found:
                    await self._add(peer, opened)
                    self._supply.on_found()
                    if len(self._sources) >= enough:
                        break
                    while not self._wants_more(trio.current_time()):
                        await self._checked.wait()
                    was_cut = self._lost != lost and self._supply.is_hurried(trio.current_time())
                    if was_cut:
                        break
        except LightpeerError as error:
            logger.info("no further sources: %s", error)
            was_answered = isinstance(error, NothingFoundError)
            if self._supply.only_liars and not self._sources:
                self._listener.on_failed(
                    "every peer that offers this track sent corrupt data: name other peers with --bootstrap"
                )
        now = trio.current_time()
        self._supply.on_looked(now, have_any=bool(self._sources), was_answered=was_answered, was_cut=was_cut)
        if self._supply.is_pointless(now):
            self._listener.on_failed("no peer sends this track any more")
        self.on_timers()

    def _wants_more(self, now: float) -> bool:
        """Return whether to open further ones: each costs bytes, and a link that is full gives no more."""
        if len(self._sources) < 2 or self._supply.is_hurried(now):
            return True
        is_stalled = any(source.silent_s(now) >= self._quiet_s() for source in self._sources)
        return is_stalled or self._selection.wants_more(now)

    async def _add(self, peer: Peer, opened: Opened) -> None:
        if self._is_closed:
            return
        self._on_sign(trio.current_time())  # it answered
        source = Source(self, peer)
        source.fetching_before_s = self._stats.fetching_s
        self._sources.append(source)
        self._selection.on_joined(source)
        self._listener.on_failed(None)
        self._stats.sources = max(self._stats.sources, len(self._sources))
        await source.start(opened.udp)
        self.on_timers()

    def _drop(self, source: Source, *, lied: bool = False) -> None:
        self.count()
        self._lost += 1
        self._sources.remove(source)
        self._selection.on_left(source)
        self._end(source, lied=lied)

    def _end(self, source: Source, *, lied: bool = False) -> None:
        if source.delivered_bytes and not lied:
            seconds = self._stats.fetching_s - source.fetching_before_s
            self._on_served(source.peer, source.delivered_bytes, seconds)
        source.close()

    # For each source.

    def work(self) -> trio.Event:
        """Return an event that is set when there may be more to ask for."""
        if self._work.is_set():
            self._work = trio.Event()
        return self._work

    @property
    def is_urgent(self) -> bool:
        """Whether playback may soon wait for what comes, or several sources' times are to be compared."""
        playout = self._listener.playout
        return len(self._selection.asked) > 1 or (playout.realtime and self._listener.ahead_s < NEAR_S)

    def on_heard(self, source: Source, size: int, now: float) -> None:
        """Something that was asked for came; after a silence of all, all have time to be heard again."""
        if self._selection.on_came(source, size, now):
            self.on_timers()
        self._on_sign(now)

    def _on_sign(self, now: float) -> None:
        """The network is there."""
        if now >= self._heard_at + DEAD_ZONE_S and now >= self._lenient_until + LENIENT_AGAIN_S:
            self._lenient_until = now + PATIENCE_S
        self._heard_at = now

    async def on_data(self, now: float) -> None:
        """Something arrived: have the session take what is complete and ask for more."""
        if self.scheduler.has_event or self._ready() or self._through():
            self._listener.pump(now)
        await self.flush()

    def on_transport(self, source: Source, transport: str) -> None:
        """The source's data comes by another transport from now on."""
        self._stats.transports.add(transport)
        if self._transport not in ("", self.transport):
            self._on_event(TransportChanged(self.transport, source.peer.name))
        self._transport = self.transport
        self.on_timers()

    def do_others_deliver(self, source: Source, now: float) -> bool:
        """Return whether the network is there, by what other sources give, and was when this one failed."""
        if now < self._lenient_until - PATIENCE_S + AFTERMATH_S:
            return False
        return any(other is not source and other.heard_at > now - PATIENCE_S for other in self._sources)

    def does_udp_pass_beside(self, source: Source, now: float) -> bool:
        """Return whether others deliver by UDP."""
        others = (other for other in self._sources if other is not source and not other.on_grpc)
        return any(other.heard_at > now - QUIET_S and other.has_delivered for other in others)

    def on_end(self, source: Source, reason: str, *, lied: bool = False) -> None:
        """The source is of no more use: drop it, for good if it lied, and look for another."""
        if source not in self._sources:
            return
        if lied:
            self._on_lie(source.peer, reason)
        now = trio.current_time()
        self._supply.on_lost(source.peer.peer_id, now, lied=lied, was_useful=source.has_delivered)
        self._drop(source, lied=lied)
        self._on_event(SourceLost(source.peer.name, reason))
        self.on_released()
