"""Worker threads for what may wait for the disk, so that the event loop never does.

Each kind of work has some threads of its own: a disk that hangs under one kind holds up
that kind alone. What waits for a free thread waits in its turn.
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
        """Take how many may work at once."""
        self._limiter = trio.CapacityLimiter(most)

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what a function gives, or raise what it raises.

        Who is cancelled does not wait for it: the function must be one that only reads.
        """
        return await trio.to_thread.run_sync(function, *args, limiter=self._limiter, abandon_on_cancel=True)
