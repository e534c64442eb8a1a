"""Deadlines of many things, the earliest first.

A heap that drops entries late: an entry is checked only when it reaches the top, and the heap is rebuilt
once most entries no longer count. So short calls with long deadlines do not pile up.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

REBUILD_AT_LEAST: Final = 64
"""With fewer entries, dropping dead ones is not worth a pass."""


class Deadlines(Generic[T]):
    """Things in the order of their deadlines.

    Args:
        is_live: returns whether the deadline of a thing still counts.
    """

    def __init__(self, is_live: Callable[[T], bool]) -> None:
        self._is_live = is_live
        self._heap: list[tuple[float, int, T]] = []  # at most twice what is live, and a few
        self._sequence = 0  # breaks ties, so that things are never compared
        self._rebuild_at = REBUILD_AT_LEAST

    def add(self, deadline: float, thing: T) -> None:
        """Note that `thing` is due at `deadline`."""
        self._sequence += 1
        heappush(self._heap, (deadline, self._sequence, thing))
        if len(self._heap) >= self._rebuild_at:
            self._heap = [entry for entry in self._heap if self._is_live(entry[2])]
            heapify(self._heap)
            self._rebuild_at = max(REBUILD_AT_LEAST, 2 * len(self._heap))

    def next(self) -> float | None:
        """Return the earliest deadline that counts, or None."""
        while self._heap and not self._is_live(self._heap[0][2]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> T | None:
        """Remove and return a thing whose deadline has passed at `now`, or return None."""
        deadline = self.next()
        if deadline is None or deadline > now:
            return None
        return heappop(self._heap)[2]
