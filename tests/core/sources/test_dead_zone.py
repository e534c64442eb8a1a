"""Whether the network was there, with literal times."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.sources.dead_zone import AFTERMATH_S, DEAD_ZONE_S, GRACE_AGAIN_S, GRACE_S, DeadZone


def after_a_dead_zone(end: float = 100.0) -> DeadZone:
    zone = DeadZone()
    zone.on_heard(0.0)
    zone.on_heard(end)
    return zone


def test_before_anything_was_due_no_silence_is_a_dead_zone():
    zone = DeadZone()
    assert zone.silent_at == math.inf
    zone.on_heard(100.0)
    assert zone.silent_at == 100.0 + DEAD_ZONE_S
    assert not zone.is_in_grace(100.0)
    assert not zone.is_aftermath(100.0)


@pytest.mark.parametrize(("silence_s", "is_one"), [(DEAD_ZONE_S, True), (DEAD_ZONE_S - 0.1, False)])
def test_a_short_silence_makes_nobody_late(silence_s: float, is_one: bool):
    assert after_a_dead_zone(silence_s).is_in_grace(silence_s) == is_one


def test_after_a_dead_zone_all_have_time_and_what_was_begun_in_it_may_fail():
    zone = after_a_dead_zone()
    assert zone.is_in_grace(100.0 + GRACE_S - 0.1)
    assert not zone.is_in_grace(100.0 + GRACE_S)
    assert zone.is_aftermath(100.0 + AFTERMATH_S - 0.1)
    assert not zone.is_aftermath(100.0 + AFTERMATH_S)


@pytest.mark.parametrize(("since_s", "is_excused"), [(GRACE_AGAIN_S, True), (GRACE_AGAIN_S - 0.1, False)])
def test_a_dead_zone_is_no_excuse_again_and_again(since_s: float, is_excused: bool):
    zone, again = after_a_dead_zone(), 100.0 + GRACE_S + since_s
    zone.on_heard(again - DEAD_ZONE_S)
    assert zone.silent_at == again
    zone.on_heard(again)
    assert zone.is_in_grace(again) == is_excused


def test_a_silence_while_nobody_had_anything_to_send_is_none():
    zone = DeadZone()
    zone.on_heard(0.0)
    zone.on_due(99.0)
    zone.on_heard(100.0)
    assert not zone.is_in_grace(100.0)
    zone.on_heard(100.0 + DEAD_ZONE_S)
    assert zone.is_in_grace(100.0 + DEAD_ZONE_S)
