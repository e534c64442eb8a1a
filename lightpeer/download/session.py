"""One track being streamed: the shell around the `Download`, which decides everything.

It owns the connections to the sources, the one timer, and the task that looks for further sources. After the
core was told something `_turn` carries out what it says: events first, then the time at which it wants to be
asked again, and last what is to be sent, since to send may take another socket, and may be cancelled.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import trio

from lightpeer.core.segments.events import (
    AskPresent,
    Command,
    EndCall,
    Failed,
    MovePort,
    Reconnect,
    SessionEvent,
    Silence,
    SourceClosed,
    StartCall,
    WantSources,
)
from lightpeer.core.segments.scheduler import SegmentReady
from lightpeer.download.connection import Connection, state_of
from lightpeer.download.looking import look
from lightpeer.errors import StreamFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.budget.profile import Limits
    from lightpeer.core.segments.download import Download
    from lightpeer.core.segments.handle import SourceHandle
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.net.network import Network
    from lightpeer.peering.peer import Peer

FindSources: TypeAlias = Callable[[Collection["PeerId"]], AsyncGenerator[tuple["Peer", "Opened"], None]]
"""Gives further sources, those peers excepted."""
TellEvent: TypeAlias = Callable[[SessionEvent], None]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a session calls, and reads.

    Attributes:
        on_event: is told what happens to the music.
        on_lie: is told each source that broke the protocol or sent false bytes, and how.
        on_served: is told each other source when it ends, how many bytes it delivered, and in how many
            seconds of fetching.
        sink_ahead_s: gives the seconds of sound that left the buffer and are not played yet.
        on_silence: is told when nothing has come for a while of what is wanted, and when it comes again.
        limits: gives what the listener's data budget leaves; None: it has no say.
    """

    on_event: TellEvent = lambda _event: None
    on_lie: Callable[[Peer, str], None] = lambda _peer, _reason: None
    on_served: Callable[[Peer, int, float], None] = lambda _peer, _size, _seconds: None
    sink_ahead_s: Callable[[], float] = lambda: 0.0
    on_silence: Callable[[], None] = lambda: None
    limits: Callable[[], Limits | None] = lambda: None


class Session:
    """One track being streamed; run `run` in a nursery and take segments with `next_segment`.

    Attributes:
        download: the core; the following are its own.
        track: what is streamed.
        stats: what was counted so far.
        playout: when sound runs.
    """

    def __init__(
        self,
        download: Download,
        network: Network,
        find_sources: FindSources,
        callbacks: Callbacks | None = None,
    ) -> None:
        """Prepare to stream.

        Args:
            download: of the track.
            network: where.
            find_sources: how to find sources beyond the first.
            callbacks: what it calls; None: nothing.
        """
        self.download = download
        self.track, self.stats = download.track, download.stats
        self.playout = download.playout
        self._network = network
        self._find_sources = find_sources
        self._callbacks = callbacks or Callbacks()
        self._connections: dict[SourceHandle, Connection] = {}
        self._arrived = trio.Event()  # a segment came, or the download failed
        self._checked = trio.Event()  # the timer fired
        self._nursery: trio.Nursery | None = None
        self._timer = trio.CancelScope()  # until what is due next

    # For the player.

    @property
    def cursor(self) -> int:
        """The segment that is taken next."""
        return self.download.buffer.cursor

    @property
    def buffer_s(self) -> float:
        """Seconds of verified audio in a row from the cursor on."""
        return self.download.buffer.buffer_s

    @property
    def ahead_s(self) -> float:
        """Seconds of audio until nothing is left to play."""
        self._refresh_sink()
        return self.download.buffer.ahead_s

    @property
    def complete(self) -> bool:
        """Whether all that is left of the track is in the buffer."""
        return self.download.buffer.is_complete

    @property
    def source_count(self) -> int:
        """How many peers serve the track to us now."""
        return len(self.download.sources)

    @property
    def transport(self) -> str:
        """`udp`, `grpc`, `cache` while what is kept suffices, or `-` without any source."""
        has_more = self.download.sources or not self.stats.kept_bytes
        return self.download.sources.transport if has_more else "cache"

    @property
    def silent_since(self) -> float | None:
        """When the last of what is wanted came, if that is long ago; else None."""
        return self.download.sources.silences.since

    async def next_segment(self) -> SegmentReady | None:
        """Wait for the next segment in order, until sound may run; None after the last one.

        Raises StreamFailedError when nobody can go on with the track.
        """
        while not self.download.buffer.is_at_end:
            self._refresh_sink()
            segment = self.download.take(trio.current_time())
            self._carry_out_events()
            self._set_timer()
            if segment is not None:
                return segment
            if self.download.failure is not None:
                raise StreamFailedError(self.download.failure)
            await self._arrived.wait()
        return None

    def release(self) -> None:
        """Fetch from now on, where the download was held."""
        self.download.release(trio.current_time())
        self._set_timer()

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so that comes with segments."""
        while not is_so():
            await self._arrived.wait()

    def seek(self, segment: int) -> None:
        """Go on at another segment; what is buffered from there on is kept."""
        self.download.seek(segment, trio.current_time())
        self._set_timer()

    async def run(self, first: tuple[Peer, Opened] | None) -> None:
        """Stream until cancelled, beginning with a source that was opened; None: with what is kept."""
        self._refresh_sink()
        async with trio.open_nursery() as self._nursery:
            try:
                if not self.download.buffer.is_held:
                    self.download.sources.search.begin(trio.current_time())
                if first is not None:
                    await self._add(*first)
                await self._run_timer()
            finally:
                self.download.sources.close()
                self._carry_out_events()

    # The shell.

    async def _turn(self) -> None:
        """Carry out what the core says after it was told something."""
        self._carry_out_events()
        self._set_timer()
        while (out := self.download.data_to_send()) is not None:
            source, data = out
            connection = self._connections[source]
            if isinstance(data, bytes):
                await connection.send(data)
            else:
                connection.ask(data)

    def _carry_out_events(self) -> None:
        while self.download.events and (event := self.download.next_event()) is not None:
            if isinstance(event, SegmentReady | Failed):
                self._arrived.set()
                self._arrived = trio.Event()
            elif isinstance(event, SessionEvent):
                self._callbacks.on_event(event)
            else:
                self._carry_out(event)

    def _carry_out(self, event: Command) -> None:
        assert self._nursery is not None, "only a session that runs has sources"
        match event:
            case WantSources(exclude):
                self._nursery.start_soon(self._look, exclude)
            case SourceClosed(source):
                self._close(event, self._connections.pop(source))
            case MovePort(source, is_flooded):
                self._nursery.start_soon(partial(self._connections[source].move, is_flooded=is_flooded))
            case StartCall(source, call_no, renews):
                self._connections[source].start_call(call_no, renews=renews)
            case EndCall(source):
                self._connections[source].end_call()
            case Reconnect(source, call_no):
                self._nursery.start_soon(self._connections[source].reconnect, call_no)
            case AskPresent(source):
                self._nursery.start_soon(self._connections[source].ask_present)
            case Silence():
                self._callbacks.on_silence()

    def _close(self, event: SourceClosed, connection: Connection) -> None:
        connection.close()
        if event.lie is not None:
            self._callbacks.on_lie(connection.peer, event.lie)
        elif event.delivered_bytes:
            self._callbacks.on_served(connection.peer, event.delivered_bytes, event.fetching_s)

    async def _run_timer(self) -> None:
        while True:
            self._timer = trio.CancelScope(deadline=self.download.next_deadline())
            with self._timer:
                await trio.sleep_forever()
            for connection in self._connections.values():
                connection.refresh()
            self._refresh_sink()
            self.download.handle_timeout(trio.current_time())
            await self._turn()
            self._checked.set()
            self._checked = trio.Event()

    def _set_timer(self) -> None:
        deadline = self.download.next_deadline()
        if deadline != self._timer.deadline:
            self._timer.deadline = deadline

    def _refresh_sink(self) -> None:
        self.download.buffer.on_sink(self._callbacks.sink_ahead_s(), trio.current_time())
        if (limits := self._callbacks.limits()) is not None:
            self.download.buffer.wishes.keep_to(limits)

    # Sources.

    async def _add(self, peer: Peer, opened: Opened) -> None:
        assert self._nursery is not None, "it runs"
        if self.download.sources.is_closed:  # in the meantime
            return
        source = self.download.add_source(state_of(peer, opened.present), opened.chunks, trio.current_time())
        connection = Connection(self.download, source, peer, self._nursery, self._turn)
        self._connections[source] = connection
        self._carry_out_events()  # what came with the Open may be played at once
        terms = opened.udp
        if terms is not None and not (
            self.download.wants_udp and await connection.open_path(self._network, terms)
        ):
            terms = None
        self.download.start_source(source, terms, trio.current_time())
        await self._turn()

    async def _look(self, exclude: Sequence[PeerId]) -> None:
        """Open the track at further peers, until there are enough."""
        found, sources = self._find_sources(exclude), self.download.sources
        has_failed, was_answered = await look(found, sources, self._add, lambda: self._checked)
        self.download.on_looked(trio.current_time(), has_failed=has_failed, was_answered=was_answered)
        await self._turn()
