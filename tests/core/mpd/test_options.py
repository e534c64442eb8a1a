"""What follows a filter."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.arguments import Range
from lightpeer.core.mpd.options import Options, arranged, split_options
from lightpeer.errors import CommandError
from tests.core.mpd.remote import BARE, BLUE, RED, SONGS, VU

ALL = ("sort", "window", "group", "position")


def test_options_follow_in_any_number():
    words = ["any", "x", "sort", "-Title", "window", "0:5", "position", "+1"]
    assert split_options(words, *ALL) == (["any", "x"], Options("Title", True, Range(0, 5), (), "+1"))
    assert split_options(["group", "artist", "group", "ALBUM"], *ALL) == (
        [],
        Options(groups=("Artist", "Album")),
    )
    assert split_options(["any", "x"], *ALL) == (["any", "x"], Options())


def test_only_those_that_a_command_has():
    words = ["title", "x", "window", "0:5"]
    assert split_options(words, "sort") == (words, Options())


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("artistsort", "ArtistSort"),
        ("AlbumArtist", "AlbumArtist"),
        ("Last-Modified", "added"),
        ("added", "added"),
    ],
)
def test_what_is_sorted_by(word, tag):
    assert split_options(["sort", word], *ALL)[1].sort == tag


def test_what_makes_no_sense_is_refused():
    with pytest.raises(CommandError, match="Unknown sort tag: -Mpaa"):
        split_options(["sort", "-Mpaa"], *ALL)
    with pytest.raises(CommandError, match="Unknown tag type: Mpaa"):
        split_options(["group", "Mpaa"], *ALL)


def test_songs_are_sorted_and_cut():
    def titles(options: Options) -> list[str]:
        return [song.title for song in arranged(SONGS, options, lambda song: song)]

    assert titles(Options()) == [song.title for song in SONGS]
    assert titles(Options("Title")) == ["Blue Rain", "Copper", "Déjà vu", "Red Sun"]
    assert titles(Options("Title", is_descending=True)) == ["Red Sun", "Déjà vu", "Copper", "Blue Rain"]
    assert titles(Options("Track")) == ["Copper", "Red Sun", "Blue Rain", "Déjà vu"]
    assert titles(Options("Title", window=Range(1, 3))) == ["Copper", "Déjà vu"]
    assert titles(Options("Title", window=Range(9, 12))) == []


def test_songs_are_sorted_by_the_time_when_they_were_added():
    songs = [BLUE._replace(added_s=3.0), RED._replace(added_s=1.0), VU._replace(added_s=2.0), BARE]
    added = arranged(songs, Options("added", is_descending=True), lambda song: song)
    assert [song.added_s for song in added] == [3.0, 2.0, 1.0, 0.0]
