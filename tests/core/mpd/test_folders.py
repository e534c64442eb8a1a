"""The tree of folders over what was seen."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.catalogue import Catalogue
from lightpeer.core.mpd.folders import (
    MOST_RECENT,
    check_folder,
    folders_in,
    membership,
    query_in,
    songs_below,
    songs_in,
)
from lightpeer.core.mpd.song import Song
from lightpeer.errors import CommandError
from tests.core.mpd.remote import BARE, BLUE, RED, SONGS, VU, uri


def seen(*songs: Song) -> Catalogue:
    catalogue = Catalogue()
    catalogue.remember(songs or SONGS, 1.0)
    return catalogue


def titles(songs) -> list[str]:
    return [song.title for song in songs]


@pytest.mark.parametrize(
    ("path", "folders", "here", "below"),
    [
        ("", ["Albums", "Recent", "Search"], [], ["Blue Rain", "Red Sun", "Déjà vu", "Copper"]),
        ("/", ["Albums", "Recent", "Search"], [], ["Blue Rain", "Red Sun", "Déjà vu", "Copper"]),
        ("Albums", ["Albums/Ada", "Albums/Various"], [], ["Red Sun", "Blue Rain", "Déjà vu"]),
        ("Albums/Ada/", ["Albums/Ada/Colours"], [], ["Red Sun", "Blue Rain"]),
        ("Albums/Ada/Colours", [], ["Red Sun", "Blue Rain"], ["Red Sun", "Blue Rain"]),
        ("Recent", [], titles(SONGS), titles(SONGS)),
        ("Search", ["Search/u", "Search/a b"], [], ["Red Sun", "Copper"]),
        ("Search/a/b", [], ["Red Sun", "Copper"], ["Red Sun", "Copper"]),
        ("Search/nothing", [], [], []),
        ("Albums/Nobody", [], [], []),
        ("Nowhere", [], [], []),
        (BLUE.uri, [], ["Blue Rain"], ["Blue Rain"]),
        (uri(9), [], [""], [""]),
    ],
)
def test_what_a_folder_holds(path, folders, here, below):
    catalogue = seen()
    catalogue.note_search("a/b", [RED, BARE], 1.0)
    catalogue.note_search("u", [RED], 1.0)
    catalogue.remember(SONGS, 1.0)
    assert folders_in(catalogue, path) == folders
    assert titles(songs_in(catalogue, path)) == here
    assert titles(songs_below(catalogue, path)) == below


def test_names_with_slashes_and_without_letters_are_folders_too():
    catalogue = seen(Song("loud:a", "T", "AC/DC", "High/Low"), Song("loud:b", "U", "", "/"))
    assert folders_in(catalogue, "Albums") == ["Albums/AC DC", "Albums/Unknown"]
    assert folders_in(catalogue, "Albums/AC DC") == ["Albums/AC DC/High Low"]
    assert titles(songs_in(catalogue, "Albums/AC DC/High Low")) == ["T"]
    assert titles(songs_in(catalogue, "Albums/Unknown/Unknown")) == ["U"]


def test_recent_is_bounded():
    catalogue = seen(*(Song(f"loud:{number}") for number in range(MOST_RECENT + 1)))
    assert len(songs_in(catalogue, "Recent")) == MOST_RECENT


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("Search/copper rain", "copper rain"),
        ("/Search/a/b/", "a/b"),
        ("Search", ""),
        ("Search/ ", ""),
        ("Recent", ""),
    ],
)
def test_a_folder_may_stand_for_a_search(path, words):
    assert query_in(path) == words


def test_songs_know_their_folders():
    is_in = membership(seen())
    assert [is_in(song, "Albums/Ada") for song in SONGS] == [True, True, False, False]
    assert is_in(VU, "")
    assert not is_in(VU, "Nowhere")


def test_folders_that_are_always_there_may_be_empty():
    for path in ("", "/", "Albums", "Recent/", "Search"):
        check_folder(path, [])
    check_folder("Search/x", [BLUE])
    with pytest.raises(CommandError, match="No such directory") as refusal:
        check_folder("Search/x", [])
    assert refusal.value.code == 50
