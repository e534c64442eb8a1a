"""The client half of gRPC over HTTP/2: calls of all four kinds on one connection.

`ClientConnection.start` begins a call, or queues it while the server's limit on streams is reached. The
`ClientCall` then holds what came: the initial metadata, messages to `take`, and in the end its `status`.
`next_event` says which calls to look at again. A call ends once: by the server's status, its deadline,
`cancel`, an error in what came, or with the connection. Streams that this leaves open on the wire are
reset.

The five verbs and their order are those of `core.rpc.connection`.

Source: the gRPC project's PROTOCOL-HTTP2.md, and for keepalive its keepalive.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import h2.events

from lightpeer.core.rpc.client_call import CallTerms, ClientCall
from lightpeer.core.rpc.connection import Connection, ConnectionState
from lightpeer.core.rpc.frame_gate import LAST_STREAM_ID, ErrorCode
from lightpeer.core.rpc.reply_burst import ReplyBurst
from lightpeer.core.rpc.request import encode_request, request_head
from lightpeer.core.rpc.response import NO_STATUS
from lightpeer.core.rpc.response_reader import ResponseReader
from lightpeer.core.rpc.status import CallStatus, StatusCode, code_from_reset, header_list_bytes
from lightpeer.core.rpc.waiting_calls import WaitingCalls
from lightpeer.errors import BadMessageError, FramingError

if TYPE_CHECKING:
    from lightpeer.core.rpc.frame_gate import GoAway
    from lightpeer.core.rpc.limits import Limits

_TOO_MANY_PINGS: Final = "too_many_pings"

_TOO_MUCH_METADATA: Final = "the metadata is more than the server takes"
_PAST_DEADLINE: Final = CallStatus(StatusCode.DEADLINE_EXCEEDED, "the call's deadline has passed")
_PLAIN: Final = CallTerms()


class ClientConnection(Connection[ClientCall]):
    """Calls on one HTTP/2 connection.

    Args:
        authority: the server's name, as in "host:port".
        limits: what the connection may cost.
        now: the monotonic time in seconds.
        scheme: "http", or "https" over TLS.
        idle_s: the connection closes after this many seconds without calls.

    Attributes:
        was_left: whether it takes no more calls because we wanted no more of it.
        pings_too_much: whether the server went away because of our keepalive.
        burst: how the reply to the latest call arrived.
    """

    def __init__(
        self, authority: str, limits: Limits, now: float, *, scheme: str = "http", idle_s: float = math.inf
    ) -> None:
        super().__init__(client_side=True, limits=limits, now=now)
        self._head = request_head(scheme, authority)
        self._waiting = WaitingCalls(limits.queued_calls)
        self._reader = ResponseReader(self.table, self.end_call)
        self._late_bytes_allowed = 0  # in flight for calls that we have ended
        self._idle_s = idle_s
        self._idle_since_s = now
        self.was_left = False
        self.pings_too_much = False
        self.burst = ReplyBurst(now)
        self._handlers[h2.events.DataReceived] = self._reader.on_data
        self._handlers[h2.events.ResponseReceived] = self._reader.on_headers
        self._handlers[h2.events.TrailersReceived] = self._reader.on_headers

    # --- actions ----------------------------------------------------------------------------------

    def start(self, path: str, now: float, terms: CallTerms = _PLAIN) -> ClientCall:
        """Begin a call.

        Args:
            path: the full method, "/package.Service/Method".
            now: the monotonic time in seconds.
            terms: how the call is made.

        Returns:
            The call. If it cannot begin, it has ended already, with the status that says why.
        """
        self._now = now
        self.burst = ReplyBurst(now)
        call = ClientCall(self, path, terms)
        call.gzip = terms.gzip and self._reader.server_reads_gzip
        if self.state is not ConnectionState.OPEN:
            reason = self.why_closed or "the connection takes no more calls"
            self.end_call(call, self._not_begun(reason))
        elif terms.deadline is not None and terms.deadline <= now:
            self.end_call(call, _PAST_DEADLINE)
        elif self._has_room() and not self._waiting:
            self._begin(call)
        elif not self._waiting.put(call):
            self.end_call(call, CallStatus(StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for a stream"))
        if terms.deadline is not None and not call.is_finished:
            self._set_deadline(call, terms.deadline)
        return call

    def end_call(self, call: ClientCall, status: CallStatus, *, is_answer: bool = False) -> None:
        """End a call, unless it has ended; its stream is reset if it is still open.

        Args:
            call: the call.
            status: how it ends.
            is_answer: whether the server said so; messages that came before can then still be taken.
        """
        if call.status is not None:
            return
        call.status = status
        if not call.stream_id:
            self._waiting.remove(call)
        if is_answer:
            call.outbox.clear()
        else:
            call.discard()
        self._finish(call, reset=ErrorCode.NO_ERROR if is_answer else ErrorCode.CANCEL)
        self._begin_waiting()
        self._close_if_drained()

    def drain(self, why: str) -> None:
        """Take no more calls, end those that wait for a stream, and close after the last running one."""
        if self.state is ConnectionState.OPEN:
            self.state = ConnectionState.DRAINING
        for call in self._waiting:
            call.cancel(why)
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self.state is ConnectionState.DRAINING and not self._streams:
            self.close()

    def leave(self) -> None:
        """Drain, so that the next calls use another connection."""
        self.was_left = True
        self.drain("the connection was left")

    def cancel_all(self, details: str) -> None:
        """End every call with CANCELLED."""
        for call in [*self._waiting, *self._streams.values()]:
            call.cancel(details)

    # --- verbs that do more here ------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Handle bytes from the transport, or its end if there are none."""
        self.burst.add(len(data), now)
        super().receive(data, now)
        if self._h2.late_bytes > self._late_bytes_allowed:  # h2 returns the connection's window for it
            self.close(ErrorCode.ENHANCE_YOUR_CALM, "the server goes on sending in calls that have ended")
        self._begin_waiting()
        self._close_if_drained()

    def data_to_send(self) -> bytes:
        """Return the next bytes for the transport, or b"" if there are none now."""
        self._waiting.on_output()
        self._begin_waiting()
        return super().data_to_send()

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` may have something to return; it also begins calls that wait."""
        return bool(self._waiting) or super().has_output

    def _duty_s(self) -> float:
        return min(super()._duty_s(), self._idle_due_s())

    def _on_duty(self, now: float) -> None:
        """Do what keepalive asks, and close a connection that is not used."""
        super()._on_duty(now)
        if now >= self._idle_due_s():
            self.was_left = True
            self.close(why="the connection was not used")

    def _idle_due_s(self) -> float:
        return math.inf if self._streams or self._waiting else self._idle_since_s + self._idle_s

    def _finish(self, stream: ClientCall, *, reset: ErrorCode = ErrorCode.CANCEL) -> None:
        if stream.stream_id and not stream.is_remote_ended:  # a window's worth may be in flight
            self._late_bytes_allowed += self.limits.stream_window_bytes
        super()._finish(stream, reset=reset)
        self._idle_since_s = self._now

    # --- opening streams --------------------------------------------------------------------------

    def _has_room(self) -> bool:
        limit = min(self.limits.concurrent_calls, self._h2.remote_settings.max_concurrent_streams)
        return self._waiting.has_room(len(self._streams), limit)

    def _begin_waiting(self) -> None:
        while self._waiting and self.state is ConnectionState.OPEN and self._has_room():
            self._begin(self._waiting.take())

    def _begin(self, call: ClientCall) -> None:
        headers = encode_request(
            self._head,
            call.path,
            timeout_s=None if call.deadline is None else call.deadline - self._now,
            gzip=call.gzip,
            metadata=call.terms.headers,
        )
        allowed_bytes = self._h2.remote_settings.max_header_list_size
        if allowed_bytes is not None and header_list_bytes(headers) > allowed_bytes:
            self.end_call(call, CallStatus(StatusCode.RESOURCE_EXHAUSTED, _TOO_MUCH_METADATA))
            return
        call.stream_id = self._h2.get_next_available_stream_id()
        if call.stream_id >= LAST_STREAM_ID:
            self.state = ConnectionState.DRAINING
        self._waiting.on_opened()
        self._h2.send_headers(call.stream_id, headers)
        self._open(call)

    # --- events of the wire -----------------------------------------------------------------------

    def refuse(self, stream: ClientCall, error: BadMessageError) -> None:
        """End a call because of what the server sent in it."""
        code = error.code if isinstance(error, FramingError) else StatusCode.INTERNAL
        if code == StatusCode.UNIMPLEMENTED:  # an encoding that we did not offer is the server's error
            code = StatusCode.INTERNAL
        stream.status = None  # a message that does not inflate may come to light after an OK
        self.end_call(stream, CallStatus(StatusCode(code), str(error)))

    def _on_end(self, stream: ClientCall) -> None:
        self.end_call(stream, NO_STATUS)

    def _on_stream_reset(self, event: h2.events.StreamReset) -> None:
        call = self._streams.get(event.stream_id)
        if call is not None:
            call.is_local_ended = call.is_remote_ended = True
            was_processed = event.error_code != ErrorCode.REFUSED_STREAM
            details = f"the server reset the call (HTTP/2 error {int(event.error_code)})"
            self.end_call(call, CallStatus(code_from_reset(event.error_code), details, (), was_processed))

    def _on_goaway(self, goaway: GoAway) -> None:
        """Finish the calls that the server has taken up; the others may be tried elsewhere."""
        self.state = ConnectionState.DRAINING
        self.why_closed = "the server is going away"
        self.pings_too_much = goaway.debug_text == _TOO_MANY_PINGS
        refused = [call for call in self._streams.values() if call.stream_id > goaway.last_stream_id]
        for call in [*refused, *self._waiting]:
            call.is_local_ended = call.is_remote_ended = True
            self.end_call(call, CallStatus(StatusCode.UNAVAILABLE, self.why_closed, was_processed=False))

    def _on_deadline(self, stream: ClientCall) -> None:
        self.end_call(stream, _PAST_DEADLINE)

    def _on_connection_lost(self, stream: ClientCall) -> None:
        self.end_call(stream, CallStatus(StatusCode.UNAVAILABLE, self.why_closed, unreached=self.unreached))

    def _shut(self, why: str) -> None:
        super()._shut(why)
        for call in self._waiting:
            self.end_call(call, self._not_begun(why))

    def _not_begun(self, why: str) -> CallStatus:
        return CallStatus(StatusCode.UNAVAILABLE, why, was_processed=False, unreached=self.unreached)
