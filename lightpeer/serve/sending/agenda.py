"""The turns of many streams, the earliest first.

A heap cannot drop an entry from its middle, so a new turn leaves the old one behind as a void entry. Once
most entries are void, the heap is built again.
"""

from __future__ import annotations

import heapq
import math
from typing import Final

VOID_SHARE: Final = 4  # entries for each stream, before the heap is built again

_BEING_SERVED: Final = -math.inf


class Agenda:
    """One turn for each stream; all times are monotonic seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._turns: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, stream_id: int, when: float) -> None:
        """Give a stream its turn, in place of an earlier one."""
        self._turns[stream_id] = when
        heapq.heappush(self._heap, (when, stream_id))
        if len(self._heap) > VOID_SHARE * (len(self._turns) + 1):
            self._heap = [(turn, i) for i, turn in self._turns.items() if turn != _BEING_SERVED]
            heapq.heapify(self._heap)

    def advance(self, stream_id: int, when: float) -> bool:
        """Give a stream an earlier turn, and return whether it is earlier.

        A stream that is being served keeps no turn: it gets its next one when it has been served.
        """
        is_earlier = when < self._turns[stream_id]
        if is_earlier:
            self.put(stream_id, when)
        return is_earlier

    def remove(self, stream_id: int) -> None:
        """Forget a stream."""
        self._turns.pop(stream_id, None)

    def next_at(self) -> float:
        """Return the time of the next entry, which may be void."""
        return self._heap[0][0] if self._heap else math.inf

    def pop(self) -> int | None:
        """Remove the next entry; return its stream, which is being served now, or None if it is void."""
        when, stream_id = heapq.heappop(self._heap)
        if self._turns.get(stream_id) != when:
            return None
        self._turns[stream_id] = _BEING_SERVED
        return stream_id
