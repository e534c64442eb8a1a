"""Worker threads for work that may wait for the disk, so that the event loop never does.

Each kind of work has threads of its own, so a disk that hangs holds up one kind alone. Work that waits for a
free thread is done in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Threads:
    """A bounded number of worker threads."""

    def __init__(self, most: int) -> None:
        """Limit how many may work at once."""
        self._limiter = trio.CapacityLimiter(most)

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call a function in a thread, and return its result.

        A cancelled caller does not wait for the thread, so the function must only read.

        Args:
            function: called in a worker thread; its errors are raised here.
            args: its arguments.
        """
        return await trio.to_thread.run_sync(function, *args, limiter=self._limiter, abandon_on_cancel=True)
