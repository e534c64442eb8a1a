"""How a server gets into the network, and stays in one that is whole.

A server with few neighbours joins: it meets the bootstrap peers, the peers of the local network and
remembered peers, introduces itself, and dials the servers that they recommend. It repeats that with growing
pauses while its neighbours are few.

Neighbours may also know only each other, for example after a partition, or when a household starts without
the internet. So a server that is no neighbour is met now and then: a bootstrap peer, or a remembered one.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.addresses import LOOPBACK_SCOPE
from lightpeer.core.overlay.view import CAPACITY, ENOUGH
from lightpeer.core.trust.bounds import MAX_RECORDS
from lightpeer.core.trust.contact import Contact
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from lightpeer.core.overlay.peer_cache import PeerCache
    from lightpeer.core.overlay.view import Entropy, View
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.serve.overlay.meeting import Meetings

    T = TypeVar("T")

logger = logging.getLogger(__name__)

FEW_NEIGHBOURS: Final = 4  # with fewer, a few crashes may cut the server off
JOIN_AGAIN_S: Final = 5.0  # doubles; also the shortest pause, however often new peers are found
MAX_JOIN_AGAIN_S: Final = 600.0
JOIN_THROUGH_S: Final = 30.0  # for one peer and its recommendations; a dead one takes 5 s
REMEMBERED_ASKED: Final = 8  # remembered peers, in one round of joining
OUTSIDE_S: Final = 600.0  # for each look outside: a thousand servers cost a bootstrap peer 2 calls/s


class Joining:
    """Fills a view that has few neighbours, and keeps it from being cut off."""

    def __init__(
        self,
        view: View[PeerRecord],
        peers: PeerCache,
        meetings: Meetings,
        announced: Callable[[], bytes | None],
        entropy: Entropy,
    ) -> None:
        """Begin without joining.

        Args:
            view: filled with servers.
            peers: remembers servers from earlier runs.
            meetings: meets them.
            announced: gives our record, if it is to be announced.
            entropy: gives random bytes.
        """
        self._view = view
        self._peers = peers
        self._meetings = meetings
        self._announced = announced
        self._entropy = entropy
        self._join_now = trio.Event()

    def join_soon(self) -> None:
        """Join again soon if neighbours are few: there is a new peer to join through."""
        self._join_now.set()

    async def keep_joined(self, contacts: Callable[[], Sequence[Contact]], look_s: float) -> None:
        """Join while neighbours are few, for ever.

        Args:
            contacts: gives the peers to join through.
            look_s: seconds between checks of how many neighbours there are.
        """
        pause_s = JOIN_AGAIN_S
        while True:
            if len(self._view) < FEW_NEIGHBOURS:
                self._join_now = trio.Event()
                await self._join(contacts())
                await trio.sleep(JOIN_AGAIN_S)
                with trio.move_on_after(pause_s - JOIN_AGAIN_S):
                    await self._join_now.wait()
                pause_s = min(2 * pause_s, MAX_JOIN_AGAIN_S)
            else:
                pause_s = JOIN_AGAIN_S
                await trio.sleep(look_s)

    async def keep_whole(self, contacts: Callable[[], Sequence[Contact]]) -> None:
        """Meet a server that is no neighbour now and then."""
        while True:
            await trio.sleep(OUTSIDE_S)
            given, remembered = contacts(), self._remembered(2 * CAPACITY)
            pools = [pool for pool in (given, remembered) if pool]
            if pools:
                pool = self._any(pools)
                await self._join_through(self._any(pool), is_given=pool is given)

    async def _join(self, contacts: Sequence[Contact]) -> None:
        """Meet all contacts, and as many remembered peers as are needed."""
        for contact in contacts:
            for host in await self._addresses(contact):
                given = Contact((host, contact.address[1]), contact.peer_id)
                await self._join_through(given, is_given=True)
        for contact in self._remembered(REMEMBERED_ASKED):
            if len(self._view) >= FEW_NEIGHBOURS:
                return
            await self._join_through(contact, is_given=False)

    def _remembered(self, n: int) -> list[Contact]:
        """Return the `n` best remembered peers, without neighbours."""
        best = self._peers.best(n, self._meetings.clock.unix_time())
        return [Contact(r.endpoints[0], r.peer_id) for r in best if r.peer_id not in self._view]

    async def _addresses(self, contact: Contact) -> list[str]:
        try:
            return await self._meetings.resolve(contact.address[0])
        except OSError as error:
            logger.info("%s leads nowhere: %s", contact.address[0], error)
            return []

    async def _join_through(self, contact: Contact, *, is_given: bool) -> None:
        """Meet a peer, introduce ourselves, and dial as many of its recommendations as there is room for.

        A contact that a person gave (`is_given`) may be anywhere, also by its name.
        """
        scope = LOOPBACK_SCOPE if is_given else self._peers.scope(contact.peer_id)
        meet = partial(self._meetings.try_to_meet, contact, scope=scope, is_named=is_given)
        with trio.move_on_after(JOIN_THROUGH_S):
            wanted = min(MAX_RECORDS - 1, max(0, ENOUGH - len(self._view)))
            met = await meet(pb.ExchangeRequest(want=wanted))
            if met is None:
                return
            if own := self._announced():  # the peer may just have told us our address
                await meet(pb.ExchangeRequest(records=[own]))
            for record in (met.own, *met.others[:wanted]):
                verified = record and await self._meetings.verify(record, met.peer_id, met.host)
                if verified:
                    self._view.add(verified)

    def _any(self, choices: Sequence[T]) -> T:
        return choices[int.from_bytes(self._entropy(4), "big") % len(choices)]
