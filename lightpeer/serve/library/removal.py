"""Which tracks are dropped because their files are gone. What is only out of sight is kept.

A disk that is not mounted, a link that leads to nothing now, a folder that cannot be read: encoding its music
again would take hours, so it stays until a person says otherwise (`prune`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.serve.library.paths import file_and_part, is_file

if TYPE_CHECKING:
    from lightpeer.serve.library.library import Library

MIRRORED: Final = b"mirror:"  # the paths of tracks fetched from the network begin so


class Dropped(NamedTuple):
    """The files that a scan did not find.

    Attributes:
        removed: how many are gone, and stand for tracks that no other file stands for. Those that a cue sheet
            divides now, or divides otherwise, are none.
        first_removed: the path of one.
        away: how many are where it cannot look now, and are kept.
        first_away: the path of one.
    """

    removed: int = 0
    first_removed: bytes = b""
    away: int = 0
    first_away: bytes = b""


NOTHING_DROPPED: Final = Dropped()


def drop_not_found(library: Library, closed: Sequence[bytes] = ()) -> Dropped:
    """Forget the files that are gone, and drop their tracks.

    A file is gone if the scan has not noted it. Paths at or below one of `closed` stay: it cannot look there.
    """
    removed = away = 0
    first_removed = first_away = b""
    for path in library.imported.not_found():
        if not is_within(path, closed):
            if library.forget(path) and not library.imported.is_found_otherwise(path):
                removed, first_removed = removed + 1, first_removed or path
        elif not path.startswith(MIRRORED):
            away, first_away = away + 1, first_away or path
    return Dropped(removed, first_removed, away, first_away)


def prune(library: Library, below: Sequence[bytes] = ()) -> list[bytes]:
    """Forget the files that are not to be seen now, drop their tracks, and return their paths.

    Args:
        library: drops them.
        below: only files at or below these paths; none: all files.
    """
    paths = (path for path in library.imported.paths() if not below or is_within(path, below))
    gone = [path for path in paths if not path.startswith(MIRRORED) and not _is_there(path)]
    for path in gone:
        library.forget(path)
    return gone


def _is_there(path: bytes) -> bool:
    return is_file(file_and_part(Path(os.fsdecode(path)))[0])


def is_within(path: bytes, folders: Sequence[bytes]) -> bool:
    """Return whether a path is one of some paths, or below one."""
    return any(path == folder or path.startswith(folder.rstrip(b"/") + b"/") for folder in folders)
