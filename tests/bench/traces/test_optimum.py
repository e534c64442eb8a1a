"""The clairvoyant bound, beside all that could be done on small links."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import pytest

from bench.traces.optimum import BYTES_PER_KBPS, optimum, play_times, raised
from bench.traces.trace import Trace, Window

LOW, MIDDLE, HIGH = 24, 48, 96


def window(*rates: float, seconds: int) -> Window:
    return replace(Trace("t", [(1.0, rate) for rate in rates]).window(1.0, 0.0), length_s=seconds)


def silence_s(link: Window, kbps: tuple[int, ...], first_s: float) -> float | None:
    """The silence of a plan that is fetched in order; None if it sounds later than `first_s`."""
    sums = [sum(kbps[: n + 1]) * BYTES_PER_KBPS for n in range(len(kbps))]
    before = link.bytes_until(0.4)
    plays = play_times([link.time_of(before + size) for size in sums])
    return None if plays[0] > first_s + 1e-9 else plays[-1] - plays[0] - len(kbps) + 1


def test_on_a_steady_fast_link_all_but_the_first_is_in_the_highest():
    best = optimum(window(1000.0, seconds=5), rtt_s=0.2)
    assert best.first_sound_s == pytest.approx(0.4 + 0.024)
    assert best.silence_s == 0
    assert best.kbps == [24, 96, 96, 96, 96]


def test_an_outage_that_nothing_could_bridge_is_a_gap_of_its_own_length():
    link = window(30.0, 30.0, *[0.0] * 6, *[1000.0] * 8, seconds=8)  # 48 kbit came: two segments
    best = optimum(link)
    assert best.first_sound_s == pytest.approx(0.4 + 24 / 30)
    assert best.gaps == [(pytest.approx(3.2), pytest.approx(8 + 24 / 1000 - 3.2))]  # the second ends at 3.2 s
    assert best.kbps[:3] == [24, 24, 24]
    assert best.kbps[-1] == 96


def test_what_comes_before_the_second_round_trip_is_nobody_s():
    late, soon = optimum(window(240.0, seconds=3), rtt_s=1.0), optimum(window(240.0, seconds=3), rtt_s=0.0)
    assert late.first_sound_s == pytest.approx(soon.first_sound_s + 2.0)


@pytest.mark.parametrize("seed", range(60))
def test_no_plan_of_a_ladder_has_less_silence_or_with_as_little_more_bits(seed):
    random = Random(seed)
    rates = [random.choice((0.0, 10.0, 30.0, 60.0, 120.0)) for _ in range(7)] + [60.0]
    link = window(*rates, seconds=6)
    best = optimum(link)
    plans = {}
    for kbps in product((LOW, MIDDLE, HIGH), repeat=6):
        silence = silence_s(link, kbps, best.first_sound_s)
        if silence is not None:
            plans[kbps] = silence
    assert min(plans.values()) == pytest.approx(best.silence_s, abs=1e-6)
    as_quiet = [sum(kbps) for kbps, silence in plans.items() if silence <= best.silence_s + 1e-6]
    assert max(as_quiet) <= sum(best.kbps) + 1e-6


@pytest.mark.parametrize("seed", range(60))
def test_sizes_are_the_greatest_sum_that_all_deadlines_allow(seed):
    """Beside all whole sizes, on whole slacks, for which the best plan is whole as well."""
    random = Random(seed)
    slacks = [float(random.randrange(6)) for _ in range(5)]
    sizes = raised(slacks, 1.0, 4.0)
    assert all(1 <= size <= 4 for size in sizes)
    assert fits(sizes, slacks)
    best = max(sum(plan) for plan in product((1.0, 2.0, 3.0, 4.0), repeat=5) if fits(plan, slacks))
    assert sum(sizes) == best


def fits(plan, slacks) -> bool:
    used = [sum(plan[: n + 1]) - n - 1 for n in range(len(plan))]
    return all(use <= slack + 1e-9 for use, slack in zip(used, slacks, strict=True))


def test_the_last_is_raised_first():
    assert raised([0.0, 0.0, 2.0], 1.0, 4.0) == [1.0, 1.0, 3.0]
    assert raised([5.0, 5.0, 5.0], 1.0, 4.0) == [1.0, 3.0, 4.0]
