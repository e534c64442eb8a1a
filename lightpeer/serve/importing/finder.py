"""Finds the music files below folders, and only those that the operator means to publish.

Music is known by its suffix; other files, and names that begin with a dot, are skipped. No folder is entered
twice.

A symbolic link is followed within its folder. A link that leads out of it may lead to files that were never
meant for strangers, so it is skipped and reported, unless --follow-links is given. Even then no link is
followed to a folder that contains a music folder, nor to the kernel's own (/proc, /sys, /dev).

What is gone is told apart from what is out of sight: a folder that cannot be read, and a link that leads to
nothing now, are `closed`; folders on disks of their own are `mounts`, so that a later scan can miss them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from lightpeer.errors import StateError, UsageError
from lightpeer.serve.importing.decoders import MUSIC_SUFFIXES
from lightpeer.serve.library.paths import is_folder

_KERNELS_OWN: Final = tuple(map(Path, ("/proc", "/sys", "/dev")))


def require_folder(folder: Path) -> None:
    """Raise UsageError if there is no such folder to begin with."""
    if complaint := _complaint(folder):
        raise UsageError(complaint)


def _complaint(folder: Path) -> str:
    """Return why a folder cannot be looked into, "" if it can."""
    if is_folder(folder):
        return ""
    what = "is not a folder" if os.path.lexists(folder) else "does not exist"
    return f"{folder} {what}: give the folder that holds your music"


class Finder:
    """Looks below some folders.

    Attributes:
        closed: the paths that may still have music in them, but cannot be looked into now.
        mounts: the folders that disks are mounted on.
        led_out: how many links lead out of their folder and are not followed.
        first_led_out: the first of them, and where it leads.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        skipped: list[tuple[Path, str]],
        *,
        follow_links: bool = False,
        on_folder: Callable[[Path], object] = lambda _: None,
    ) -> None:
        """Look nowhere yet.

        Args:
            folders: the music folders.
            skipped: gets each path that is skipped, with its reason.
            follow_links: whether links may lead out of the folders.
            on_folder: called with each folder before it is read.
        """
        real = [Path(os.path.realpath(folder)) for folder in folders]
        self._roots = dict(zip(folders, real, strict=True))
        self._skipped = skipped
        self._follow_links = follow_links
        self._on_folder = on_folder
        self._entered: set[tuple[int, int]] = set()
        self.closed: list[bytes] = []
        self.mounts: list[bytes] = []
        self.led_out = 0
        self.first_led_out: tuple[Path, Path] | None = None

    def files(self, folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield each music file below one of the folders, with its status, in the order of names.

        Raises:
            StateError: the folder is not there.
        """
        if complaint := _complaint(folder):
            raise StateError(folder, complaint)
        folders, root = [folder], self._roots[folder]
        while folders:
            below = []
            for path, status in self._entries(folders.pop(), root):
                if stat.S_ISDIR(status.st_mode):
                    below.append(path)
                elif path.suffix.lower() not in MUSIC_SUFFIXES:
                    continue
                elif stat.S_ISREG(status.st_mode):
                    yield path, status
                else:
                    self._skipped.append((path, "it is not an ordinary file"))
            folders.extend(reversed(below))

    def _entries(self, folder: Path, root: Path) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            here = folder.stat()
            if (here.st_dev, here.st_ino) in self._entered:
                self._skipped.append((folder, "it links to a folder that has been scanned already"))
                return
            self._entered.add((here.st_dev, here.st_ino))
            self._on_folder(folder)
            if here.st_dev != (folder / "..").stat().st_dev:  # of a link: where it leads
                self.mounts.append(os.fsencode(folder))
            names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            self._close(folder, error)
            return
        for name in names:
            path = folder / name
            if (status := self._status(path, root)) and path not in _KERNELS_OWN:
                yield path, status

    def _status(self, path: Path, root: Path) -> os.stat_result | None:
        """Return the status of a file or a link's target; None to skip it."""
        is_music = path.suffix.lower() in MUSIC_SUFFIXES
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                status = path.stat()
                if (is_music or stat.S_ISDIR(status.st_mode)) and not self._may_follow(path, root):
                    return None
        except OSError as error:
            self._close(path, error, is_told=is_music)
            return None
        return status

    def _may_follow(self, link: Path, root: Path) -> bool:
        """Return whether a link is to be followed, and note why if not."""
        target = Path(os.path.realpath(link))
        if target.is_relative_to(root):
            return True
        if any(target.is_relative_to(other) for other in self._roots.values()):
            return False  # its files are found there
        if not self._follow_links:
            self.led_out += 1
            self.first_led_out = self.first_led_out or (link, target)
            return False
        if fault := self._fault_of(target):
            self._skipped.append((link, f"it links to {target}, {fault}"))
        return not fault

    def _fault_of(self, target: Path) -> str:
        """Return why no link may lead to a place outside, or ""."""
        if any(target.is_relative_to(own) for own in _KERNELS_OWN):
            return "which is the system's"
        if any(root.is_relative_to(target) for root in self._roots.values()):
            return "which your music folder is in"
        return ""

    def _close(self, path: Path, error: OSError, *, is_told: bool = True) -> None:
        if is_told:
            self._skipped.append((path, f"it cannot be read: {error.strerror}"))
        if os.path.lexists(path):  # else it was removed this moment
            self.closed.append(os.fsencode(path))
