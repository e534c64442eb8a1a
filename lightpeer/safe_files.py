"""Files of ours that are opened by a name which somebody else may have taken.

A FIFO or a device in a file's place would be waited for without end, or read until memory is full; a symbolic
link would have us write to whatever it leads to (CWE-59). What is written must be an ordinary file and no
link. What is read may be reached by a link, as people keep their configuration elsewhere, and is bounded.

All raise OSError, with a `strerror` that says what is there.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_ordinary(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of an ordinary file; raise OSError if it is none, or has more than `max_bytes`."""
    descriptor = _opened(path, os.O_RDONLY, 0)
    with os.fdopen(descriptor, "rb") as file:  # what was looked at, whatever has its name now
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"it has more than {max_bytes} bytes", str(path))
    return data


def open_ordinary(path: Path, mode: int) -> int:
    """Return the descriptor of an ordinary file, for reading and writing; it is made if it is not there.

    Raises OSError if it is a link, or no ordinary file; nothing is changed of it then.
    """
    try:
        return _opened(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, f"{path.name} is a link", str(path)) from error
        raise


def open_to_read(path: Path) -> int:
    """Return the descriptor of an ordinary file; raise OSError if there is none, or a link."""
    return _opened(path, os.O_RDONLY | os.O_NOFOLLOW, 0)


def _opened(path: Path, flags: int, mode: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)  # it opens a FIFO at once
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path.name or path} is not an ordinary file", str(path))
    return descriptor
