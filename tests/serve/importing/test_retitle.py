"""The same sound under another title, or at another place of an album."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightpeer.core.content.album import AlbumPlace
from lightpeer.serve.importing.ingest import Recipe, make_track
from lightpeer.serve.importing.retitle import retitle
from lightpeer.serve.importing.tags import Tags, read_tags
from tests.serve.media import decoded, read_track, segments, write_wav

TAGS = Tags("Old", "Band", "Album", place=AlbumPlace(track=3, year=1999))


@pytest.fixture
def known(tmp_path: Path) -> Path:
    folder = tmp_path / "known"
    folder.mkdir()
    make_track(write_wav(tmp_path / "x.wav", 2.2), TAGS, Recipe((24, 48), complexity=0), folder)
    return folder


@pytest.mark.parametrize(
    "tags",
    [
        replace(TAGS, title="New"),
        Tags("New"),
        replace(TAGS, place=AlbumPlace(track=4, year=1999)),
        replace(TAGS, place=AlbumPlace()),
    ],
)
def test_titles_and_places_change_and_the_sound_does_not(tmp_path: Path, known: Path, tags: Tags) -> None:
    anew = tmp_path / "anew"
    anew.mkdir()
    before = read_track(known)
    retitle(known, before.track_id, tags, anew)
    track = read_track(anew)
    assert Tags(track.title, track.artist, track.album, place=track.place) == tags
    assert track.track_id != before.track_id
    assert (track.gain_q8_db, track.duration_samples) == (before.gain_q8_db, before.duration_samples)
    for number in range(2):
        assert list(segments(anew, track, number)) == list(segments(known, before, number))
        assert read_tags(anew / f"{number}.opus") == tags
        assert len(decoded(anew / f"{number}.opus")) == track.duration_samples


def test_what_is_called_the_same_stays_the_same_track(tmp_path: Path, known: Path) -> None:
    anew = tmp_path / "anew"
    anew.mkdir()
    retitle(known, read_track(known).track_id, replace(TAGS, gain_q8_db=5), anew)
    assert list(anew.iterdir()) == []
