"""A queue for slow work that is fair to networks, and serves the newest item of each first.

In a single line, one network with many slow items holds everybody up. Here the network that was served
longest ago, or never, is next, so a newcomer from another network waits for one item and not for a line.
Within a network the newest item goes first, because older ones are probably no longer wanted, or were asked
for anew. A full queue drops the oldest item of the network with most.

Call order: `put` for each item, `take` when there is capacity, `done` when the item is finished.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_SERVED: Final = 1024  # networks that were served and are remembered: 100 kB


class Waiting(Generic[T]):
    """Items that wait, by network; one item of each network is served at a time.

    Args:
        capacity: how many items may wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lines: dict[str, deque[T]] = {}  # the newest at the end
        self._busy: set[str] = set()
        self._served: dict[str, None] = {}  # the latest at the end

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def put(self, group: str, item: T) -> None:
        """Add an item of a network."""
        self._lines.setdefault(group, deque()).append(item)
        if len(self) > self._capacity:
            longest = max(self._lines, key=lambda each: len(self._lines[each]))
            self._lines[longest].popleft()
            if not self._lines[longest]:
                del self._lines[longest]

    def take(self) -> tuple[str, T] | None:
        """Remove and return an item and its network, which is busy until `done`; None if there is none."""
        ready = [group for group in self._lines if group not in self._busy]
        if not ready:
            return None
        turns = {group: turn for turn, group in enumerate(self._served)}
        group = min(ready, key=lambda each: turns.get(each, -1))
        item = self._lines[group].pop()
        if not self._lines[group]:
            del self._lines[group]
        self._busy.add(group)
        self._served.pop(group, None)
        self._served[group] = None
        if len(self._served) > MAX_SERVED:
            del self._served[next(iter(self._served))]
        return group, item

    def done(self, group: str) -> None:
        """Note that a network is no longer busy."""
        self._busy.discard(group)
