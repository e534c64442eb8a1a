from __future__ import annotations

from random import Random

import pytest

from lightpeer.core.rate.policing import MIN_ROUNDS, MIN_UNITS, Sieve


def fed(*rounds: tuple[int, int]) -> Sieve:
    """A sieve after rounds of so many units that came and so many that were lost then."""
    sieve = Sieve()
    for arrived, lost in rounds:
        sieve.arrived += arrived
        sieve.on_lost(lost)
    return sieve


def test_where_hardly_anything_comes_round_after_round_it_is_closed() -> None:
    assert not fed(*[(1, 13)] * (MIN_ROUNDS - 1)).is_closed
    sieve = fed(*[(1, 13)] * MIN_ROUNDS)
    assert sieve.is_closed
    sieve.reset()
    assert not sieve.is_closed


def test_the_end_of_a_dead_zone_is_no_sieve() -> None:
    assert not fed((100, 60), (40, 100), (1, 1)).is_closed
    assert not fed((1, 60)).is_closed


def test_single_units_do_not_decide() -> None:
    assert not fed(*[(0, 1)] * (MIN_UNITS - 1)).is_closed
    assert fed(*[(0, 1)] * MIN_UNITS).is_closed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("loss", "run"), [(0.05, 1), (0.1, 5), (0.2, 2), (0.4, 1)])
def test_a_lossy_link_is_no_sieve(loss: float, run: int, seed: int) -> None:
    """Losses in runs, found three units later."""
    random, sieve, lost, losing = Random(seed), Sieve(), 0, False
    for _ in range(20_000):
        losing = random.random() >= 1 / run if losing else random.random() < loss / (run * (1 - loss))
        if losing:
            lost += 1
            continue
        sieve.arrived += 1
        if lost and random.random() < 1 / 3:
            sieve.on_lost(lost)
            lost = 0
        assert not sieve.is_closed
