"""The file of the networks that were joined, which two commands may change at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from lightpeer.config.joined import JOINED_FILE, read_joined
from lightpeer.core.trust.joined import MAX_JOINED
from lightpeer.errors import StateError, UsageError
from lightpeer.state.joined import change_joined


def join_one(folder: Path, name: str) -> None:
    change_joined(folder, lambda before: [name, *before])


def test_of_several_commands_at_once_none_loses_its_invite(tmp_path) -> None:
    fork = multiprocessing.get_context("fork")
    names = [f"host{n}:1" for n in range(MAX_JOINED)]
    processes = [fork.Process(target=join_one, args=(tmp_path / "new", name)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(read_joined(tmp_path / "new")) == names


def test_a_change_that_is_refused_changes_nothing(tmp_path) -> None:
    assert change_joined(tmp_path, lambda _: ["a:1"]) == ["a:1"]

    def refuse(_: list[str]) -> list[str]:
        raise UsageError("no")

    with pytest.raises(UsageError):
        change_joined(tmp_path, refuse)
    assert change_joined(tmp_path, lambda before: before) == ["a:1"], "and the lock is let go of"


def test_what_cannot_be_read_is_not_replaced(tmp_path) -> None:
    (tmp_path / JOINED_FILE).mkdir()
    with pytest.raises(StateError, match="cannot read the joined networks"):
        change_joined(tmp_path, lambda _: ["a:1"])
