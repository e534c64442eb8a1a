"""Questions about paths, which never raise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightpeer.serve.library.paths import absolute, is_file, is_folder, mode_of


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
