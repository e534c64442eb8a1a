"""Paths as an operator gives them: asked about in ways that raise nothing, whatever they are."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TypeAlias

AnyPath: TypeAlias = str | bytes | Path


def absolute(path: str | Path) -> Path:
    """Return a path made absolute, without `.` and `..`; links in it stay as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve() follows links, Path.absolute() keeps `..`


def mode_of(path: AnyPath) -> int:
    """Return the `st_mode` of what is at a path, 0 if there is nothing, or nothing that we may see."""
    try:
        return Path(os.fsdecode(path)).stat().st_mode
    except (OSError, ValueError):  # too long a name, say, or one with a null byte
        return 0


def is_folder(path: AnyPath) -> bool:
    """Return whether a folder is at a path."""
    return S_ISDIR(mode_of(path))


def is_file(path: AnyPath) -> bool:
    """Return whether a regular file is at a path."""
    return S_ISREG(mode_of(path))
