"""The connections of a light client: at most a few, each made once and shared by all that the process does.

Each is held open by a task of its own until the peer is gone or the client ends.
What a connection needs beyond the channel is imported while its SYN is on the way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.config import Settings
    from lightpeer.contacts import Endpoint
    from lightpeer.core.identity import Identity, PeerId
    from lightpeer.wire.network import Network
    from lightpeer.wire.peer import Peer

MAX_CONNECTIONS = 8  # a phone asks two peers and streams from three


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody to connect to: an address, and the id to be met there if it is known."""

    address: Endpoint
    peer_id: PeerId | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    peer: Peer
    scope: trio.CancelScope


class Connections:
    """The connected peers."""

    def __init__(
        self, settings: Settings, network: Network, nursery: trio.Nursery, identity: Callable[[], Identity]
    ) -> None:
        """Take where to connect, the nursery that the connections live in, and how to get our key."""
        self.first_packet_at: float | None = None  # time.monotonic()
        self.connecting = trio.Event()  # set once the first packet is on its way
        self._settings = settings
        self._network = network
        self._nursery = nursery
        self._identity = identity
        self._held: dict[Candidate, _Held] = {}
        self._under_way: dict[Endpoint, trio.Event] = {}

    def alive(self) -> list[Candidate]:
        """Return who is connected."""
        for candidate, held in list(self._held.items()):
            if not held.peer.is_alive:
                del self._held[candidate]
                held.scope.cancel()
        return list(self._held)

    async def connect(self, candidate: Candidate) -> Peer | None:
        """Return the peer, connected now or before; None if there are too many connections.

        Raises RemoteError if it cannot be reached, StateError if our key cannot be used.
        """
        while (under_way := self._under_way.get(candidate.address)) is not None:  # others may wait too
            await under_way.wait()
        if (peer := self._known(candidate)) is not None:
            return peer
        if len(self._held) >= MAX_CONNECTIONS:
            return None
        self._under_way[candidate.address] = done = trio.Event()
        try:
            held: _Held = await self._nursery.start(self._hold, candidate)
            self._held[candidate] = held
        finally:
            del self._under_way[candidate.address]
            done.set()
            self.connecting.set()  # also if it was refused before anything could be loaded
        return held.peer

    def _known(self, candidate: Candidate) -> Peer | None:
        """Return who is connected already; raise BadMessageError if somebody else is at the address.

        Anybody's record may name another's address: a connection made on its word alone is not that other's.
        """
        held = {known: self._held[known].peer for known in self.alive()}
        for known, peer in held.items():
            if known == candidate or (candidate.peer_id is not None and peer.peer_id == candidate.peer_id):
                return peer
        for known, peer in held.items():
            if known.address == candidate.address and (peer.has_answered or peer.peer_id is None):
                if candidate.peer_id is not None and peer.peer_id is not None:
                    raise BadMessageError("another peer answers at its address")
                return peer
        return None

    async def _hold(
        self, candidate: Candidate, task_status: trio.TaskStatus[_Held] = trio.TASK_STATUS_IGNORED
    ) -> None:
        from lightpeer.wire.tcp import open_channel

        host, port = candidate.address
        with trio.CancelScope() as scope:
            async with open_channel(
                self._network,
                host,
                port,
                connect_timeout_s=self._settings.connect_timeout_s,
                meanwhile=self._load,
            ) as channel:
                await channel.connect()
                from lightpeer.wire.peer import Peer, SealClock

                peer = Peer(
                    channel,
                    self._identity(),
                    SealClock(self._network),
                    self._network,
                    address=candidate.address,
                    peer_id=candidate.peer_id,
                    timeout_s=self._settings.call_timeout_s,
                )
                task_status.started(_Held(peer, scope))
                await trio.sleep_forever()

    def _load(self) -> None:
        """Import what the connection will need; a packet is on its way."""
        if self.first_packet_at is None:
            self.first_packet_at = time.monotonic()
            self.connecting.set()
        import lightpeer.wire.peer  # noqa: F401 - also brings the curve and the messages
