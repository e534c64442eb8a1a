"""The networks that the person has joined, as they are changed; `config/joined.py` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.config.joined import JOINED_FILE, read_joined
from lightpeer.core.trust.joined import build_joined
from lightpeer.state.files import ensure_state_dir, write_atomically
from lightpeer.state.locks import locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def change_joined(state_dir: Path, change: Callable[[list[str]], list[str]]) -> list[str]:
    """Replace the invites, while no other process does, and return them.

    Args:
        state_dir: the directory of their file.
        change: makes the new ones of those that are there.

    Raises:
        StateError: they cannot be read or kept.
    """
    ensure_state_dir(state_dir)
    with locked(state_dir / JOINED_FILE):
        invites = change(read_joined(state_dir))
        write_atomically(state_dir / JOINED_FILE, build_joined(invites))
    return invites
