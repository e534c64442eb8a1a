"""What a listener makes of what queries found, and what may be put into a queue.

A track that a query found counts for the peer that it was found at, once: as listened to after a while on
end, as skipped if the listener leaves it soon for what is later in the queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.content.manifest import MAX_SEGMENTS
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.peering.peer import Peer

SKIPPED_S: Final = 15.0  # into a track that a query found: left earlier, it is not what was meant
LISTENED_S: Final = 30.0  # on end, after which it is; or half of a shorter track
MAX_OPEN: Final = 16  # entries that are not judged yet: the one that plays, and a few that were opened ahead


def check_items(items: Iterable[str], start_s: float = 0.0) -> None:
    """Check what is to be played.

    Args:
        items: queries and track ids.
        start_s: where to begin in the first, in seconds.

    Raises:
        UsageError: an item looks like a track id but is none, or no track is as long as `start_s`.
    """
    for item in filter(is_uri, items):
        parse_uri(item)
    if not 0 <= start_s <= MAX_SEGMENTS:
        raise UsageError(f"a track has at most {MAX_SEGMENTS} seconds: nothing begins at {start_s:g} s")


class Verdicts:
    """By entry: the peer that a query found it at, until that is judged."""

    def __init__(self) -> None:
        self._found_at: dict[int, Peer] = {}

    def on_found(self, entry: int, peer: Peer) -> None:
        """Note that a query found an entry at a peer."""
        self._found_at.pop(entry, None)
        self._found_at[entry] = peer
        while len(self._found_at) > MAX_OPEN:
            del self._found_at[next(iter(self._found_at))]

    def on_heard(self, entry: int, heard_s: float, duration_s: float) -> Peer | None:
        """Return the peer whose track has now been listened to, if that is news.

        Args:
            entry: the entry that plays.
            heard_s: how much of it was heard on end.
            duration_s: its length.
        """
        return self._found_at.pop(entry, None) if heard_s >= min(LISTENED_S, duration_s / 2) else None

    def on_left(self, entry: int, heard_at_s: float | None) -> Peer | None:
        """Return the peer whose track was skipped at once, if one was.

        Args:
            entry: the entry that was left for a later one.
            heard_at_s: the position that was heard; None: no sound of it was.
        """
        is_soon = heard_at_s is not None and heard_at_s < SKIPPED_S
        return self._found_at.pop(entry, None) if is_soon else None

    def forget(self) -> None:
        """Judge nothing that has been found so far."""
        self._found_at.clear()
