"""The state directory as the file system has it: one server's alone, and safe from a power cut.

Errors of the system become sentences with advice for the operator.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from lightpeer.errors import StateError
from lightpeer.safe_files import open_ordinary
from lightpeer.state.files import LIBRARY_LOCK


def claim(state_dir: Path) -> IO[bytes]:
    """Create the state directory and lock it for this process; closing the file unlocks it."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = os.fdopen(open_ordinary(state_dir / LIBRARY_LOCK, 0o600), "wb")
    except OSError as error:
        raise state_error(state_dir, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"another lightpeer-serve uses {state_dir}: stop it, or give this one its own --state"
        raise StateError(state_dir, message) from error
    return lock


def flush(folder: Path) -> None:
    """Flush a folder's files to the disk, before its rename can be seen."""
    for path in [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def state_error(path: Path, error: OSError) -> StateError:
    """Return the sentence for a file or folder of ours that the system refuses."""
    match error:
        case OSError(errno=28 | 122):  # ENOSPC, EDQUOT
            return StateError(path, f"the disk with {path} is full: free some space and start again")
        case PermissionError():
            return StateError(path, f"{path} is not writable: change its permissions or give another --state")
        case _:
            return StateError(path, f"{path} cannot be used: {error.strerror or error}")
