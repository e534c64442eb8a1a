"""One HTTP/2 connection of gRPC message streams: the part that client and server share.

The connection has a state and a clock, and passes events on. The rest is its collaborators': `wire` parses
and writes frames, `stream_table` keeps the open streams and their data (with `outlet`, which chooses whose
data goes next, and `receive_window`, which returns flow-control credit), `keepalive` and `deadlines` watch
the time. The client half (`core.rpc.client`) and the server half (`core.rpc.server`) add their headers.

Call order, for each half: `receive(data, now)` with what came; `handle_timeout(now)` once `next_deadline()`
is reached; then `next_event()` until None; then send what `data_to_send()` returns until it is empty. Any
action on a stream in between can cause new data, events and deadlines.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Generic

import h2.events
import h2.settings

from lightpeer.core.rpc.deadlines import Deadlines
from lightpeer.core.rpc.frame_gate import ErrorCode, GoAway
from lightpeer.core.rpc.keepalive import Keepalive
from lightpeer.core.rpc.outlet import StreamT
from lightpeer.core.rpc.stream_table import StreamTable
from lightpeer.core.rpc.wire import Wire
from lightpeer.errors import BadMessageError, FramingError, Unreached

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.rpc.frame_gate import FloodBudget
    from lightpeer.core.rpc.limits import Limits


_KEEPALIVE_PING: Final = b"lightpee"


class ConnectionState(Enum):
    """OPEN takes new calls, DRAINING only finishes those it has, CLOSED is over."""

    OPEN = auto()
    DRAINING = auto()
    CLOSED = auto()


class Connection(ABC, Generic[StreamT]):
    """One HTTP/2 connection; see the module for the call order.

    Args:
        client_side: whether we are the client.
        limits: what the connection may cost.
        now: the monotonic time in seconds.
        budget: the flood budget for the peer's frames; None gives the connection one of its own.

    Attributes:
        error_code: what the last GOAWAY told the peer.
        is_rescheduled: whether `next_deadline` may have become earlier since it was last asked.
        is_greeted: whether the peer's SETTINGS came, which shows that it speaks HTTP/2.
        unreached: once it is closed, why there was no greeting, or None.
        heard_s: when bytes last came, or the connection was made.
        longest_silence_s: the longest time between two arrivals of bytes; its reader resets it.
    """

    def __init__(
        self, *, client_side: bool, limits: Limits, now: float, budget: FloodBudget | None = None
    ) -> None:
        self.limits = limits
        self.state = ConnectionState.OPEN
        self.why_closed = ""
        self.error_code = ErrorCode.NO_ERROR
        self.is_rescheduled = True
        self.is_greeted = False
        self.unreached: Unreached | None = None
        self.heard_s = now
        self.longest_silence_s = 0.0
        self._now = now
        self._highest_peer_id = 0  # of the streams that the peer has opened and we have processed
        self._deadlines = Deadlines[StreamT](lambda stream: not stream.is_finished)
        self._keepalive = Keepalive(limits.keepalive_s, limits.keepalive_timeout_s, now)
        self._wire = Wire(client_side=client_side, limits=limits, budget=budget)
        self._h2 = self._wire.h2
        self.table = StreamTable[StreamT](self._wire, limits, self.refuse, self._on_trailers_sent)
        self._streams = self.table.by_id
        self._handlers: dict[type[h2.events.Event | GoAway], Callable[[Any], None]] = {
            GoAway: self._on_goaway,
            h2.events.DataReceived: self.table.receive,
            h2.events.StreamEnded: self._on_stream_ended,
            h2.events.StreamReset: self._on_stream_reset,
            h2.events.WindowUpdated: self.table.on_window_updated,
            h2.events.RemoteSettingsChanged: self._on_settings,
        }

    # --- the five verbs ---------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Handle bytes from the transport; b"" is its end. Never raises for what a peer sent."""
        self._now = now
        self._keepalive.heard(now)
        if self.state is ConnectionState.CLOSED:
            return
        if not data:
            self._note_unreached(Unreached.CLOSED)
            self._shut("the connection was closed")
            return
        self.longest_silence_s = max(self.longest_silence_s, now - self.heard_s)
        self.heard_s = now
        try:
            for event in self._wire.receive_untrusted(data, now):
                if (handler := self._handlers.get(type(event))) is not None:
                    handler(event)
        except FramingError as error:
            self._note_unreached(Unreached.FOREIGN)
            self.close(error.code, str(error))

    def data_to_send(self) -> bytes:
        """Return the next bytes for the transport, or b"" if there are none now."""
        if self.state is not ConnectionState.CLOSED and self.table.fill():
            self._on_blocked()
        return self._wire.data_to_send()

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` may have something to return, or the connection has ended."""
        return self.table.has_output or self._wire.has_output or self.state is ConnectionState.CLOSED

    def next_deadline(self) -> float | None:
        """Return the time at which `handle_timeout` is due, or None."""
        self.is_rescheduled = False
        if self.state is ConnectionState.CLOSED:
            return None
        call_s = self._deadlines.next()
        due_s = min(self._duty_s(), math.inf if call_s is None else call_s)
        return None if due_s == math.inf else due_s

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`."""
        self._now = now
        while (stream := self._deadlines.pop_due(now)) is not None:
            self._on_deadline(stream)
        if self.state is not ConnectionState.CLOSED and now >= self._duty_s():
            self._on_duty(now)

    def next_event(self) -> StreamT | None:
        """Return the next stream whose state has changed, or None."""
        return self.table.next_changed()

    # --- for both halves and their streams --------------------------------------------------------

    @property
    def work_received(self) -> float:
        """How much work the peer has caused, in small frames."""
        return self._wire.work_received

    @property
    def is_open(self) -> bool:
        """Whether the connection lives, if only to finish its calls."""
        return self.state is not ConnectionState.CLOSED

    @property
    def takes_calls(self) -> bool:
        """Whether new calls can begin."""
        return self.state is ConnectionState.OPEN

    @property
    def active_calls(self) -> int:
        """How many calls are on the wire."""
        return len(self._streams)

    @property
    def held_bytes(self) -> int:
        """How much memory the streams and the output take."""
        return self._wire.output_bytes + self.table.held_bytes

    def close(self, error_code: int = ErrorCode.NO_ERROR, why: str = "the connection was closed") -> None:
        """Send GOAWAY and end every call."""
        if self.state is not ConnectionState.CLOSED:
            self.error_code = ErrorCode(error_code)
            self._wire.send_goaway(self._highest_peer_id, error_code)
            self._shut(why)

    @abstractmethod
    def refuse(self, stream: StreamT, error: BadMessageError) -> None:
        """End a call because of what its peer sent."""

    def _duty_s(self) -> float:
        """Return when `_on_duty` is due, or infinity. Keepalive counts only while calls are open."""
        return self._keepalive.due_s if self._streams else math.inf

    def _on_duty(self, now: float) -> None:
        """Do what the connection itself has to do: send keepalive's PING, or give up on a silent peer."""
        if not self._streams or now < self._keepalive.due_s:
            return
        if self._keepalive.on_due(now):
            self._h2.ping(_KEEPALIVE_PING)
        else:
            self._note_unreached(Unreached.SILENT)
            self.close(why="the peer is silent: it did not answer a PING")

    def _on_blocked(self) -> None:
        """Note that a full window holds some data back."""

    def _set_deadline(self, stream: StreamT, at: float) -> None:
        self._deadlines.add(at, stream)
        self.is_rescheduled = True

    def _open(self, stream: StreamT) -> None:
        if not self._streams:
            self._keepalive.begin(self._now)
            self.is_rescheduled = True
        self.table.add(stream)

    def _finish(self, stream: StreamT, *, reset: ErrorCode = ErrorCode.CANCEL) -> None:
        """Remove a stream that has ended, with an RST_STREAM unless both sides have ended theirs."""
        self.is_rescheduled = True
        self.table.remove(stream, reset)

    def _note_unreached(self, why: Unreached) -> None:
        if not self.is_greeted:
            self.unreached = why

    def _shut(self, why: str) -> None:
        self.state = ConnectionState.CLOSED
        self.why_closed = why
        self.table.close()
        for stream in list(self._streams.values()):
            self._on_connection_lost(stream)

    # --- events of the wire -----------------------------------------------------------------------

    def _on_stream_ended(self, event: h2.events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.is_remote_ended = True
            self._on_end(stream)

    def _on_settings(self, event: h2.events.RemoteSettingsChanged) -> None:
        self.is_greeted = True
        if h2.settings.SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            self.table.on_windows_changed()
        self._wire.bound_settings(event.changed_settings)

    # --- what each half adds ----------------------------------------------------------------------

    @abstractmethod
    def _on_end(self, stream: StreamT) -> None:
        """The peer has ended its side."""

    @abstractmethod
    def _on_stream_reset(self, event: h2.events.StreamReset) -> None:
        """The peer has reset a stream."""

    @abstractmethod
    def _on_goaway(self, goaway: GoAway) -> None:
        """The peer takes no more streams."""

    @abstractmethod
    def _on_deadline(self, stream: StreamT) -> None:
        """A stream's deadline has passed."""

    @abstractmethod
    def _on_connection_lost(self, stream: StreamT) -> None:
        """The connection has ended under a stream."""

    def _on_trailers_sent(self, stream: StreamT) -> None:
        """Everything that a stream had to send has gone; only a server sends trailers."""
