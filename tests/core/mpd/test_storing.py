"""The commands on stored playlists."""

from __future__ import annotations

import pytest

from lightpeer.core.content.playlist import Entry
from tests.core.mpd.remote import BLUE, RED, SONGS, START_S, STARTED, Remote, files, uri

B, R, V, C = (song.title for song in SONGS)


def kept() -> Remote:
    """A remote whose speaker has all songs in a playlist, `mine`."""
    remote = Remote().queued()
    remote.says("save mine")
    remote.says("clear")
    remote.changed.clear()
    return remote


def listed(remote: Remote, name: str = "mine") -> list[str]:
    return files(remote.says(f"listplaylist {name}"))


def test_the_queue_is_kept():
    remote = Remote().queued()
    assert remote.says("save mine") == []
    assert remote.says("listplaylists") == ["playlist: mine", f"Last-Modified: {STARTED}"]
    assert listed(remote) == [B, R, V, C]
    assert remote.speaker.playlists.get("mine").entries[1] == Entry(RED.uri, "Ada - Red Sun", 60)
    assert remote.changed == ["stored_playlist"]


def test_the_queue_is_kept_anew_at_the_end_or_in_place():
    remote = kept().queued(RED)
    assert remote.fails("save mine") == remote.fails("save mine create") == (56, "Playlist already exists")
    remote.says("save mine append")
    assert listed(remote) == [B, R, V, C, R]
    remote.says("save mine replace")
    assert listed(remote) == [R]
    assert remote.fails("save other append") == remote.fails("save other replace") == (50, "No such playlist")
    assert remote.fails("save mine anyhow")[0] == 2


@pytest.mark.parametrize(
    ("line", "titles"),
    [
        ("load mine", [C, B, R, V, C]),
        ("load mine 1:3", [C, R, V]),
        ("load mine 1", [C, R]),
        ("load mine 2: 0", [V, C, C]),
        ("load mine 0:1 +0", [C, B]),
        ("load mine 9:", [C]),
    ],
)
def test_a_list_is_loaded(line, titles):
    remote = kept().queued(SONGS[3])
    remote.says("play 0")
    assert remote.says(line) == []
    assert remote.titles == titles


def test_what_was_not_seen_is_known_by_its_label():
    remote = Remote(BLUE)
    entries = [Entry(uri(7), "Cleo - Far - Away", 61), Entry(uri(8), "Alone"), Entry(BLUE.uri, "else", 9)]
    remote.speaker.playlists.put("mine", entries, START_S)
    shown = remote.says("listplaylistinfo mine")
    assert [line for line in shown if line.startswith(("Artist", "Title", "Time"))] == [
        "Artist: Cleo", "Title: Far - Away", "Time: 61",
        "Title: Alone",
        "Artist: Ada", "Title: Blue Rain", "Time: 182",
    ]  # fmt: skip
    remote.says("load mine")
    assert remote.titles == ["Far - Away", "Alone", "Blue Rain"]
    assert remote.says("playlistlength mine") == ["songs: 3", "playtime: 70"]


def test_parts_are_shown():
    remote = kept()
    assert (
        files(remote.says("listplaylist mine 1:3"))
        == files(remote.says("listplaylistinfo mine 1:3"))
        == [R, V]
    )
    assert files(remote.says("searchplaylist mine artist ada")) == [B, R]
    assert files(remote.says("searchplaylist mine \"(Artist == 'ada')\" window 1:")) == [R]
    assert files(remote.says("searchplaylist mine base Albums/Various")) == [V]


@pytest.mark.parametrize(
    ("line", "titles"),
    [
        (f"playlistadd mine {RED.uri}", [B, R, V, C, R]),
        (f"playlistadd mine {RED.uri} 0", [R, B, R, V, C]),
        ("playlistadd mine Albums/Ada 1", [B, R, B, R, V, C]),
        ("playlistdelete mine 0", [R, V, C]),
        ("playlistdelete mine 1:3", [B, C]),
        ("playlistmove mine 0 2", [R, V, B, C]),
        ("playlistmove mine 2:4 0", [V, C, B, R]),
        ("playlistclear mine", []),
    ],
)
def test_a_list_is_edited(line, titles):
    remote = kept()
    remote.now_s += 60
    assert remote.says(line) == []
    assert (listed(remote), remote.changed) == (titles, ["stored_playlist"])
    assert remote.speaker.playlists.get("mine").changed_s == START_S + 60


def test_a_list_begins_with_its_first_track_or_empty():
    remote = Remote()
    remote.says(f"playlistadd mine {BLUE.uri}")
    remote.says("playlistclear other")
    assert (listed(remote), listed(remote, "other")) == ([B], [])
    assert remote.fails(f"playlistadd mine {BLUE.uri} 2") == (2, "Number too large: 2")


def test_lists_are_removed_and_renamed():
    remote = kept()
    assert remote.says("rename mine yours") == remote.says("rm yours") == []
    assert (remote.speaker.playlists.names, remote.changed) == ([], ["stored_playlist"] * 2)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("load nope", (50, "No such playlist")),
        ("load mine x", (2, "Integer or range expected: x")),
        ("load mine 0: +0", (55, "No current song")),
        ("listplaylist nope", (50, "No such playlist")),
        ("listplaylistinfo nope", (50, "No such playlist")),
        ("playlistlength nope", (50, "No such playlist")),
        ("searchplaylist nope any x", (50, "No such playlist")),
        ("rm nope", (50, "No such playlist")),
        ("rename nope other", (50, "No such playlist")),
        ("playlistdelete mine 4", (2, "Bad song index")),
        ("playlistmove mine 0 4", (2, "Number too large: 4")),
        ("playlistadd mine nope", (50, "No such directory")),
    ],
)
def test_what_makes_no_sense_is_refused(line, fault):
    remote = kept()
    assert remote.fails(line) == fault
    assert (listed(remote), remote.titles, remote.changed) == ([B, R, V, C], [], [])


def test_a_name_that_no_file_can_have_is_refused():
    code, message = Remote().fails('save "a/b"')
    assert (code, message.startswith("playlist name is invalid")) == (2, True)


def test_adding_a_search_asks_the_network():
    remote = Remote()
    assert remote.asks('playlistadd mine "Search/far away"') == "far away"
    assert remote.asks("playlistadd mine Albums") == ""
