"""How long a server keeps a connection."""

from __future__ import annotations

import math

from lightpeer.core.rpc.lifetime import Lifetime, Step
from lightpeer.core.rpc.limits import Limits

LIMITS = Limits(
    handshake_s=10.0,
    idle_s=100.0,
    keepalive_timeout_s=20.0,
    connection_age_s=1000.0,
    connection_age_grace_s=50.0,
)


def test_a_client_has_to_begin_in_time():
    lifetime = Lifetime(LIMITS, 5.0)
    assert lifetime.due_s(has_calls=False, is_greeted=False) == 15.0
    assert lifetime.next_step(14.9, has_calls=False, is_greeted=False) == (Step.NOTHING, "")
    step, why = lifetime.next_step(15.0, has_calls=False, is_greeted=False)
    assert step is Step.CLOSE
    assert "did not begin" in why


def test_an_idle_client_is_drained_and_a_busy_one_is_not():
    lifetime = Lifetime(LIMITS, 0.0)
    assert lifetime.due_s(has_calls=False, is_greeted=True) == 100.0
    assert lifetime.due_s(has_calls=True, is_greeted=True) == 1000.0
    assert lifetime.next_step(100.0, has_calls=True, is_greeted=True)[0] is Step.NOTHING
    lifetime.on_idle(60.0)
    assert lifetime.due_s(has_calls=False, is_greeted=True) == 160.0
    assert lifetime.next_step(160.0, has_calls=False, is_greeted=True) == (Step.DRAIN, "the client was idle")


def test_a_drain_waits_for_its_answer_and_not_for_ever():
    lifetime = Lifetime(LIMITS, 0.0)
    assert not lifetime.is_draining_first
    assert lifetime.begin_drain(30.0, "enough", is_greeted=True)
    assert lifetime.is_draining_first
    assert lifetime.due_s(has_calls=False, is_greeted=True) == 50.0, "idleness counts no more"
    assert lifetime.next_step(50.0, has_calls=True, is_greeted=True) == (Step.TAKE_NO_MORE, "enough")
    lifetime.end_first_phase()
    assert not lifetime.is_draining_first
    assert lifetime.due_s(has_calls=False, is_greeted=True) == 1000.0


def test_a_drain_before_the_client_has_begun_has_one_phase():
    lifetime = Lifetime(LIMITS, 0.0)
    assert not lifetime.begin_drain(1.0, "enough", is_greeted=False)
    assert not lifetime.is_draining_first
    assert lifetime.why_drained == "enough"


def test_a_connection_past_its_age_is_drained_and_past_the_grace_closed():
    lifetime = Lifetime(LIMITS, 0.0)
    step, why = lifetime.next_step(1000.0, has_calls=True, is_greeted=True)
    assert (step, why) == (Step.DRAIN, "the connection is past its age")
    lifetime.begin_drain(1000.0, why, is_greeted=True)
    lifetime.end_first_phase()
    assert lifetime.due_s(has_calls=True, is_greeted=True) == 1050.0
    assert lifetime.next_step(1049.9, has_calls=True, is_greeted=True)[0] is Step.NOTHING
    step, why = lifetime.next_step(1050.0, has_calls=True, is_greeted=True)
    assert step is Step.CLOSE
    assert "grace" in why


def test_without_limits_nothing_is_due_while_calls_run():
    lifetime = Lifetime(Limits(), 0.0)
    assert lifetime.due_s(has_calls=True, is_greeted=True) == math.inf
