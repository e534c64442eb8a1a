"""Paths as an operator gives them: asked about in ways that raise nothing, whatever they are.

A track that is part of a file (`importing/cue_sheets.py`) has a path too, as if the file were a folder:
`Album.flac/07`. No music file is called so, as its name would end in the suffix of a kind of music.
"""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TypeAlias

AnyPath: TypeAlias = str | bytes | Path


def absolute(path: str | Path) -> Path:
    """Return a path made absolute, without `.` and `..`; links in it stay as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve() follows links, Path.absolute() keeps `..`


def part_path(file: Path, number: int) -> Path:
    """Return the path of a part of a file, by its number from 1 to 99."""
    return file / f"{number:02}"


def file_and_part(path: Path) -> tuple[Path, int]:
    """Return the file that a path is of, and the number of its part, 0 for the whole of it."""
    name = path.name
    return (path.parent, int(name)) if len(name) == 2 and name.isascii() and name.isdigit() else (path, 0)


def shown(path: Path) -> str:
    """Return how the track of a path is called before its tags are read."""
    file, number = file_and_part(path)
    return f"{file.stem} {number:02}" if number else path.stem


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
