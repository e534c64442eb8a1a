"""Songs as clients are shown them."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.song import TAGS, Song, checked_tag, song_lines, tag_named, value_of
from lightpeer.core.mpd.wire import Ack
from lightpeer.errors import CommandError
from tests.core.mpd.remote import BARE, BLUE, START_S, STARTED, VU


def test_a_song_has_its_lines_in_mpds_order():
    assert song_lines(BLUE._replace(added_s=START_S), TAGS, (3, 17)) == [
        f"file: {BLUE.uri}",
        f"Last-Modified: {STARTED}",
        f"added: {STARTED}",
        "Format: 48000:16:2",
        "Artist: Ada",
        "Album: Colours",
        "Title: Blue Rain",
        "Track: 2",
        "Disc: 1",
        "Date: 1999",
        "Time: 182",
        "duration: 181.500",
        "Pos: 3",
        "Id: 17",
    ]


def test_what_is_not_known_is_left_out_and_so_are_tags_that_are_not_wanted():
    assert song_lines(Song("copper rain"), TAGS) == ["file: copper rain", "Format: 48000:16:2"]
    assert song_lines(VU, {"Title"})[2:] == ["Title: Déjà vu", "Time: 200", "duration: 200.000"]
    assert song_lines(BARE, ())[2:] == ["Time: 30", "duration: 30.000"]


def test_the_albums_artist_is_the_artist_unless_named():
    assert [value_of(song, "AlbumArtist") for song in (BLUE, VU, BARE)] == ["Ada", "Various", ""]
    assert "AlbumArtist: Ada" not in song_lines(BLUE, TAGS)
    assert "AlbumArtist: Various" in song_lines(VU, TAGS)


def test_other_tags_are_empty_or_what_they_are_taken_to_be():
    assert [value_of(VU, tag) for tag in ("Genre", "Name", "TitleSort", "AlbumArtistSort")] == [
        "", "", "Déjà vu", "Various",
    ]  # fmt: skip
    assert value_of(BLUE, "AlbumArtistSort") == "Ada"


def test_tags_are_named_in_any_case():
    assert [tag_named(text) for text in ("albumARTIST", "Date", "GENRE", "Mpaa")] == [
        "AlbumArtist", "Date", "Genre", None,
    ]  # fmt: skip
    assert checked_tag("title") == "Title"
    with pytest.raises(CommandError, match="Unknown tag type: mpaa") as refusal:
        checked_tag("mpaa")
    assert refusal.value.code == Ack.ARG
