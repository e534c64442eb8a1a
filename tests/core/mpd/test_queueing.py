"""The commands that show and change the queue."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.song import Song
from lightpeer.core.queue.entries import MAX_ENTRIES
from tests.core.mpd.remote import BARE, BLUE, SONGS, VU, Remote, files, uri

FOREIGN = "only tracks of this network are played: give loud:… or Search/WORDS"
B, R, V, C = (song.title for song in SONGS)


def numbered(remote: Remote) -> list[int]:
    return list(remote.speaker.queue.entries.ids)


def playing(place: int) -> Remote:
    remote = Remote().queued()
    remote.says(f"play {place}")
    return remote


# Adding.


def test_tracks_are_added_by_uri_seen_or_not():
    remote = Remote()
    assert remote.says(f'add "{BLUE.uri}"') == []
    assert remote.says(f"addid {uri(9)}") == ["Id: 2"]
    assert remote.says("playlist") == [f"0:file: {BLUE.uri}", f"1:file: {uri(9)}"]
    assert remote.titles == [B, ""]
    assert len(remote.speaker.catalogue) == len(SONGS)


def test_folders_are_added_whole():
    remote = Remote()
    remote.says("add Albums/Ada")
    assert remote.titles == [R, B]
    remote.says('add "/" 0')
    assert len(remote.titles) == 6
    remote.speaker.catalogue.note_search("x", [VU, BARE], remote.now_s)
    remote.says("clear")
    remote.says("add Search/x")
    assert remote.titles == [V, C]


@pytest.mark.parametrize(
    ("position", "titles"),
    [
        ("", [B, R, V, C, B]),
        ("0", [B, B, R, V, C]),
        ("4", [B, R, V, C, B]),
        ("+0", [B, R, B, V, C]),
        ("+2", [B, R, V, C, B]),
        ("-0", [B, B, R, V, C]),
        ("-1", [B, B, R, V, C]),
    ],
)
def test_a_place_is_counted_from_the_beginning_or_the_song_that_is_due(position, titles):
    remote = playing(1)
    assert remote.says(f"addid {BLUE.uri} {position}") == ["Id: 5"]
    assert remote.titles == titles


def test_what_is_added_is_not_forgotten_soon():
    remote = Remote()
    remote.says(f"add {BARE.uri}")
    assert next(iter(remote.speaker.catalogue)).title == C


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("add nope", (50, "No such directory")),
        ("add Search/nope", (50, "No such directory")),
        ("add http://pi/x.mp3", (50, FOREIGN)),
        ("addid http://pi/x.mp3", (50, FOREIGN)),
        ("addid Albums", (50, "No such song")),
        ("addid loud:abc", (50, "no track has such an id: copy it whole, it looks like loud:8FxR…")),
        (f"addid {uri(1)} 5", (2, "Bad song index")),
        (f"addid {uri(1)} +3", (2, "Bad song index")),
        (f"addid {uri(1)} -2", (2, "Bad song index")),
        (f"addid {uri(1)} x", (2, "Integer expected: x")),
        ("delete 4", (2, "Bad song index")),
        ("delete 5:", (2, "Bad song index")),
        ("deleteid 9", (50, "No such song")),
        ("move 4 0", (2, "Bad song index")),
        ("move 0 4", (2, "Bad song index")),
        ("move 1 +0", (2, "Cannot move current song relative to itself")),
        ("moveid 2 -0", (2, "Cannot move current song relative to itself")),
        ("moveid 9 0", (50, "No such song")),
        ("swap 0 4", (2, "Bad song index")),
        ("swapid 1 9", (50, "No such song")),
        ("shuffle 5:", (2, "Bad song index")),
        ("playlistinfo 4", (2, "Bad song index")),
        ("playlistid 9", (50, "No such song")),
        ("plchanges x", (2, "Integer expected: x")),
        ("playlistfind artist", (2, "Incorrect number of filter arguments")),
    ],
)
def test_what_makes_no_sense_is_refused(line, fault):
    remote = playing(1)
    assert remote.fails(line) == fault
    assert numbered(remote) == [1, 2, 3, 4]


def test_without_a_song_that_is_due_no_place_is_counted_from_it():
    assert Remote().queued().fails(f"addid {uri(1)} +0") == (55, "No current song")


def test_a_full_queue_takes_nothing():
    remote = Remote()
    remote.speaker.queue.add(["x"] * MAX_ENTRIES)
    code, message = remote.fails(f"add {uri(1)}")
    assert (code, "remove some first" in message) == (51, True)


# Removing and moving.


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        ("delete 0", [2, 3, 4]),
        ("delete 1:3", [1, 4]),
        ("delete 2:", [1, 2]),
        ("delete 4:", [1, 2, 3, 4]),
        ("deleteid 3", [1, 2, 4]),
        ("clear", []),
        ("move 0 2", [2, 3, 1, 4]),
        ("move 2: 0", [3, 4, 1, 2]),
        ("move 3 +0", [1, 2, 4, 3]),
        ("move 0 +0", [2, 1, 3, 4]),
        ("move 3 -0", [1, 4, 2, 3]),
        ("moveid 4 0", [4, 1, 2, 3]),
        ("swap 0 3", [4, 2, 3, 1]),
        ("swap 3 0", [4, 2, 3, 1]),
        ("swap 1 1", [1, 2, 3, 4]),
        ("swapid 2 3", [1, 3, 2, 4]),
        ("shuffle", [2, 1, 3, 4]),
        ("shuffle 2:4", [1, 2, 3, 4]),
    ],
)
def test_entries_are_removed_and_moved(line, ids):
    remote = playing(1)
    assert remote.says(line) == []
    assert numbered(remote) == ids


def test_a_shuffle_of_some_leaves_the_others():
    remote = Remote().queued()
    remote.speaker.queue._pick = lambda below: 0
    remote.says("shuffle 1:4")
    assert numbered(remote) == [1, 3, 4, 2]


# Showing.


def test_the_queue_is_shown_whole_or_in_part():
    remote = Remote().queued()
    assert files(remote.says("playlistinfo")) == files(remote.says("playlistid")) == [B, R, V, C]
    assert files(remote.says("playlistinfo 1")) == [R]
    assert files(remote.says("playlistinfo 2:9")) == [V, C]
    assert files(remote.says("playlistinfo -1")) == [B, R, V, C]
    shown = remote.says("playlistid 3")
    assert (files(shown), shown[-2:]) == ([V], ["Pos: 2", "Id: 3"])


def test_what_is_still_to_be_found_is_shown_by_its_words():
    remote = Remote()
    remote.speaker.queue.add(["copper rain"])
    assert remote.says("playlistinfo") == ["file: copper rain", "Format: 48000:16:2", "Pos: 0", "Id: 1"]


def test_changes_since_a_version():
    remote = Remote().queued()
    assert remote.says("plchanges 2") == []
    remote.says("move 3 2")
    assert remote.says("plchangesposid 2") == ["cpos: 2", "Id: 4", "cpos: 3", "Id: 3"]
    assert files(remote.says("plchanges 2")) == [C, V]
    assert files(remote.says('plchanges "0"')) == [B, R, C, V]
    assert files(remote.says("plchanges 999")) == [B, R, C, V]
    assert files(remote.says("plchanges 0 1:3")) == [R, C]
    assert remote.says("plchangesposid 0 9:") == []


def test_the_queue_is_searched():
    remote = Remote().queued().queued(BLUE)
    assert files(remote.says("playlistfind artist Ada")) == [B, R, B]
    assert files(remote.says("playlistfind artist ada")) == []
    assert files(remote.says("playlistsearch any ADA sort -title")) == [R, B, B]
    assert files(remote.says("playlistfind \"(artist == 'Ada')\" sort title window 1:3")) == [B, R]
    found = remote.says("playlistfind title Copper")
    assert found[-2:] == ["Pos: 3", "Id: 4"]
    assert files(remote.says("playlistfind base Albums/Various")) == [V]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("add Search/a/b", "a/b"),
        (f"add {uri(1)}", ""),
        ("add Albums", ""),
        ("addid Search/a", ""),
        ("clear", ""),
    ],
)
def test_adding_a_folder_of_a_search_asks_the_network(line, words):
    assert Remote().asks(line) == words


def test_a_title_of_a_stranger_begins_no_line():
    remote = Remote(Song(uri(1), "x\nOK\nACK [5@0] {} y"))
    remote.says(f"add {uri(1)}")
    assert "Title: x OK ACK [5@0] {} y" in remote.says("playlistinfo")
