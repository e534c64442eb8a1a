from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.album import AlbumPlace
from lightpeer.serve.importing.tags import (
    MAX_TEXT_CHARS,
    Tags,
    _place_of,
    _tidy,
    gain_from_tags,
    read_tags,
    tags_from_name,
    tags_from_path,
)
from tests.serve.cues import write_cue
from tests.serve.media import fixture, write_opus, write_wav


def test_stored_tags(tmp_path):
    assert read_tags(fixture("tone.flac", tmp_path)) == Tags("Söndag", "Åsa", "Vår", round(-6.5 * 256))
    assert read_tags(write_opus(tmp_path / "x.opus")) == Tags("Prélude")


def test_the_name_where_there_are_none(tmp_path):
    assert read_tags(write_wav(tmp_path / "Someone - Something.wav")) == Tags("Something", "Someone")


@pytest.mark.parametrize(
    "content", [b"", b"fLaC", b"fLaC\x84\xff\xff\xff", b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"\0" * 99]
)
def test_a_broken_file_goes_by_its_name(tmp_path, content):
    path = tmp_path / "07 - Broken.flac"
    path.write_bytes(content)
    assert read_tags(path) == Tags("Broken")


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("Artist - Title.mp3", Tags("Title", "Artist")),
        ("01. Artist - Title - Live.mp3", Tags("Title - Live", "Artist")),
        ("07 Title.mp3", Tags("Title")),
        ("12. Title.mp3", Tags("Title")),
        ("99 Luftballons.mp3", Tags("99 Luftballons")),
        ("50 Cent - In da Club.mp3", Tags("In da Club", "50 Cent")),
        ("1999.mp3", Tags("1999")),
        ("A_Title_with_lines.ogg", Tags("A Title with lines")),
        (" - .ogg", Tags("-")),
        ("03 - .ogg", Tags("-")),
        ("\n.ogg", Tags("untitled")),
    ],
)
def test_tags_from_name(name, tags):
    assert tags_from_name(Path(name)) == tags


def test_a_number_that_the_file_beside_it_goes_on_with_is_a_tracks(tmp_path):
    (tmp_path / "12 Title.mp3").touch()
    assert tags_from_name(tmp_path / "12 Title.mp3") == Tags("12 Title")
    (tmp_path / "13_Other.mp3").touch()
    os.utime(tmp_path, ns=(7, 7))  # two changes may fall into one tick of the clock
    assert tags_from_name(tmp_path / "12 Title.mp3") == Tags("Title")
    assert tags_from_name(tmp_path / "13_Other.mp3") == Tags("Other")


ROOTS = [Path("/music"), Path("/more")]


@pytest.mark.parametrize(
    ("path", "tags"),
    [
        ("/music/Band/Album/07 Song.mp3", Tags("Song", "Band", "Album", place=AlbumPlace(7))),
        (
            "/more/Rock/The_Band/An_Album/1. Song.mp3",
            Tags("Song", "The Band", "An Album", place=AlbumPlace(1)),
        ),
        ("/music/Band/Album/CD 2/07 Song.mp3", Tags("Song", "Band", "Album", place=AlbumPlace(7, 2))),
        ("/music/Band/Album/disc-1/07 Song.mp3", Tags("Song", "Band", "Album", place=AlbumPlace(7, 1))),
        (
            "/music/Various/Hits/07 Band - Song.mp3",
            Tags("Song", "Band", "Hits", place=AlbumPlace(7, album_artist="Various")),
        ),
        ("/music/Band/Album/Song.mp3", Tags("Song")),
        ("/music/Band/Album/99 Luftballons.mp3", Tags("99 Luftballons")),
        ("/music/Band/Album/Band - Song.mp3", Tags("Song", "Band")),
        ("/music/Album/07 Song.mp3", Tags("Song")),
        ("/music/Album/CD2/07 Song.mp3", Tags("Song")),
        ("/music/07 Song.mp3", Tags("Song")),
        ("/music/Band/ /07 Song.mp3", Tags("Song", "Band", "", place=AlbumPlace(7))),
        ("/elsewhere/Band/Album/07 Song.mp3", Tags("Song")),
    ],
)
def test_what_folders_say_of_a_numbered_file(path, tags):
    assert tags_from_path(Path(path), ROOTS) == tags


def test_of_two_music_folders_within_each_other_the_outer_counts():
    path = Path("/music/Band/Album/07 Song.mp3")
    for roots in ([Path("/music"), Path("/music/Band")], [Path("/music/Band"), Path("/music")]):
        assert tags_from_path(path, roots).album == "Album"
    assert tags_from_path(path, [Path("/music/Band")]) == Tags("Song")


def test_folders_name_only_what_has_no_tags(tmp_path):
    folder = tmp_path / "Band" / "Album"
    folder.mkdir(parents=True)
    plain, tagged = write_wav(folder / "07 Song.wav"), write_opus(folder / "08 Song.opus")
    assert read_tags(plain, [tmp_path]) == Tags("Song", "Band", "Album", place=AlbumPlace(7))
    assert read_tags(plain) == Tags("Song")
    assert read_tags(tagged, [tmp_path]) == Tags("Prélude")


def test_a_name_that_is_not_utf_8():
    assert tags_from_name(Path(os.fsdecode(b"caf\xe9.ogg"))) == Tags("caf\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize(
    ("other", "gain"),
    [
        ({}, None),
        ({"r128_track_gain": ["-1280"]}, 0),  # to -23 LUFS, so 5 dB more to -18
        ({"R128_TRACK_GAIN": ["512"], "replaygain_track_gain": ["-9 dB"]}, 512 + 1280),
        ({"replaygain_track_gain": ["-9.25 dB"]}, -2368),
        ({"replaygain_track_gain": ["+1.5"]}, 384),
        ({"replaygain_track_gain": ["loud"]}, None),
        ({"replaygain_track_gain": ["99 dB"]}, None),
        ({"r128_track_gain": ["٣"]}, 3 + 1280),
        ({"r128_track_gain": []}, None),
    ],
)
def test_gain_from_tags(other, gain):
    assert gain_from_tags(other) == gain


@given(st.text())
def test_tidy_text_is_one_bounded_line_of_unicode(text):
    tidy = _tidy(text)
    tidy.encode()
    assert len(tidy) <= MAX_TEXT_CHARS
    assert len(tidy.splitlines()) <= 1


@pytest.mark.parametrize(
    ("stored", "place"),
    [
        (
            {"tracknumber": ["3"], "tracktotal": ["12"], "discnumber": ["1"], "date": ["1999-05-01"]},
            AlbumPlace(3, 1, 12, "", 1999),
        ),
        ({"tracknumber": [" 03/12 ", "4"], "discnumber": ["2 / 3"]}, AlbumPlace(3, 2, 12)),
        ({"tracknumber": ["0"], "discnumber": ["10000"], "date": ["last year"]}, AlbumPlace()),
        ({"tracknumber": ["A3"], "tracktotal": ["-1"]}, AlbumPlace()),
        ({}, AlbumPlace()),
    ],
)
def test_the_place_on_an_album_as_far_as_it_can_be_one(stored, place):
    assert _place_of(stored, "") == place


def test_of_a_part_of_a_file_the_sheet_comes_first(tmp_path):
    """tone.flac is "Söndag" by Åsa, on Vår."""
    file = fixture("tone.flac", tmp_path)
    cue = write_cue(tmp_path / "x.cue", file.name, "00:00:00", "00:01:00")
    place = AlbumPlace(track=2, tracks=2, year=1999)
    assert read_tags(file / "02") == Tags("Song 2", "Band", "Album", place=place)
    cue.write_text(cue.read_text().replace('    TITLE "Song 2"', '    PERFORMER "Guest"'))
    cue.write_text("REM DISCNUMBER 3\n" + cue.read_text())
    place = place._replace(disc=3, album_artist="Band")
    assert read_tags(file / "02") == Tags("Track 2", "Guest", "Album", place=place)
    kept = [line for line in cue.read_text().splitlines() if line.split()[0] in {"FILE", "TRACK", "INDEX"}]
    cue.write_text("\n".join(kept))
    assert read_tags(file / "02") == Tags("Track 2", "Åsa", "Vår", place=AlbumPlace(track=2, tracks=2))
    cue.unlink()
    assert read_tags(file / "02") == Tags("02"), "its import says that it is no more"
