"""Tracks that are open: found once, set aside where the disk fails, gone when they are dropped."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from lightpeer.core.content.manifest import Description, build_manifest, build_table, track_id_of
from lightpeer.errors import StateError
from lightpeer.serve.library import open_tracks
from lightpeer.serve.library.aside import ASIDE_S
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.open_tracks import OpenTracks
from lightpeer.serve.library.renditions import Renditions
from lightpeer.serve.library.track_folders import TrackFolders

SEGMENT = b"sound" * 100


class Imported:
    """The tracks that exist, and which of them are marked damaged."""

    def __init__(self) -> None:
        self.ids: set[bytes] = set()
        self.damaged: list[bytes] = []
        self.error: StateError | None = None

    def has_track(self, track_id: bytes) -> bool:
        if self.error:
            raise self.error
        return track_id in self.ids

    def sources_of(self, _track_id: bytes, _recipe: str) -> list[SourceKey]:
        return []

    def mark_damaged(self, track_id: bytes) -> bool:
        if self.error:
            raise self.error
        self.damaged.append(track_id)
        return track_id in self.ids


class Shelf:
    """Open tracks on a real disk, with an imagined database and clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.folders, self.imported = TrackFolders(folder), Imported()
        self.folders.ids()
        renditions = Renditions(self.folders, self.imported, threading.Lock(), "recipe", None)
        self.tracks = OpenTracks(self.folders, self.imported, renditions)
        monkeypatch.setattr(open_tracks.time, "monotonic", lambda: self.now)

    def add(self, title: str) -> bytes:
        table = build_table([SEGMENT])
        description = Description(title, "", "", 48_000, 0, 1)
        manifest = build_manifest(description, [(24_000, b"header", [table])])
        track_id = track_id_of(manifest)
        workspace = self.folders.workspace()
        (workspace / "manifest").write_bytes(manifest)
        (workspace / "0.opus").write_bytes(b"header" + SEGMENT)
        (workspace / "0.tables").write_bytes(table)
        is_sound = not self.tracks.aside.holds(track_id, self.now)
        self.folders.place(track_id, workspace, is_sound=is_sound)
        self.tracks.renew(track_id)
        self.imported.ids.add(track_id)
        return track_id


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(tmp_path, monkeypatch)


def test_a_track_is_read_and_stays_open(shelf: Shelf) -> None:
    track_id = shelf.add("A")
    stored = shelf.tracks.get(track_id)
    assert stored.track.title == "A"
    assert stored.read(0, 0) == SEGMENT
    assert shelf.tracks.get(track_id) is stored


def test_the_least_recently_used_goes_first(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_tracks, "MAX_CACHED_TRACKS", 2)
    ids = [shelf.add(title) for title in "ABC"]
    first, second = (shelf.tracks.get(track_id) for track_id in ids[:2])
    assert shelf.tracks.get(ids[0]) is first
    shelf.tracks.get(ids[2])
    assert shelf.tracks.get(ids[0]) is first
    assert shelf.tracks.get(ids[1]) is not second


def test_a_damaged_segment_sets_its_track_aside_until_it_is_imported_again(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    track_id = shelf.add("A")
    stored = shelf.tracks.get(track_id)
    (shelf.folders.of(track_id) / "0.opus").write_bytes(b"header" + bytes(len(SEGMENT)))
    for _ in range(2):
        with pytest.raises(StateError, match="is damaged"):
            stored.read(0, 0)
    assert shelf.imported.damaged == [track_id] * 2
    assert caplog.text.count("set aside") == 1
    shelf.now = 1e9
    assert shelf.tracks.get(track_id) is None
    assert shelf.tracks.aside.found_damaged == 1
    shelf.add("A")
    assert shelf.tracks.get(track_id).read(0, 0) == SEGMENT


def test_a_track_that_cannot_be_read_is_tried_again_after_ten_minutes(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    track_id = shelf.add("A")

    def refuse(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(open_tracks, "read_ordinary", refuse)
        assert shelf.tracks.get(track_id) is None
    assert "for ten minutes" in caplog.text
    assert shelf.imported.damaged == []
    assert shelf.tracks.get(track_id) is None
    shelf.now = ASIDE_S
    assert shelf.tracks.get(track_id) is not None


def test_a_process_short_of_descriptors_sets_nothing_aside(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    track_id = shelf.add("A")

    def refuse(*_: object) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(open_tracks, "read_ordinary", refuse)
        assert shelf.tracks.get(track_id) is None
    assert shelf.tracks.get(track_id) is not None


@pytest.mark.parametrize("damage", [b"", b"another manifest", None])
def test_a_manifest_that_is_not_the_tracks_own_is_damage(shelf: Shelf, damage: bytes | None) -> None:
    track_id = shelf.add("A")
    path = shelf.folders.of(track_id) / "manifest"
    path.unlink() if damage is None else path.write_bytes(damage)
    assert shelf.tracks.get(track_id) is None
    assert shelf.tracks.aside.has_damage()


def test_what_was_dropped_is_not_damaged_and_not_here(shelf: Shelf) -> None:
    track_id = shelf.add("A")
    shelf.imported.ids.clear()
    assert shelf.tracks.get(track_id) is None
    shelf.folders.remove(track_id)
    assert shelf.tracks.get(track_id) is None
    assert not shelf.tracks.aside.has_damage()


def test_damage_counts_though_the_database_cannot_note_it(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    track_id = shelf.add("A")
    (shelf.folders.of(track_id) / "manifest").write_bytes(b"")
    shelf.imported.error = StateError("library.db", "the disk is full")
    assert shelf.tracks.get(track_id) is None
    assert shelf.tracks.aside.holds(track_id, shelf.now)
    assert "the disk is full" in caplog.text


def test_closed_it_keeps_no_file_open(shelf: Shelf) -> None:
    stored = shelf.tracks.get(shelf.add("A"))
    stored.read(0, 0)
    assert len(shelf.tracks._files._open) == 1
    shelf.tracks.close()
    assert len(shelf.tracks._files._open) == 0
