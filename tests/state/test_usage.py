"""The file of the data used, which several processes share."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import time

import pytest

from lightpeer.core.budget.usage import Usage
from lightpeer.state import locks
from lightpeer.state.usage import MAX_FILE_BYTES, USAGE_FILE, UsageFile, local_time_s

NOON = 20_787 * 86_400 + 43_200


def total(usage: Usage | None) -> int:
    assert usage is not None
    return usage.today_bytes(usage.clock)


def add_often(folder, times):
    file = UsageFile(folder)
    for _ in range(times):
        assert file.add("p", 1, NOON) is not None


def test_what_was_added_is_there_for_the_next_run(tmp_path):
    folder = tmp_path / "state"  # which is made
    assert total(UsageFile(folder).load()) == 0
    assert total(UsageFile(folder).add("p", 5, NOON)) == 5
    assert total(UsageFile(folder).add("q", 6, NOON)) == 11
    assert UsageFile(folder).load().by_day(9) == {20_787: {"p": 5, "q": 6}}
    assert (folder / USAGE_FILE).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == [USAGE_FILE, f"{USAGE_FILE}.lock"]


def test_two_processes_at_once_both_count(tmp_path):
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=add_often, args=(tmp_path, 30)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert total(UsageFile(tmp_path).load()) == 90


def test_a_lock_that_is_not_let_go_of_puts_it_off(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_TRIES", 2)
    file = UsageFile(tmp_path)
    assert file.add("p", 5, NOON) is not None
    with (tmp_path / f"{USAGE_FILE}.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert file.add("p", 6, NOON) is None
        assert "cannot lock" in caplog.text
    assert total(file.add("p", 6, NOON)) == 11


def test_so_does_a_disk_that_cannot_be_written(tmp_path, caplog):
    file = UsageFile(tmp_path / "no")
    (tmp_path / "no").write_text("a file in the folder's place")
    assert file.add("p", 5, NOON) is None
    assert "cannot save state" in caplog.text


def test_a_crash_while_writing_leaves_what_was_there(tmp_path, monkeypatch):
    file = UsageFile(tmp_path)
    file.add("p", 5, NOON)

    def lose_power(_descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", lose_power)
    assert file.add("p", 6, NOON) is None
    assert total(UsageFile(tmp_path).load()) == 5


def test_a_corrupt_file_is_set_aside_and_said_so(tmp_path, caplog):
    (tmp_path / USAGE_FILE).write_bytes(b"junk")
    assert total(UsageFile(tmp_path).add("p", 5, NOON)) == 5
    assert "corrupt" in caplog.text
    assert (tmp_path / (USAGE_FILE + ".corrupt")).read_bytes() == b"junk"


def test_the_fullest_file_may_be_read(tmp_path):
    usage = Usage()
    for number in range(1024):
        usage.count(f"{number:032}", 1 << 60, NOON)
    assert len(usage.to_bytes()) < MAX_FILE_BYTES
    (tmp_path / USAGE_FILE).write_bytes(usage.to_bytes())
    assert len(UsageFile(tmp_path).load()) == 1024


@pytest.mark.parametrize(("zone", "ahead_s"), [("UTC", 0), ("XYZ-5:30", 19_800), ("XYZ8", -28_800)])
def test_days_are_those_of_the_place(monkeypatch, zone, ahead_s):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert local_time_s(NOON) == NOON + ahead_s
        assert local_time_s(1e30) == 1e30, "no year has that time"
    finally:
        monkeypatch.undo()
        time.tzset()
