"""What strangers wrote steers no terminal, keeps what people write, and fits where it is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.console.text import clean, clean_lines, clock, fold, seconds_of, truncate, width


@given(st.text(max_size=40))
def test_cleaned_text_has_nothing_that_steers(text):
    shown = clean(text).replace("\u200c", "").replace("\u200d", "")
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(clean(text)) == len(text)


def test_clean_keeps_what_people_write():
    assert clean("Ångström — 東京 (été) 🎵") == "Ångström — 東京 (été) 🎵"
    assert clean("a\x1b]0;owned\x07b\nc\u202ed\x9b2Je") == "a ]0;owned b c d 2Je"


def test_clean_keeps_what_scripts_and_emoji_are_spelt_with():
    text = "\N{TAMIL LETTER KA}\u200c\N{TAMIL LETTER KA} \N{WOMAN}\u200d\N{MICROPHONE}"
    assert clean(text) == text


def test_what_stands_in_the_place_of_the_rest():
    assert clean("An\x1b artist", instead="?") == "An? artist"


def test_lines_stay_lines():
    assert clean_lines("a\x1bb\n  c\r\u202e\n") == "a b\n  c  \n"


def test_width_counts_columns():
    assert width("abc") == 3
    assert width("東京") == 4
    assert width("e\N{COMBINING ACUTE ACCENT}") == 1
    assert width("❤\ufe0f") == 1
    assert width("k\u200ck") == 2


@given(st.text(max_size=30), st.integers(0, 20))
def test_truncated_text_fits(text, columns):
    short = truncate(text, columns)
    assert width(short) <= columns
    assert short in {text, ""} or short.endswith("…")


def test_truncate():
    assert truncate("abcdef", 6) == "abcdef"
    assert truncate("abcdef", 5) == "abcd…"
    assert truncate("東京", 3) == "東…"
    assert truncate("東京", 2) == "…"
    assert truncate("ab", 0) == ""


def test_clock():
    assert [clock(s) for s in (0, 5.9, 185, 3723)] == ["0:00", "0:05", "3:05", "1:02:03"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("2.5", 2.5),
        ("1:30", 90.0),
        ("0:07.25", 7.25),
        ("1:02:03", 3723.0),
        ("75:00", 4500.0),
    ],
)
def test_a_position_is_seconds_or_a_time(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "-1", "nan", "1e9", ":30", "1:", "1:60", "1.5:00", "1:2:3:4", "1:2:60", "1:-5", "1_0", "٣", "."],
)
def test_what_is_no_position_is_refused(text):
    with pytest.raises(ValueError, match="is no position"):
        seconds_of(text)


def test_fold():
    text = "ok    signatures: found (needed by playing)"
    assert list(fold(text, 40, 6)) == ["ok    signatures: found (needed by", "      playing)"]
    assert list(fold(text, 43, 6)) == [text]
    assert list(fold("", 5)) == [""]
    assert list(fold("a/long/path b", 5, 1)) == ["a/lon", " g/pa", " th b"]
    assert list(fold("one /long/path", 6, 2)) == ["one", "  /lon", "  g/pa", "  th"]
    assert list(fold("東京東京", 3)) == ["東", "京", "東", "京"]
    assert list(fold("aaa bb", 2, 4)) == ["aa", "a", "bb"]


@given(st.text(max_size=60), st.integers(2, 30), st.integers(0, 40))
def test_what_is_folded_fits_and_is_all_there(text, columns, indent):
    text = clean(text)
    lines = list(fold(text, columns, indent))
    assert max(map(width, lines)) <= columns
    assert "".join("".join(lines).split()) == "".join(text.split())
