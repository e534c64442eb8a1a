"""Told by the kernel when a file has changed: Linux's inotify, by the three calls that libc has for it.

Folders are watched, not files, because most editors replace the old file by a new one. Only files that were
closed after writing, or moved, count: a file that is still being written is left alone.

Source: inotify(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final, NamedTuple, Self

import trio

_CLOSE_WRITE: Final = 0x8
_MOVED: Final = 0x40 | 0x80
_CREATED: Final = 0x100
_DELETED: Final = 0x200
_OVERFLOW: Final = 0x4000
_IGNORED: Final = 0x8000  # the folder is gone
_IS_FOLDER: Final = 0x4000_0000
_HEAD: Final = struct.Struct("iIII")  # watch, mask, cookie, bytes of the name
_READ_BYTES: Final = 65_536


class Changes(NamedTuple):
    """The files that have changed; if the kernel's queue `overflowed`, there may be others."""

    paths: set[Path]
    overflowed: bool


class FolderWatch:
    """Watches folders; close it."""

    def __init__(self, *, new_folders: bool = False) -> None:
        """Begin; raise OSError where the system has no inotify, or no more of it.

        With `new_folders` a folder counts as soon as it is made.
        """
        self._wanted = _CLOSE_WRITE | _MOVED | _DELETED | _CREATED * new_folders
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            self._add, begin = libc.inotify_add_watch, libc.inotify_init1
        except AttributeError as error:
            raise OSError(0, "this system cannot watch files") from error
        self._descriptor: int = begin(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise _last_error()
        self._folders: dict[int, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def add(self, folder: Path) -> None:
        """Watch one more folder, once, from any thread; raise OSError if that is impossible."""
        number: int = self._add(self._descriptor, os.fsencode(folder), ctypes.c_uint32(self._wanted))
        if number < 0:
            raise _last_error()
        self._folders[number] = folder

    async def changes(self) -> Changes:
        """Wait until something has changed in the folders."""
        await trio.lowlevel.wait_readable(self._descriptor)
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            data = b""
        paths, overflowed, at = set(), False, 0
        while at < len(data):
            number, mask, _, size = _HEAD.unpack_from(data, at)
            name = data[at + _HEAD.size : at + _HEAD.size + size].rstrip(b"\0")
            at += _HEAD.size + size
            is_begun_file = mask & _CREATED and not mask & _IS_FOLDER
            is_new = name and number not in self._folders  # `add` has not returned yet
            overflowed |= bool(mask & _OVERFLOW or is_new)
            if mask & _IGNORED:
                self._folders.pop(number, None)
            elif name and not is_new and not is_begun_file:
                paths.add(self._folders[number] / os.fsdecode(name))
        return Changes(paths, overflowed)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
