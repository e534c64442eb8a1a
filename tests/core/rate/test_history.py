"""What a link gave, second by second, from literal times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rate.history import LEAST_S, LONGEST_S, RateHistory


def fetching(*seconds: float, at: float = 100.0) -> RateHistory:
    """A history of so many bytes in each second."""
    history = RateHistory()
    history.note(0.0, at, fetching=True)
    for came_bytes in seconds:
        at += 1.0
        history.note(came_bytes, at, fetching=True)
    return history


def test_before_anything_was_fetched_it_says_what_is_remembered() -> None:
    history = RateHistory(5_000.0)
    assert history.mean_bytes_per_s(20) == 5_000.0
    history.note(0.0, 10.0, fetching=True)
    history.note(9e9, 10.0 + LEAST_S / 2, fetching=True)
    assert history.mean_bytes_per_s(20) == 5_000.0, "too short to tell"
    assert RateHistory().mean_bytes_per_s(20) == 0.0


def test_the_mean_of_what_there_is_and_of_the_last_seconds() -> None:
    history = fetching(1_000.0, 2_000.0, 6_000.0)
    assert history.mean_bytes_per_s(20) == pytest.approx(3_000.0)
    assert history.mean_bytes_per_s(2) == pytest.approx(4_000.0)


def test_a_part_of_a_second_counts_as_one() -> None:
    history = RateHistory()
    history.note(0.0, 10.0, fetching=True)
    history.note(600.0, 10.6, fetching=True)
    assert history.mean_bytes_per_s(20) == pytest.approx(1_000.0)


def test_what_comes_in_one_moment_counts_for_what_follows() -> None:
    history = RateHistory()
    history.note(0.0, 10.0, fetching=True)
    history.note(500.0, 10.0, fetching=True)
    history.note(500.0, 11.0, fetching=True)
    assert history.mean_bytes_per_s(20) == pytest.approx(1_000.0)


def test_seconds_in_which_nothing_came_count() -> None:
    history = fetching(*[1_000.0] * 10, *[0.0] * 10)
    assert history.mean_bytes_per_s(20) == pytest.approx(500.0)
    assert history.mean_bytes_per_s(10) == 0.0


def test_rests_do_not_count_and_neither_does_what_comes_late() -> None:
    history = fetching(1_000.0, 1_000.0, at=100.0)
    history.note(0.0, 102.0, fetching=False)
    history.note(7_000.0, 150.0, fetching=False)
    history.note(7_000.0, 200.0, fetching=True)
    assert history.mean_bytes_per_s(LONGEST_S) == pytest.approx(1_000.0)
    history.note(4_000.0, 201.0, fetching=True)
    assert history.mean_bytes_per_s(LONGEST_S) == pytest.approx(2_000.0)


def test_an_outage_shows_however_long_it_is_and_is_over_after_a_while() -> None:
    history = fetching(*[1_000.0] * 200)
    history.note(0.0, 400.0, fetching=True)
    assert history.mean_bytes_per_s(50) == 0.0
    assert history.mean_bytes_per_s(LONGEST_S) == pytest.approx(1_000.0 * (LONGEST_S - 100) / LONGEST_S)
    history.note(0.0, 1e9, fetching=True)
    assert history.mean_bytes_per_s(LONGEST_S) == 0.0
    history.note(LONGEST_S * 1_000.0, 1e9 + LONGEST_S, fetching=True)
    assert history.mean_bytes_per_s(LONGEST_S) == pytest.approx(1_000.0)


def test_what_comes_over_a_long_time_is_spread_over_it() -> None:
    history = RateHistory()
    history.note(0.0, 0.0, fetching=True)
    history.note(1_000.0 * 100_000, 100_000.0, fetching=True)
    assert history.mean_bytes_per_s(20) == pytest.approx(1_000.0)


def test_a_clock_that_stands_or_goes_back_costs_nothing() -> None:
    history = fetching(1_000.0, at=100.0)
    history.note(0.0, 50.0, fetching=True)
    history.note(1_000.0, 51.0, fetching=True)
    assert history.mean_bytes_per_s(20) == pytest.approx(1_000.0)


@given(st.lists(st.tuples(st.integers(0, 50_000), st.floats(0.001, 7.0)), min_size=1, max_size=60))
def test_no_byte_is_lost_or_counted_twice(steps: list[tuple[int, float]]) -> None:
    history, now, total = RateHistory(), 0.0, 0
    history.note(0.0, now, fetching=True)
    for came_bytes, passed_s in steps:
        now, total = now + passed_s, total + came_bytes
        history.note(came_bytes, now, fetching=True)
    if LEAST_S < now < LONGEST_S:
        assert history.mean_bytes_per_s(LONGEST_S) * now == pytest.approx(total, abs=0.01)
    assert history.mean_bytes_per_s(LONGEST_S) >= 0.0
