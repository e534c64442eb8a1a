"""Bytes by day, with clocks that jump, and their file."""

from __future__ import annotations

import contextlib
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.budget.usage import (
    BELIEVE_S,
    DAY_S,
    MAX_CLOCK_S,
    MAX_DAYS,
    MAX_ENTRIES,
    AccountClock,
    Usage,
    date_of,
    day_of,
)
from lightpeer.errors import BadMessageError

HOUR_S = 3600
DAY = 20_787  # 2026-11-30
NOON = DAY * DAY_S + 12 * HOUR_S
YEAR_S = 365 * DAY_S


def counted(*counts: tuple[float, int]) -> Usage:
    """An account of a profile `p`, from clocks and bytes."""
    usage = Usage()
    for clock_s, size in counts:
        usage.count("p", size, clock_s)
    return usage


def today(usage: Usage, clock_s: float) -> int:
    return usage.today_bytes(usage.clock.at(clock_s), "p")


def month(usage: Usage, clock_s: float) -> int:
    return usage.month_bytes(usage.clock.at(clock_s), "p")


@given(st.integers(0, 2_900_000))
def test_dates_are_those_of_the_calendar(day):
    expected = date(1970, 1, 1) + timedelta(days=day)
    assert date_of(day) == (expected.year, expected.month, expected.day)
    assert str(date_of(day)) == expected.isoformat()


class TestCounting:
    def test_days_months_and_profiles_are_apart(self):
        usage = counted((NOON - 31 * DAY_S, 1), (NOON - DAY_S, 20), (NOON, 300), (NOON + HOUR_S, 4000))
        usage.count("other", 50_000, NOON + HOUR_S)
        clock = usage.clock.at(NOON + 2 * HOUR_S)
        assert (usage.today_bytes(clock, "p"), usage.today_bytes(clock)) == (4300, 54_300)
        assert (usage.month_bytes(clock, "p"), usage.month_bytes(clock)) == (4320, 54_320)
        assert usage.by_day(2) == {DAY: {"p": 4300, "other": 50_000}, DAY - 1: {"p": 20}}

    def test_a_new_day_and_a_new_month_begin_at_midnight(self):
        usage = counted((NOON, 300))
        assert (today(usage, NOON + 11.9 * HOUR_S), month(usage, NOON + 11.9 * HOUR_S)) == (300, 300)
        assert (today(usage, NOON + 12 * HOUR_S), month(usage, NOON + 12 * HOUR_S)) == (0, 0)  # December

    def test_it_says_when_they_end(self):
        clock = AccountClock().at(NOON - 2 * DAY_S)
        assert (clock.day_ends_in_s, clock.month_ends_in_s) == (12 * HOUR_S, 12 * HOUR_S + 2 * DAY_S)

    def test_the_oldest_days_make_room(self):
        usage = counted(*((NOON + n * DAY_S, 1) for n in range(MAX_DAYS + 3)))
        assert len(usage) == MAX_DAYS
        assert min(usage.by_day(99)) == DAY + 3

    def test_so_do_they_for_many_profiles(self):
        usage = counted((NOON - DAY_S, 1))
        for number in range(MAX_ENTRIES):
            usage.count(f"p{number}", 1, NOON)
        assert len(usage) == MAX_ENTRIES
        assert list(usage.by_day(99)) == [DAY]


class TestAClockThatJumps:
    def test_back_by_hours_gives_no_day_twice_and_is_waited_for(self):
        """A traveller to the west, the end of summer time, a Pi that begins at its last shutdown."""
        morning = DAY * DAY_S + 1 * HOUR_S
        usage = counted((morning - 5 * HOUR_S, 10), (morning, 300))
        usage.count("p", 1, morning - 8 * HOUR_S)
        assert usage.by_day(9) == {DAY: {"p": 301}, DAY - 1: {"p": 10}}
        assert today(usage, morning - 7 * HOUR_S) == 311, "what was used on the day that is shown counts too"
        assert today(usage, morning) == 301
        clock = usage.clock.at(morning - 8 * HOUR_S)
        assert clock.day_ends_in_s == (23 + 8) * HOUR_S
        assert today(usage, morning + 23 * HOUR_S) == 0

    def test_to_1970_counts_to_the_latest_day_until_the_time_is_known(self):
        usage = counted((NOON, 300))
        for uptime_s in (0, 60, 3600):
            usage.count("p", 1, uptime_s)
        assert usage.by_day(9) == {DAY: {"p": 303}}
        assert today(usage, NOON + 2 * HOUR_S) == 303
        assert today(usage, NOON + DAY_S) == 0

    def test_to_1970_for_good_still_gives_new_days(self):
        usage = counted((NOON, 300), (0, 1))
        assert today(usage, 11.9 * HOUR_S) == 301
        assert today(usage, 12 * HOUR_S) == 0
        usage.count("p", 5, 12 * HOUR_S)
        usage.count("p", 5, 0)  # started anew
        assert usage.by_day(9) == {DAY + 1: {"p": 10}, DAY: {"p": 301}}
        assert today(usage, 25 * HOUR_S) == 0

    def test_far_ahead_and_back_gives_the_day_no_second_time_and_locks_nobody_out(self):
        usage = counted((NOON, 300), (NOON + 70 * YEAR_S, 5), (NOON + 60, 20))
        ahead = day_of(NOON + 70 * YEAR_S)
        assert usage.by_day(9) == {ahead: {"p": 25}, DAY: {"p": 300}}
        assert today(usage, NOON + 120) == 325
        usage.count("p", 1, NOON + DAY_S)
        assert today(usage, NOON + DAY_S) == 1

    def test_a_long_gap_while_it_is_behind_is_another_jump(self):
        usage = counted((NOON, 300), (0, 1))
        usage.count("p", 1, NOON - 40 * DAY_S)  # the time of a system image, not of 56 years of running
        assert usage.by_day(9) == {DAY: {"p": 302}}
        assert today(usage, NOON + 60) == 302

    def test_one_that_runs_behind_for_a_month_is_right_and_the_days_are_dated_back(self):
        usage = counted((NOON + 70 * YEAR_S, 7))
        for number in range(int(BELIEVE_S / DAY_S)):
            usage.count("p", 100 + number, NOON + number * DAY_S)
            assert max(usage.by_day(99)) > DAY + 60 * 365
        usage.count("p", 5, NOON + 31 * DAY_S)
        assert usage.clock == AccountClock(NOON + 31 * DAY_S, NOON + 31 * DAY_S)
        days = usage.by_day(99)
        assert days[DAY + 31] == {"p": 5}
        assert days[DAY + 30] == {"p": 130}
        assert days[DAY] == {"p": 107}

    @given(st.lists(st.tuples(st.floats(-1e12, 1e12), st.integers(0, 10**9)), max_size=40))
    def test_the_account_never_goes_back_and_loses_nothing_of_today(self, counts):
        usage = Usage()
        for clock_s, size in counts:
            before = usage.clock
            usage.count("p", size, clock_s)
            assert usage.clock.account_s >= before.account_s or before.behind_s >= BELIEVE_S - DAY_S
            assert today(usage, clock_s) >= size
            assert 0 <= usage.clock.clock_s <= MAX_CLOCK_S
            assert Usage.from_bytes_untrusted(usage.to_bytes()).by_day(99) == usage.by_day(99)


class TestFile:
    def test_it_holds_everything(self):
        usage = counted((NOON, 300), (NOON - 100 * DAY_S, 0), (NOON - 99 * DAY_S, 5))
        again = Usage.from_bytes_untrusted(usage.to_bytes())
        assert again.by_day(9) == usage.by_day(9)
        assert again.clock == usage.clock == AccountClock(NOON + DAY_S, NOON - 99 * DAY_S, DAY_S)
        assert Usage.from_bytes_untrusted(Usage().to_bytes()).by_day(9) == {}

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:-1],
            lambda data: data.replace(b"usage 1", b"usage 2"),
            lambda data: data.replace(b" p ", b" p! "),
            lambda data: data.replace(b" 300", b" -300"),
            lambda data: data.replace(b" 300", b" " + b"9" * 5000),
            lambda data: data.replace(b" 300", b" 300 1"),
            lambda data: data.replace(b"20787 ", b"99999999999 "),
            lambda data: data.replace(b" 0\n", b" nan\n"),
            lambda data: data.replace(b" 0\n", b" -1\n"),
            lambda data: data.replace(b" 0\n", b"\n"),
            lambda data: data + b"\xff\n",
            lambda data: data + b"".join(b"1 p%d 1\n" % n for n in range(MAX_ENTRIES)),
        ],
    )
    def test_a_damaged_one_is_refused(self, damage):
        data = counted((NOON, 300)).to_bytes()
        with pytest.raises(BadMessageError):
            Usage.from_bytes_untrusted(damage(data))

    @given(st.binary(max_size=200))
    def test_so_is_junk(self, data):
        with contextlib.suppress(BadMessageError):
            Usage.from_bytes_untrusted(b"lightpeer usage 1\n" + data)
