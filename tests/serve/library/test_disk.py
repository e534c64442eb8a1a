"""The state directory: one server's alone, and its errors in sentences."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lightpeer.errors import StateError
from lightpeer.serve.library import disk
from lightpeer.serve.library.disk import claim, flush, state_error


def test_a_state_directory_has_one_server_at_a_time(tmp_path: Path) -> None:
    state = tmp_path / "a" / "state"
    lock = claim(state)
    with pytest.raises(StateError, match="another lightpeer-serve uses"):
        claim(state)
    lock.close()
    claim(state).close()
    assert (state / "library.lock").stat().st_mode & 0o777 == 0o600


def test_a_server_that_is_refused_leaves_no_descriptor(tmp_path: Path) -> None:
    with claim(tmp_path):
        free = os.dup(0)
        os.close(free)
        for _ in range(3):
            with pytest.raises(StateError):
                claim(tmp_path)
        again = os.dup(0)
        os.close(again)
        assert again == free, "the system gives the least that is free"


def test_a_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(StateError, match="state cannot be used"):
        claim(tmp_path / "state")


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "library.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StateError):
        claim(tmp_path)
    assert (tmp_path / "precious").read_text() == "kept"


def test_files_are_flushed_before_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []

    def note(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(disk.os, "fsync", note)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    flush(tmp_path)
    assert sorted(flushed[:2]) == sorted((tmp_path / name).stat().st_ino for name in ("a", "b"))
    assert flushed[2:] == [tmp_path.stat().st_ino]


def test_a_flush_that_fails_closes_what_it_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a")
    opened = []

    def refuse(descriptor: int) -> None:
        opened.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(disk.os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        flush(tmp_path)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(opened[0])


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk with x is full: free some space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk with x is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "x is not writable: change its permissions"),
        (OSError(errno.EIO, "Input/output error"), "x cannot be used: Input/output error"),
        (OSError("strange"), "x cannot be used: strange"),
    ],
)
def test_each_refusal_says_what_a_person_can_do(error: OSError, sentence: str) -> None:
    assert str(state_error(Path("x"), error)).startswith(sentence)
