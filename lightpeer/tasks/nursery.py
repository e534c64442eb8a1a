"""A nursery that raises errors as they were raised in it.

trio puts the errors of a nursery into an ExceptionGroup, since several tasks may fail at once. Callers of the
library should not have to care how many tasks it runs: they get the NoPeerError itself. A group with more
than one unexpected failure stays a group.
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
    """Open a nursery as `trio.open_nursery` does; if all errors are our own, raise the first."""
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        failure = _plain(group)
    if failure is not None:
        raise failure  # here, so that the group is not told of as its context


def _plain(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error that a group is about, or else the group."""
    leaves = list(leaves_of(group))
    # A cancellation beside a failure says nothing: the task that failed is gone all the same.
    failures = [leaf for leaf in leaves if not isinstance(leaf, trio.Cancelled)] or leaves
    if len(failures) == 1 or all(isinstance(failure, LightpeerError) for failure in failures):
        return failures[0]
    return group
