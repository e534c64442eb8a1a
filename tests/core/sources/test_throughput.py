"""What several sources bring in sum, by literal times."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.sources.throughput import (
    FULL_AGAIN_S,
    LEAST_BYTES,
    LEAST_MEASURE_S,
    LONGEST,
    MAX_AGAIN_S,
    MEASURES,
    OTHER,
    Throughput,
)

RATE = 4 * LEAST_BYTES


def measured(*rates: float) -> Throughput:
    """Measure so many bytes per second, each for half a second, from 0 on."""
    throughput = Throughput()
    throughput.on_came([(1, 0.0)])
    for number, rate in enumerate(rates, 1):
        throughput.on_came([(int(rate / 2), number / 2)])
    return throughput


def test_it_is_measured_from_one_arrival_to_another() -> None:
    throughput = Throughput()
    assert throughput.on_came([(9_999, 1.0)]) == 1.0, "a measure begins"
    assert throughput.on_came([(LEAST_BYTES - 1, 1.25)]) == math.inf
    assert throughput.on_came([(0, 1.5)]) == math.inf
    assert not throughput.rates_bytes_per_s, "too few"
    throughput.on_came([(1, 2.0)])
    assert list(throughput.rates_bytes_per_s) == [LEAST_BYTES]
    throughput.on_came([(LEAST_BYTES, 2.25)])
    assert len(throughput.rates_bytes_per_s) == 1, "too short"


def test_a_batch_is_the_same_as_its_arrivals_one_by_one() -> None:
    arrivals = [(1200, 0.05 * number) for number in range(40)]
    arrivals += [(1200, 9.0 + 0.05 * number) for number in range(40)]
    batch, single = Throughput(), Throughput()
    began = [single.on_came([arrival]) for arrival in arrivals]
    assert batch.on_came(arrivals) == min(began) == 0.0
    assert [at for at in began if at < math.inf] == [0.0, 9.0], "after a pause anew"
    assert batch.rates_bytes_per_s == single.rates_bytes_per_s
    assert len(batch.rates_bytes_per_s) == MEASURES


def test_few_bytes_are_enough_after_a_longer_time() -> None:
    throughput = Throughput()
    for at in (0.0, 0.6, 1.1):
        throughput.on_came([(300, at)])
    assert not throughput.rates_bytes_per_s
    throughput.on_came([(300, LONGEST * LEAST_MEASURE_S)])
    assert throughput.greatest() == 900 / (LONGEST * LEAST_MEASURE_S)


def test_what_came_lately_may_be_more_than_was_measured() -> None:
    throughput = measured(RATE)
    assert throughput.lately() == RATE
    throughput.on_came([(int(RATE / 2), 0.75)])
    assert throughput.lately() == 2 * RATE
    throughput.pause(0.75)
    assert throughput.lately() == RATE, "a measure was given up"


def test_before_its_time_none_begins() -> None:
    throughput = measured(RATE)
    throughput.begin_anew(1.0)
    assert not throughput.rates_bytes_per_s
    for at in (0.75, 0.9):
        assert throughput.on_came([(LEAST_BYTES, at)]) == at, "it is tried with each"
    throughput.on_came([(1, 1.0)])
    throughput.on_came([(LEAST_BYTES, 1.5)])
    assert throughput.greatest() == 2 * LEAST_BYTES


def test_arrivals_that_are_passed_over_are_no_silence() -> None:
    throughput = Throughput()
    assert throughput.is_silent(0.0)
    throughput.pass_over(1.0)
    assert not throughput.is_silent(0.9 + LONGEST * LEAST_MEASURE_S)
    assert throughput.is_silent(1.1 + LONGEST * LEAST_MEASURE_S)
    assert not throughput.rates_bytes_per_s


@pytest.mark.parametrize(
    ("rate", "is_full"),
    [
        (RATE, True),
        (1.2 * RATE, True),
        (OTHER * RATE + 2, False),
        (RATE / OTHER - 2, False),
        (0.85 * RATE, True),
    ],
)
def test_a_link_is_full_until_the_sum_is_another(rate: float, is_full: bool) -> None:
    throughput = measured(rate)
    assert not throughput.is_full(1.0), "nobody said so"
    throughput.on_full(RATE, 1.0)
    assert throughput.is_full(1.0) == is_full


def test_it_is_full_for_a_while_longer_each_time() -> None:
    throughput, lengths = Throughput(), []
    for length_s in (FULL_AGAIN_S, 2 * FULL_AGAIN_S, MAX_AGAIN_S, MAX_AGAIN_S):
        throughput.on_full(RATE, 10.0)
        lengths.append(length_s)
        assert throughput.is_full(10.0 + length_s - 0.1)
        assert not throughput.is_full(10.0 + length_s)
    throughput.on_grown()
    throughput.on_full(RATE, 10.0)
    assert not throughput.is_full(10.0 + FULL_AGAIN_S)
    assert lengths[0] == FULL_AGAIN_S
