"""The watch on folders, with the real kernel, and with one that refuses."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from lightpeer.serve.access import inotify
from lightpeer.serve.access.inotify import FolderWatch

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")


async def changed(watch: FolderWatch) -> set[Path]:
    with trio.fail_after(10):
        return (await watch.changes()).paths


def test_a_file_counts_once_it_is_closed_and_when_one_takes_its_place(tmp_path: Path) -> None:
    async def main() -> None:
        with FolderWatch() as watch:
            watch.add(tmp_path)
            watch.add(tmp_path)
            with (tmp_path / "list").open("w") as file:
                file.write("unfinished")
                file.flush()
                (tmp_path / "other").write_text("finished")
                assert await changed(watch) == {tmp_path / "other"}
            assert await changed(watch) == {tmp_path / "list"}
            (tmp_path / "new").write_text("")
            await changed(watch)
            (tmp_path / "new").rename(tmp_path / "list")
            assert tmp_path / "list" in await changed(watch)

    trio.run(main)


def test_each_watched_folder_is_told_apart(tmp_path: Path) -> None:
    async def main() -> None:
        with FolderWatch() as watch:
            for name in ("a", "b"):
                (tmp_path / name).mkdir()
                watch.add(tmp_path / name)
            for name in ("a", "b"):
                (tmp_path / name / "list").write_text("")
            assert await changed(watch) == {tmp_path / "a" / "list", tmp_path / "b" / "list"}

    trio.run(main)


def test_a_new_folder_counts_where_it_is_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        with FolderWatch(new_folders=True) as watch, FolderWatch() as other:
            watch.add(tmp_path)
            other.add(tmp_path)
            (tmp_path / "new").mkdir()
            assert await changed(watch) == {tmp_path / "new"}
            with (tmp_path / "song").open("w") as file:
                file.write("unfinished")
                file.flush()
                (tmp_path / "newer").mkdir()
                assert await changed(watch) == {tmp_path / "newer"}
            assert await changed(other) == {tmp_path / "song"}

    trio.run(main)


def test_a_folder_that_is_gone_is_watched_no_more_and_one_that_is_not_known_yet_is_not_missed(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        with FolderWatch() as watch:
            (tmp_path / "a").mkdir()
            watch.add(tmp_path / "a")
            (tmp_path / "a").rmdir()
            with trio.fail_after(10):
                assert not (await watch.changes()).overflowed
            assert watch._folders == {}
            watch.add(tmp_path)
            watch._folders.clear()  # as if `add` had not returned yet
            (tmp_path / "list").write_text("")
            with trio.fail_after(10):
                assert (await watch.changes()).overflowed

    trio.run(main)


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with FolderWatch() as watch, pytest.raises(FileNotFoundError):
        watch.add(tmp_path / "none")


def test_closed_it_keeps_no_descriptor() -> None:
    with FolderWatch() as watch:
        descriptor = watch._descriptor
        os.fstat(descriptor)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


def test_a_system_without_inotify_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify.ctypes, "CDLL", lambda *_, **__: SimpleNamespace())
    with pytest.raises(OSError, match="cannot watch files"):
        FolderWatch()


def test_a_system_that_has_no_more_of_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_flags: int) -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    libc = SimpleNamespace(inotify_add_watch=None, inotify_init1=refuse)
    monkeypatch.setattr(inotify.ctypes, "CDLL", lambda *_, **__: libc)
    with pytest.raises(OSError, match="Too many open files") as caught:
        FolderWatch()
    assert caught.value.errno == errno.EMFILE


def test_events_of_other_watches_and_of_the_folder_itself_name_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a queue that was too short is told of: something may have changed that nobody heard of."""
    head = struct.Struct("iIII")

    def event(number: int, mask: int, name: bytes) -> bytes:
        return head.pack(number, mask, 0, len(name)) + name

    async def main() -> None:
        with FolderWatch() as watch:
            watch.add(tmp_path)
            (number,) = watch._folders
            data = event(number + 7, 8, b"foreign\0") + event(number, 8, b"")
            data += event(-1, inotify._OVERFLOW, b"")
            data += event(number, 8, b"list\0\0\0\0")
            (tmp_path / "wakes").write_text("")
            monkeypatch.setattr(inotify.os, "read", lambda *_: data)
            changes = await watch.changes()
            assert changes.paths == {tmp_path / "list"}
            assert changes.overflowed

    trio.run(main)


def test_a_wake_without_events_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> bytes:
        raise BlockingIOError

    async def main() -> None:
        with FolderWatch() as watch:
            watch.add(tmp_path)
            (tmp_path / "wakes").write_text("")
            monkeypatch.setattr(inotify.os, "read", nothing)
            changes = await watch.changes()
            assert (changes.paths, changes.overflowed) == (set(), False)

    trio.run(main)
