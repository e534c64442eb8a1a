"""The bytes used, by day and profile, in a file beside the key that all processes on one state share.

Each process adds what it has used since it last did so: it locks the file, reads it, adds, and replaces it
atomically. So two at once both count, and a power loss leaves the old file or the new one. A process that
is killed loses what it has not added yet.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from lightpeer.core.budget.usage import Usage
from lightpeer.errors import StateError
from lightpeer.state.files import Losses, SmallFile, ensure_state_dir, write_atomically
from lightpeer.state.locks import locked

if TYPE_CHECKING:
    from pathlib import Path

USAGE_FILE: Final = "usage"
MAX_FILE_BYTES: Final = 128 * 1024  # twice its greatest size


class UsageFile:
    """The file of the bytes used."""

    def __init__(self, state_dir: Path, losses: Losses | None = None) -> None:
        """Read nothing yet.

        Args:
            state_dir: the file's directory.
            losses: reports that the file cannot be saved.
        """
        self._folder = state_dir
        self._losses = losses or Losses()
        self._file = SmallFile(
            state_dir / USAGE_FILE, MAX_FILE_BYTES, "the file of the data used", self._losses
        )

    def load(self) -> Usage:
        """Return what is in the file."""
        return self._file.load(Usage.from_bytes_untrusted) or Usage()

    def add(self, profile: str, size: int, clock_s: float) -> Usage | None:
        """Add bytes to the file.

        Args:
            profile: the name of the profile that they were used under.
            size: how many.
            clock_s: the local time in seconds.

        Returns:
            What is in the file now; None if it could not be written, so that they are to be added later.
        """
        try:
            ensure_state_dir(self._folder)
            with locked(self._folder / USAGE_FILE):
                usage = self.load()
                usage.count(profile, size, clock_s)
                write_atomically(self._folder / USAGE_FILE, usage.to_bytes())
        except StateError as error:
            self._losses.note(error)
            return None
        return usage


def local_time_s(unix_s: float) -> float:
    """Return a time on the wall of this place, in seconds; UTC's if the place's cannot be told."""
    try:
        return unix_s + time.localtime(unix_s).tm_gmtoff
    except (OverflowError, ValueError, OSError):  # no year has that time
        return unix_s
