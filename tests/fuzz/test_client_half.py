"""The client half against any server: every call ends with a status, once, and nothing else is raised."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.client_call import CallTerms, ClientCall
from lightpeer.core.rpc.status import CallStatus, StatusCode
from tests.fuzz import wire
from tests.fuzz.half import LIMITS, Half


class ClientHalf(Half):
    first_fields = wire.RESPONSE

    def __init__(self) -> None:
        super().__init__()
        self.core = ClientConnection("h:1", LIMITS, self.now)
        self.statuses: dict[ClientCall, CallStatus] = {}  # as they were first seen
        self.settle()
        self.receive(wire.frame(4))

    def on_event(self, call: Any) -> None:
        if call.status is not None:
            self.statuses.setdefault(call, call.status)

    @initialize(one=st.booleans())
    def the_first_call_starts(self, one: bool) -> None:
        self.a_call_starts(None, one, gzip=False)

    @rule(timeout=st.sampled_from([None, None, 0.0, 5.0]), one=st.booleans(), gzip=st.booleans())
    def a_call_starts(self, timeout: float | None, one: bool, gzip: bool) -> None:
        deadline = None if timeout is None else self.now + timeout
        call = self.core.start("/a.B/C", self.now, CallTerms(deadline=deadline, expects_one=one))
        call.gzip = gzip
        self.calls.append(call)
        self.settle()

    @precondition(lambda self: self.sending())
    @rule(data=st.data(), size=st.sampled_from([0, 10, 2000, 5000]), end=st.booleans())
    def a_message_is_sent(self, data: st.DataObject, size: int, end: bool) -> None:
        call = data.draw(st.sampled_from(self.sending()))
        was_over = call.is_finished
        call.send(bytes(size), end=end)
        self.settle()
        if size > LIMITS.send_message_bytes and not was_over:
            assert call.status.code is StatusCode.RESOURCE_EXHAUSTED

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), cancels=st.booleans())
    def a_call_is_ended(self, data: st.DataObject, cancels: bool) -> None:
        call = data.draw(st.sampled_from(self.calls))
        if cancels:
            call.cancel()
            assert call.status is not None
        else:
            call.end()
        self.settle()

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), payload=wire.DATA, fields=st.lists(st.sampled_from(wire.FIELDS), max_size=3))
    def a_call_is_answered(self, data: st.DataObject, payload: bytes, fields: list) -> None:
        stream_id = data.draw(st.sampled_from(self.stream_ids()))
        first = wire.frame(1, wire.block(wire.RESPONSE), flags=wire.END_HEADERS, stream_id=stream_id)
        last = wire.block([(b"grpc-status", b"0"), *fields])
        trailers = wire.frame(1, last, flags=wire.END_HEADERS | wire.END_STREAM, stream_id=stream_id)
        self.receive(self.take_rest() + first + wire.frame(0, payload, stream_id=stream_id) + trailers)

    def sending(self) -> list[ClientCall]:
        return [call for call in self.calls if call.is_sending and call.can_send]

    def nothing_is_held_without_bound(self) -> None:
        super().nothing_is_held_without_bound()
        assert len(self.core._waiting) <= LIMITS.queued_calls

    def every_call_is_known_or_has_ended(self) -> None:
        super().every_call_is_known_or_has_ended()
        for call in self.calls:
            assert call.is_finished == (call.status is not None)
            assert call.status is None or isinstance(call.status.code, StatusCode)
        for call, status in self.statuses.items():  # only an OK may turn out to be none, as it is read
            assert call.status == status or status.code is StatusCode.OK

    def has_ended(self) -> None:
        """The keepalive has found out that the server is gone."""
        super().has_ended()
        assert all(call.status is not None for call in self.calls)


TestClientHalf = ClientHalf.TestCase
TestClientHalf.settings = settings(stateful_step_count=30)
