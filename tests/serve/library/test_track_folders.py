"""The folders of tracks: always whole, and nothing else beside them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lightpeer.errors import StateError
from lightpeer.serve.library import track_folders
from lightpeer.serve.library.track_folders import TrackFolders

ONE, OTHER = b"1" * 32, b"2" * 32


@pytest.fixture
def folders(tmp_path: Path) -> TrackFolders:
    made = TrackFolders(tmp_path)
    assert made.ids() == []
    return made


def finished(folders: TrackFolders, text: str) -> Path:
    workspace = folders.workspace()
    (workspace / "manifest").write_text(text)
    return workspace


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_finished_track_is_moved_into_place(folders: TrackFolders) -> None:
    workspace = finished(folders, "one")
    folders.place(ONE, workspace, is_sound=True)
    assert (folders.of(ONE) / "manifest").read_text() == "one"
    assert not workspace.exists()
    assert folders.ids() == [ONE]


def test_a_sound_track_stays_and_a_damaged_one_is_replaced(folders: TrackFolders, tmp_path: Path) -> None:
    folders.place(ONE, finished(folders, "one"), is_sound=True)
    folders.place(ONE, finished(folders, "again"), is_sound=True)
    assert (folders.of(ONE) / "manifest").read_text() == "one"
    folders.place(ONE, finished(folders, "again"), is_sound=False)
    assert (folders.of(ONE) / "manifest").read_text() == "again"
    assert [path.name for path in (tmp_path / "tracks").iterdir()] == [ONE.hex()]


def test_what_a_crash_left_of_a_replacement_does_not_hinder_the_next(folders: TrackFolders) -> None:
    folders.place(ONE, finished(folders, "one"), is_sound=True)
    left = folders.of(ONE).with_name(ONE.hex() + ".old")
    left.mkdir()
    (left / "manifest").write_text("left")
    folders.place(ONE, finished(folders, "again"), is_sound=False)
    assert (folders.of(ONE) / "manifest").read_text() == "again"
    assert not left.exists()


def test_ids_rise_and_what_is_no_track_is_removed(folders: TrackFolders, tmp_path: Path) -> None:
    for track_id in (OTHER, ONE):
        folders.place(track_id, finished(folders, ""), is_sound=True)
    for name in ("junk", "0g", ONE.hex().upper() + "FF"):
        (tmp_path / "tracks" / name).mkdir()
    assert folders.ids() == [ONE, OTHER]
    assert len(list((tmp_path / "tracks").iterdir())) == 2


def test_a_workspace_is_empty_each_time(folders: TrackFolders) -> None:
    finished(folders, "unfinished")
    assert list(folders.workspace().iterdir()) == []
    folders.clear_workspace()
    folders.clear_workspace()


def test_sizes_are_of_the_tracks_asked_for(folders: TrackFolders) -> None:
    folders.place(ONE, finished(folders, "12345"), is_sound=True)
    folders.place(OTHER, finished(folders, "123"), is_sound=True)
    assert folders.size_bytes([]) == 0
    assert folders.size_bytes([ONE]) == 5
    assert folders.size_bytes([ONE, OTHER]) == 8
    with pytest.raises(StateError, match="cannot be used"):
        folders.size_bytes([b"3" * 32])


def test_a_removed_track_is_gone_and_may_be_removed_twice(folders: TrackFolders) -> None:
    folders.place(ONE, finished(folders, ""), is_sound=True)
    folders.remove(ONE)
    folders.remove(ONE)
    assert folders.ids() == []


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(
    folders: TrackFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.place(ONE, finished(folders, "one"), is_sound=True)
    workspace = finished(folders, "again")
    monkeypatch.setattr(track_folders, "flush", refuse)
    with pytest.raises(StateError, match="is full"):
        folders.place(ONE, workspace, is_sound=False)
    assert (folders.of(ONE) / "manifest").read_text() == "one"
    monkeypatch.setattr(track_folders.os, "scandir", refuse)
    with pytest.raises(StateError, match="is full"):
        folders.ids()


def test_a_file_in_the_way_of_the_workspace_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "incoming").write_text("in the way")
    with pytest.raises(StateError, match="incoming"):
        TrackFolders(tmp_path).workspace()
