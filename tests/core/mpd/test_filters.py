"""Which songs a filter takes."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.filters import AddedSince, All, Base, Comparison, Not, Operator, matches, query_of
from tests.core.mpd.remote import BARE, BLUE, RED, SONGS, START_S, VU

IS, CONTAINS, STARTS = Operator.IS, Operator.CONTAINS, Operator.STARTS_WITH


def taken(asked) -> list[str]:
    return [song.title for song in SONGS if matches(asked, song, lambda song, path: song.album == path)]


@pytest.mark.parametrize(
    ("asked", "titles"),
    [
        (Comparison("Title", IS, "Blue Rain"), ["Blue Rain"]),
        (Comparison("Title", IS, "blue rain"), []),
        (Comparison("Title", IS, "blue rain", folds=True), ["Blue Rain"]),
        (Comparison("Title", IS, "deja VU", folds=True), ["Déjà vu"]),
        (Comparison("Title", CONTAINS, "u"), ["Blue Rain", "Red Sun", "Déjà vu"]),
        (Comparison("Title", STARTS, "Red"), ["Red Sun"]),
        (Comparison("Title", STARTS, "Sun"), []),
        (Comparison("AlbumArtist", IS, "Ada"), ["Blue Rain", "Red Sun"]),
        (Comparison("Track", IS, "10"), ["Déjà vu"]),
        (Comparison("file", IS, BARE.uri), ["Copper"]),
        (Comparison("file", CONTAINS, "loud:"), [song.title for song in SONGS]),
        (Comparison("any", IS, "Ada"), ["Blue Rain", "Red Sun"]),
        (Comparison("any", CONTAINS, "Bo"), ["Déjà vu"]),
        (Comparison("any", CONTAINS, "rain ada", folds=True), ["Blue Rain"]),
        (Comparison("any", CONTAINS, "rain ada"), []),
        (Comparison("any", IS, "rain ada", folds=True), []),
        (Comparison("any", CONTAINS, "e ra", folds=True), ["Blue Rain"]),
        (Comparison("Album", IS, ""), ["Copper"]),
        (Comparison("Album", CONTAINS, ""), ["Copper"]),
        (Comparison("Album", STARTS, "", folds=True), ["Copper"]),
        (Not(Comparison("Album", IS, "")), ["Blue Rain", "Red Sun", "Déjà vu"]),
        (Base("Best of"), ["Déjà vu"]),
        (All(()), [song.title for song in SONGS]),
        (All((Comparison("Artist", IS, "Ada"), Not(Comparison("Track", IS, "1")))), ["Blue Rain"]),
    ],
)
def test_a_filter_takes(asked, titles):
    assert taken(asked) == titles


def test_songs_are_taken_by_the_time_when_they_were_added():
    songs = [BLUE._replace(added_s=START_S - 1), RED._replace(added_s=START_S)]
    asked = AddedSince(int(START_S))
    assert [matches(asked, song, lambda *_: False) for song in songs] == [False, True]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Comparison("any", CONTAINS, "copper rain"), "copper rain"),
        (All((Comparison("Artist", IS, "Ada"), All((Comparison("Album", STARTS, "Col"),)))), "Ada Col"),
        (All((Comparison("any", CONTAINS, "rain x"), Comparison("Title", CONTAINS, "x rain"))), "rain x"),
        (All((Comparison("Date", IS, "1999"), Comparison("file", CONTAINS, "loud:"), Base("Recent"))), ""),
        (Not(Comparison("Artist", IS, "Ada")), ""),
        (AddedSince(3), ""),
        (Comparison("Album", IS, ""), ""),
    ],
)
def test_the_network_is_asked_for_what_is_wanted(asked, words):
    assert query_of(asked) == words


def test_deja_is_found_by_those_who_cannot_type_it():
    assert taken(Comparison("any", CONTAINS, "deja bo", folds=True)) == [VU.title]
