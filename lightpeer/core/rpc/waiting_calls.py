"""Calls that wait for a free stream, because the server or we allow only so many at a time.

Streams that were opened since the transport last took data count as open, even if they have ended: a burst of
calls that are cancelled at once opens no more than the server allows.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.core.rpc.client_call import ClientCall


class WaitingCalls:
    """The queue of one connection.

    Args:
        capacity: how many calls may wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._calls: deque[ClientCall] = deque()
        self._opened = 0  # streams, since the transport last took data

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[ClientCall]:
        """Iterate over a copy, so that calls may leave meanwhile."""
        return iter(list(self._calls))

    def put(self, call: ClientCall) -> bool:
        """Let a call wait; return False if the queue is full."""
        if len(self._calls) >= self._capacity:
            return False
        self._calls.append(call)
        return True

    def remove(self, call: ClientCall) -> None:
        """Remove a call, if it waits."""
        if call in self._calls:
            self._calls.remove(call)

    def take(self) -> ClientCall:
        """Remove and return the call that has waited longest."""
        return self._calls.popleft()

    def has_room(self, active_calls: int, limit: int) -> bool:
        """Return whether another stream may be opened, beside `active_calls` and up to a `limit`."""
        return max(active_calls, self._opened) < limit

    def on_opened(self) -> None:
        """Note that a stream was opened."""
        self._opened += 1

    def on_output(self) -> None:
        """Note that the transport takes data."""
        self._opened = 0
