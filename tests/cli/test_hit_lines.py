"""Hits as lines: within any width, wide characters counted, the most important facts last to go."""

from __future__ import annotations

import pytest

from lightpeer.cli.hit_lines import Row, hit_lines, lines_of
from lightpeer.client.models import Hit
from lightpeer.console.text import width

HITS = [
    Hit(bytes(32), "loud:" + "x" * 44, "Copper Rain", "lightpeer", "Demo", 65.0, [24, 48], ["La", "Lb"]),
    Hit(bytes(32), "loud:" + "y" * 43, "東京\x1b[2J " * 20, "Björk", "", 3605.0, [24, 48, 96], []),
]


def test_without_a_terminal_nothing_is_cut():
    first, second = hit_lines(HITS, None)
    assert first == f"1  Copper Rain — lightpeer (Demo)  1:05  24/48  2 peers  {HITS[0].uri}"
    assert second.startswith("2  東京 [2J 東京")
    assert second.endswith(f"— Björk  1:00:05  24/48/96  1 peer  {HITS[1].uri}")


@pytest.mark.parametrize("columns", [1, 5, 10, 19, 39, 79, 199])
def test_every_line_fits(columns):
    lines = list(hit_lines(HITS, columns))
    assert all(width(line) <= columns for line in lines)
    assert len(lines) == 2


def test_the_title_comes_first_and_the_length_goes_last():
    assert list(hit_lines(HITS, 39)) == [
        "1  Copper Rain — lightpeer (D…     1:05",
        "2  東京 [2J 東京 [2J 東京 [2J…  1:00:05",
    ]
    (wide, _) = hit_lines(HITS, 79)
    assert wide.endswith("     1:05     24/48  2 peers")
    (wider, _) = hit_lines(HITS, 199)
    assert wider.rstrip().endswith(HITS[0].uri)


def test_there_may_be_none():
    assert list(hit_lines([], 80)) == list(hit_lines([], None)) == []


def test_numbers_stand_below_one_another():
    lines = list(hit_lines(HITS[:1] * 10, 79))
    assert (lines[0][:4], lines[9][:4]) == (" 1  ", "10  ")


ROWS = [
    Row("Copper\x1b Rain", ("1:05", "0.1 MB", "pinned", "loud:x")),
    Row("東京", ("0:10", "12.5 MB", "", "")),
]


def test_rows_without_numbers_begin_with_the_name():
    assert list(lines_of(ROWS, None)) == ["Copper  Rain  1:05  0.1 MB  pinned  loud:x", "東京  0:10  12.5 MB"]
    assert list(lines_of(ROWS, 79)) == [
        "Copper  Rain  1:05   0.1 MB  pinned  loud:x",
        "東京          0:10  12.5 MB                ",
    ]
    assert list(lines_of(ROWS, 39)) == ["Copper  Rain  1:05   0.1 MB", "東京          0:10  12.5 MB"]


def test_a_column_without_facts_takes_no_room():
    rows = [row._replace(facts=("1:05", "", "x")) for row in ROWS]
    assert list(lines_of(rows, 79)) == ["Copper  Rain  1:05  x", "東京          1:05  x"]
    assert list(lines_of(rows, None)) == ["Copper  Rain  1:05  x", "東京  1:05  x"]
