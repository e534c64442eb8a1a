"""Who waits for something that takes its time: served network by network, and in each the newest first.

What waits in one line is held up by whoever has many in it that take long. Here the network that was served
longest ago, or never, is next, so that a newcomer from a network of its own waits for one place and not for a
line. In a network the newest is served first: what the others wanted is most likely over, or is wanted anew.
It is bounded: when it is full, the network with most in it gives up its oldest.

Call order: `put` for each that comes, `take` whenever there is a place, `done` when that is free again.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_SERVED: Final = 1024  # networks that are remembered to have been served: 100 kB


class Waiting(Generic[T]):
    """At most `capacity` that wait, each in a network; one of a network is served at a time."""

    def __init__(self, capacity: int) -> None:
        """Take how many may wait."""
        self._capacity = capacity
        self._lines: dict[str, deque[T]] = {}  # the newest at the end
        self._busy: set[str] = set()
        self._served: dict[str, None] = {}  # the latest at the end

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def put(self, group: str, item: T) -> None:
        """Let one wait."""
        self._lines.setdefault(group, deque()).append(item)
        if len(self) > self._capacity:
            longest = max(self._lines, key=lambda each: len(self._lines[each]))
            self._lines[longest].popleft()
            if not self._lines[longest]:
                del self._lines[longest]

    def take(self) -> tuple[str, T] | None:
        """Return who is next, and its network, which is busy until `done`; None if nobody can be served."""
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
        """Note that a network is not busy any more."""
        self._busy.discard(group)
