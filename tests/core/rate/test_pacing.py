"""The law of the pace, by literal figures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.core.rate.meters import PathDelay
from lightpeer.core.rate.pacing import FIRST_PACE_BYTES_PER_S, TARGET_S, Pacing, clamped
from lightpeer.core.udp.datagram import MAX_PAYLOAD, MIN_PACE_BYTES_PER_S
from lightpeer.core.udp.round_trip import SmoothedRtt

HEADERS = 1229 / 1200
RATE = 48_000.0
UNIT_S = 1200 / RATE


def pacing(queue_s: float = 0.0, standing_s: float | None = 0.2, *, is_settled: bool = True) -> Pacing:
    delay = SimpleNamespace(standing_s=standing_s, queue_s=queue_s)
    return Pacing(1e6, delay, is_settled=is_settled)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("queue_s", "gain"),
    [
        (0.0, 1 + 0.03 / (2 * (0.2 + UNIT_S))),
        (TARGET_S, 1.0),
        (0.13, 1 - 0.1 / (2 * (0.2 + UNIT_S))),
        (5.0, 0.5),
    ],
)
def test_the_pace_follows_the_queue(queue_s, gain):
    law = pacing(queue_s)
    assert law.pace_bytes_per_s(RATE, 0.0, 1.0) == int(gain * RATE * HEADERS)
    assert law.bytes_per_s == pytest.approx(gain * RATE)


def test_the_pace_is_doubled_at_most():
    law = pacing(standing_s=0.0005)
    assert law.pace_bytes_per_s(1e5, 0.0, 1.0) == int(2 * 1e5 * HEADERS)


def test_before_a_round_trip_the_pace_is_the_rate():
    assert pacing(standing_s=None).pace_bytes_per_s(RATE, 0.0, 1.0) == int(RATE * HEADERS)


def test_the_floor_is_kept():
    assert pacing(5.0).pace_bytes_per_s(RATE, 30_000.0, 1.0) == int(30_000 * HEADERS)


def test_the_pace_is_one_that_a_server_keeps_to():
    assert pacing().pace_bytes_per_s(10.0, 0.0, 1.0) == MIN_PACE_BYTES_PER_S
    assert pacing().pace_bytes_per_s(1e9, 0.0, 1.0) == FIRST_PACE_BYTES_PER_S
    assert [clamped(0.0), clamped(5000.9), clamped(1e12)] == [1000, 5000, 1_000_000]


def test_on_a_slow_link_the_target_is_a_unit():
    law = pacing()
    law.tune(10_000.0)
    assert law.target_s == MAX_PAYLOAD / 10_000
    law.tune(1e6)
    assert law.target_s == TARGET_S


def test_a_drain_lasts_one_round_trip_and_takes_what_is_in_the_queue():
    law = pacing()
    law.drain(0.05, RATE, 1.0)
    assert law.pace_bytes_per_s(RATE, 0.0, 1.19) == int(0.75 * RATE * HEADERS)
    assert law.pace_bytes_per_s(RATE, 0.0, 1.2) > RATE
    law.drain(0.001, RATE, 2.0)
    assert law.pace_bytes_per_s(RATE, 0.0, 2.0) == int(0.85 * RATE * HEADERS), "the target at least"
    law.drain(9.0, RATE, 3.0)
    assert law.pace_bytes_per_s(RATE, 0.0, 3.0) == int(0.5 * RATE * HEADERS), "and half at most"


def test_what_was_sent_ahead_is_not_paid_back_where_there_was_room():
    law = pacing(TARGET_S)
    law.slow_down(0.1, 0.2, 1.0)
    assert law.pace_bytes_per_s(RATE, 0.0, 1.1) == int(0.5 * RATE * HEADERS)
    law.on_room()
    assert law.pace_bytes_per_s(RATE, 0.0, 1.1) == int(RATE * HEADERS)


@pytest.mark.parametrize(("queue_s", "standing_s"), [(2 * TARGET_S, 0.2), (0.0, None)])
def test_a_queue_that_drains_already_or_is_not_known_needs_no_drain(queue_s, standing_s):
    law = pacing(queue_s, standing_s, is_settled=False)
    law.drain(0.1, RATE, 1.0)
    assert law.pace_bytes_per_s(RATE, 0.0, 1.0) > 0.8 * RATE
    assert not law.seems_free(1e9), "so a newcomer does not know yet"


def test_a_queue_that_is_gone_though_nothing_drained_it_tells_of_room():
    assert pacing(0.0074).seems_free(0.0)
    assert not pacing(0.0075).seems_free(0.0)
    assert not pacing(standing_s=None).seems_free(0.0)
    law = pacing()
    law.drain(0.03, RATE, 1.0)
    settled_at = 1.0 + 3 * (0.2 + UNIT_S)
    assert not law.seems_free(settled_at - 0.001)
    assert law.seems_free(settled_at + 0.001)
    law.slow_down(0.1, 0.2, 5.0)
    assert not law.seems_free(5.1)
    assert law.seems_free(5.2)


def test_a_newcomer_knows_of_no_room_before_a_drain():
    law = pacing(is_settled=False)
    assert not law.seems_free(1e9)
    law.drain(0.03, 0.0, 1.0)
    assert law.seems_free(1.7)


def test_a_rate_is_as_paced_within_what_was_paced_in_the_last_two_rounds():
    pacing = Pacing(1000.0, PathDelay(SmoothedRtt()), is_settled=True)
    pacing.recent.append(2000.0)
    assert [pacing.is_rate_as_paced(rate) for rate in (899, 900, 2040, 2041)] == [False, True, True, False]
