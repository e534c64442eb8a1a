"""When datagrams may leave at a pace, on literal times; full datagrams, and paces that are round in them."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.udp.datagram import MIN_PACE_BYTES_PER_S
from lightpeer.core.udp.pacer import BURST_S, FULL_DATAGRAM_BYTES, Pacer

SLOW = 2 * FULL_DATAGRAM_BYTES  # two datagrams a second
MOST = 10_000_000


def paced(pace_bytes_per_s: int, now: float = 0.0) -> Pacer:
    pacer = Pacer(MOST)
    pacer.set_pace(pace_bytes_per_s, now)
    return pacer


def send(pacer: Pacer, count: int, now: float) -> None:
    for _ in range(count):
        pacer.sent(FULL_DATAGRAM_BYTES, now)


def test_before_there_is_a_pace_nothing_may_go():
    pacer = Pacer(MOST)
    assert pacer.ready_at() == math.inf
    assert pacer.pace_bytes_per_s == MIN_PACE_BYTES_PER_S


def test_at_a_slow_pace_two_go_at_once_and_the_next_when_it_is_time():
    pacer = paced(SLOW)
    send(pacer, 1, now=0.0)
    assert pacer.ready_at() == 0.0
    send(pacer, 1, now=0.0)
    assert pacer.ready_at() == 0.5
    send(pacer, 1, now=0.5)
    assert pacer.ready_at() == 1.0


def test_one_that_left_late_is_made_up_for_within_the_burst():
    pacer = paced(SLOW)
    send(pacer, 2, now=0.0)
    send(pacer, 1, now=0.75)
    assert pacer.ready_at() == 1.0, "as if it had left at 0.5"


def test_a_rest_saves_up_no_more_than_the_burst():
    pacer = paced(SLOW)
    send(pacer, 2, now=0.0)
    send(pacer, 1, now=100.0)
    assert pacer.ready_at() == 100.0
    send(pacer, 1, now=100.0)
    assert pacer.ready_at() == 100.5


def test_a_small_datagram_takes_less_time():
    pacer = paced(SLOW)
    send(pacer, 2, now=0.0)
    pacer.sent(FULL_DATAGRAM_BYTES // 4, 0.5)
    assert pacer.ready_at() == pytest.approx(0.5 + 0.125, abs=0.001)


def test_at_a_fast_pace_as_much_goes_at_once_as_a_timer_is_late_by():
    pacer = paced(1000 * FULL_DATAGRAM_BYTES)
    at_once = round(1000 * BURST_S)
    send(pacer, at_once - 1, now=0.0)
    assert pacer.ready_at() == pytest.approx(0.0)
    send(pacer, 1, now=0.0)
    assert pacer.ready_at() == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("asked", "kept"), [(1, MIN_PACE_BYTES_PER_S), (MOST + 1, MOST), (MOST, MOST), (54_321, 54_321)]
)
def test_a_pace_keeps_its_bounds(asked, kept):
    assert paced(asked).pace_bytes_per_s == kept


def test_a_server_may_allow_less_than_the_least_pace():
    pacer = Pacer(MIN_PACE_BYTES_PER_S // 2)
    pacer.set_pace(MOST, 0.0)
    assert pacer.pace_bytes_per_s == MIN_PACE_BYTES_PER_S


def test_another_pace_changes_how_long_the_bytes_that_left_still_take():
    pacer = paced(SLOW)
    send(pacer, 8, now=0.0)
    assert pacer.ready_at() == 3.5
    pacer.set_pace(2 * SLOW, 1.0)
    assert pacer.ready_at() == 1.0 + 3.0 / 2 - 0.25
    pacer.set_pace(SLOW, 1.0)
    assert pacer.ready_at() == 3.5, "and back"


def test_another_pace_after_a_rest_brings_no_debt():
    pacer = paced(SLOW)
    send(pacer, 2, now=0.0)
    pacer.set_pace(2 * SLOW, 9.0)
    send(pacer, 2, now=9.0)
    assert pacer.ready_at() == 9.25


def test_while_it_is_stopped_nothing_may_go_and_time_goes_by():
    pacer = paced(SLOW)
    send(pacer, 8, now=0.0)
    pacer.set_pace(0, 1.0)
    assert pacer.ready_at() == math.inf
    assert pacer.pace_bytes_per_s == SLOW, "as it would be"
    pacer.set_pace(SLOW, 2.0)
    assert pacer.ready_at() == 3.5
