"""One track on its way: from the datagrams and answers of its sources to verified segments in order.

This is the core of a download, with five verbs: `receive` (and `receive_chunk` for what comes over gRPC),
`data_to_send`, `next_deadline`, `handle_timeout` and `next_event`. It joins the `Scheduler`, which assembles
and verifies segments, the `SourceSet`, which says which peers are asked, and the `PlaybackBuffer`. Bytes flow
one way, from the sources through the scheduler into that buffer, which is bounded;
`take` takes segments out of it, and that it takes no more is the only backpressure. While nothing comes the
download waits: no outage, however long, makes it fail, but only that every peer that offers the track sends
something else, or that no peer has it any more.

After each verb the shell carries out the events, sends what is to be sent, and sets its timer anew.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lightpeer.core.segments.events import Failed
from lightpeer.core.segments.hold_ups import NEAR_S
from lightpeer.core.segments.playback_buffer import PlaybackBuffer
from lightpeer.core.segments.scheduler import Scheduler, SegmentReady
from lightpeer.core.segments.shared import DownloadStats, Fault, Shared
from lightpeer.core.segments.source import Source
from lightpeer.core.segments.source_set import SourceSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.content.manifest import Track
    from lightpeer.core.rate.bandwidth import Bandwidth
    from lightpeer.core.segments.events import Event
    from lightpeer.core.segments.handle import PeerState
    from lightpeer.core.segments.policy import Policy
    from lightpeer.core.segments.shared import Outgoing
    from lightpeer.core.segments.tables import Kept
    from lightpeer.core.udp.events import ReceivedDatagram
    from lightpeer.core.udp.opening import Chunk, UdpTerms


class Download:
    """The download of one track; see the module's docstring.

    Attributes:
        track: what is downloaded.
        playout: when sound runs.
        bursts: when it is fetched.
        scheduler: what is wanted and on its way.
        stats: what was counted so far.
        sources: the peers that serve it.
        buffer: what is here of it.
        bandwidth: the controller of the downlink.
        events: what waits for `next_event`.
        wants_udp: whether a source that offers UDP is to be given a socket.
        failure: why no peer can go on with the track, as a sentence; None while one may.
    """

    def __init__(
        self,
        track: Track,
        policy: Policy,
        bandwidth: Bandwidth,
        *,
        transport: str = "auto",
        kept: Kept | None = None,
    ) -> None:
        """Prepare to download.

        Args:
            track: what.
            policy: how it is played.
            bandwidth: the downlink's controller, which may outlive the download.
            transport: `udp` or `grpc` for the one alone, else `auto`.
            kept: what is kept of the track.
        """
        self.track = track
        self.playout, self.bursts = policy.playout, policy.bursts
        self.scheduler = Scheduler(track, kept)
        self.stats = DownloadStats()
        shared = self._shared = Shared(track, self.scheduler, bandwidth, self.stats, transport, kept)
        self.sources = SourceSet(shared)
        self.buffer = PlaybackBuffer(shared, policy)
        self.events = shared.events
        self.failure: str | None = None
        self.wants_udp = transport != "grpc"
        self.bandwidth = bandwidth
        self._deadline = -math.inf  # at which something is to be done

    # For the listener.

    def take(self, now: float) -> SegmentReady | None:
        """Return the next segment, None while sound is not to run or the segment is not here."""
        segment = self.buffer.take(now)
        self._deadline = min(self._deadline, max(now, self.buffer.pump_at))
        return segment

    def seek(self, segment: int, now: float) -> None:
        """Go on at another segment; what is buffered from there on is kept."""
        if not self.buffer.seek(segment):
            self.scheduler.clear()
            self.sources.seek()
        self._deadline = now

    def release(self, now: float) -> None:
        """Fetch from now on, and look for further sources where they are needed."""
        if self.buffer.is_held:
            self.buffer.is_held = False
            self._pump(now)  # a stream that has ended meanwhile is given up before others are looked for
            self.sources.search.begin(now)
            self._deadline = now

    # The sources.

    def add_source(self, peer: PeerState, chunks: Sequence[Chunk], now: float) -> Source:
        """Take a peer that has opened the track for a source; go on with `start_source`.

        Args:
            peer: which.
            chunks: tables and segments that came with the Open; what does not verify costs it nothing.
            now: the time in seconds.
        """
        self.failure = None
        source = self.sources.add(peer, now)
        self.buffer.wishes.wish_inline(source, chunks)
        self._take_ready(now, forgives=True)
        return source

    def start_source(self, source: Source, terms: UdpTerms | None, now: float) -> None:
        """Begin with a source: by UDP where there are terms, and a socket, else by gRPC."""
        self.sources.start(source, terms, now)
        self._pump(now)

    # The verbs.

    def receive(
        self, source: Source, datagrams: Sequence[ReceivedDatagram], now: float
    ) -> tuple[bool, float]:
        """Receive what came from a source's address by UDP.

        Return whether any of it was the source's, and for how many seconds after the turn what comes next may
        wait, so that it is taken together.
        """
        is_ours = self.sources.receive(source, datagrams, now)
        if self.scheduler.has_event or source.is_closed or self.sources.asking.find_work():
            self._pump(now)
        elif source.is_timer_due:
            self._deadline = self._find_deadline(now)
        source.is_timer_due = False
        return is_ours, 0.0 if source.is_closed else self._rest_s(source, now)

    def receive_chunk(self, source: Source, chunk: Chunk, silence_s: float, now: float) -> None:
        """Receive an answer on a source's call.

        Args:
            source: whose.
            chunk: a segment or a table, not verified yet.
            silence_s: the longest time without a byte since the answer before.
            now: the time in seconds.
        """
        self.sources.receive_chunk(source, chunk, silence_s, now)
        self.sources.reopen(now, is_low=self.buffer.is_low)
        self._pump(now)
        self.sources.asking.ask_call(source, now)  # for what is wished for since

    def data_to_send(self) -> Outgoing | None:
        """Return what to send next and to whom: a datagram, or objects to ask for on the source's call."""
        out = self._shared.out
        while out and out[0][0].is_closed:
            out.popleft()
        return out.popleft() if out else None

    def next_deadline(self) -> float:
        """Return when `handle_timeout` is due."""
        return self._deadline

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        self.sources.handle_timeout(now, self.buffer.ahead_s, realtime=self.playout.realtime)
        self.sources.reopen(now, is_low=self.buffer.is_low)
        self._pump(now)

    def next_event(self) -> Event | None:
        """Return what happened or is to be done, oldest first, None when there is no more."""
        return self.events.popleft() if self.events else None

    # What the shell has done.

    def on_moved(self, source: Source, now: float, *, is_flooded: bool) -> None:
        """Note that a source's datagrams take another port."""
        if not source.is_closed:
            source.udp.on_moved(now, is_flooded=is_flooded)
            self._deadline = self._find_deadline(now)

    def on_reconnected(self, source: Source, call_no: int, now: float) -> None:
        """Note that there is another connection to a source."""
        source.on_reconnected(call_no)
        self._pump(now)

    def on_call_failed(
        self, source: Source, call_no: int, fault: Fault, now: float, *, is_weather: bool
    ) -> None:
        """Note that a source's call has ended.

        Args:
            source: whose.
            call_no: of the call; one that is over already means nothing.
            fault: what there is to say of it.
            now: the time in seconds.
            is_weather: whether the network may be to blame.
        """
        self.sources.on_call_failed(source, call_no, fault, now, is_weather=is_weather)
        self._pump(now)

    def on_looked(self, now: float, *, has_failed: bool = False, was_answered: bool = False) -> None:
        """Note that a look for sources is over.

        Args:
            now: the time in seconds.
            has_failed: whether it ended in an error, so that nobody further could be asked.
            was_answered: whether peers could be asked, and had nobody to name that serves the track.
        """
        search, have_any = self.sources.search, len(self.sources) > 0
        search.on_looked(now, have_any=have_any, was_answered=was_answered)
        reason = search.failure(now) if has_failed and not have_any else None
        if reason is not None:
            self.failure = reason
            self.events.append(Failed(reason))
        self._deadline = self._find_deadline(now)

    # Fetching.

    def _pump(self, now: float) -> None:
        """Take what is complete, wish for what playback needs next, and ask the sources for it."""
        self._take_ready(now)
        had_any = self.scheduler.wished > 0
        self.buffer.pump(now)
        if self.scheduler.wished and not had_any:
            self.sources.dead_zone.on_due(now)
            self.sources.reopen(now, is_low=self.buffer.is_low)
        self.sources.asking.ask(now)
        self._deadline = self._find_deadline(now)

    def _take_ready(self, now: float, *, forgives: bool = False) -> None:
        while self.scheduler.has_event and (event := self.scheduler.next_event()) is not None:
            if isinstance(event, SegmentReady):
                if self.buffer.put(event):
                    self.events.append(event)
            elif not forgives:
                assert isinstance(event.source, Source), "these are the scheduler's keys"
                self.sources.drop(event.source, Fault(event.reason, is_lie=True), now)

    def _rest_s(self, source: Source, now: float) -> float:
        are_compared = len(self.sources.asking.selection.asked) > 1  # by the times at which they deliver
        is_urgent = are_compared or (self.playout.realtime and self.buffer.ahead_s < NEAR_S)
        return source.udp.rest_s(now, is_urgent=is_urgent)

    def _find_deadline(self, now: float) -> float:
        buffer = self.buffer
        left_s = buffer.buffer_s + max(0.0, buffer.sink_until - now)
        return min(self.sources.next_deadline(now, left_s), max(now, buffer.pump_at))
