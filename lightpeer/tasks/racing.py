"""Several attempts at one thing, each with a head start over the next, as RFC 8305 has it for connections.

The best attempt goes first, and alone for a moment. No attempt waits longer than that for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")


async def first_of(attempts: Iterable[Callable[[], Awaitable[T | None]]], head_start_s: float) -> list[T]:
    """Return the result of the first attempt to succeed, and those of the same moment, which are rare.

    Args:
        attempts: the best first; None means that it failed. The unfinished ones are cancelled.
        head_start_s: of each attempt over the next, in seconds; a failure ends it at once.
    """
    results: list[T] = []

    async def make(attempt: Callable[[], Awaitable[T | None]], over: trio.Event) -> None:
        result = await attempt()
        over.set()
        if result is not None:
            results.append(result)
            nursery.cancel_scope.cancel()

    async with open_nursery() as nursery:
        for attempt in attempts:
            over = trio.Event()
            nursery.start_soon(make, attempt, over)
            with trio.move_on_after(head_start_s):
                await over.wait()
            if results:
                break
    return results
