"""A nursery out of which an error comes as it was raised.

trio puts whatever ends a nursery into an ExceptionGroup, since several tasks may
fail at once. Who calls the library should not have to care how many tasks it
runs: they get the NoPeerError itself. A group is left as it is where it holds
more than one failure that nobody foresaw.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from lightpeer.errors import LightpeerError, leaves_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def open_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery as `trio.open_nursery` does; of errors that are all our own, the first is raised."""
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        failure = _plain(group)
    if failure is not None:
        raise failure  # here, so that the group is not told of as its context


def _plain(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what a group is about, if it is one thing."""
    leaves = list(leaves_of(group))
    # Beside a failure a cancellation says nothing: the task that failed is gone all the same.
    failures = [leaf for leaf in leaves if not isinstance(leaf, trio.Cancelled)] or leaves
    if len(failures) == 1 or all(isinstance(failure, LightpeerError) for failure in failures):
        return failures[0]
    return group
