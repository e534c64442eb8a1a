"""The live line in every state, whatever strangers call their music."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.cli.status_line import status_line
from lightpeer.console.text import width
from lightpeer.playback.status import Status

WIDTHS = (19, 39, 79, 199)  # of terminals of 20, 40, 80 and 200 columns, some of which wrap early
PLAYING = {
    "state": "playing",
    "entry": 7,
    "item": "copper rain",
    "number": 2,
    "count": 12,
    "title": "Copper Rain",
    "artist": "lightpeer",
    "uri": "loud:x",
    "position_s": 62.4,
    "duration_s": 185.0,
    "buffer_s": 24.3,
    "bitrate_kbps": 48,
    "lowest_kbps": 24,
    "goodput_kbps": 312.2,
    "sources": 2,
    "transport": "udp",
    "used_mb": 4.126,
    "next_title": "Pocket Arcade",
}
ALL = "▶ Copper Rain — lightpeer  1:02/3:05  2 of 12  4.1 MB  next: Pocket Arcade"
OPENING = {"state": "opening", "item": "copper rain", "number": 2, "count": 12, "next_title": "pocket arcade"}
AWAY = {"awaited": "network", "awaited_s": 65.4, "reason": "nothing comes from the network"}


def lines(*given, **more) -> list[str]:
    """The lines at each width."""
    fields = PLAYING.copy() if not given else given[0].copy()
    return [status_line(Status(**fields | more), columns) for columns in WIDTHS]


def test_the_title_comes_first_then_what_fits():
    assert lines() == [
        "▶ Copper Rain  1:02",
        "▶ Copper Rain — lightpeer  1:02/3:05",
        ALL,
        f"{ALL}  buf 24 s  48 kbit/s  ↓312  2 src  udp",
    ]


def test_a_track_alone_has_no_number_and_what_it_costs_is_shown():
    line = lines(count=1, number=1, next_title="", mb_per_hour=21.9, left_mb=12.345, volume_db=-2.0)[-1]
    assert line.endswith(
        "1:02/3:05  12.3 MB left  4.1 MB  buf 24 s  -2 dB  22 MB/h  48 kbit/s  ↓312  2 src  udp"
    )
    assert "  0 MB left  " in lines(left_mb=0.0)[-1]


def test_a_long_title_goes_before_everything_but_the_position():
    title = "A very long title of a piece of music (remastered, live, deluxe)"
    assert lines(title=title, artist="Somebody")[:3] == [
        "▶ A very lon…  1:02",
        "▶ A very long title of a pi…  1:02/3:05",
        f"▶ {title}  1:02/3:05",
    ]
    line = lines(next_title=title)[-1]
    assert "  next: A very long title of a piece …  buf" in line


def test_while_a_track_is_opened_the_line_says_which():
    assert lines(OPENING) == [
        "… copper …  opening",
        "… copper rain  opening  2 of 12",
        "… copper rain  opening  2 of 12  next: pocket arcade",
        "… copper rain  opening  2 of 12  next: pocket arcade",
    ]
    assert lines(OPENING, item="loud:x", count=1, next_title="")[-1] == "… opening"
    assert lines(OPENING, item="loud:x", next_title="loud:y")[-1] == "… opening  2 of 12"


def test_why_it_waits_takes_the_place_of_the_position():
    slow = lines(state="buffering", goodput_kbps=16.2, buffer_s=0.0)
    assert slow[:3] == [
        "… link 16 kbit/s",
        "… Copper Rain  link 16 kbit/s  2 of 12",
        "… Copper Rain — lightpeer  link 16 kbit/s, lowest rendition 24  2 of 12  4.1 MB",
    ]
    assert lines(state="buffering")[:2] == ["… Copper …  waiting", "… Copper Rain  waiting for data"]
    away = "… Copper Rain — lightpeer  no network for 1:05  2 of 12  buffer 24 s  q quits"
    assert lines(state="buffering", **AWAY) == [
        "… no network 1:05",
        "… Copper Rain  no network for 1:05",
        away,
        f"{away}  nothing comes from the network",
    ]
    gone = lines(state="buffering", awaited="sound", awaited_s=5.0, buffer_s=0.0)
    assert gone[0] == "… no sound 0:05"
    assert gone[2] == "… Copper Rain — lightpeer  no sound device for 0:05  2 of 12  buffer empty"
    assert lines(OPENING, **AWAY)[1] == "… copper rain  no network for 1:05"


def test_what_is_away_while_it_plays_is_told_too():
    assert lines(**AWAY)[2].startswith("▶ Copper Rain — lightpeer  1:02/3:05  no network for 1:05  2 of 12")
    assert "  no sound device for 0:05  " in lines(awaited="sound", awaited_s=5.0)[3]


@pytest.mark.parametrize(("state", "sign"), [("paused", "‖"), ("stopped", "■")])
def test_the_line_of_other_states(state, sign):
    assert lines(state=state)[1] == f"{sign} Copper Rain — lightpeer  1:02/3:05"


@given(st.text(), st.text(), st.integers(1, 200), st.sampled_from(["playing", "opening", "buffering"]))
def test_the_line_fits_whatever_strangers_call_their_music(title, artist, columns, state):
    strange = {"title": title, "artist": artist, "transport": title, "next_title": artist, "reason": title}
    for away in ({}, AWAY):
        line = status_line(Status(**PLAYING | away | strange | {"state": state}), columns)
        assert width(line) <= columns
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line)
