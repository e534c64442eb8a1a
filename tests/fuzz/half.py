"""What both halves are driven by, and what has to hold for either whatever comes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lightpeer.core.rpc.frame_gate import FLOOD_BUDGET
from lightpeer.core.rpc.limits import Limits
from tests.fuzz import wire

LIMITS = Limits(
    receive_message_bytes=2000,
    send_message_bytes=2000,
    stream_window_bytes=4096,
    send_buffer_bytes=500,
    concurrent_calls=4,
    queued_calls=3,
    keepalive_s=20,
    keepalive_timeout_s=20,
    idle_s=100,
    handshake_s=10,
)
ROUNDS = 100  # more than anything settles in


class Half(RuleBasedStateMachine):
    """One of our halves, its calls, and a peer that is only bytes. Subclasses make `self.core`."""

    core: Any
    first_fields: Any = ()

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.calls: list[Any] = []
        self.output = b""
        self.rest = b""  # of a frame that was sent in part
        self.told: float | None = None  # the deadline, when it was last looked at

    # --- the peer ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        self.core.receive(data, self.now)
        self.settle()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_frame_comes(self, data: st.DataObject) -> None:
        ids = st.sampled_from(self.stream_ids())
        self.receive(self.take_rest() + data.draw(wire.frames(self.first_fields, ids)))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def frames_come_at_once(self, data: st.DataObject) -> None:
        ids = st.sampled_from(self.stream_ids())
        several = st.lists(wire.frames(self.first_fields, ids), min_size=2, max_size=5)
        self.receive(self.take_rest() + b"".join(data.draw(several)))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), size=st.integers(1, 30))
    def a_part_of_a_frame_comes(self, data: st.DataObject, size: int) -> None:
        ids = st.sampled_from(self.stream_ids())
        whole = self.take_rest() + data.draw(wire.frames(self.first_fields, ids))
        self.rest = whole[size:]
        self.receive(whole[:size])

    @precondition(lambda self: self.calls)
    @rule(payload=wire.DATA, data=st.data(), ends=st.booleans())
    def a_message_comes(self, payload: bytes, data: st.DataObject, ends: bool) -> None:
        stream_id = data.draw(st.sampled_from(self.stream_ids()))
        self.receive(self.take_rest() + wire.frame(0, payload, flags=int(ends), stream_id=stream_id))

    @precondition(lambda self: len(self.calls) > 3)
    @rule(junk=st.binary(max_size=30))
    def junk_or_the_end_comes(self, junk: bytes) -> None:
        self.receive(junk)

    def take_rest(self) -> bytes:
        rest, self.rest = self.rest, b""
        return rest

    def stream_ids(self) -> list[int]:
        """Of the latest calls; those that have ended among them."""
        return [call.stream_id for call in self.calls if call.stream_id][-4:] or [1]

    # --- time, and our own side ---------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.001, 1.0, 10.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.keep_time()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def messages_are_taken(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self.calls))
        while (taken := call.take()) is not None:
            assert len(taken) <= LIMITS.receive_message_bytes
        self.settle()

    # --- what has to hold ---------------------------------------------------------------------------

    def on_event(self, call: Any) -> None:
        """Look at a call that has changed."""

    def settle(self) -> None:
        """Drain what there is to tell and to send; both have to end."""
        for _ in range(ROUNDS):
            while (call := self.core.next_event()) is not None:
                self.on_event(call)
            sent = self.core.data_to_send()
            self.output = (self.output + sent)[-100:]
            if not sent:
                return
        raise AssertionError("there is always more to send")

    def keep_time(self) -> None:
        """Handle what is due; a deadline that stays due would make its shell spin."""
        for _ in range(ROUNDS):
            due = self.look_at_deadline()
            if due is None or due > self.now:
                return
            self.core.handle_timeout(self.now)
            self.settle()
        raise AssertionError(f"still due at {due}, and it is {self.now}")

    def look_at_deadline(self) -> float | None:
        self.told = self.core.next_deadline()
        return self.told

    @invariant()
    def a_deadline_comes_nearer_only_with_a_word_of_it(self) -> None:
        said, before = self.core.is_rescheduled, self.told
        due = self.look_at_deadline()
        assert said or due is None or (before is not None and due >= before)

    @invariant()
    def nothing_is_held_without_bound(self) -> None:
        window = max(65_535, LIMITS.concurrent_calls * LIMITS.stream_window_bytes)
        assert sum(call.uncredited_bytes for call in self.calls if not call.is_finished) <= window
        for call in self.calls:
            assert len(call.outbox) <= LIMITS.send_buffer_bytes + LIMITS.send_message_bytes + 5
            assert call.uncredited_bytes >= 0
        assert self.core.active_calls <= LIMITS.concurrent_calls
        assert self.core._wire.budget._left <= FLOOD_BUDGET

    @invariant()
    def a_closed_connection_has_no_calls(self) -> None:
        if not self.core.is_open:
            assert self.core.why_closed
            assert self.core.active_calls == 0
            assert all(call.is_finished for call in self.calls)
            assert self.look_at_deadline() is None

    @invariant()
    def every_call_is_known_or_has_ended(self) -> None:
        known = self.core._streams
        for call in self.calls:
            assert call.is_finished == (call.stream_id not in known) or not call.stream_id

    def teardown(self) -> None:
        """Nobody says anything any more: in the end, everything has ended."""
        for _ in range(ROUNDS):
            self.settle()
            due = self.core.next_deadline()
            if due is None:
                break
            self.now = max(self.now, due)
            self.core.handle_timeout(self.now)
        self.settle()
        self.has_ended()

    def has_ended(self) -> None:
        """Check what is left after everybody fell silent."""
        assert all(call.is_finished for call in self.calls)
