"""Choosing, between processes: by number, album, playlist, favourite; files by name; screens of any width."""

from __future__ import annotations

import re

import pytest

from lightpeer.console.text import width
from lightpeer.core.content.album import AlbumPlace
from lightpeer.serve.importing.ingest import Recipe, make_track
from lightpeer.serve.importing.tags import Tags
from tests.process.conftest import SHORT, Client
from tests.process.harness import OnTerminal, Server, together
from tests.serve.media import write_wav

ALBUM = [
    ("Second Song", "Somebody", AlbumPlace(2, 1, 2, "Several", 1999)),
    ("First Song", "Guest", AlbumPlace(1, 1, 2, "Several", 1999)),
    ("Of Disc Two", "Somebody", AlbumPlace(1, 2, 1, "Several", 1999)),
    ("\u6771\u4eac Song", "\u5c71\u7530", AlbumPlace(9)),
]
UNKNOWN = "loud:4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with an album of three tracks on two discs, and one track of another."""
    folder = tmp_path_factory.mktemp("albums")
    (folder / "music").mkdir()
    for number, (title, artist, place) in enumerate(ALBUM):
        made = folder / str(number)
        made.mkdir()
        album = "Flood" if place.disc else ""
        tags = Tags(title, artist, album, place=place)
        make_track(write_wav(folder / "x.wav", 1.5 + number / 10), tags, Recipe((24,), 0), made)
        (made / "0.opus").rename(folder / "music" / f"{number}.opus")
    with Server(folder / "server", folder / "music", ladder="24") as serving:
        yield serving


@pytest.fixture
def listener(tmp_path, server):
    return Client(tmp_path, server)


def played(result) -> list[str]:
    return [event["title"] for event in result.events if event["event"] == "playing"]


def play(listener, *arguments):
    return listener.run("play", *arguments, "--json", "--output", "wav:x.wav")


def test_words_are_one_query_however_many_arguments_they_are(client):
    result = client.run("play", *SHORT.split(), "--json", "--output", "wav:x.wav")
    assert (result.status, played(result)) == (0, [SHORT])


def test_numbers_take_from_the_list_shown_last(listener):
    found = [event["title"] for event in listener.run("search", "song", "--json").events]
    assert len(found) == 3
    assert played(play(listener, "2-3", "1")) == [found[1], found[2], found[0]]
    assert "has 3 tracks, no 4" in play(listener, "4").sentence
    listed = listener.run("history").out.decode().splitlines()
    assert [line.split("  ")[-1] for line in listed] == [
        event["uri"]
        for title in (found[0], found[2], found[1])
        for event in [listener.find(f'title:"{title}"')]
    ]


def test_an_album_is_played_in_its_order_and_shuffled_all_the_same(listener):
    in_order = ["First Song", "Second Song", "Of Disc Two"]
    assert played(play(listener, "--album", "flood")) == in_order
    assert sorted(played(play(listener, "--artist", "several", "--shuffle"))) == sorted(in_order)
    assert played(play(listener, "artist:guest", "song")) == ["First Song"]
    assert len(played(play(listener, "song", "--all"))) == 3


def test_one_wrong_letter_is_forgiven_and_said(listener):
    result = play(listener, "secnod", "song")
    assert (result.status, played(result)) == (0, ["Second Song"])
    assert result.sentence == "nothing found for 'secnod song': this is 'second song'"


def test_playlists_out_and_in(listener):
    text = listener.run("search", "song", "--m3u").out
    (listener.folder / "mix.m3u8").write_bytes(text + b"/some/file.mp3\n")
    result = play(listener, "mix.m3u8")
    assert (result.status, len(played(result))) == (0, 3)
    assert "1 entries that are no loud: ids" in result.sentence


def test_favourites(listener):
    listener.run("search", "song")
    assert listener.run("favourite", "1,3").status == 0
    assert listener.run("favourite", "disc", "two").status == 0
    titles = [event["label"] for event in listener.run("favourite", "--json").events]
    assert titles[-1] == "Somebody - Of Disc Two"
    assert len(titles) == 3
    assert len(played(play(listener, "--favourites"))) == 3
    listener.run("favourite", "--remove", "1-2")
    assert [event["label"] for event in listener.run("favourite", "--json").events] == titles[2:]


def test_one_that_is_missing_among_several_gives_a_status_and_the_others(listener):
    uri = listener.find("disc two")["uri"]
    result = play(listener, UNKNOWN, uri)
    assert (result.status, played(result)) == (4, ["Of Disc Two"])
    fetched, pinned = together(
        lambda: listener.run("fetch", UNKNOWN, uri, "--name", "{title}"),
        lambda: listener.run("pin", UNKNOWN, uri, "--state", "other"),
    )
    assert (fetched.status, pinned.status) == (4, 4)
    assert UNKNOWN in fetched.sentence
    assert UNKNOWN in pinned.sentence
    assert (listener.folder / "Of Disc Two.opus").exists()


class TestFetch:
    def test_an_album_goes_into_folders(self, listener):
        (listener.folder / "to").mkdir()
        command = ["fetch", "--album", "flood", "--dir", "to", "--json"]
        done = listener.run(*command)
        assert [event["event"] for event in done.events] == ["fetched"] * 3
        to = listener.folder / "to"
        names = {str(path.relative_to(to)) for path in to.rglob("*.opus")}
        folder = "Several/Flood"
        assert names == {
            f"{folder}/01 First Song.opus",
            f"{folder}/02 Second Song.opus",
            f"{folder}/2-01 Of Disc Two.opus",
        }
        assert [event["event"] for event in listener.run(*command).events] == ["there"] * 3

    def test_a_track_is_named_by_artist_and_title_or_goes_to_standard_output(self, listener):
        assert listener.run("fetch", "first", "song").status == 0
        data = (listener.folder / "Guest - First Song.opus").read_bytes()
        piped = listener.run("fetch", "first", "song", "-o", "-")
        assert (piped.status, piped.out) == (0, data)
        assert piped.err.startswith("-: ")


@pytest.mark.parametrize(
    ("columns", "world"),
    [(20, {}), (40, {}), (80, {}), (200, {}), (40, {"LC_ALL": "C", "LANG": "C"}), (20, {"TERM": "dumb"})],
    ids=str,
)
def test_no_line_is_wrapped(listener, columns, world):
    commands = (
        ["search", "song", "--limit", "2"],
        ["play", "1", "--output", "wav:x.wav"],
        ["history"],
        ["favourite", "1"],
        ["favourite"],
        ["fetch", "1"],
        ["pin", "1"],
    )
    for command in commands:
        with OnTerminal(*listener.common, *command, cwd=listener.folder, columns=columns, **world) as shown:
            assert shown.end() == 0, shown.shown
        lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.shown))
        assert max(map(width, lines)) < columns, (command, lines)


def test_the_person_chooses(listener):
    pick = ["play", "--pick", "song", "--output", "wav:x.wav", "-q"]
    with OnTerminal(*listener.common, *pick, cwd=listener.folder) as shown:
        shown.wait_for("Enter for 1: ")
        shown.press("9\n")
        shown.wait_for("a number from 1 to 3")
        shown.wait_for("Enter for 1: ")
        shown.press("2\n")
        assert shown.end() == 0
    with OnTerminal(*listener.common, *pick, cwd=listener.folder) as shown:
        shown.wait_for("Enter for 1: ")
        shown.press("\x03")
        assert shown.end() == 130
        assert shown.shown.replace("^C", "") == "\r\n"
        assert shown.is_restored
    with OnTerminal(*listener.common, *pick, cwd=listener.folder, columns=40) as shown:
        shown.wait_for("? ")
        assert max(map(width, re.split(r"[\r\n]+", shown.shown))) < 40
        shown.press("\x04")
        assert shown.end() == 2
        assert "nothing was chosen" in shown.shown
