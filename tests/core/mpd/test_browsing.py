"""The commands that search and browse, as clients send them."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.catalogue import FRESH_S, Catalogue
from tests.core.mpd.remote import BARE, BLUE, RED, SONGS, START_S, STARTED, VU, Remote, files

B, R, V, C = (song.title for song in SONGS)


# Searching.


@pytest.mark.parametrize(
    ("line", "titles"),
    [
        ("search any rain", [B]),
        ('search any "ada blue"', [B]),
        ("search title U", [B, R, V]),
        ("search artist ada album colours", [B, R]),
        ("search file loud: sort title window 1:3", [C, V]),
        ("search \"(any contains 'DEJA')\"", [V]),
        ("search \"((Artist == 'ada') AND (!(Title == 'red sun')))\"", [B]),
        ("find artist Ada", [B, R]),
        ("find artist ada", []),
        ('find Artist Ada Album Colours Date ""', []),
        ('find Artist "" Album ""', [C]),
        ("find \"(Artist == 'Ada')\" sort Track window 0:1", [R]),
        ('find base Albums/Ada title "Red Sun"', [R]),
        (f"find file {BARE.uri}", [C]),
        ("find any Ada", [B, R]),
    ],
)
def test_songs_are_found(line, titles):
    assert files(Remote().says(line)) == titles


def test_songs_are_added_as_they_are_found():
    remote = Remote()
    remote.says("searchadd any ada sort title")
    assert remote.titles == [B, R]
    remote.says('findadd title Copper position "0"')
    assert remote.titles == [C, B, R]
    assert remote.fails("findadd title Copper position 9") == (2, "Bad song index")


def test_songs_are_put_into_a_playlist_as_they_are_found():
    remote = Remote()
    remote.says("searchaddpl mine artist ada sort track")
    remote.says("searchaddpl mine title copper")
    assert files(remote.says("listplaylist mine")) == [R, B, C]
    assert remote.changed == ["stored_playlist"] * 2
    assert [entry.label for entry in remote.speaker.playlists.get("mine").entries] == [
        "Ada - Red Sun", "Ada - Blue Rain", "Copper",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("search any rain", "rain"),
        ("search title Blue artist Ada", "Blue Ada"),
        ("search any rain sort title window 0:5", "rain"),
        ("searchadd any rain position 0", "rain"),
        ("searchaddpl mine any rain", "rain"),
        ("find artist Ada", ""),
        ("find artist Cleo", "Cleo"),
        ("findadd \"(artist == 'Cleo')\"", "Cleo"),
        ("find date 1980", ""),
        ("find \"(artist != 'Ada')\"", ""),
        ("search file loud:", ""),
        ("search mpaa x", ""),
        ("search", ""),
        ("searchcount any rain", ""),
        ("count artist Cleo", ""),
        ("list album artist Cleo", ""),
        ("lsinfo Search/rain", "rain"),
        ("listall Search/rain", "rain"),
        ("listallinfo Search/rain", "rain"),
        ("lsinfo", ""),
        ("lsinfo Albums", ""),
    ],
)
def test_what_the_network_is_asked_for(line, words):
    assert Remote().asks(line) == words


def test_the_network_is_not_asked_twice():
    remote = Remote()
    remote.speaker.catalogue.note_search("Rain", [BLUE], START_S)
    assert remote.asks("search any rain") == ""
    remote.now_s += FRESH_S
    assert remote.asks("search any rain") == "rain"


# Counting.


def test_songs_are_counted():
    remote = Remote()
    assert remote.says("count artist Ada") == ["songs: 2", "playtime: 242"]
    assert remote.says("count") == ["songs: 4", "playtime: 472"]
    assert remote.says("searchcount artist ada") == ["songs: 2", "playtime: 242"]
    assert remote.says("count group artist") == [
        "Artist: ", "songs: 1", "playtime: 30",
        "Artist: Ada", "songs: 2", "playtime: 242",
        "Artist: Bo & Co", "songs: 1", "playtime: 200",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("list Artist", ["Artist: ", "Artist: Ada", "Artist: Bo & Co"]),
        ("list genre", ["Genre: "]),
        ("list album Ada", ["Album: Colours"]),
        ("list album artist Ada", ["Album: Colours"]),
        ("list title artist Ada", ["Title: Blue Rain", "Title: Red Sun"]),
        ("list date", ["Date: ", "Date: 1999", "Date: 2004"]),
        ("list title window 1:3", ["Title: Copper", "Title: Déjà vu"]),
        ("list album \"(Artist == 'Ada')\"", ["Album: Colours"]),
        (f"list file title {C}", [f"file: {BARE.uri}"]),
        (
            "list title \"(Album != '')\" group albumartist group album",
            ["AlbumArtist: Ada", "Album: Colours", "Title: Blue Rain", "Title: Red Sun",
             "AlbumArtist: Various", "Album: Best of", "Title: Déjà vu"],
        ),
        ("list title artist Ada group date group track",
         ["Date: 1999", "Track: 1", "Title: Red Sun", "Track: 2", "Title: Blue Rain"]),
    ],
)  # fmt: skip
def test_values_are_listed(line, lines):
    assert Remote().says(line) == lines


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("list mpaa", (2, "Unknown tag type: mpaa")),
        ("list title Ada", (2, 'should be "Album" for 3 arguments')),
        ("list album group album", (2, "Conflicting group")),
        ("list album artist Ada title", (2, "Incorrect number of filter arguments")),
        ("count group mpaa", (2, "Unknown tag type: mpaa")),
        ("search mpaa x", (2, "Unknown filter type: mpaa")),
        ("search", (2, 'wrong number of arguments for "search"')),
        ("lsinfo nope", (50, "No such directory")),
        ("lsinfo Search/nope", (50, "No such directory")),
        ("listall nope", (50, "No such directory")),
        ("listallinfo loud:nope", (50, "no track has such an id: copy it whole, it looks like loud:8FxR…")),
    ],
)
def test_what_makes_no_sense_is_refused(line, fault):
    assert Remote().fails(line) == fault


# Browsing.


def test_the_root_has_folders_and_playlists():
    remote = Remote()
    folders = ["directory: Albums", "directory: Recent", "directory: Search"]
    assert remote.says("lsinfo") == folders
    remote.queued().says("save mine")
    playlists = ["playlist: mine", f"Last-Modified: {STARTED}"]
    assert remote.says("lsinfo") == remote.says('lsinfo ""') == remote.says("lsinfo /") == folders + playlists
    assert remote.says("lsinfo Albums") == ["directory: Albums/Ada", "directory: Albums/Various"]
    remote.says("protocol enable hide_playlists_in_root")
    assert remote.says("lsinfo") == folders


def test_folders_have_songs():
    remote = Remote()
    remote.speaker.catalogue.note_search("x", [VU, RED], START_S)
    assert files(remote.says("lsinfo Search/x")) == [V, R]
    assert files(remote.says("lsinfo Albums/Ada/Colours")) == [R, B]
    assert "Title: Red Sun" in remote.says(f"lsinfo {RED.uri}")
    assert remote.says("lsinfo Search") == ["directory: Search/x"]


def test_an_empty_catalogue_is_no_mistake():
    remote = Remote(BLUE)
    remote.speaker.catalogue = Catalogue()
    for line in ("lsinfo Albums", "lsinfo Recent", "listall Recent", "list album", "find any x"):
        assert remote.says(line) == []
    assert remote.says("listallinfo") == remote.says("lsinfo") != []


def test_all_is_listed():
    remote = Remote()
    folders = ["directory: Albums", "directory: Recent", "directory: Search"]
    assert remote.says("listall") == folders + [f"file: {song.uri}" for song in SONGS]
    assert remote.says("listall Recent") == [f"file: {song.uri}" for song in SONGS]
    info = remote.says("listallinfo")
    assert (files(info), info[:3]) == ([B, R, V, C], folders)
    assert "Title: Copper" in info


def test_no_track_has_a_picture():
    remote = Remote()
    assert remote.says(f"readpicture {BLUE.uri} 0") == []
    assert remote.fails(f"albumart {BLUE.uri} 0") == (50, "No file exists")
    for command in ("readpicture", "albumart"):
        assert remote.fails(f"{command} {BLUE.uri} x") == (2, "Integer expected: x")
    assert remote.fails("readpicture nope 0") == (50, "No such directory")


# The catalogue as a whole.


def test_the_figures_are_never_all_zero():
    remote = Remote()
    remote.now_s += 90.7
    assert remote.says("stats") == [
        "uptime: 90", "artists: 3", "albums: 2", "songs: 4", "db_playtime: 472", f"db_update: {START_S:.0f}",
    ]  # fmt: skip
    remote.speaker.catalogue = Catalogue()
    remote.now_s = START_S - 5
    assert remote.says("stats")[0] == "uptime: 0"
    assert remote.says("stats")[-1] == f"db_update: {START_S:.0f}"


def test_an_update_is_over_at_once():
    remote = Remote()
    assert remote.says("update") == ["updating_db: 1"]
    assert remote.says("rescan Albums") == ["updating_db: 2"]
    assert remote.changed == ["update", "database"] * 2
