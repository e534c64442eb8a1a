"""Connections to peers: a bounded number, each made once and shared by the whole process.

A task of its own holds each connection until the peer is gone or the process ends. An unused connection
rests: it is closed, and made again for the next call. At the bound, the resting connection that was least
recently asked for gives way. Modules that a connection needs beyond the channel are imported while its SYN
is on the way.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from lightpeer.errors import SealError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.trust.contact import Contact
    from lightpeer.core.trust.identity import Identity, PeerId
    from lightpeer.net.network import Network
    from lightpeer.peering.peer import Peer


logger = logging.getLogger(__name__)

KEEPALIVE_S: Final = 20.0  # so that a phone notices a lost network while its buffer has sound


class Terms(NamedTuple):
    """What connections may cost.

    Attributes:
        capacity: how many there may be.
        idle_s: seconds without calls until a connection rests.
        connect_timeout_s: seconds for TCP.
        call_timeout_s: seconds without a byte until a call fails.
    """

    capacity: int
    idle_s: float
    connect_timeout_s: float
    call_timeout_s: float


class _Held(NamedTuple):
    peer: Peer
    scope: trio.CancelScope


class Connections:
    """The connected peers.

    Args:
        terms: what they may cost.
        network: where to connect.
        nursery: where the connections live.
        identity: returns our key.

    Attributes:
        first_packet_at: when the first packet was sent, as `time.monotonic` counts, or None.
        connecting: set once the first packet is on its way.
    """

    def __init__(
        self, terms: Terms, network: Network, nursery: trio.Nursery, identity: Callable[[], Identity]
    ) -> None:
        self.first_packet_at: float | None = None
        self.connecting = trio.Event()
        self._terms = terms
        self._network = network
        self._nursery = nursery
        self._identity = identity
        self._held: dict[Contact, _Held] = {}  # the latest asked for is last
        self._under_way: dict[Endpoint, trio.Event] = {}

    def alive(self) -> list[Contact]:
        """Return the peers that are connected or rest, except those that did not answer when last asked."""
        self._drop_dead()
        return [contact for contact, held in self._held.items() if not held.peer.was_silent]

    def _drop_dead(self) -> None:
        for contact, held in list(self._held.items()):
            if not held.peer.is_alive:
                self._drop(contact)

    def holds(self, peer: Peer) -> bool:
        """Return whether a peer is connected and has not been dropped."""
        return any(held.peer is peer for held in self._held.values())

    def peers(self, peer_id: PeerId) -> list[Peer]:
        """Return the connections to a peer, by its proven id."""
        return [h.peer for h in self._held.values() if h.peer.peer_id == peer_id and h.peer.has_answered]

    def drop(self, peer: Peer) -> None:
        """Close the connection to a useless peer."""
        for contact, held in list(self._held.items()):
            if held.peer is peer:
                self._drop(contact)

    def _drop(self, contact: Contact) -> None:
        held = self._held.pop(contact)
        held.peer.give_up(held.scope.cancel)

    async def connect(self, contact: Contact) -> Peer | None:
        """Return the peer, connected now or before; None if there are too many connections.

        Raises:
            RemoteError: it cannot be reached.
            StateError: our key cannot be used.
        """
        while (under_way := self._under_way.get(contact.address)) is not None:  # other tasks may wait too
            await under_way.wait()
        if (peer := self._known(contact)) is not None:
            return peer
        if not self._has_room():
            return None
        self._under_way[contact.address] = done = trio.Event()
        try:
            held: _Held = await self._nursery.start(self._hold, contact)
            self._held[contact] = held
        finally:
            del self._under_way[contact.address]
            done.set()
            self.connecting.set()  # even if it was refused before anything was loaded
        return held.peer

    def _has_room(self) -> bool:
        """Return whether there is room for one more, after a resting connection has given way if need be."""
        if len(self._held) + len(self._under_way) >= self._terms.capacity:
            resting = (contact for contact, held in self._held.items() if held.peer.is_resting)
            if (contact := next(resting, None)) is None:
                return False
            self._drop(contact)
        return True

    def _known(self, contact: Contact) -> Peer | None:
        """Return the peer if it is connected already.

        A record may name somebody else's address, so a connection that was made by it alone proves nothing.

        Raises:
            SealError: another peer is at the address.
        """
        self._drop_dead()
        held = {known: held.peer for known, held in self._held.items()}
        for known, peer in held.items():
            if known == contact or (contact.peer_id is not None and peer.peer_id == contact.peer_id):
                self._held[known] = self._held.pop(known)
                return peer
        for known, peer in held.items():
            if known.address == contact.address and (peer.has_answered or peer.peer_id is None):
                if contact.peer_id is not None and peer.peer_id is not None:
                    raise SealError("foreign", "another peer answers at its address")
                return peer
        return None

    async def _hold(
        self, contact: Contact, task_status: trio.TaskStatus[_Held] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Hold a connection. A fault after it was made, which should not happen, ends it alone."""
        held: list[_Held] = []

        def note(now_held: _Held) -> None:
            held.append(now_held)
            task_status.started(now_held)

        with trio.CancelScope() as scope:
            try:
                await self._stay_connected(contact, lambda peer: note(_Held(peer, scope)))
            except Exception:
                if not held:
                    raise
                logger.exception("the connection to %s:%d failed", *contact.address)
                self.drop(held[0].peer)

    async def _stay_connected(self, contact: Contact, note: Callable[[Peer], object]) -> None:
        """Connect, note the peer, and stay connected until cancelled."""
        from lightpeer.core.trust.messages import MAX_REPLY_BYTES
        from lightpeer.rpc.channel import Limits, open_channel

        host, port = contact.address
        async with open_channel(
            self._network,
            host,
            port,
            connect_timeout_s=self._terms.connect_timeout_s,
            idle_s=self._terms.idle_s,
            limits=Limits(receive_message_bytes=MAX_REPLY_BYTES, keepalive_s=KEEPALIVE_S),
            meanwhile=self._load,
        ) as channel:
            began_s = trio.current_time()
            await channel.connect()
            took_s = trio.current_time() - began_s
            logger.info("connected to %s:%d in %.0f ms", host, port, 1000 * took_s)
            from lightpeer.peering.peer import Peer
            from lightpeer.peering.sealing import Sealer

            peer = Peer(
                channel,
                Sealer(self._identity(), self._network),
                address=contact.address,
                peer_id=contact.peer_id,
                silence_s=self._terms.call_timeout_s,
            )
            note(peer)
            await trio.sleep_forever()

    def _load(self) -> None:
        """Import what the connection will need, while a packet is on its way."""
        if self.first_packet_at is None:
            self.first_packet_at = time.monotonic()
            self.connecting.set()
        import lightpeer.core.search.replies
        import lightpeer.peering.opener
        import lightpeer.peering.peer  # noqa: F401 - also brings the curve and the messages
