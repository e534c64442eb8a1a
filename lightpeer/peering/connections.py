"""Connections to peers: at most so many, each made once and shared by all that the process does.

Each is held by a task of its own until the peer is gone or the process ends. One that
is not used for a while rests: it is closed, and made again for the next call. When
there are as many as there may be, one that rests gives way, the least lately asked for.
What a connection needs beyond the channel is imported while its SYN is on the way.
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

KEEPALIVE_S: Final = 20.0  # a phone that lost its network should know while there is sound in the buffer


class Terms(NamedTuple):
    """What connections may cost."""

    capacity: int
    idle_s: float  # without calls, until a connection rests
    connect_timeout_s: float
    call_timeout_s: float  # without a byte


class _Held(NamedTuple):
    peer: Peer
    scope: trio.CancelScope


class Connections:
    """The connected peers."""

    def __init__(
        self, terms: Terms, network: Network, nursery: trio.Nursery, identity: Callable[[], Identity]
    ) -> None:
        """Take the nursery that the connections live in, and how to get our key."""
        self.first_packet_at: float | None = None  # time.monotonic()
        self.connecting = trio.Event()  # set once the first packet is on its way
        self._terms = terms
        self._network = network
        self._nursery = nursery
        self._identity = identity
        self._held: dict[Contact, _Held] = {}  # whoever was asked for last is at the end
        self._under_way: dict[Endpoint, trio.Event] = {}

    def alive(self) -> list[Contact]:
        """Return who is connected, or rests; but for those that said nothing when they were asked last."""
        self._drop_dead()
        return [contact for contact, held in self._held.items() if not held.peer.was_silent]

    def _drop_dead(self) -> None:
        for contact, held in list(self._held.items()):
            if not held.peer.is_alive:
                self._drop(contact)

    def holds(self, peer: Peer) -> bool:
        """Tell whether a peer is connected, and has not been dropped."""
        return any(held.peer is peer for held in self._held.values())

    def peers(self, peer_id: PeerId) -> list[Peer]:
        """Return the connections to a peer, by its proven id."""
        return [h.peer for h in self._held.values() if h.peer.peer_id == peer_id and h.peer.has_answered]

    def drop(self, peer: Peer) -> None:
        """Close the connection to a peer that is of no use."""
        for contact, held in list(self._held.items()):
            if held.peer is peer:
                self._drop(contact)

    def _drop(self, contact: Contact) -> None:
        held = self._held.pop(contact)
        held.peer.give_up(held.scope.cancel)

    async def connect(self, contact: Contact) -> Peer | None:
        """Return the peer, connected now or before; None if there are too many connections.

        Raises RemoteError if it cannot be reached, StateError if our key cannot be used.
        """
        while (under_way := self._under_way.get(contact.address)) is not None:  # others may wait too
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
            self.connecting.set()  # also if it was refused before anything could be loaded
        return held.peer

    def _has_room(self) -> bool:
        """Tell whether there is room for one more, now that one that rests may have given way."""
        if len(self._held) + len(self._under_way) >= self._terms.capacity:
            resting = (contact for contact, held in self._held.items() if held.peer.is_resting)
            if (contact := next(resting, None)) is None:
                return False
            self._drop(contact)
        return True

    def _known(self, contact: Contact) -> Peer | None:
        """Return who is connected already; raise SealError if somebody else is at the address.

        Anybody's record may name another's address: a connection made on its word alone is not that other's.
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
        """Hold a connection; one that fails once it stands, as none should, ends alone."""
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
        """Connect, note who is there, and stay connected until cancelled."""
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
            from lightpeer.peering.peer import Peer, SealClock

            peer = Peer(
                channel,
                self._identity(),
                SealClock(self._network),
                self._network,
                address=contact.address,
                peer_id=contact.peer_id,
                silence_s=self._terms.call_timeout_s,
            )
            note(peer)
            await trio.sleep_forever()

    def _load(self) -> None:
        """Import what the connection will need; a packet is on its way."""
        if self.first_packet_at is None:
            self.first_packet_at = time.monotonic()
            self.connecting.set()
        import lightpeer.core.search.replies
        import lightpeer.peering.opener
        import lightpeer.peering.peer  # noqa: F401 - also brings the curve and the messages
