"""The server half of gRPC over HTTP/2: calls that come in on one connection.

`ServerConnection` gives each new call as an event with `context` None. The shell puts something there and
looks at the call again whenever it comes up as an event: for messages to `take`, for room to `send`, or
because it is cancelled. A handler ends with `ServerCall.finish`, which sends what is queued and then the
status. Calls that may not begin (not gRPC, an unknown encoding, too many) are answered here and never come
up.

The five verbs and their order are those of `core.rpc.connection`; `drain` is the sixth. `lifetime` decides
when a client has to go, `stuck_watch` which one gives us no room, and `request` reads what a call asks for.

Source: the gRPC project's PROTOCOL-HTTP2.md; RFC 9113 for drain (6.8) and refusal (8.7).
"""

from __future__ import annotations

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
from lightpeer.core.rpc.framing import MessageDecoder
from lightpeer.core.rpc.lifetime import Lifetime, Step
from lightpeer.core.rpc.request import Request, read_request_untrusted
from lightpeer.core.rpc.response import ACCEPTS_FIELD, encode_response, encode_trailers
from lightpeer.core.rpc.server_call import ServerCall
from lightpeer.core.rpc.status import CallStatus, StatusCode
from lightpeer.core.rpc.stuck_watch import StuckWatch
from lightpeer.errors import BadMessageError, FramingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rpc.frame_gate import FloodBudget, GoAway
    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.status import RawHeader

CALL_WORK: Final = 25.0
"""The work of a call: to decode its fields, run a handler, open a seal, answer. The unit is a small frame, on
which h2 spends some 35 microseconds on a laptop."""

FIELDS_PER_UNIT: Final = 5
"""Header fields that are as much work as a small frame."""

LINGER_S: Final = 600.0
"""A finished call whose client takes none of it for this long is reset."""

_DRAIN_PING: Final = b"draining"


class ServerConnection(Connection[ServerCall]):
    """Calls from one client.

    Args:
        limits: what the connection may cost.
        now: the monotonic time in seconds.
        budget: the flood budget for the client's frames; None gives the connection one of its own.
    """

    def __init__(self, limits: Limits, now: float, budget: FloodBudget | None = None) -> None:
        super().__init__(client_side=False, limits=limits, now=now, budget=budget)
        self._worked_s = now
        self._lifetime = Lifetime(limits, now)
        self._stuck = StuckWatch()
        self._handlers[h2.events.RequestReceived] = self._on_request
        self._handlers[h2.events.TrailersReceived] = self._on_trailers
        self._handlers[h2.events.PingAckReceived] = self._on_ping_ack

    @property
    def is_at_work(self) -> bool:
        """Whether a caller has shown who it is; any other call can be kept open at no cost to its client."""
        return any(call.is_proved for call in self._streams.values())

    @property
    def idle_since_s(self) -> float:
        """When the client was last at work, or connected."""
        return self._worked_s

    # --- actions ----------------------------------------------------------------------------------

    def drain(self, now: float, why: str = "the connection was drained") -> None:
        """Send the client away: take the calls that are on their way, and close once all have ended."""
        if self.state is not ConnectionState.OPEN or self._lifetime.why_drained:
            return
        self._now = now
        if self._lifetime.begin_drain(now, why, is_greeted=self.is_greeted):
            self._wire.send_after_h2(encode_goaway(LAST_STREAM_ID, ErrorCode.NO_ERROR))
            self._wire.send_after_h2(encode_ping(_DRAIN_PING))
            self.is_rescheduled = True
        else:
            self._take_no_more()

    def _take_no_more(self) -> None:
        self.state = ConnectionState.DRAINING
        self._lifetime.end_first_phase()
        self._wire.send_goaway(self._highest_peer_id, ErrorCode.NO_ERROR)
        self._close_if_drained()

    def _on_ping_ack(self, event: h2.events.PingAckReceived) -> None:
        if event.ping_data == _DRAIN_PING and self._lifetime.is_draining_first:
            self._take_no_more()

    def turn_away(self, call: ServerCall, code: StatusCode, details: str) -> None:
        """End a call that may not begin; too many of them end the connection.

        Args:
            call: the call.
            code: the status.
            details: the status message.
        """
        self._wire.owe(REFUSED_CALL_COST)
        self.finish_call(call, code, details)

    def send_headers(self, call: ServerCall, headers: Sequence[RawHeader]) -> None:
        """Send a call's first headers, with metadata from `encode_metadata`."""
        call.has_sent_headers = True
        if not call.is_finished:
            self._h2.send_headers(call.stream_id, encode_response(headers, gzip=call.gzip))

    def finish_call(
        self, call: ServerCall, code: StatusCode, details: str = "", headers: Sequence[RawHeader] = ()
    ) -> None:
        """End a call with a status once what is queued has gone, unless it has ended.

        Args:
            call: the call.
            code: the status.
            details: the status message.
            headers: the trailing metadata, from `encode_metadata`.
        """
        if call.status is not None or call.is_finished:
            return
        trailers = encode_trailers(CallStatus(code, details), headers, is_only=not call.has_sent_headers)
        call.decoder.clear()
        self._set_deadline(call, self._now + LINGER_S)
        self._end(call, code, trailers)

    def _end(self, call: ServerCall, code: StatusCode, trailers: list[RawHeader]) -> None:
        call.status = code
        call.trailers = trailers
        call.is_sending = False
        call.is_deaf = True
        self.table.mark_ready(call)

    # --- verbs that do more here ------------------------------------------------------------------

    def _duty_s(self) -> float:
        lifetime_s = self._lifetime.due_s(has_calls=bool(self._streams), is_greeted=self.is_greeted)
        return min(super()._duty_s(), lifetime_s, self._stuck.due_s)

    def _on_duty(self, now: float) -> None:
        """Do what keepalive asks, and let go of a client that is stuck or whose time is over."""
        super()._on_duty(now)
        if now >= self._stuck.due_s:
            is_blocked = any(self._has_no_room(call) for call in self._streams.values())
            if self._stuck.look(now, self._wire.sent_bytes, is_blocked=is_blocked):
                why = "the client gives no room for what it has asked for"
                self.close(ErrorCode.ENHANCE_YOUR_CALM, why)
            return
        step, why = self._lifetime.next_step(now, has_calls=bool(self._streams), is_greeted=self.is_greeted)
        if step is Step.CLOSE:
            self.close(why=why)
        elif step is Step.TAKE_NO_MORE:
            self._take_no_more()
        elif step is Step.DRAIN:
            self.drain(now, why)

    def _has_no_room(self, call: ServerCall) -> bool:
        return bool(call.outbox) and self._h2.local_flow_control_window(call.stream_id) <= 0

    def _on_blocked(self) -> None:
        if self._stuck.begin(self._now):
            self.is_rescheduled = True

    def _close_if_drained(self) -> None:
        if self.state is ConnectionState.DRAINING and not self._streams:
            self._shut(self._lifetime.why_drained or "the client went away")

    def _finish(self, stream: ServerCall, *, reset: ErrorCode = ErrorCode.CANCEL) -> None:
        if stream.is_proved:
            self._worked_s = self._now
        if reset is ErrorCode.NO_ERROR and not stream.is_remote_ended:  # answered before its end
            self._wire.owe(RESET_COST)
        super()._finish(stream, reset=reset)
        stream.discard()
        if not self._streams:
            self._lifetime.on_idle(self._now)
            self._close_if_drained()

    # --- events of the wire -----------------------------------------------------------------------

    def _on_request(self, event: h2.events.RequestReceived) -> None:
        self._wire.add_work(len(event.headers) / FIELDS_PER_UNIT)
        if self.state is not ConnectionState.OPEN or len(self._streams) >= self.limits.concurrent_calls:
            self._wire.reset(event.stream_id, ErrorCode.REFUSED_STREAM)
            self._wire.budget.charge(RESET_COST)
            return
        self._highest_peer_id = event.stream_id
        self._wire.add_work(CALL_WORK)
        request = read_request_untrusted(event.headers, self.limits.header_list_bytes)
        call = ServerCall(self, event.stream_id, request, self._now)
        self._open(call)
        if request.http_refusal is not None:
            self._end(call, StatusCode.UNKNOWN, [(b":status", request.http_refusal)])
        elif request.refusal is not None:
            code, details = request.refusal[:2]
            self.finish_call(call, code, details, [ACCEPTS_FIELD] if code is StatusCode.UNIMPLEMENTED else ())
        else:
            self._begin(call, request)

    def _begin(self, call: ServerCall, request: Request) -> None:
        call.decoder = MessageDecoder(self.limits.receive_message_bytes, request.encoding)
        if call.deadline is not None:
            self._set_deadline(call, call.deadline)
        self.table.note_change(call)

    def _on_trailers(self, event: h2.events.TrailersReceived) -> None:
        """Count the work; gRPC has no use for a client's trailers."""
        self._wire.add_work(len(event.headers) / FIELDS_PER_UNIT)

    def refuse(self, stream: ServerCall, error: BadMessageError) -> None:
        """End a call because of what the client sent in it, or the handler would send."""
        stream.is_cancelled = True
        code = error.code if isinstance(error, FramingError) else StatusCode.INTERNAL
        self.finish_call(stream, StatusCode(code), str(error))
        self.table.note_change(stream)

    def _on_end(self, stream: ServerCall) -> None:
        if stream.decoder.is_whole:
            self.table.note_change(stream)
        else:
            self.refuse(stream, FramingError(StatusCode.INTERNAL, "the client ended inside a message"))

    def _on_stream_reset(self, event: h2.events.StreamReset) -> None:
        call = self._streams.get(event.stream_id)
        if call is not None:
            call.is_local_ended = call.is_remote_ended = call.is_cancelled = True
            self._finish(call)
        if not event.remote_reset:  # h2's own answer to a frame that breaks the stream (CVE-2025-8671)
            self._wire.budget.charge(RESET_COST)

    def _on_goaway(self, goaway: GoAway) -> None:
        """Let the calls that run go on; the client will open no more."""
        del goaway
        self.state = ConnectionState.DRAINING
        self._close_if_drained()

    def _on_deadline(self, stream: ServerCall) -> None:
        if stream.status is None:
            stream.is_cancelled = True
            stream.outbox.clear()
            self.finish_call(stream, StatusCode.DEADLINE_EXCEEDED, "the call's deadline has passed")
            self.table.note_change(stream)
        elif len(stream.outbox) != stream.left_bytes or not self._has_no_room(stream):
            stream.left_bytes = len(stream.outbox)
            self._set_deadline(stream, self._now + LINGER_S)
        else:
            self._finish(stream)

    def _on_connection_lost(self, stream: ServerCall) -> None:
        stream.is_cancelled = True
        self._finish(stream)

    def _on_trailers_sent(self, stream: ServerCall) -> None:
        self._finish(stream, reset=ErrorCode.NO_ERROR)
