"""What is printed: nothing from strangers steers the terminal, widths are right, JSON is whole."""

from __future__ import annotations

import io
import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lightpeer.console.output import Output, clean, clock, truncate, width


@given(st.text(max_size=40))
def test_cleaned_text_has_nothing_that_steers(text):
    assert not {unicodedata.category(c) for c in clean(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_clean_keeps_what_people_write():
    assert clean("Ångström — 東京 (été) 🎵") == "Ångström — 東京 (été) 🎵"
    assert clean("a\x1b]0;owned\x07b\nc\u202ed\x9b2Je") == "a ]0;owned b c d 2Je"


def test_width_counts_columns():
    assert width("abc") == 3
    assert width("東京") == 4
    assert width("e\N{COMBINING ACUTE ACCENT}") == 1


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


def test_results_for_people_and_for_programs():
    people, programs = io.StringIO(), io.StringIO()
    Output(stream=people).result("hit", "a\x1bb", title="a\x1bb")
    Output(json=True, stream=programs).result("hit", "a\x1bb", title="a\x1bbé")
    assert people.getvalue() == "a b\n"
    assert programs.getvalue().isascii()
    assert json.loads(programs.getvalue()) == {"event": "hit", "title": "a\x1bbé"}


def test_quiet_leaves_out_remarks_but_not_results():
    stream = io.StringIO()
    output = Output(quiet=True, stream=stream)
    output.remark("playing", "playing a")
    output.result("hit", "b")
    assert stream.getvalue() == "b\n"
    Output(json=True, quiet=True, stream=stream).remark("playing", "c")
    assert stream.getvalue() == 'b\n{"event": "playing"}\n'


def test_errors_go_to_stderr_and_in_json_to_both(capsys):
    Output().error("no\x1bpeer", 3)
    assert capsys.readouterr() == ("", "lightpeer: no peer\n")
    Output(json=True).error("no peer", 3)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"event": "error", "message": "no peer", "exit_status": 3}
    assert err == "lightpeer: no peer\n"
