from __future__ import annotations

from lightpeer.core.rpc.keepalive import Keepalive


def test_silence_leads_to_one_ping_and_then_to_the_end():
    keepalive = Keepalive(10.0, 5.0, now=0.0)
    assert keepalive.due_s == 10.0
    assert keepalive.on_due(11.0)
    assert keepalive.due_s == 16.0
    assert not keepalive.on_due(16.0)


def test_anything_heard_is_an_answer():
    keepalive = Keepalive(10.0, 5.0, now=0.0)
    keepalive.heard(4.0)
    assert keepalive.due_s == 14.0
    assert keepalive.on_due(14.0)
    keepalive.heard(15.0)
    assert keepalive.due_s == 25.0
    assert keepalive.on_due(25.0)


def test_silence_before_the_first_call_does_not_count():
    keepalive = Keepalive(10.0, 5.0, now=0.0)
    keepalive.begin(100.0)
    assert keepalive.due_s == 110.0
    keepalive.heard(105.0)
    keepalive.begin(103.0)
    assert keepalive.due_s == 115.0
