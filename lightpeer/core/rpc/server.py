"""The server half of gRPC over HTTP/2: calls that come in on one connection.

`ServerConnection` gives each new call as an event with `context` None; the
shell puts something there and looks at the call again whenever it comes up as
an event: for messages to `take`, for room to `send`, or because it is cancelled.
A handler's end is `ServerCall.finish`, which sends what is queued and then the
status. Calls that may not begin (not gRPC, an unknown encoding, too many) are
answered here and never come up.

The five verbs and their order are those of `core.rpc.connection`; `drain` is the sixth. It has two phases, so
that no call is refused that was on its way: first a GOAWAY that allows every stream, with a PING behind
it, and the one that tells the last stream once the client has answered that, and so has read both.

Source: the gRPC project's PROTOCOL-HTTP2.md; RFC 9113 for drain (6.8) and refusal (8.7).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import h2.events

from lightpeer.core.rpc.connection import Connection, ConnectionState
from lightpeer.core.rpc.frame_gate import (
    LAST_STREAM_ID,
    REFUSED_CALL_COST,
    RESET_COST,
    ErrorCode,
    encode_goaway,
    encode_ping,
)
from lightpeer.core.rpc.framing import ENCODINGS, GZIP_HEADER, MessageDecoder, accepts_gzip_untrusted
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import (
    Metadata,
    RawHeader,
    StatusCode,
    decode_timeout_untrusted,
    encode_message_text,
)
from lightpeer.core.rpc.stream import Stream
from lightpeer.errors import BadMessageError, FramingError, StateMisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rpc.frame_gate import FloodBudget, GoAway

CALL_WORK: Final = 25.0
"""To decode a request's fields, run a handler, open a seal, answer. The unit is a small frame, which h2 needs
some 35 microseconds for on a laptop."""

FIELDS_PER_UNIT: Final = 5
"""Header fields beyond those that every call has."""

STUCK_S: Final = 60.0
"""A client that gives no room for so long, twice, to anything that waits for it is gone or means us ill: ours
read whatever they asked for, also while they are paused."""

LINGER_S: Final = 600.0
"""And one that gives room to other calls, but not to a finished one."""

METADATA_ITEM_BYTES: Final = 200
"""What a pair of short strings takes, however little it was on the wire (HPACK)."""

_DRAIN_PING: Final = b"draining"
_HEADERS: Final = (
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b",".join(ENCODINGS)),
)


class ServerCall(Stream):
    """One call as far as it has come; `send` and `take` are the stream's."""

    __slots__ = (
        "_server",
        "has_sent_headers",
        "is_cancelled",
        "is_proved",
        "left_bytes",
        "metadata",
        "path",
        "reads_gzip",
        "status",
    )

    def __init__(
        self,
        server: ServerConnection,
        stream_id: int,
        path: str,
        metadata: Metadata,
        deadline: float | None,
    ) -> None:
        super().__init__(server, deadline)
        self._server = server
        self.stream_id = stream_id
        self.path = path
        self.metadata = metadata
        self.kept_bytes = _metadata_bytes(metadata)
        self.is_proved = False  # the caller has shown who it is
        self.reads_gzip = False  # what the client said
        self.has_sent_headers = False
        self.left_bytes: int | None = None  # of what a finished call sends, when that was last looked at
        self.is_cancelled = False  # nobody waits for the handler's answer any more
        self.status: StatusCode | None = None

    def send_initial_metadata(self, headers: Sequence[RawHeader] = ()) -> None:
        """Send the first headers, with metadata as `encode_metadata` gives it, ahead of any message.

        Raises:
            StateMisuseError: they have been sent.
        """
        if self.has_sent_headers:
            raise StateMisuseError("the initial metadata has been sent; send it before the first message")
        self._server.send_headers(self, headers)

    def set_gzip(self, *, on: bool) -> None:
        """Choose whether messages are compressed, as far as the client reads that; before the first headers.

        Raises:
            StateMisuseError: they have been sent.
        """
        if self.has_sent_headers:
            raise StateMisuseError("the first headers have been sent; choose the compression before them")
        self.gzip = on and self.reads_gzip

    def send(self, message: bytes, *, end: bool = False, compress: bool = True) -> None:
        """Queue a message; after the end of the call, nothing."""
        if self.status is not None:
            return
        if not self.has_sent_headers:
            self._server.send_headers(self, ())
        super().send(message, end=end, compress=compress)

    def finish(
        self,
        code: StatusCode = StatusCode.OK,
        details: str = "",
        headers: Sequence[RawHeader] = (),
    ) -> None:
        """End the call with a status once what is queued has gone; an ended call stays as it is.

        Args:
            code: the status.
            details: the status message.
            headers: trailing metadata, as `encode_metadata` gives it.
        """
        self._server.finish_call(self, code, details, headers)


class ServerConnection(Connection[ServerCall]):
    """Calls from one client.

    Args:
        limits: what the connection may cost.
        now: the time, in seconds, monotonic.
        budget: what its frames may cost us beyond; its own, if there is none to be shared.
    """

    def __init__(self, limits: Limits, now: float, budget: FloodBudget | None = None) -> None:
        super().__init__(client_side=False, limits=limits, now=now, budget=budget)
        self._idle_since_s = now
        self._worked_s = now
        self._sent_bytes = 0  # of messages
        self._sent_before: int | None = None  # when that was last looked at, because some wait
        self._stuck_due_s = math.inf
        self._age_due_s = now + limits.connection_age_s
        self._grace_due_s = math.inf
        self._drain_due_s = math.inf  # when to go on with a drain that the client does not answer
        self._why_drained = ""  # not empty: a drain has begun
        self._highest_id = 0
        self._handlers[h2.events.RequestReceived] = self._on_request
        self._handlers[h2.events.TrailersReceived] = self._on_trailers
        self._handlers[h2.events.PingAckReceived] = self._on_ping_ack

    @property
    def is_at_work(self) -> bool:
        """Whether a call is of somebody who has shown who it is; any other can be kept open for nothing."""
        return any(call.is_proved for call in self._streams.values())

    @property
    def idle_since_s(self) -> float:
        """When the client was at work last, or connected."""
        return self._worked_s

    # --- actions ----------------------------------------------------------------------------------

    def drain(self, now: float, why: str = "the connection was drained") -> None:
        """Send the client away: take the calls that are on their way, and close once all have ended."""
        if self.state is not ConnectionState.OPEN or self._why_drained:
            return
        self._now = now
        self._why_drained = why
        if not self.is_greeted:  # it has not begun, and will see that nothing was taken
            self._take_no_more()
            return
        self._raw += encode_goaway(LAST_STREAM_ID, ErrorCode.NO_ERROR) + encode_ping(_DRAIN_PING)
        self._drain_due_s = now + self.limits.keepalive_timeout_s
        self.is_rescheduled = True

    def _take_no_more(self) -> None:
        self.state = ConnectionState.DRAINING
        self._drain_due_s = math.inf
        self._send_goaway(ErrorCode.NO_ERROR)
        self._close_if_drained()

    def _on_ping_ack(self, event: h2.events.PingAckReceived) -> None:
        if event.ping_data == _DRAIN_PING and self._drain_due_s != math.inf:
            self._take_no_more()

    def turn_away(self, call: ServerCall, code: StatusCode, details: str) -> None:
        """End a call that may not begin; too many of them end the connection."""
        self._owed += REFUSED_CALL_COST
        self.finish_call(call, code, details)

    def send_headers(self, call: ServerCall, headers: Sequence[RawHeader]) -> None:
        """Send a call's first headers."""
        call.has_sent_headers = True
        if not call.is_finished:
            encoding = (GZIP_HEADER,) if call.gzip else ()
            self._h2.send_headers(call.stream_id, [*_HEADERS, *encoding, *headers])

    def finish_call(
        self,
        call: ServerCall,
        code: StatusCode,
        details: str = "",
        headers: Sequence[RawHeader] = (),
    ) -> None:
        """End a call with a status once what is queued has gone."""
        if call.status is not None or call.is_finished:
            return
        call.status = code
        trailers = [(b"grpc-status", b"%d" % code)]
        if details:
            trailers.append((b"grpc-message", encode_message_text(details)))
        trailers += headers
        call.trailers = trailers if call.has_sent_headers else [*_HEADERS[:2], *trailers]
        call.is_sending = False
        call.is_deaf = True
        call.decoder.clear()
        self._set_deadline(call, self._now + LINGER_S)
        self.mark_ready(call)

    # --- verbs that do more here ------------------------------------------------------------------

    def _duty_s(self) -> float:
        return min(
            super()._duty_s(),
            self._idle_due_s(),
            self._age_due_s,
            self._grace_due_s,
            self._drain_due_s,
            self._stuck_due_s,
        )

    def _on_duty(self, now: float) -> None:
        """See to the keepalive, a client that does not begin or is idle or here for long, and drains."""
        super()._on_duty(now)
        if now >= self._grace_due_s:
            self.close(why="the connection is past its age, and the grace for its calls")
        elif now >= self._stuck_due_s:
            self._check_stuck(now)
        elif now >= self._drain_due_s:
            self._take_no_more()
        elif now >= self._age_due_s:
            self._age_due_s = math.inf
            self._grace_due_s = now + self.limits.connection_age_grace_s
            self.drain(now, "the connection is past its age")
        elif now >= self._idle_due_s():
            if self.is_greeted:
                self.drain(now, "the client was idle")
            else:
                self.close(why="the client did not begin")

    def _check_stuck(self, now: float) -> None:
        """Let a client go that gives no room for what it has asked for, and is not just slow."""
        if not any(self._has_no_room(call) for call in self._streams.values()):
            self._sent_before, self._stuck_due_s = None, math.inf
        elif self._sent_before == self._sent_bytes:
            self.close(ErrorCode.ENHANCE_YOUR_CALM, "the client gives no room for what it has asked for")
        else:
            self._sent_before, self._stuck_due_s = self._sent_bytes, now + STUCK_S

    def _has_no_room(self, call: ServerCall) -> bool:
        return bool(call.outbox) and self._h2.local_flow_control_window(call.stream_id) <= 0

    def _send_frame(self, stream: ServerCall) -> int:
        size = super()._send_frame(stream)
        self._sent_bytes += size
        if stream.outbox and self._stuck_due_s == math.inf:  # the first look only begins it
            self._stuck_due_s = self._now + STUCK_S
            self.is_rescheduled = True
        return size

    def _idle_due_s(self) -> float:
        if self._streams or self._why_drained:
            return math.inf
        return self._idle_since_s + (self.limits.idle_s if self.is_greeted else self.limits.handshake_s)

    def _close_if_drained(self) -> None:
        if self.state is ConnectionState.DRAINING and not self._streams:
            self._shut(self._why_drained or "the client went away")

    def _finish(self, stream: ServerCall, *, reset: ErrorCode = ErrorCode.CANCEL) -> None:
        if stream.is_proved:
            self._worked_s = self._now
        if reset is ErrorCode.NO_ERROR and not stream.is_remote_ended:  # answered before it was asked
            self._owed += RESET_COST
        super()._finish(stream, reset=reset)
        stream.discard()
        if not self._streams:
            self._idle_since_s = self._now
            self._close_if_drained()

    # --- what comes from the client ---------------------------------------------------------------

    def _on_request(self, event: h2.events.RequestReceived) -> None:
        self._asked_work += len(event.headers) / FIELDS_PER_UNIT
        if self.state is not ConnectionState.OPEN or len(self._streams) >= self.limits.concurrent_calls:
            self._reset(event.stream_id, ErrorCode.REFUSED_STREAM)
            self._budget.charge(RESET_COST)
            return
        self._highest_id = event.stream_id
        self._asked_work += CALL_WORK
        code, details = StatusCode.OK, ""
        own: dict[bytes, bytes] = {}
        metadata: Metadata = ()
        deadline = None
        try:
            own, metadata = self._split_untrusted(event.headers)
            if (timeout := own.get(b"grpc-timeout")) is not None:
                deadline = self._now + decode_timeout_untrusted(timeout)
        except FramingError as error:
            code, details = StatusCode(error.code), str(error)
        except BadMessageError as error:
            code, details = StatusCode.INTERNAL, str(error)
        call = ServerCall(self, event.stream_id, own.get(b":path", b"").decode("latin-1"), metadata, deadline)
        self._open(call)
        if (http_status := _http_refusal(own)) is not None:
            self._refuse_http(call, http_status)
        elif (encoding := own.get(b"grpc-encoding", b"identity")) not in ENCODINGS:
            accepted = [_HEADERS[2]]
            self.finish_call(call, StatusCode.UNIMPLEMENTED, "the encoding is not supported", accepted)
        elif code is not StatusCode.OK:
            self.finish_call(call, code, details)
        else:
            call.decoder = MessageDecoder(self.limits.receive_message_bytes, encoding)
            call.reads_gzip = accepts_gzip_untrusted(own.get(b"grpc-accept-encoding", b""))
            if deadline is not None:
                self._set_deadline(call, deadline)
            self._changed_stream(call)

    def _on_trailers(self, event: h2.events.TrailersReceived) -> None:
        """Nothing of gRPC comes so from a client."""
        self._asked_work += len(event.headers) / FIELDS_PER_UNIT

    def _refuse_http(self, call: ServerCall, http_status: bytes) -> None:
        """Answer what is not gRPC in plain HTTP."""
        call.status = StatusCode.UNKNOWN
        call.is_deaf = True
        call.trailers = [(b":status", http_status)]
        call.is_sending = False
        self.mark_ready(call)

    def refuse(self, stream: ServerCall, error: BadMessageError) -> None:
        """End a call because of what the client sent in it, or the handler would send."""
        stream.is_cancelled = True
        code = error.code if isinstance(error, FramingError) else StatusCode.INTERNAL
        self.finish_call(stream, StatusCode(code), str(error))
        self._changed_stream(stream)

    def _on_end(self, stream: ServerCall) -> None:
        if stream.decoder.is_whole:
            self._changed_stream(stream)
        else:
            self.refuse(stream, FramingError(StatusCode.INTERNAL, "the client ended inside a message"))

    def _on_stream_reset(self, event: h2.events.StreamReset) -> None:
        call = self._streams.get(event.stream_id)
        if call is not None:
            call.is_local_ended = call.is_remote_ended = call.is_cancelled = True
            self._finish(call)
        if not event.remote_reset:  # h2's own answer to a frame that breaks the stream (CVE-2025-8671)
            self._budget.charge(RESET_COST)

    def _on_goaway(self, goaway: GoAway) -> None:
        """The client will open no more streams; what runs goes on."""
        del goaway
        self.state = ConnectionState.DRAINING
        self._close_if_drained()

    def _on_deadline(self, stream: ServerCall) -> None:
        if stream.status is None:
            stream.is_cancelled = True
            stream.outbox.clear()
            self.finish_call(stream, StatusCode.DEADLINE_EXCEEDED, "the call's deadline has passed")
            self._changed_stream(stream)
        elif len(stream.outbox) != stream.left_bytes or not self._has_no_room(stream):
            stream.left_bytes = len(stream.outbox)
            self._set_deadline(stream, self._now + LINGER_S)
        else:  # its client has taken nothing for so long
            self._finish(stream)

    def _on_connection_lost(self, stream: ServerCall) -> None:
        stream.is_cancelled = True
        self._finish(stream)

    def _on_trailers_sent(self, stream: ServerCall) -> None:
        self._finish(stream, reset=ErrorCode.NO_ERROR)

    def _last_peer_id(self) -> int:
        return self._highest_id


def _metadata_bytes(metadata: Metadata) -> int:
    return sum(METADATA_ITEM_BYTES + len(key) + len(value) for key, value in metadata)


def _http_refusal(own: dict[bytes, bytes]) -> bytes | None:
    """Tell what is wrong with a request as HTTP, if anything; header fields that could not be read pass."""
    if own and own.get(b":method") != b"POST":
        return b"405"
    if own and not own.get(b"content-type", b"").startswith(b"application/grpc"):
        return b"415"
    return None
