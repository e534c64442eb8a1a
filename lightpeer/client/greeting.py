"""Meeting peers without a search: at the addresses in an invite, or to hear of others."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

from lightpeer.client.setbacks import Setbacks
from lightpeer.core.trust.bounds import MAX_RECORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.client.reach import Reach
    from lightpeer.core.trust.contact import Contact
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)


async def meet(reach: Reach, contacts: Sequence[Contact]) -> Peer:
    """Return the first peer that answers at some addresses; those that it names are remembered.

    Raises:
        LightpeerError: nobody does, or another peer than was named.
    """
    setbacks = Setbacks()
    tried: set[Contact] = set()
    while waiting := [contact for contact in contacts if contact not in tried]:
        peer = await reach.first_of(waiting, tried, setbacks=setbacks)
        if peer is not None and (await reach.exchange(peer, setbacks=setbacks) or setbacks.too_often):
            return peer
    raise reach.nobody(setbacks)


async def hear_of_others(reach: Reach, limit: int, is_enough: Callable[[], bool]) -> None:
    """Ask peers at hand for others, which are remembered, until enough are known.

    One that answers only that it was asked too often is reachable: that is a warning.

    Args:
        reach: the peers at hand.
        limit: how many are asked at most.
        is_enough: returns whether enough are known.

    Raises:
        LightpeerError: no peer answered.
    """
    has_answered, setbacks = False, Setbacks()
    async with aclosing(reach.peers(setbacks, limit=limit)) as peers:
        async for peer in peers:
            has_answered = await reach.exchange(peer, MAX_RECORDS - 1, setbacks) or has_answered
            if has_answered and is_enough():
                break
    if not has_answered and setbacks.too_often is None:
        raise reach.nobody(setbacks)
    if not has_answered:
        logger.warning("%s: wait a minute for news; these peers were known before", setbacks.too_often)
    reach.warn(setbacks)
