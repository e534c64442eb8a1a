"""The live line in every state, whatever strangers call their music."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.cli.status_line import status_line
from lightpeer.console.text import width
from tests.cli.test_terminal import Status


def test_the_line_tells_everything():
    line = "▶ Copper Rain — lightpeer  1:02/3:05  buf 24 s  48 kbit/s  ↓312  2 src  udp"
    assert status_line(Status(), 120) == line


def test_the_line_tells_what_it_costs_and_what_is_left_of_the_cap():
    paying = Status(mb_per_hour=21.9, left_mb=12.345)
    assert "  buf 24 s  12.3 MB left  22 MB/h  48 kbit/s  " in status_line(paying, 120)
    assert "  buf 24 s  0 MB left  22 MB/h  " in status_line(Status(mb_per_hour=21.9, left_mb=0.0), 120)
    assert "  buf 24 s  22 MB/h  48 kbit/s  " in status_line(Status(mb_per_hour=21.9), 120)


@pytest.mark.parametrize(
    ("columns", "facts"),
    [
        (79, "1:02/3:05  buf 24 s  12.3 MB left  22 MB/h  48 kbit/s  ↓312"),
        (60, "1:02/3:05  buf 24 s  12.3 MB left  22 MB/h"),
        (45, "1:02/3:05  buf 24 s"),
        (10, ""),
    ],
)
def test_where_a_line_is_short_the_least_important_is_left_out(columns, facts):
    line = status_line(Status(mb_per_hour=21.9, left_mb=12.345), columns)
    assert line.endswith(facts)
    assert line.startswith("▶ Copper ")
    assert width(line) <= columns


def test_the_line_of_other_states():
    assert status_line(Status(state="opening", title=""), 99) == "… opening"
    assert status_line(Status(state="paused"), 99).startswith("‖ Copper Rain")
    waiting = status_line(Status(state="buffering", sources=0, transport="", volume_db=-2.0, artist=""), 99)
    assert waiting == "… Copper Rain  1:02/3:05  buf 24 s  48 kbit/s  ↓312  0 src  -2 dB"


def test_a_long_title_gives_way_to_the_numbers():
    line = status_line(Status(title="x" * 200), 79)
    assert width(line) == 79
    assert line.endswith("…  1:02/3:05  buf 24 s  48 kbit/s  ↓312  2 src  udp")


@given(st.text(), st.text(), st.integers(1, 200))
def test_the_line_fits_whatever_strangers_call_their_music(title, artist, columns):
    line = status_line(Status(title=title, artist=artist, transport=title), columns)
    assert width(line) <= columns
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line)


def test_while_music_waits_the_line_says_what_for_and_since_when():
    away = {"awaited": "network", "awaited_s": 65.4}
    empty = "… no network for 1:05, buffer empty; waiting (q quits)"
    assert status_line(Status(state="opening", title="", buffer_s=0.0, **away), 99) == empty
    assert status_line(Status(state="buffering", buffer_s=0.0, **away), 99) == empty
    assert status_line(Status(state="buffering", buffer_s=1.0, **away), 99) == empty.replace("empty", "1 s")
    plays = "▶ Copper Rain — lightpeer  1:02/3:05  buf 24 s  no network for 1:05"
    assert status_line(Status(**away), 99) == plays
    gone = status_line(Status(state="buffering", awaited="sound", awaited_s=5.0), 99)
    assert gone == "… no sound device for 0:05, buffer 24 s; waiting (q quits)"
