"""The server half against any client: a call comes up once, ends once, and nothing else is raised."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from lightpeer.core.rpc.server import ServerConnection
from lightpeer.core.rpc.server_call import ServerCall
from lightpeer.core.rpc.status import StatusCode
from tests.fuzz import wire
from tests.fuzz.half import LIMITS, Half


class ServerHalf(Half):
    first_fields = wire.REQUEST

    def __init__(self) -> None:
        super().__init__()
        self.next_id = -1
        self.core = ServerConnection(LIMITS, self.now)
        self.settle()

    @initialize(greets=st.sampled_from([True, True, True, False]))
    def a_client_connects(self, greets: bool) -> None:
        self.receive(wire.PREFACE)
        if greets:
            self.receive(wire.frame(4))

    def on_event(self, call: Any) -> None:
        if call not in self.calls:
            assert call.context is None
            call.context = len(self.calls)
            self.calls.append(call)

    @rule(ends=st.booleans(), payload=wire.DATA, fields=st.lists(st.sampled_from(wire.FIELDS), max_size=3))
    def a_call_comes(self, ends: bool, payload: bytes, fields: list) -> None:
        self.next_id += 2
        stream_id = self.next_id
        more = wire.block([*wire.REQUEST, *fields])
        request = wire.frame(1, more, flags=wire.END_HEADERS, stream_id=stream_id)
        self.receive(
            self.take_rest() + request + wire.frame(0, payload, flags=int(ends), stream_id=stream_id)
        )

    @precondition(lambda self: self.answering())
    @rule(data=st.data(), size=st.sampled_from([0, 10, 2000, 5000]))
    def a_reply_is_sent(self, data: st.DataObject, size: int) -> None:
        data.draw(st.sampled_from(self.answering())).send(bytes(size))
        self.settle()

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), code=st.sampled_from([StatusCode.OK, StatusCode.ABORTED]))
    def a_call_is_finished(self, data: st.DataObject, code: StatusCode) -> None:
        data.draw(st.sampled_from(self.calls)).finish(code, "ünd so")
        self.settle()

    @precondition(lambda self: self.calls)
    @rule()
    def the_server_drains(self) -> None:
        self.core.drain(self.now)
        self.settle()

    def answering(self) -> list[ServerCall]:
        return [call for call in self.calls if call.is_sending and call.can_send]

    def every_call_is_known_or_has_ended(self) -> None:
        super().every_call_is_known_or_has_ended()
        for call in self.calls:
            assert call.status is None or isinstance(call.status, StatusCode)
            assert call.status is not None or call.is_cancelled or not call.is_finished

    def has_ended(self) -> None:
        """The client was silent, and had calls open or was idle; either ends the connection."""
        super().has_ended()
        assert not self.core.is_open


TestServerHalf = ServerHalf.TestCase
TestServerHalf.settings = settings(stateful_step_count=30)
