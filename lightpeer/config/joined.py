"""The networks that the person has joined: invites, in a file of the state directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.trust.joined import parse_joined
from lightpeer.errors import StateError
from lightpeer.safe_files import read_ordinary

if TYPE_CHECKING:
    from pathlib import Path

JOINED_FILE: Final = "joined"
MAX_FILE_BYTES: Final = 64 * 1024


def read_joined(state_dir: Path) -> list[str]:
    """Return the invites to networks that the person has joined, the latest first.

    Raises:
        StateError: they are there, but cannot be read.
    """
    path = state_dir / JOINED_FILE
    try:
        return parse_joined(read_ordinary(path, MAX_FILE_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StateError(path, f"cannot read the joined networks {path}: {error.strerror}") from error
