"""One look for further sources of a track: each is added as it is found, until there are enough.

A look leaves out the sources that there were when it began, and those that it has opened. Once one of them is
lost and another look is due, that one finds it again, where there may be no other.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

import trio

from lightpeer.errors import LightpeerError, NothingFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from lightpeer.core.segments.source_set import SourceSet
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)


class Looked(NamedTuple):
    """How a look has ended.

    Attributes:
        has_failed: with an error, so that nobody further is to be had now.
        was_answered: peers could be asked, and named nobody further that serves the track.
    """

    has_failed: bool = False
    was_answered: bool = False


async def look(
    found: AsyncGenerator[tuple[Peer, Opened], None],
    sources: SourceSet,
    add: Callable[[Peer, Opened], Awaitable[None]],
    next_check: Callable[[], trio.Event],
) -> Looked:
    """Open the track at further peers, until there are enough; return how that ended.

    Args:
        found: gives them.
        sources: says how many are enough.
        add: takes one for a source.
        next_check: gives the event after which more may be wanted.
    """
    try:
        async with aclosing(found):
            async for peer, opened in found:
                await add(peer, opened._replace(chunks=()))
                if sources.search.on_found(len(sources)):
                    break
                while not sources.wants_more(trio.current_time()):
                    await next_check().wait()
                if sources.search.on_waited(trio.current_time()):
                    break
    except LightpeerError as error:
        logger.info("no further sources: %s", error)
        return Looked(has_failed=True, was_answered=isinstance(error, NothingFoundError))
    return Looked()
