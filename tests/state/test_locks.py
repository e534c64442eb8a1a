"""The lock on a file: one at a time, never for ever, and no failure where a drive has no locks."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
from pathlib import Path

import pytest

from lightpeer.errors import StateError
from lightpeer.state import locks
from lightpeer.state.locks import LOCK_ENDING, LOCK_TRIES, locked


def count_up(path: Path, times: int) -> None:
    for _ in range(times):
        with locked(path):
            path.write_text(str(int(path.read_text()) + 1))


def test_what_several_processes_change_is_changed_by_each(tmp_path) -> None:
    path = tmp_path / "number"
    path.write_text("0")
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=count_up, args=(path, 50)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert path.read_text() == "150"


def test_one_that_is_not_let_go_of_is_named_after_a_second(tmp_path, monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(locks.time, "sleep", slept.append)
    path = tmp_path / "number"
    with locked(path):
        lock = path.with_name(f"number{LOCK_ENDING}")
        with pytest.raises(StateError, match=f"cannot lock {lock}: another lightpeer holds it"), locked(path):
            pass
    assert slept == [0.01] * LOCK_TRIES
    with locked(path):
        pass


def test_one_that_is_let_go_of_is_waited_for(tmp_path, monkeypatch) -> None:
    path = tmp_path / "number"
    with path.with_name(f"number{LOCK_ENDING}").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        monkeypatch.setattr(locks.time, "sleep", lambda _: held.close())
        with locked(path):
            assert held.closed


def test_it_is_let_go_of_when_the_block_fails(tmp_path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "number"):
        raise ZeroDivisionError
    with locked(tmp_path / "number"):
        pass


def test_a_drive_without_locks_is_written_all_the_same(tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locked(tmp_path / "number"):
        pass


def test_a_lock_that_can_be_no_file_is_an_error(tmp_path) -> None:
    (tmp_path / f"number{LOCK_ENDING}").mkdir()
    with pytest.raises(StateError, match="cannot lock"), locked(tmp_path / "number"):
        pass
