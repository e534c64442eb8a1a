"""The lock on a small file that is read, changed and replaced: of two commands at once both changes count.

It is on a file beside it, since the file itself is replaced. A command waits for another as long as a memory
card may take. A drive without locks is written all the same: there two at once may lose one's change.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lightpeer.errors import StateError
from lightpeer.safe_files import open_ordinary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_ENDING: Final = ".lock"
LOCK_TRIES: Final = 100  # 10 ms apart: a memory card takes its time, and a stopped process for ever


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from changing a file for the length of a block; its folder must be there.

    Raises:
        StateError: another process does not let go of it, or there can be no lock file.
    """
    lock = path.with_name(path.name + LOCK_ENDING)
    try:
        descriptor = open_ordinary(lock, 0o600)
    except OSError as error:
        raise StateError(lock, f"cannot lock {lock}: {error.strerror}") from error
    try:
        _lock(descriptor, lock)
        yield
    finally:
        os.close(descriptor)  # which unlocks it


def _lock(descriptor: int, lock: Path) -> None:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            return  # some network drives have none
        else:
            return
    raise StateError(lock, f"cannot lock {lock}: another lightpeer holds it, and has to end first")
