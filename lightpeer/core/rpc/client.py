"""The client half of gRPC over HTTP/2: calls of all four kinds on one connection.

`ClientConnection.start` begins a call, or queues it while the server's limit on
streams is reached. A `ClientCall` is the state of a call to look at: what the
server said first, the messages to `take`, and in the end its `status`. Which
calls to look at again, `next_event` says. A call ends once, by the server's
status, by its deadline, by `cancel`, by what broke it, or with the connection;
the streams that this leaves open on the wire are reset.

The five verbs and their order are those of `core.rpc.connection`.

Source: the gRPC project's PROTOCOL-HTTP2.md, and for keepalive its keepalive.md.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import h2.events

from lightpeer.core.rpc.connection import Connection, ConnectionState
from lightpeer.core.rpc.frame_gate import LAST_STREAM_ID, ErrorCode
from lightpeer.core.rpc.framing import ENCODINGS, GZIP_HEADER, MessageDecoder, accepts_gzip_untrusted
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.reply_burst import ReplyBurst
from lightpeer.core.rpc.status import (
    CallStatus,
    Metadata,
    RawHeader,
    StatusCode,
    code_from_header_untrusted,
    code_from_http,
    code_from_reset,
    decode_message_text_untrusted,
    encode_timeout,
    header_list_bytes,
)
from lightpeer.core.rpc.stream import Stream
from lightpeer.errors import BadMessageError, FramingError
from lightpeer.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rpc.frame_gate import GoAway

__all__ = ["CallStatus", "ClientCall", "ClientConnection", "Limits", "StatusCode"]

_FIXED_HEADERS: Final = (
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"lightpeer/" + VERSION.encode()),
    (b"grpc-accept-encoding", b",".join(ENCODINGS)),
)
_TOO_MANY_PINGS: Final = "too_many_pings"

_TOO_MUCH_METADATA: Final = "the metadata is more than the server takes"
_MORE_THAN_ONE: Final = "the server sent more than the one message that the method has"
_NO_STATUS: Final = CallStatus(StatusCode.UNKNOWN, "the server ended the call without a status")
_PAST_DEADLINE: Final = CallStatus(StatusCode.DEADLINE_EXCEEDED, "the call's deadline has passed")


class ClientCall(Stream):
    """One call, as far as it has come; `send`, `end` and `take` are the stream's."""

    __slots__ = ("_client", "expects_one", "initial_metadata", "path", "request_headers", "status")

    def __init__(
        self,
        client: ClientConnection,
        path: str,
        deadline: float | None,
        headers: Sequence[RawHeader],
        *,
        expects_one: bool,
    ) -> None:
        super().__init__(client, deadline)
        self._client = client
        self.path = path
        self.expects_one = expects_one
        self.request_headers = headers
        self.initial_metadata: Metadata | None = None
        self.status: CallStatus | None = None

    def cancel(self, details: str = "the call was cancelled here") -> None:
        """End the call now, with CANCELLED; the server is told by RST_STREAM."""
        self._client.end_call(self, CallStatus(StatusCode.CANCELLED, details))


class ClientConnection(Connection[ClientCall]):
    """Calls on one HTTP/2 connection.

    Args:
        authority: what the server is called, as in "host:port".
        limits: what the connection may cost.
        now: the time, in seconds, monotonic.
        scheme: "http", or "https" over TLS.
        idle_s: without calls for so long, the connection closes.
    """

    def __init__(
        self, authority: str, limits: Limits, now: float, *, scheme: str = "http", idle_s: float = math.inf
    ) -> None:
        super().__init__(client_side=True, limits=limits, now=now)
        self._head = (
            (b":method", b"POST"),
            (b":scheme", scheme.encode()),
            (b":authority", authority.encode()),
        )
        self._waiting: deque[ClientCall] = deque()  # bounded by `queued_calls`
        self._started = 0  # streams opened since the transport last took data
        self._server_reads_gzip = True  # until it says what it reads
        self._late_bytes_allowed = 0  # for calls that we have ended, so far
        self._idle_s = idle_s
        self._idle_since_s = now
        self.was_left = False  # it takes no more calls because we wanted no more of it
        self.pings_too_much = False  # the server went away because of our keepalive
        self.burst = ReplyBurst(now)  # of what answered the latest call
        self._handlers[h2.events.ResponseReceived] = self._on_response
        self._handlers[h2.events.TrailersReceived] = self._on_trailers

    # --- actions ----------------------------------------------------------------------------------

    def start(
        self,
        path: str,
        now: float,
        *,
        deadline: float | None = None,
        headers: Sequence[RawHeader] = (),
        expects_one: bool = False,
        gzip: bool = False,
    ) -> ClientCall:
        """Begin a call.

        Args:
            path: the full method, "/package.Service/Method".
            now: the time.
            deadline: when the call fails with DEADLINE_EXCEEDED, or None.
            headers: the metadata, as `encode_metadata` gives it.
            expects_one: whether the method replies with exactly one message.
            gzip: whether to compress messages, unless the server is known not to read that.

        Returns:
            The call. If it cannot be begun, it has ended already, with the status that says why.
        """
        self._now = now
        self.burst = ReplyBurst(now)
        call = ClientCall(self, path, deadline, headers, expects_one=expects_one)
        call.gzip = gzip and self._server_reads_gzip
        if self.state is not ConnectionState.OPEN:
            reason = self.why_closed or "the connection takes no more calls"
            self.end_call(call, CallStatus(StatusCode.UNAVAILABLE, reason, was_processed=False))
        elif deadline is not None and deadline <= now:
            self.end_call(call, _PAST_DEADLINE)
        elif self._has_room() and not self._waiting:
            self._begin(call)
        elif len(self._waiting) < self.limits.queued_calls:
            self._waiting.append(call)
        else:
            self.end_call(call, CallStatus(StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for a stream"))
        if deadline is not None and not call.is_finished:
            self._set_deadline(call, deadline)
        return call

    def end_call(self, call: ClientCall, status: CallStatus, *, is_answer: bool = False) -> None:
        """End a call with a status, unless it has ended; its stream is reset if it is still open.

        Messages that came before the server's own answer are still there to take.
        """
        if call.status is not None:
            return
        call.status = status
        if not call.stream_id and call in self._waiting:
            self._waiting.remove(call)
        if is_answer:
            call.outbox.clear()
        else:
            call.discard()
        self._finish(call, reset=ErrorCode.NO_ERROR if is_answer else ErrorCode.CANCEL)
        self._begin_waiting()
        self._close_if_drained()

    def drain(self, why: str) -> None:
        """Take no more calls; end those that wait for a stream, and close once those that run have ended."""
        if self.state is ConnectionState.OPEN:
            self.state = ConnectionState.DRAINING
        for call in list(self._waiting):
            call.cancel(why)
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self.state is ConnectionState.DRAINING and not self._streams:
            self.close()

    def leave(self) -> None:
        """Take no more calls, and close once those that run have ended: the next have another connection."""
        self.was_left = True
        self.drain("the connection was left")

    def cancel_all(self, details: str) -> None:
        """End every call with CANCELLED."""
        for call in [*self._waiting, *self._streams.values()]:
            call.cancel(details)

    # --- verbs that do more here ------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the transport; b"" is its end."""
        self.burst.add(len(data), now)
        super().receive(data, now)
        if self._h2.late_bytes > self._late_bytes_allowed:  # h2 gives the connection's window back for it
            self.close(ErrorCode.ENHANCE_YOUR_CALM, "the server goes on sending in calls that have ended")
        self._begin_waiting()
        self._close_if_drained()

    def data_to_send(self) -> bytes:
        """Give the next bytes for the transport; b"" if there are none now."""
        self._started = 0
        self._begin_waiting()
        return super().data_to_send()

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` may have something to give; it also begins calls that wait."""
        return bool(self._waiting) or super().has_output

    def _duty_s(self) -> float:
        return min(super()._duty_s(), self._idle_due_s())

    def _on_duty(self, now: float) -> None:
        """See to the keepalive, and to a connection that is not used."""
        super()._on_duty(now)
        if now >= self._idle_due_s():
            self.was_left = True
            self.close(why="the connection was not used")

    def _idle_due_s(self) -> float:
        return math.inf if self._streams or self._waiting else self._idle_since_s + self._idle_s

    def _finish(self, stream: ClientCall, *, reset: ErrorCode = ErrorCode.CANCEL) -> None:
        if stream.stream_id and not stream.is_remote_ended:  # what is in flight: its window is not filled up
            self._late_bytes_allowed += self.limits.stream_window_bytes
        super()._finish(stream, reset=reset)
        self._idle_since_s = self._now

    # --- opening streams --------------------------------------------------------------------------

    def _has_room(self) -> bool:
        limit = min(self.limits.concurrent_calls, self._h2.remote_settings.max_concurrent_streams)
        return max(len(self._streams), self._started) < limit

    def _begin_waiting(self) -> None:
        while self._waiting and self.state is ConnectionState.OPEN and self._has_room():
            self._begin(self._waiting.popleft())

    def _begin(self, call: ClientCall) -> None:
        headers = self._request_headers(call)
        allowed_bytes = self._h2.remote_settings.max_header_list_size
        if allowed_bytes is not None and header_list_bytes(headers) > allowed_bytes:
            self.end_call(call, CallStatus(StatusCode.RESOURCE_EXHAUSTED, _TOO_MUCH_METADATA))
            return
        call.stream_id = self._h2.get_next_available_stream_id()
        if call.stream_id >= LAST_STREAM_ID:
            self.state = ConnectionState.DRAINING
        self._started += 1
        self._h2.send_headers(call.stream_id, headers)
        self._open(call)

    def _request_headers(self, call: ClientCall) -> list[RawHeader]:
        headers: list[RawHeader] = [*self._head, (b":path", call.path.encode()), *_FIXED_HEADERS]
        if call.deadline is not None:
            headers.append((b"grpc-timeout", encode_timeout(call.deadline - self._now)))
        if call.gzip:
            headers.append(GZIP_HEADER)
        headers += call.request_headers
        return headers

    # --- what comes from the server ---------------------------------------------------------------

    def refuse(self, stream: ClientCall, error: BadMessageError) -> None:
        """End a call because of what the server sent in it."""
        code = error.code if isinstance(error, FramingError) else StatusCode.INTERNAL
        if code == StatusCode.UNIMPLEMENTED:  # an encoding that we did not offer is the server's error
            code = StatusCode.INTERNAL
        stream.status = None  # that a message does not inflate may come to light after an OK
        self.end_call(stream, CallStatus(StatusCode(code), str(error)))

    def _on_response(self, event: h2.events.ResponseReceived) -> None:
        call = self._streams.get(event.stream_id)
        if call is None:
            return
        try:
            own, metadata = self._split_untrusted(event.headers)
        except BadMessageError as error:
            self.refuse(call, error)
            return
        if (accepted := own.get(b"grpc-accept-encoding")) is not None:
            self._server_reads_gzip = accepts_gzip_untrusted(accepted)
        if event.stream_ended is not None:  # "trailers-only"
            self._conclude(call, _status_from(own, metadata))
            return
        if not _is_grpc(own):
            self.end_call(call, _not_grpc(_http_status(own)))
            return
        call.initial_metadata = metadata
        encoding = own.get(b"grpc-encoding")
        if encoding is not None:
            call.decoder = MessageDecoder(self.limits.receive_message_bytes, encoding)
        self._changed_stream(call)

    def _on_data(self, event: h2.events.DataReceived) -> None:
        super()._on_data(event)
        call = self._streams.get(event.stream_id)
        if call is None or not call.expects_one or not call.has_message:
            return
        if not call.decoder.has_one:
            self.refuse(call, FramingError(StatusCode.INTERNAL, _MORE_THAN_ONE))

    def _on_trailers(self, event: h2.events.TrailersReceived) -> None:
        call = self._streams.get(event.stream_id)
        if call is None:
            return
        try:
            own, metadata = self._split_untrusted(event.headers)
        except BadMessageError as error:
            self.refuse(call, error)
            return
        self._conclude(call, _status_from(own, metadata) if b"grpc-status" in own else _NO_STATUS)

    def _conclude(self, call: ClientCall, status: CallStatus) -> None:
        """End a call by the server's word, an OK held against what the call has brought."""
        call.is_remote_ended = True
        if status.code is StatusCode.OK:
            status = _checked_ok(call, status)
        self.end_call(call, status, is_answer=True)

    def _on_end(self, stream: ClientCall) -> None:
        self.end_call(stream, _NO_STATUS)

    def _on_stream_reset(self, event: h2.events.StreamReset) -> None:
        call = self._streams.get(event.stream_id)
        if call is not None:
            call.is_local_ended = call.is_remote_ended = True
            was_processed = event.error_code != ErrorCode.REFUSED_STREAM
            details = f"the server reset the call (HTTP/2 error {int(event.error_code)})"
            self.end_call(call, CallStatus(code_from_reset(event.error_code), details, (), was_processed))

    def _on_goaway(self, goaway: GoAway) -> None:
        """Finish what the server has taken up; what it has not may be tried elsewhere."""
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
        self.end_call(stream, CallStatus(StatusCode.UNAVAILABLE, self.why_closed))

    def _shut(self, why: str) -> None:
        super()._shut(why)
        for call in list(self._waiting):
            self.end_call(call, CallStatus(StatusCode.UNAVAILABLE, why, was_processed=False))

    def _on_trailers_sent(self, stream: ClientCall) -> None:
        """Nothing: a client sends no trailers."""

    def _last_peer_id(self) -> int:
        return 0  # a server opens no streams: push is off


def _http_status(own: dict[bytes, bytes]) -> int:
    value = own.get(b":status", b"")
    return int(value) if value.isdigit() and len(value) == 3 else 0


def _is_grpc(own: dict[bytes, bytes]) -> bool:
    return _http_status(own) == 200 and own.get(b"content-type", b"").startswith(b"application/grpc")


def _not_grpc(http_status: int) -> CallStatus:
    return CallStatus(
        code_from_http(http_status),
        f"what answered does not speak gRPC (HTTP status {http_status}): check the host and port",
    )


def _status_from(own: dict[bytes, bytes], metadata: Metadata) -> CallStatus:
    value = own.get(b"grpc-status")
    if value is None:
        return _NO_STATUS if _is_grpc(own) else _not_grpc(_http_status(own))
    details = decode_message_text_untrusted(own.get(b"grpc-message", b""))
    return CallStatus(code_from_header_untrusted(value), details, metadata)


def _checked_ok(call: ClientCall, status: CallStatus) -> CallStatus:
    if not call.decoder.is_whole:
        return CallStatus(StatusCode.INTERNAL, "the server ended the call inside a message")
    if call.expects_one and not call.has_message:
        return CallStatus(StatusCode.INTERNAL, "the server sent no message where the method has one")
    return status
