"""The queue: its items, the place where playing is to go on, and what the listener makes of each item.

A command only changes the place; the player goes on from there. So a command may come at any moment, and
several at once add up. A track that a query found counts for the peer that it was found at, once: as listened
to after a while on end, as skipped if the listener leaves it soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.content.manifest import MAX_SEGMENTS
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.core.segments.skips import Skips
from lightpeer.errors import StateMisuseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.content.manifest import Track
    from lightpeer.peering.peer import Peer

SKIPPED_S: Final = 15.0  # into a track that a query found: left earlier, it is not what was meant
LISTENED_S: Final = 30.0  # on end, after which it is; or half of a shorter track


def check_queue(items: Sequence[str], start_s: float) -> None:
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


class Place(NamedTuple):
    """Where playing is to go on: the item's number, and seconds from its start."""

    item: int
    position_s: float = 0.0


class Queue:
    """The items that are played in order.

    Attributes:
        items: queries and track ids; empty while nothing is played.
        at: where playing is to go on.
        skips: when an item that was skipped to is opened, and how much of it is asked for at once.
    """

    def __init__(self) -> None:
        self.items: tuple[str, ...] = ()
        self.at = Place(0)
        self.skips = Skips()
        self._start_s = 0.0  # where the first item is to begin, until it has been opened
        self._found_at: dict[int, Peer] = {}  # by item: the peer that a query found it at, until judged

    def begin(self, items: Sequence[str], start_s: float) -> None:
        """Begin with new items, the first of them at `start_s`; raise StateMisuseError while one plays."""
        if self.items:
            raise StateMisuseError("a player plays one queue at a time: stop it first")
        check_queue(items, start_s)
        self.items, self.at, self._start_s = tuple(items), Place(0, start_s), start_s

    def end(self) -> None:
        """Forget the items."""
        self.items = ()
        self._found_at.clear()

    @property
    def is_over(self) -> bool:
        """Whether all items are behind."""
        return self.at.item >= len(self.items)

    def advance(self) -> None:
        """Go to the beginning of the next item, at the end of this one."""
        self.at = Place(self.at.item + 1)

    def go(self, place: Place, heard_at_s: float | None, now: float) -> Peer | None:
        """Go to a place, as a command says; return the peer whose track was skipped at once, if one was.

        Args:
            place: where to; before the beginning means the beginning.
            heard_at_s: the position that is heard now; None: no sound of this item was heard yet.
            now: the time in seconds.
        """
        before, self.at = self.at, Place(max(0, place.item), max(0.0, place.position_s))
        if self.at.item == before.item:
            return None
        self.skips.on_skip(now)
        is_left_soon = heard_at_s is not None and heard_at_s < SKIPPED_S
        return self._found_at.pop(before.item, None) if is_left_soon and self.at.item > before.item else None

    def on_found(self, item: int, peer: Peer) -> None:
        """Note that a query found an item at a peer."""
        self._found_at[item] = peer

    def on_heard(self, item: int, heard_s: float, duration_s: float) -> Peer | None:
        """Return the peer whose track has now been listened to, if that is news.

        Args:
            item: the item that plays.
            heard_s: how much of it was heard on end.
            duration_s: its length.
        """
        return self._found_at.pop(item, None) if heard_s >= min(LISTENED_S, duration_s / 2) else None

    def check_start(self, track: Track) -> None:
        """Raise UsageError if the first item's track ends before the place where it is to begin."""
        start_s, self._start_s = self._start_s, 0.0
        if start_s and self.at == Place(0, start_s) and start_s >= track.duration_s:
            raise UsageError(
                f"{track.title} ends after {track.duration_s:.1f} s: it cannot begin at {start_s:g} s"
            )
