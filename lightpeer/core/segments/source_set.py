"""The sources of one track: which are asked for what is wanted, which are dropped, when more are looked for.

A source that lies is dropped at once and not taken again. One that falls silent loses its work to the others,
and so does one that holds up what playback is about to need, whatever it sends meanwhile, as soon as there is
another. When sources are lost or do not suffice, the shell is told to look for more.

`fault`s of sources are seen to after each call that may set one, so that no source that is at fault stays.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.segments.asking import QUIET_S, Asking
from lightpeer.core.segments.events import SourceClosed, SourceLost, WantSources
from lightpeer.core.segments.hold_ups import NEAR_S, URGENT_S, HoldUps
from lightpeer.core.segments.object_queue import PATIENCE_S
from lightpeer.core.segments.presence import Presence
from lightpeer.core.segments.shared import Beside, Fault
from lightpeer.core.segments.silence import SILENT_S, Silences
from lightpeer.core.segments.source import Source
from lightpeer.core.segments.transports import Transports
from lightpeer.core.sources.dead_zone import DEAD_ZONE_S, DeadZone
from lightpeer.core.sources.source_search import SourceSearch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.segments.handle import PeerState
    from lightpeer.core.segments.shared import Shared
    from lightpeer.core.udp.events import ReceivedDatagram
    from lightpeer.core.udp.opening import Chunk, UdpTerms

MOST_SOURCES: Final = 6  # when all of those hold up playback: strangers may be in league


class SourceSet:
    """The peers that serve a track to us now, and the search for more.

    Attributes:
        search: when more are looked for, and which are left out.
        asking: which of them are asked.
        dead_zone: whether the network is there.
        silences: whether anything comes of what is wanted.
        presence: which renditions they have.
        is_closed: whether the download has ended, so that no peer is to be added any more.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._sources: list[Source] = []
        self.search = SourceSearch()
        self.asking = Asking(shared, self._sources)
        self.dead_zone = DeadZone()
        self.silences = Silences(shared, self.dead_zone)
        self.presence = Presence(shared)
        self.is_closed = False
        self._hold_ups = HoldUps(shared, self._sources, self.asking, self.dead_zone)
        self._transports = Transports(shared, self._sources)
        self._checked_at = -math.inf
        self._is_check_due = False  # a source has come or gone, its call has failed, or UDP passes

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def transport(self) -> str:
        """`udp`, `grpc`, or `-` while there is no source."""
        return self._transports.now

    # Coming and going.

    def add(self, peer: PeerState, now: float) -> Source:
        """Take a peer that has opened the track for a source; `start` it next."""
        self.dead_zone.on_heard(now)  # it answered
        self.silences.end()
        source = Source(self._shared, peer, now)
        self._sources.append(source)
        self.asking.selection.on_joined(source)
        self.presence.on_joined(source, now)
        self._is_check_due = True
        self._shared.stats.sources = max(self._shared.stats.sources, len(self._sources))
        return source

    def start(self, source: Source, terms: UdpTerms | None, now: float) -> None:
        """Begin with a source, by UDP where there are terms, unless it is gone meanwhile."""
        if not source.is_closed:
            source.start(terms, now)
            self._transports.see(source)
            self._check_source(source, now)

    def close(self) -> None:
        """End all of them; no peer is to be added any more."""
        self.is_closed = True
        for source in self._sources:
            self._end(source)

    def drop(self, source: Source, fault: Fault, now: float) -> None:
        """Drop a source that is of no more use, for good if it lied, and look for another."""
        if source.is_closed:
            return
        self.search.on_lost(source.peer.peer_id, now, lied=fault.is_lie, was_useful=source.has_delivered)
        self._remove(source, fault.reason if fault.is_lie else None)
        self._shared.events.append(SourceLost(source.peer.name, fault.reason))

    def _remove(self, source: Source, lie: str | None = None) -> None:
        self._is_check_due = True
        self._sources.remove(source)
        self.asking.selection.on_left(source)
        self.presence.on_left(source)
        self._end(source, lie)

    def _end(self, source: Source, lie: str | None = None) -> None:
        delivered_bytes = 0 if lie else source.delivered_bytes
        seconds = self._shared.stats.fetching_s - source.fetching_before_s
        source.close()
        self._shared.events.append(SourceClosed(source, delivered_bytes, seconds, lie))

    def _see_to(self, source: Source, now: float) -> None:
        """See what has become of a source."""
        if source.fault is not None:
            self.drop(source, source.fault, now)

    def reopen(self, now: float, *, is_low: bool) -> None:
        """Open the track anew where a UDP stream has ended in a long pause, or while UDP was blocked.

        Only if something is wanted of it now; `is_low`: and soon.
        """
        if not self._shared.scheduler.wished:
            return
        self.search.on_wanted(now, have_any=len(self._sources) > 0)
        for source in [s for s in self._sources if s.has_expired(now) and not s.is_closed]:
            if not (source.on_grpc and is_low):
                self._remove(source)
                self.search.on_expired(now)

    def wants_more(self, now: float) -> bool:
        """Return whether to open further ones: each costs bytes, and a link that is full gives no more."""
        return len(self._sources) < 2 or self.search.is_hurried(now) or self.asking.wants_more(now)

    def seek(self) -> None:
        """Stop what is being sent: playback goes on elsewhere."""
        for source in self._sources:
            source.forget()

    # What comes.

    def receive(self, source: Source, datagrams: Sequence[ReceivedDatagram], now: float) -> bool:
        """Receive datagrams; return whether any was the source's."""
        if source.is_closed:
            return False
        is_ours = source.receive(datagrams)
        self._is_check_due |= source.transport.on_grpc and bool(source.arrivals)  # it may go back to UDP
        self._on_heard(source)
        self._see_to(source, now)
        return is_ours

    def receive_chunk(self, source: Source, chunk: Chunk, silence_s: float, now: float) -> None:
        """Receive an answer on a source's call; see `Source.receive_chunk`."""
        if source.is_closed:
            return
        source.receive_chunk(chunk, silence_s, now)
        self._on_heard(source)
        self._see_to(source, now)

    def _on_heard(self, source: Source) -> None:
        if source.arrivals:
            source.is_timer_due |= self.asking.selection.on_came(source, source.arrivals)
            if source.arrivals[0][1] >= self.dead_zone.silent_at:
                self.dead_zone.on_heard(source.arrivals[0][1])
            self.dead_zone.silent_at = source.heard_at + DEAD_ZONE_S
            source.arrivals = []
            if self.silences.since is not None:
                self.silences.end()

    def on_call_failed(
        self, source: Source, call_no: int, fault: Fault, now: float, *, is_weather: bool
    ) -> None:
        """Note that a source's call has ended; see `Download.on_call_failed`."""
        if source.call.is_present(call_no):
            is_weather = is_weather and not self._beside(source, now).deliver
            source.on_call_failed(fault, now, is_weather=is_weather)
            self._is_check_due = True  # by what it goes on
            self._see_to(source, now)

    # Time.

    def next_deadline(self, now: float, ahead_s: float) -> float:
        """Return when `handle_timeout` is due, with so many seconds of audio left."""
        if self._is_check_due:
            return now
        silent_at = max(now, self.silences.due(are_all_late=not self._sources))
        deadline = min(self.search.due, self.asking.selection.due, self.presence.due, silent_at)
        for source in self._sources:
            deadline = min(deadline, source.next_deadline())
        if self._shared.scheduler.wished:
            dry_at = now + ahead_s
            if len(self._sources) > 1:
                deadline = min(deadline, max(dry_at - NEAR_S, self._checked_at + QUIET_S / 2))
            urgent_at = max(dry_at - URGENT_S, self._checked_at + 1.0)
            if urgent_at < deadline:
                deadline = min(deadline, max(urgent_at, self._shared.scheduler.queue.next_due()))
        return deadline

    def handle_timeout(self, now: float, ahead_s: float, *, realtime: bool) -> None:
        """Do what is due: see to each source, and look for more when it is time.

        Args:
            now: the time in seconds.
            ahead_s: seconds of audio until nothing is left to play.
            realtime: False if nothing is late, since nobody listens.
        """
        self._checked_at, self._is_check_due = now, False
        for source in list(self._sources):
            self._check_source(source, now)
        self.asking.select(now)
        self.presence.see(now)
        self._hold_ups.hedge_first(now, ahead_s, realtime=realtime)
        self._check_holder(now, ahead_s)
        are_all_late = all(source.silent_s(now) >= SILENT_S for source in self._sources)
        if self._shared.scheduler.wished and are_all_late:
            self.search.hurry(none_delivers=True)
        self.silences.see(now, are_all_late=are_all_late)
        if now >= self.search.due:
            exclude = self.search.on_look([source.peer.peer_id for source in self._sources], now)
            self._shared.events.append(WantSources(exclude))

    def _check_holder(self, now: float, ahead_s: float) -> None:
        """Drop a source that holds up playback if there is another that does better, else look for one."""
        holder = self._hold_ups.holder(now, ahead_s)
        if holder is None:
            return
        if self._do_others_deliver(holder, now):
            self.drop(holder, Fault("it holds up the track"), now)
            self.search.rest(holder.peer.peer_id, now)  # whatever it has delivered before
        elif len(self._sources) < MOST_SOURCES:
            self.search.hurry()

    def _check_source(self, source: Source, now: float) -> None:
        source.handle_timeout(now, self._beside(source, now))
        self._on_heard(source)
        self._transports.see(source)
        self._see_to(source, now)

    def _beside(self, source: Source, now: float) -> Beside:
        """Return what the others show of the network."""
        udp_passes = any(
            other.heard_at > now - QUIET_S and other.has_delivered and not other.on_grpc
            for other in self._sources
            if other is not source
        )
        is_aftermath = self.dead_zone.is_aftermath(now)
        return Beside(self._do_others_deliver(source, now) and not is_aftermath, udp_passes)

    def _do_others_deliver(self, source: Source, now: float) -> bool:
        return any(other is not source and other.heard_at > now - PATIENCE_S for other in self._sources)
