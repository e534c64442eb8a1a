"""Arguments: their bounds, what MPD says of wrong ones, and the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.mpd.arguments import MAX_NUMBER, Range, iso_time, moment, number, seconds, span, switch
from lightpeer.core.mpd.wire import Ack
from lightpeer.errors import CommandError


def fault(of, *arguments) -> str:
    with pytest.raises(CommandError) as refusal:
        of(*arguments)
    assert refusal.value.code == Ack.ARG
    return str(refusal.value)


def test_numbers_are_within_bounds():
    assert (number("7"), number("+7"), number("-7", -10), number(str(MAX_NUMBER))) == (7, 7, -7, MAX_NUMBER)
    assert fault(number, "101", 0, 100) == "Number too large: 101"
    assert fault(number, "-1") == "Number is negative: -1"
    assert fault(number, "63", 64) == "Number too small: 63"
    for text in ("", "x", "1.5", "1 ", "٣", "9" * 5000, "--1"):
        assert fault(number, text) == f"Integer expected: {text}"


def test_a_switch_is_0_or_1():
    assert (switch("0"), switch("1")) == (False, True)
    assert fault(switch, "2") == "Boolean (0/1) expected: 2"


def test_times_may_be_fractions_and_negative():
    assert [seconds(text) for text in ("12", "1.5", "-3.25", "+.5", "4.")] == [12, 1.5, -3.25, 0.5, 4]
    for text in ("", ".", "nan", "inf", "1e5", "1:30", "-"):
        assert fault(seconds, text) == f"Float expected: {text}"


@pytest.mark.parametrize(
    ("text", "of_four"),
    [
        ("1", [1]),
        ("1:3", [1, 2]),
        ("2:", [2, 3]),
        ("1:9", [1, 2, 3]),
        ("4:", []),
        ("1:1", []),
        ("-1", [0, 1, 2, 3]),
    ],
)
def test_a_range_ends_before_its_end(text, of_four):
    found = span(text)
    assert list(found.of(4)) == of_four
    assert list(range(4))[found.cut] == of_four


@pytest.mark.parametrize("text", ["4", "5:", "9:12"])
def test_places_that_are_not_here_are_refused(text):
    assert fault(span(text).of, 4) == "Bad song index"
    assert list(range(4))[span(text).cut] == []


def test_what_is_no_range_is_refused():
    assert fault(span, "3:1") == "Bad range: 3:1"
    assert fault(span, f"{10**10 - 1}").startswith("Number too large")
    for text in ("", "x", ":3", "1-3", "-2", "1:2:3"):
        assert fault(span, text) == f"Integer or range expected: {text}"
    assert Range() == Range(0, None, is_one=False)


@given(st.integers(0, 4_102_444_800))
def test_a_moment_is_the_calendar_s(time_s):
    text = datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert iso_time(time_s) == text
    assert moment(text) == moment(str(time_s)) == time_s


def test_a_moment_may_be_a_day_or_a_minute():
    assert moment("2024-02-29") == 1_709_164_800
    assert moment("2024-2-29T01:30") == 1_709_164_800 + 5400
    assert iso_time(1_709_164_800.9) == "2024-02-29T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    ["", "x", "2024", "2024-13-01", "2024-00-01", "2024-01-32", "2024-01-01T24:00", "2024-01-01T00:60",
     "2024-01-01T00:00:61", "٢٠٢٤-01-01"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text):
    if text == "2024":  # a number is seconds
        assert moment(text) == 2024
    else:
        assert fault(moment, text) == f"Malformed time: {text}"
