"""The addresses that a light client may try, best first.

Connected peers come first, then the bootstrap list, then the peer cache, each best first. Further addresses
are looked for only once all of these are used up: the other addresses of bootstrap names, and, for a client
that reaches no peer at all, those that answer on the local network.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.trust.contact import Contact

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.net.network import Network
    from lightpeer.peering.connections import Connections
    from lightpeer.state.peers import RememberedPeers

MAX_CACHED: Final = 8  # as many peers as one search may ask
MAX_FURTHER: Final = 64
LOOK_AGAIN_S: Final = 60.0
LOOK_S: Final = 1.5  # answers take 20 to 120 ms (RFC 6762, section 6); a question is repeated after 1 s


class Candidates:
    """Addresses to try."""

    def __init__(
        self,
        bootstrap: Sequence[Contact],
        network: Network,
        connections: Connections,
        remembered: RememberedPeers,
        *,
        looks_around: bool = True,
    ) -> None:
        """Join the sources of addresses.

        Args:
            bootstrap: the peers that the person named.
            network: resolves names, and looks around on the local network.
            connections: the peers that are connected.
            remembered: the peer cache.
            looks_around: whether to look on the local network.
        """
        self._bootstrap = bootstrap
        self._network = network
        self._connections = connections
        self._remembered = remembered
        self._looks_around = looks_around
        self._look_at = -math.inf
        self._further: list[Contact] = []  # found only once no other was left
        self._moved: set[Endpoint] = set()  # where another peer answers than the one that was known there

    def ordered(self) -> list[Contact]:
        """Return all that can be tried now, best first."""
        cached = [
            Contact(endpoint, record.peer_id)
            for record in self._remembered.cache.best(MAX_CACHED, self._network.unix_time())
            for endpoint in record.endpoints[:2]  # one of each family, where it has both
        ]
        return [*self._connections.alive(), *self.given(), *cached, *self._further]

    def given(self) -> list[Contact]:
        """Return the bootstrap list, best first by what is remembered of the peers at its addresses."""
        given = list(self._bootstrap)
        if len(given) < 2:
            return given  # without loading the cache before the first packet leaves
        from lightpeer.core.overlay.peer_cache import ordered

        return ordered(given, self._remembered.cache.entries(), self._network.unix_time())

    @property
    def is_any_known(self) -> bool:
        """Whether the bootstrap list or the cache names any peer."""
        return bool(self._bootstrap or self._remembered.cache.entries())

    def is_given(self, address: Endpoint) -> bool:
        """Return whether an address is on the bootstrap list."""
        return any(address == contact.address for contact in self._bootstrap)

    def rank(self, address: Endpoint) -> int | None:
        """Return the place of an address on the bootstrap list, None if it is not there."""
        places = (place for place, contact in enumerate(self._bootstrap) if contact.address == address)
        return next(places, None)

    def was_given(self, peer_id: PeerId) -> bool:
        """Return whether the person named a peer, or the address that it answers at."""
        if any(contact.peer_id == peer_id for contact in self._bootstrap):
            return True
        return any(self.is_given(peer.address) for peer in self._connections.peers(peer_id))

    # Further ones.

    async def look_around(self) -> None:
        """Look for peers on the local network, until the first is found, unless that is not wanted.

        Who knows others looks once a minute: a peer at home may have got another address.
        """
        now = trio.current_time()
        if not self._looks_around or (now < self._look_at and self.ordered()):
            return
        self._look_at = now + LOOK_AGAIN_S
        async with self._network.lan() as lan:
            if lan.is_looking and not lan.contacts:
                with trio.move_on_after(LOOK_S):
                    await lan.changed.wait()
            self._further = list(dict.fromkeys([*lan.contacts, *self._further]))[:MAX_FURTHER]

    async def resolve_names(self, met: Collection[str]) -> None:
        """Find the addresses of bootstrap names, except the hosts in `met`."""
        from lightpeer.net.names import MAX_ADDRESSES

        if self._further:
            return
        for (host, port), peer_id in self._bootstrap:
            try:
                addresses = (await self._network.resolve(host))[:MAX_ADDRESSES]
            except OSError:
                continue
            self._further += [Contact((a, port), peer_id) for a in addresses if a not in {host, *met}]

    # Addresses that changed hands.

    def note_moved(self, address: Endpoint) -> None:
        """Note that another peer answers at an address than the one that was known there."""
        self._moved.add(address)

    def take_moved(self, address: Endpoint) -> bool:
        """Return whether that was noted of an address, and forget it."""
        was_noted = address in self._moved
        self._moved.discard(address)
        return was_noted
