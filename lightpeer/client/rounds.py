"""The way of one search from peer to peer, in rounds.

The first round meets the peers at hand. Once they are used up and no answer of theirs is hoped for, they are
asked for their neighbours, who are the second round, and so on. Each candidate has a head start over the
next, and each peer is met once, except that one that was silent may answer over a new connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.trust.contact import Contact

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from lightpeer.client.candidates import Candidates
    from lightpeer.peering.connections import Connections
    from lightpeer.peering.peer import Peer

ROUNDS: Final = 3
RACING: Final = 3  # connections under way at a time
INFORMANTS: Final = 2  # peers that are asked for their neighbours after a round


class Rounds:
    """One search's rounds."""

    def __init__(
        self,
        candidates: Candidates,
        connections: Connections,
        connect: Callable[[list[Contact], set[Contact]], Awaitable[Peer | None]],
        exchange: Callable[[Peer], Awaitable[object]],
        limit: int,
    ) -> None:
        """Begin with nobody met.

        Args:
            candidates: the addresses to try.
            connections: know which peers are still connected.
            connect: gives the first of some contacts to be reached; adds those that were tried to the set.
            exchange: asks a peer for records of others.
            limit: how many peers are met at most.
        """
        self._candidates = candidates
        self._connections = connections
        self._connect = connect
        self._exchange = exchange
        self._limit = limit
        self._tried: set[Contact] = set()
        self._met: list[Peer] = []

    async def run(
        self, all_answered: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    ) -> AsyncGenerator[Peer, None]:
        """Yield one connected peer after another.

        `all_answered` returns once no answer is hoped for from the peers of a round.
        """
        is_any_known = bool(self._candidates.ordered())
        if not is_any_known:
            await self._candidates.look_around()
        for number in range(ROUNDS):
            while (peer := await self._next()) is not None:
                yield peer
                if self._candidates.take_moved(peer.address):
                    self._tried.discard(Contact(peer.address))  # if any peer will do there
                if len(self._met) >= self._limit:
                    return
            await all_answered()
            if number == 0:
                await self._candidates.resolve_names({peer.host for peer in self._met})
                if is_any_known and not self._met and not self._untried():
                    await self._candidates.look_around()
            if number < ROUNDS - 1:
                await self._find_neighbours()

    async def _next(self) -> Peer | None:
        """Return the next peer of a round, None once no candidate is left."""
        while waiting := self._untried():
            peer = await self._connect(waiting[:RACING], self._tried)
            if peer is not None and (peer not in self._met or peer.was_silent):
                self._met.append(peer)
                return peer
        return None

    def _untried(self) -> list[Contact]:
        return [contact for contact in self._candidates.ordered() if contact not in self._tried]

    async def _find_neighbours(self) -> None:
        """Ask peers that were met for others, until one names a peer that is new."""
        for peer in [peer for peer in self._met if self._connections.holds(peer)][:INFORMANTS]:
            await self._exchange(peer)
            if any(contact.peer_id != peer.peer_id for contact in self._untried()):
                break
