"""How an account stands against its caps, and what is said of it."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.budget.profile import NORMAL, THRIFTY, UNMETERED, Limits, Profile, limits_of
from lightpeer.core.budget.standing import MB, SLOW, Standing, State, duration_text, mb_text, standing_of
from lightpeer.core.budget.usage import DAY_S, Usage

NOON = 20_787 * DAY_S + 43_200  # 2026-11-30
CAPPED = Profile("train", top_kbps=96, day_mb=10, month_mb=100)


def standing(
    today_mb: float, before_mb: float = 0, more_mb: float = 0, profile: Profile = CAPPED
) -> Standing:
    usage = Usage()
    usage.count("train", int(before_mb * MB), NOON - 10 * DAY_S)
    usage.count("train", int(today_mb * MB), NOON)
    usage.count("other", 500 * MB, NOON)  # which has nothing to do with it
    return standing_of(profile, usage, int(more_mb * MB), NOON)


@pytest.mark.parametrize("profile", [THRIFTY, NORMAL, UNMETERED])
def test_without_caps_there_is_no_end(profile):
    free = standing(10_000, profile=profile)
    assert (free.state, free.limits, free.nearest) == (State.NORMAL, limits_of(profile), None)
    assert math.isinf(free.next_bytes)
    assert free.sentence() == ""


def test_a_cap_goes_from_normal_to_slow_to_over():
    fresh, slow, over = standing(0), standing(5, more_mb=3), standing(9, more_mb=1.5)
    assert [s.state for s in (fresh, slow, over)] == [State.NORMAL, State.SLOW, State.OVER]
    assert fresh.limits == Limits(96, 2_000_000, 0.10)
    assert slow.limits == over.limits == SLOW == Limits(1, 256_000, 0.0)
    assert [s.next_bytes for s in (fresh, slow)] == [8 * MB, 2 * MB]
    assert [s.nearest.left_bytes for s in (fresh, slow, over)] == [10 * MB, 2 * MB, 0]


def test_what_is_not_in_the_account_yet_counts_against_both_caps():
    caps = standing(2, before_mb=80, more_mb=3).caps
    assert [(cap.period, cap.used_bytes) for cap in caps] == [("day", 5 * MB), ("month", 85 * MB)]


def test_a_cap_that_is_used_up_has_no_further_mark():
    over = standing(100, profile=Profile("train", day_mb=10))
    assert math.isinf(over.next_bytes)


def test_the_strictest_of_two_caps_decides():
    early = standing(2, before_mb=85)
    assert (early.state, early.nearest.period) == (State.SLOW, "day")
    assert early.nearest.left_bytes == 8 * MB
    assert early.sentence().startswith("87 % of the cap of 100 MB a month")
    late = standing(2, before_mb=95)
    assert (late.state, late.nearest.period, late.nearest.left_bytes) == (State.SLOW, "month", 3 * MB)
    assert standing(11, before_mb=95).nearest.period == "day", "both end at midnight, and the day comes first"


def test_the_sentence_names_the_cap_its_renewal_and_the_way_on():
    assert standing(9).sentence() == (
        "90 % of the cap of 10 MB a day in the profile train are used; it renews in 12 h"
    )
    assert standing(10).sentence() == (
        "the cap of 10 MB a day in the profile train is reached; it renews in 12 h: "
        "to go on now, use --profile unmetered or raise day_mb in [profile.train]"
    )
    assert "raise month_mb in [profile.train]" in standing(5, before_mb=95).sentence()


def test_of_two_caps_that_are_reached_the_one_that_renews_last_is_named():
    usage = Usage()
    usage.count("train", 200 * MB, NOON - 10 * DAY_S)
    both = standing_of(CAPPED, usage, 0, NOON - 10 * DAY_S)
    assert {cap.state for cap in both.caps} == {State.OVER}
    assert both.nearest.period == "month"
    assert "100 MB a month in the profile train is reached; it renews in 11 days" in both.sentence()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 MB"), (50_000, "0.05 MB"), (12_345_678, "12.3 MB"), (50 * MB, "50 MB"), (1234 * MB, "1234 MB")],
)
def test_sizes(size, text):
    assert mb_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 min"), (2880, "48 min"), (2881, "1 h"), (172_800, "48 h"), (172_801, "3 days")],
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text
