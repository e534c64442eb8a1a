"""What both halves of gRPC share: one HTTP/2 connection of message streams.

`Connection` wraps h2 and adds what gRPC needs of it. Data to send waits in each
stream's own outbox and moves to the wire frame by frame and stream by stream,
as flow-control windows and the transport allow. Received messages wait in their
stream's decoder, and window credit goes back only as they are taken, so a slow
consumer bounds what a peer can make us hold. The client half (`core.rpc.client`) and
the server half (`core.rpc.server`) subclass both classes and add their headers.

Call order, for each half: `receive(data, now)` with what came;
`handle_timeout(now)` once `next_deadline()` is reached; then `next_event()`
until None; then send what `data_to_send()` gives until it gives nothing. Any
action on a stream in between can make new data, events and deadlines.

h2 shuts a connection at the first GOAWAY, either way, though the streams below
its last id have to finish (RFC 9113 section 6.8). So GOAWAY frames bypass h2:
`core.rpc.frame_gate` takes them out of what is received and writes those that we send.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import h2.events
import h2.exceptions
import h2.settings

from lightpeer.core.rpc.deadlines import Deadlines
from lightpeer.core.rpc.frame_gate import ErrorCode, FrameGate, GoAway, encode_goaway
from lightpeer.core.rpc.h2_setup import connection_window_bytes, make_h2
from lightpeer.core.rpc.keepalive import Keepalive
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode, header_list_bytes, split_headers_untrusted
from lightpeer.core.rpc.stream import Stream
from lightpeer.errors import BadMessageError, FramingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.core.rpc.frame_gate import FloodBudget
    from lightpeer.core.rpc.status import Metadata, RawHeader


_KEEPALIVE_PING: Final = b"lightpee"
OUTPUT_BYTES: Final = 192 * 1024
"""How much stream data goes to the wire in one `data_to_send`: what a socket takes at once, and enough
for a full outbox with the message that filled it, so that no crumb of it goes by itself."""

HEADER_TABLE_BYTES: Final = 4096
"""What HPACK begins with; a peer may allow us more, and we need not hold it."""

LARGEST_SETTING_CODE: Final = 8  # that h2 knows
SENT_BYTES_PER_UPDATE: Final = (
    1024  # that a WINDOW_UPDATE lets out if it is to be no work: honest ones let out more
)
LATE_DATA_COST: Final = 1  # of the budget, for DATA of a call that has ended: some is always in flight


class ConnectionState(Enum):
    """OPEN takes new calls, DRAINING only finishes those it has, CLOSED is over."""

    OPEN = auto()
    DRAINING = auto()
    CLOSED = auto()


StreamT = TypeVar("StreamT", bound=Stream)


class Connection(ABC, Generic[StreamT]):
    """One HTTP/2 connection; see the module for the call order.

    Args:
        client_side: which half.
        limits: what the connection may cost.
        now: the time, in seconds, monotonic.
        budget: what its frames may cost us beyond; its own, if there is none to be shared.
    """

    def __init__(
        self, *, client_side: bool, limits: Limits, now: float, budget: FloodBudget | None = None
    ) -> None:
        self.limits = limits
        self.state = ConnectionState.OPEN
        self.why_closed = ""
        self.error_code = ErrorCode.NO_ERROR  # what the peer was told on the way out
        self.is_rescheduled = True  # `next_deadline` may give an earlier time than it did
        self.is_greeted = False  # the peer's SETTINGS came: it does speak HTTP/2
        self.heard_s = now  # when bytes came last, or the connection was made
        self.longest_silence_s = 0.0  # between two times that bytes came; whoever reads it begins it anew
        self._now = now
        self._keepalive = Keepalive(limits.keepalive_s, limits.keepalive_timeout_s, now)
        self._streams: dict[int, StreamT] = {}
        self._ready: dict[int, StreamT] = {}  # streams with data that a window may let out
        self._changed: deque[StreamT] = deque()
        self._deadlines = Deadlines[StreamT](lambda stream: not stream.is_finished)
        self._unreturned_bytes = 0
        # So small that what all streams hold back until it is worth a frame never fills the window.
        share_bytes = connection_window_bytes(limits) // (4 * limits.concurrent_calls)
        self._credit_step_bytes = min(limits.stream_window_bytes // 4, share_bytes)
        self._gate = FrameGate(is_server=not client_side, budget=budget)
        self._budget = self._gate.budget
        self._late_frames = 0  # DATA of calls that had ended, so far
        self._sent_bytes = 0  # of messages
        self._asked_work = 0.0  # beyond what the frames themselves are
        self._owed = 0  # of the budget, for what is not in a frame's header
        self._raw = b""  # frames that bypass h2, to follow what it has to send
        self._h2 = make_h2(client_side=client_side, limits=limits)
        self._handlers: dict[type[h2.events.Event], Callable[[Any], None]] = {
            h2.events.DataReceived: self._on_data,
            h2.events.StreamEnded: self._on_stream_ended,
            h2.events.StreamReset: self._on_stream_reset,
            h2.events.WindowUpdated: self._on_window_updated,
            h2.events.RemoteSettingsChanged: self._on_settings,
        }

    # --- the five verbs ---------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the transport; b"" is its end. Never raises for what a peer sent."""
        self._now = now
        self._keepalive.heard(now)
        if self.state is ConnectionState.CLOSED:
            return
        if not data:
            self._shut("the connection was closed")
            return
        self.longest_silence_s = max(self.longest_silence_s, now - self.heard_s)
        self.heard_s = now
        try:
            owed, self._owed = self._owed, 0
            self._budget.refill(now)
            self._budget.charge(owed)
            for piece in self._gate.receive_untrusted(data, now):
                if isinstance(piece, GoAway):
                    self._on_goaway(piece)
                else:
                    self._receive_frames(piece)
        except FramingError as error:
            self.close(error.code, str(error))
        except h2.exceptions.ProtocolError as error:  # h2 has queued its own GOAWAY
            self.error_code = ErrorCode(error.error_code)
            self._shut(f"the peer broke HTTP/2: {type(error).__name__}")

    def data_to_send(self) -> bytes:
        """Give the next bytes for the transport; b"" if there are none now."""
        if self.state is not ConnectionState.CLOSED:
            self._fill()
        data = self._h2.data_to_send() + self._raw
        self._raw = b""
        return data

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` may have something to give, or the end of the connection to show."""
        return bool(self._ready or self._raw or self._h2.has_output) or self.state is ConnectionState.CLOSED

    def next_deadline(self) -> float | None:
        """Give the time at which `handle_timeout` is due, or None."""
        self.is_rescheduled = False
        if self.state is ConnectionState.CLOSED:
            return None
        deadline_s = self._deadlines.next()
        duty_s = self._duty_s()
        if deadline_s is None or duty_s < deadline_s:
            deadline_s = duty_s
        return None if deadline_s == math.inf else deadline_s

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`."""
        self._now = now
        while (stream := self._deadlines.pop_due(now)) is not None:
            self._on_deadline(stream)
        if self.state is not ConnectionState.CLOSED and now >= self._duty_s():
            self._on_duty(now)

    def next_event(self) -> StreamT | None:
        """Give the next stream whose state has changed, or None."""
        if not self._changed:
            return None
        stream = self._changed.popleft()
        stream.is_changed = False
        return stream

    # --- for both halves and their streams --------------------------------------------------------

    @property
    def work_received(self) -> float:
        """How much work what came has been, in frames (see `turns`); less as windows let messages out."""
        free_updates = min(self._gate.window_updates, self._sent_bytes / SENT_BYTES_PER_UPDATE)
        return self._gate.frames - free_updates + self._asked_work

    @property
    def is_open(self) -> bool:
        """Whether the connection still lives, be it to finish what it has."""
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
    def send_share_bytes(self) -> int:
        """How much one stream may have queued before its writer waits."""
        limits = self.limits
        return min(limits.send_buffer_bytes, limits.connection_send_bytes // max(1, len(self._streams)))

    def close(self, error_code: int = ErrorCode.NO_ERROR, why: str = "the connection was closed") -> None:
        """Say GOAWAY and end every call."""
        if self.state is not ConnectionState.CLOSED:
            self.error_code = ErrorCode(error_code)
            self._send_goaway(error_code)
            self._shut(why)

    @property
    def held_bytes(self) -> int:
        """What is in memory for the streams and on its way to the transport."""
        waiting_bytes = len(self._raw) + self._h2.output_bytes
        return waiting_bytes + sum(stream.held_bytes for stream in self._streams.values())

    def mark_ready(self, stream: Stream) -> None:
        """Note that a stream has something to send."""
        if stream.stream_id in self._streams:
            self._ready[stream.stream_id] = self._streams[stream.stream_id]

    def credit(self, stream: Stream, n: int) -> None:
        """Let go of `n` received bytes of a stream; tell the peer once it is worth a frame."""
        stream.uncredited_bytes -= n
        if stream.is_finished or self.state is ConnectionState.CLOSED:
            return
        stream.unreturned_bytes += n
        if stream.unreturned_bytes >= self._credit_step_bytes:
            self._h2.acknowledge_received_data(stream.unreturned_bytes, stream.stream_id)
            stream.unreturned_bytes = 0

    @abstractmethod
    def refuse(self, stream: StreamT, error: BadMessageError) -> None:
        """End a call because of what its peer sent."""

    def _changed_stream(self, stream: StreamT) -> None:
        if not stream.is_changed:
            stream.is_changed = True
            self._changed.append(stream)

    def _duty_s(self) -> float:
        """Give the time at which `_on_duty` is due, or infinity; keepalive counts while calls are open."""
        return self._keepalive.due_s if self._streams else math.inf

    def _on_duty(self, now: float) -> None:
        """Do what the connection itself has to do: keepalive's PING, and giving up on its answer."""
        if not self._streams or now < self._keepalive.due_s:
            return
        if self._keepalive.on_due(now):
            self._h2.ping(_KEEPALIVE_PING)
        else:
            self.close(why="the peer is silent: it did not answer a PING")

    def _set_deadline(self, stream: StreamT, at: float) -> None:
        self._deadlines.add(at, stream)
        self.is_rescheduled = True

    def _open(self, stream: StreamT) -> None:
        if not self._streams:
            self._keepalive.begin(self._now)
            self.is_rescheduled = True
        self._streams[stream.stream_id] = stream
        if stream.outbox or not stream.is_sending:  # queued while it waited for its place
            self._ready[stream.stream_id] = stream

    def _finish(self, stream: StreamT, *, reset: ErrorCode = ErrorCode.CANCEL) -> None:
        """Take a stream off the connection, with an RST_STREAM unless both sides have ended."""
        stream.is_finished = True
        self.is_rescheduled = True
        self._changed_stream(stream)
        if self._streams.pop(stream.stream_id, None) is None or self.state is ConnectionState.CLOSED:
            return
        self._ready.pop(stream.stream_id, None)
        if not (stream.is_local_ended and stream.is_remote_ended):
            self._reset(stream.stream_id, reset)
        # What is still to be taken no longer holds up the connection: nobody may ever take it.
        self._credit_connection(stream.stream_id, stream.unreturned_bytes + stream.uncredited_bytes)

    def _reset(self, stream_id: int, code: ErrorCode) -> None:
        with suppress(h2.exceptions.ProtocolError):  # h2 may have seen its end in the same bytes
            self._h2.reset_stream(stream_id, code)

    def _credit_connection(self, stream_id: int, n: int) -> None:
        """Return the window of a stream that is gone; only the connection's own counts then."""
        self._unreturned_bytes += n
        if self._unreturned_bytes >= self._credit_step_bytes:
            self._h2.acknowledge_received_data(self._unreturned_bytes, stream_id)
            self._unreturned_bytes = 0

    def _send_goaway(self, error_code: int) -> None:
        self._raw += encode_goaway(self._last_peer_id(), error_code)

    def _shut(self, why: str) -> None:
        self.state = ConnectionState.CLOSED
        self.why_closed = why
        for stream in list(self._streams.values()):
            self._on_connection_lost(stream)
        self._streams.clear()
        self._ready.clear()

    # --- what comes from h2 -----------------------------------------------------------------------

    def _receive_frames(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            handler = self._handlers.get(type(event))
            if handler is not None:
                handler(event)
        late_frames = self._h2.late_frames - self._late_frames
        self._late_frames += late_frames
        self._budget.charge(late_frames * LATE_DATA_COST)

    def _on_data(self, event: h2.events.DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:  # it was finished while this was in flight
            self._credit_connection(event.stream_id, event.flow_controlled_length)
            self._budget.charge(LATE_DATA_COST)
            return
        stream.uncredited_bytes += event.flow_controlled_length
        if stream.is_deaf:
            self.credit(stream, stream.uncredited_bytes)
            return
        try:
            stream.decoder.receive_untrusted(event.data)
        except FramingError as error:
            self.refuse(stream, error)
            return
        if stream.has_message:
            self._changed_stream(stream)
        else:  # the consumer needs the rest of this message; its size is within the limit
            self.credit(stream, stream.uncredited_bytes)

    def _on_stream_ended(self, event: h2.events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None:
            stream.is_remote_ended = True
            self._on_end(stream)

    def _on_window_updated(self, event: h2.events.WindowUpdated) -> None:
        if event.stream_id:
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                self.mark_ready(stream)
        else:
            self._ready.update(self._streams)

    def _on_settings(self, event: h2.events.RemoteSettingsChanged) -> None:
        self.is_greeted = True
        if h2.settings.SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            self._ready.update(self._streams)
        if h2.settings.SettingCodes.HEADER_TABLE_SIZE in event.changed_settings:
            encoder = self._h2.encoder
            encoder.header_table_size = min(encoder.header_table_size, HEADER_TABLE_BYTES)
        for code in event.changed_settings:
            if code > LARGEST_SETTING_CODE:  # h2 would keep all 65536 that there can be
                del self._h2.remote_settings[code]

    def _split_untrusted(self, headers: Sequence[RawHeader]) -> tuple[dict[bytes, bytes], Metadata]:
        """Part header fields as `split_headers_untrusted` does, if they are within the limit."""
        if header_list_bytes(headers) > self.limits.header_list_bytes:
            text = f"the metadata is above the limit of {self.limits.header_list_bytes} bytes"
            raise FramingError(StatusCode.RESOURCE_EXHAUSTED, text)
        return split_headers_untrusted(headers)

    # --- what goes to h2 --------------------------------------------------------------------------

    def _fill(self) -> None:
        """Move data from outboxes to the wire: one frame of each stream in turn, up to the budget."""
        budget = OUTPUT_BYTES
        while self._ready and budget > 0:
            for stream in list(self._ready.values()):
                budget -= self._send_frame(stream)

    def _send_frame(self, stream: StreamT) -> int:
        """Send what one frame holds; a stream that can send no more is ready no more."""
        outbox = stream.outbox
        room = min(self._h2.local_flow_control_window(stream.stream_id), self._h2.max_outbound_frame_size)
        size = min(len(outbox), max(room, 0))
        if size:
            with memoryview(outbox) as view:
                data = bytes(view[:size])
            del outbox[:size]
            ends = not outbox and not stream.is_sending and stream.trailers is None
            self._h2.send_data(stream.stream_id, data, end_stream=ends)
            self._budget.earn(size)
            self._sent_bytes += size
            stream.is_local_ended = ends
            if stream.is_sending and stream.can_send:  # its writer may wait for that
                self._changed_stream(stream)
        if not outbox and not stream.is_sending and not stream.is_local_ended:
            self._send_end(stream)
        if not outbox or size == 0:
            self._ready.pop(stream.stream_id, None)
        return size

    def _send_end(self, stream: StreamT) -> None:
        stream.is_local_ended = True
        if stream.trailers is None:
            self._h2.end_stream(stream.stream_id)
        else:
            self._h2.send_headers(stream.stream_id, stream.trailers, end_stream=True)
            self._on_trailers_sent(stream)

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

    @abstractmethod
    def _on_trailers_sent(self, stream: StreamT) -> None:
        """Everything that a stream had to send has gone."""

    @abstractmethod
    def _last_peer_id(self) -> int:
        """Give the highest stream of the peer that was or may be processed."""
