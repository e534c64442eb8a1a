"""The entries of a queue, by place.

Each has an id that is never used again, so that a command which comes late cannot meet another entry. The
version grows with each change, and each place keeps the version that changed it last: so a remote control
learns what is new without reading everything (MPD's `plchanges`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from collections.abc import Set as AbstractSet

MAX_ENTRIES: Final = 16_384  # as MPD's: a large collection, and a few megabytes


class Entry(NamedTuple):
    """An entry: its id, and what is to be played, a query or a track's uri."""

    id: int
    item: str


class Entries:
    """A bounded list of entries; places count from 0.

    Attributes:
        version: grows with each change; 1 at first.
    """

    def __init__(self) -> None:
        self.version = 1
        self._ids: list[int] = []
        self._items: dict[int, str] = {}
        self._changed: list[int] = []  # by place: the version that changed it last
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Entry]:
        return (Entry(entry, self._items[entry]) for entry in self._ids)

    def __contains__(self, entry: object) -> bool:
        return entry in self._items

    @property
    def ids(self) -> Sequence[int]:
        """The ids, by place."""
        return self._ids

    def item(self, entry: int) -> str:
        """Return what an entry is to play; raise UsageError if there is no such entry."""
        self.check({entry})
        return self._items[entry]

    def place(self, entry: int) -> int:
        """Return an entry's place; raise UsageError if there is no such entry."""
        self.check({entry})
        return self._ids.index(entry)

    def changes(self, since: int) -> list[tuple[int, Entry]]:
        """Return the places that have changed since a version, each with the entry that is there now."""
        return [
            (place, entry)
            for place, (entry, version) in enumerate(zip(self, self._changed, strict=True))
            if version > since
        ]

    def check(self, entries: Collection[int]) -> None:
        """Raise UsageError if one of some ids is of no entry."""
        for entry in entries:
            if entry not in self._items:
                raise UsageError(f"the queue has no entry {entry}: it may have been removed")

    def insert(self, items: Sequence[str], at: int | None = None) -> list[int]:
        """Insert items before a place, or at the end; return their ids.

        Raises:
            UsageError: there is no such place, or the queue would hold more than `MAX_ENTRIES`.
        """
        at = self._checked_place(len(self) if at is None else at, len(self))
        if len(self) + len(items) > MAX_ENTRIES:
            raise UsageError(f"a queue holds at most {MAX_ENTRIES} entries: remove some first")
        ids = list(range(self._next_id, self._next_id + len(items)))
        self._next_id += len(ids)
        self._items.update(zip(ids, items, strict=True))
        self._put([*self._ids[:at], *ids, *self._ids[at:]])
        return ids

    def remove(self, entries: AbstractSet[int]) -> None:
        """Remove entries; raise UsageError if one of them is not here."""
        self.check(entries)
        self._put([entry for entry in self._ids if entry not in entries])
        for entry in entries:
            del self._items[entry]

    def move(self, entries: AbstractSet[int], to: int) -> None:
        """Move entries, in their order, so that the first of them is at a place.

        Raises:
            UsageError: one of them is not here, or there is no such place.
        """
        self.check(entries)
        rest = [entry for entry in self._ids if entry not in entries]
        to = self._checked_place(to, len(rest))
        self._put([*rest[:to], *(entry for entry in self._ids if entry in entries), *rest[to:]])

    def rearrange(self, entries: AbstractSet[int], order: Callable[[list[int]], list[int]]) -> None:
        """Rearrange entries among the places that they have; raise UsageError if one of them is not here.

        Args:
            entries: their ids.
            order: takes these by place, and returns them in their new order.
        """
        self.check(entries)
        ordered = iter(order([entry for entry in self._ids if entry in entries]))
        self._put([next(ordered) if entry in entries else entry for entry in self._ids])

    @staticmethod
    def _checked_place(place: int, last: int) -> int:
        if not 0 <= place <= last:
            raise UsageError(f"the queue has no place {place}: give one from 0 to {last}")
        return place

    def _put(self, ids: list[int]) -> None:
        """Put other ids into the places, and note which places that changes."""
        before, self._ids = self._ids, ids
        if ids == before:
            return
        self.version += 1
        same = [old == new for old, new in zip(before, ids, strict=False)]
        same += [False] * (len(ids) - len(same))
        versions = [*self._changed, *([0] * len(ids))]
        self._changed = [
            version if is_same else self.version for version, is_same in zip(versions, same, strict=False)
        ]
