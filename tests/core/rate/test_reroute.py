"""Whether a delay is the route's, by literal rounds."""

from __future__ import annotations

import pytest

from lightpeer.core.rate.reroute import ODD_ROUNDS, RouteWatch


def rounds(*standing: float, base_s: float = 0.1, is_as_paced: bool = True) -> list[bool]:
    """Return what each round of such standing round trips shows."""
    watch = RouteWatch()
    return [watch.on_round(s, s - base_s - 0.03, is_as_paced=is_as_paced) for s in standing]


def test_a_delay_that_stays_as_it_is_becomes_the_routes_and_the_count_begins_anew():
    steady = [0.3] * (2 * ODD_ROUNDS + 1)
    assert rounds(*steady) == [False, False, False, True, False, False, True]


def test_a_queue_that_drains_or_grows_is_one():
    assert not any(rounds(0.3, 0.25, 0.2, 0.17, 0.15, 0.14))
    assert not any(rounds(0.14, 0.16, 0.19, 0.24, 0.32, 0.45))


def test_where_more_comes_than_was_paced_a_queue_drains():
    assert not any(rounds(*[0.3] * 8, is_as_paced=False))


@pytest.mark.parametrize(("excess_s", "is_found"), [(0.008, False), (0.0081, True)])
def test_less_than_the_noise_is_no_reason_to_doubt_the_route(excess_s, is_found):
    watch = RouteWatch()
    assert any(watch.on_round(0.2, excess_s, is_as_paced=True) for _ in range(8)) == is_found


def test_a_spike_of_two_rounds_is_over_before_it_counts():
    assert not any(rounds(0.3, 0.3, 0.3, 0.1, 0.3, 0.3, 0.3))
