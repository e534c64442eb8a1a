"""The arguments of a command: ids, numbers, playlists, and words."""

from __future__ import annotations

import pytest

from lightpeer.core.content.uri import format_uri
from lightpeer.core.search.items import Numbers, Playlist, Track, Words, parse_items
from lightpeer.errors import UsageError

A, B = format_uri(bytes(32)), format_uri(b"b" * 32)


@pytest.mark.parametrize(
    ("arguments", "items"),
    [
        (["return", "to", "wesnoth"], [Words("return to wesnoth")]),
        (["return to wesnoth"], [Words("return to wesnoth")]),
        (["artist:Die Mole", "rain"], [Words('artist:"Die Mole" rain')]),
        ([A, B], [Track(A), Track(B)]),
        (["copper", "rain", A, "some", "more"], [Words("copper rain"), Track(A), Words("some more")]),
        (["3"], [Numbers("3")]),
        (["2-5", "1,4"], [Numbers("2-5"), Numbers("1,4")]),
        (["3", A], [Numbers("3"), Track(A)]),
        (["3", "doors", "down"], [Words("3 doors down")]),
        (["99", "luftballons"], [Words("99 luftballons")]),
        (["title:1999"], [Words("title:1999")]),
        (["mix.m3u8", "Old.M3U", "rain"], [Playlist("mix.m3u8"), Playlist("Old.M3U"), Words("rain")]),
        ([], []),
    ],
)
def test_what_arguments_name(arguments, items):
    assert parse_items(arguments) == items


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["loud:xyz"], "'loud:xyz' is not a track id"),
        (["rain", A[:-1]], "is not a track id"),
        ([" "], "nothing to search for"),
        (["\udcff"], "not UTF-8"),
    ],
)
def test_what_names_nothing_is_refused(arguments, says):
    with pytest.raises(UsageError, match=says):
        parse_items(arguments)


def test_numbers_take_from_a_list():
    listed = ["a", "b", "c", "d"]
    assert list(Numbers("2-4").of(listed)) == ["b", "c", "d"]
    assert list(Numbers("4,1").of(listed)) == ["d", "a"]
    assert list(Numbers("4-2").of(listed)) == []


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (0, "nothing was listed that 3 could be taken from: search first, or write title:3"),
        (1, "the list shown last has 1 track, no 3: to search for the word, write title:3"),
        (2, "the list shown last has 2 tracks, no 3"),
    ],
)
def test_a_number_beyond_the_list_is_told_how_many_there_are(count, says):
    with pytest.raises(UsageError, match=says):
        list(Numbers("3").of(["x"] * count))
    with pytest.raises(UsageError, match="no 0"):
        list(Numbers("0").of(["x"]))
