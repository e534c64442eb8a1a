"""The listener: how long they have listened since a skip, and what they make of what queries found.

A track that a query found counts for the peer that it was found at, once: as listened to after a while on
end, as skipped if the listener leaves it soon for what is later in the queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.plan.bursts import Listening
from lightpeer.core.segments.skips import Skips

if TYPE_CHECKING:
    from lightpeer.peering.peer import Peer

SKIPPED_S: Final = 15.0  # into a track that a query found: left earlier, it is not what was meant
LISTENED_S: Final = 30.0  # on end, after which it is; or half of a shorter track
MAX_OPEN: Final = 16  # entries that are not judged yet: the one that plays, and a few that were opened ahead


class Listener:
    """The listener of one player.

    Attributes:
        listening: how long they have listened since the last skip.
        skips: when what was skipped to is opened, and how much of it is asked for at once.
    """

    def __init__(self) -> None:
        self.listening = Listening()
        self.skips = Skips()
        self._found_at: dict[int, Peer] = {}  # by entry: the peer that a query found it at, until judged

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

    def on_skip(self, entry: int, heard_at_s: float | None, now: float) -> Peer | None:
        """Note that an entry was left; return the peer whose track was skipped at once, if one was.

        Args:
            entry: the entry.
            heard_at_s: the position that was heard; None: none was, or it was not left for a later one.
            now: the time in seconds.
        """
        self.skips.on_skip(now)
        self.listening.heard_s = 0.0
        is_soon = heard_at_s is not None and heard_at_s < SKIPPED_S
        return self._found_at.pop(entry, None) if is_soon else None

    def forget(self) -> None:
        """Judge nothing that has been found so far."""
        self._found_at.clear()
