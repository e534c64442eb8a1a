"""Renditions that were dropped come back byte for byte, or not at all."""

from __future__ import annotations

import os
import shutil

import pytest

from lightpeer.core.content.album import AlbumPlace
from lightpeer.errors import StateError, UnreadableError
from lightpeer.serve.importing import ingest, jobs
from lightpeer.serve.importing import remaking as module
from lightpeer.serve.importing.cue_sheets import key_of
from lightpeer.serve.importing.folders import Control
from lightpeer.serve.importing.ingest import Recipe, make_track
from lightpeer.serve.importing.remaking import remake
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.importing.scan import scan
from lightpeer.serve.importing.tags import Tags
from tests.serve.cues import write_cue
from tests.serve.media import fixture, write_opus, write_wav

BY = ("a peer", "a network")
MUSIC = {
    "wav": lambda folder: write_wav(folder / "Someone - Something.wav", 3.5),
    "a stereo wav": lambda folder: write_wav(folder / "x.wav", 2.5, rate=44_100, channels=2),
    "flac": lambda folder: fixture("tone.flac", folder),
    "vorbis": lambda folder: fixture("tone.ogg", folder),
    "opus, kept as the top rung": lambda folder: write_opus(folder / "x.opus", 3.5),
}


def made_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def only(library):
    (track_id,) = library.track_ids()
    return library.track(track_id)


def drop(library):
    """Drop what a track has but its lowest rendition; return the files that it had."""
    folder = library.folder_of(only(library).track.track_id)
    before = made_files(folder)
    library.renditions._drop(only(library).track.track_id)
    assert set(before) - set(made_files(folder)) == {"1.opus"}
    return before


@pytest.mark.parametrize("kind", MUSIC)
def test_encoding_depends_on_nothing_but_the_file(kind, tmp_path):
    path = MUSIC[kind](tmp_path)
    tags = Tags("Title", "Artist", "Album", -700, AlbumPlace(3, 1, 12, "Band", 1999))
    found = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        make_track(path, tags, Recipe((24, 48), 5), folder)
        found.append(made_files(folder))
    assert found[0] == found[1]
    assert len(found[0]) == 5


@pytest.mark.parametrize("kind", MUSIC)
@pytest.mark.parametrize("processes", [0, 1])
def test_what_was_dropped_comes_back_as_it_was(kind, processes, open_library, music):
    MUSIC[kind](music)
    library = open_library()
    assert scan(library).imported == 1
    before = drop(library)
    (music / "zzz 99 next to it.wav").write_bytes(b"")  # what names in a folder say may change
    track = only(library).track
    assert library.renditions.opened(track, BY) == 1
    made = remake(library, Control(processes=processes))
    assert (made.tracks, made.notes, made.outdated) == (1, [], False)
    assert made_files(library.folder_of(track.track_id)) == before
    assert library.renditions.opened(track, BY) == 2
    assert remake(library, Control()).tracks == 0, "nothing is on order"
    assert len(only(library).read(1, 0)) > 100


def test_what_is_encoded_in_another_way_now_is_left_as_it_is_and_imported_as_another(
    open_library, music, monkeypatch
):
    write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    drop(library)
    old = only(library)
    real = ingest.OpusEncoder

    class Other(real):
        """Another version of the encoder."""

        def __init__(self, pcm, bitrate_bps, _complexity):
            super().__init__(pcm, bitrate_bps, 10)

    monkeypatch.setattr(ingest, "OpusEncoder", Other)
    library.renditions.opened(old.track, BY)
    made = remake(library, Control())
    assert (made.tracks, made.outdated) == (0, True)
    assert made.notes == [f"{music / 'a.wav'} is encoded in another way now: it is imported again"]
    assert library.track(old.track.track_id) is not None, "it is not damaged"
    assert len(old.read(0, 0)) > 50
    library.renditions.opened(old.track, BY)
    assert remake(library, Control()).notes == [], "it is not tried again"
    assert scan(library).imported == 1
    assert only(library).track.track_id != old.track.track_id
    assert library.renditions.opened(only(library).track, BY) == 2


@pytest.mark.parametrize("fate", ["gone", "changed", "unreadable"])
def test_without_its_music_file_a_track_keeps_what_it_has(fate, open_library, music, caplog, monkeypatch):
    path = write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    drop(library)
    track = only(library).track
    if fate == "gone":
        path.unlink()
    elif fate == "changed":
        write_wav(path, 9.5)
    else:
        monkeypatch.setattr(jobs, "make_track", refuse)
    for _ in range(3):
        assert library.renditions.opened(track, BY) == 1
        made = remake(library, Control())
        assert (made.tracks, made.outdated) == (0, False)
    assert caplog.text.count("its music file is gone or has changed, so it stays as it is") == (
        fate != "unreadable"
    )
    assert len(only(library).read(0, 0)) > 50
    assert library.found_damaged == 0


def refuse(*_):
    raise UnreadableError("its decoder crashed")


def test_a_file_that_cannot_be_encoded_again_is_told_once(open_library, music, monkeypatch):
    write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    drop(library)
    monkeypatch.setattr(jobs, "make_track", refuse)
    notes = []
    for _ in range(3):
        library.renditions.opened(only(library).track, BY)
        notes += remake(library, Control()).notes
    assert notes == [
        f"{music / 'a.wav'} cannot be encoded again, so its track stays as it is: its decoder crashed"
    ]


def test_a_file_that_changes_meanwhile_is_left_to_the_scan(open_library, music, monkeypatch):
    path = write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    before = set(drop(library))
    real = jobs.make_track

    def change(*given):
        damage = real(*given)
        os.utime(path, ns=(1, 1))
        return damage

    monkeypatch.setattr(jobs, "make_track", change)
    library.renditions.opened(only(library).track, BY)
    made = remake(library, Control())
    assert (made.tracks, made.notes, made.outdated) == (0, [], False)
    assert "1.opus" not in made_files(library.folder_of(only(library).track.track_id))
    assert "1.opus" in before


def test_a_track_that_is_dropped_meanwhile_is_not_put_back(open_library, music, monkeypatch):
    write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    drop(library)
    track = only(library).track
    real = jobs.make_track

    def forget(source, *given):
        damage = real(source, *given)
        library.forget(os.fsencode(source))
        return damage

    monkeypatch.setattr(jobs, "make_track", forget)
    library.renditions.opened(track, BY)
    assert remake(library, Control()).tracks == 0
    assert not library.folder_of(track.track_id).exists()


@pytest.mark.parametrize(
    ("error", "raised"),
    [(StoppedError(), None), (OSError(28, "No space left on device"), StateError)],
)
def test_it_ends_when_it_is_to_stop_or_the_disk_is_full(error, raised, open_library, music, monkeypatch):
    write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    drop(library)
    library.renditions.opened(only(library).track, BY)

    def fail(*_):
        raise error

    monkeypatch.setattr(jobs, "make_track", fail)
    if raised is None:
        assert remake(library, Control()).tracks == 0
    else:
        with pytest.raises(raised, match="is full: free some space"):
            remake(library, Control())
    monkeypatch.undo()
    library.renditions.opened(only(library).track, BY)
    assert remake(library, Control()).tracks == 1, "it may be tried again"


def test_what_a_crash_leaves_is_removed_or_made_again(open_library, music, tmp_path):
    """In the middle of making, and between two files that are dropped."""
    write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    before = drop(library)
    track = only(library).track
    unfinished = library.workspace(module._WORKSPACE)
    (unfinished / "1.opus").write_bytes(b"OggS")
    library = open_library()
    assert not unfinished.exists()
    assert scan(library).unchanged == 1
    assert library.renditions.opened(track, BY) == 1
    assert remake(library, Control()).tracks == 1
    assert made_files(library.folder_of(track.track_id)) == before


def test_a_moved_file_keeps_what_its_track_has_and_gets_back_the_rest(open_library, music):
    write_wav(music / "a.wav", 3.5)
    library = open_library()
    scan(library)
    drop(library)
    (music / "a.wav").rename(music / "b.wav")
    assert scan(library).known == 1
    track = only(library).track
    assert (track.title, library.renditions.opened(track, BY)) == ("b", 1)
    assert remake(library, Control()).tracks == 1
    assert library.renditions.opened(track, BY) == 2
    shutil.rmtree(library.folder_of(track.track_id))


def test_so_do_parts_of_a_file(open_library, music):
    write_wav(music / "Image.wav", 4.0)
    write_cue(music / "Image.cue", "Image.wav", "00:00:00", "00:02:00")
    library = open_library()
    scan(library)
    library.renditions.key_of = key_of
    tracks = [library.track(track_id).track for track_id in library.track_ids()]
    assert len(tracks) == 2
    for track in tracks:
        before = made_files(library.folder_of(track.track_id))
        library.renditions._drop(track.track_id)
        assert library.renditions.opened(track, BY) == 1
        assert remake(library, Control()).tracks == 1
        assert made_files(library.folder_of(track.track_id)) == before
