"""Calls that wait for a connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lightpeer.core.rpc.status import CallStatus, StatusCode
from lightpeer.rpc.pending_calls import PendingCalls

FAILURE = CallStatus(StatusCode.UNAVAILABLE, "nobody there")


class WaitingCall:
    """Notes what is done to it, and leaves as a call does."""

    def __init__(
        self, pending: PendingCalls, *, wait_for_ready: bool = False, deadline_s: float = 9.0
    ) -> None:
        self.wait_for_ready = wait_for_ready
        self.deadline_s = deadline_s
        self.done: list[Any] = []
        self._pending = pending

    def begin(self, link: Any, now: float) -> None:
        self.done.append(("begin", now))

    def fail(self, status: CallStatus) -> None:
        self.done.append(status)
        self._pending.remove(self)

    def expire(self) -> None:
        self.fail("expired")

    def cancel(self, details: str) -> None:
        self.fail(details)


@pytest.fixture
def calls() -> tuple[PendingCalls, WaitingCall, WaitingCall]:
    pending = PendingCalls(2)
    quick, patient = WaitingCall(pending), WaitingCall(pending, wait_for_ready=True, deadline_s=5.0)
    assert pending.put(quick)
    assert pending.put(patient)
    assert not pending.put(WaitingCall(pending)), "it is full"
    return pending, quick, patient


@pytest.mark.parametrize(
    ("takes_calls", "is_greeted", "begun"), [(True, False, [0]), (True, True, [0, 1]), (False, True, [])]
)
def test_a_call_that_waits_for_a_server_begins_once_that_has_greeted_us(
    calls, takes_calls, is_greeted, begun
):
    pending, *both = calls
    link = SimpleNamespace(core=SimpleNamespace(takes_calls=takes_calls, is_greeted=is_greeted))
    pending.begin(link, 3.0)
    assert [n for n, call in enumerate(both) if call.done == [("begin", 3.0)]] == begun
    assert len(pending) == 2 - len(begun)


def test_a_failed_attempt_ends_the_calls_that_do_not_wait_for_a_server(calls):
    pending, quick, patient = calls
    pending.fail(FAILURE)
    assert quick.done == [FAILURE]
    assert patient.done == []
    assert len(pending) == 1


def test_deadlines_and_the_end_of_the_channel_end_all(calls):
    pending, quick, patient = calls
    pending.expire(4.9)
    assert len(pending) == 2
    pending.expire(5.0)
    assert (quick.done, patient.done) == ([], ["expired"])
    pending.cancel("closed")
    assert quick.done == ["closed"]
    assert not pending
