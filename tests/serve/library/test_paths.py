"""Questions about paths, which never raise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightpeer.serve.library.paths import (
    absolute,
    file_and_part,
    is_file,
    is_folder,
    mode_of,
    part_path,
    shown,
)


def test_a_path_is_made_absolute_and_its_links_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "music").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    assert absolute("music/../music/./songs") == tmp_path / "music" / "songs"
    assert absolute(Path("music")) == tmp_path / "music"
    assert absolute(tmp_path / "music") == tmp_path / "music"


def test_a_file_a_folder_and_what_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "song").touch()
    for name, target in (("to-song", "song"), ("to-folder", "."), ("to-nothing", "gone"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    kinds = {path.name: (is_file(path), is_folder(path)) for path in tmp_path.iterdir()}
    assert kinds == {
        "song": (True, False),
        "to-song": (True, False),
        "to-folder": (False, True),
        "to-nothing": (False, False),
        "loop": (False, False),
    }


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300, "nul\0l", b"\xff\xfe", "song/below"])
def test_a_name_that_no_file_has_is_nothing_and_no_error(tmp_path: Path, name: str | bytes) -> None:
    (tmp_path / "song").touch()
    path = os.fsencode(tmp_path) + b"/" + os.fsencode(name)
    assert mode_of(path) == 0
    assert mode_of(os.fsdecode(path)) == 0
    assert not is_file(path)
    assert not is_folder(path)


def test_a_pipe_is_there_but_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert mode_of(tmp_path / "pipe") != 0
    assert not is_file(tmp_path / "pipe")


def test_a_part_of_a_file_has_a_path_of_its_own() -> None:
    file = Path("/music/12/Album.flac")
    assert file_and_part(part_path(file, 7)) == (file, 7)
    assert file_and_part(part_path(file, 99)) == (file, 99)
    assert (shown(file), shown(part_path(file, 7))) == ("Album", "Album 07")


@pytest.mark.parametrize("name", ["07.flac", "7", "007", "1a", "\u0661\u0662", "Album.flac"])
def test_other_paths_are_of_whole_files(name: str) -> None:
    assert file_and_part(Path("/music") / name) == (Path("/music") / name, 0)
