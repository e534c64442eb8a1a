"""Meeting other servers: the id at an address is proven before the address is recommended.

`meet` makes one sealed Exchange at an address. It updates the peer's score, our own address and our clock,
the last two only as far as networks agree (`core/overlay/agreement.py`).

`verify` is the dial-back for records that others gave us. A stranger could use it to make us knock at a third
party's door. So a target gets one knock a minute, records from one network cause sixteen a minute, and all
together sixty-four. Each address, also one that a name leads to, must be reachable from the network that the
record came from. A peer that answered lately is not asked again. The proof of our own address goes to an
address that a peer named, so it is a knock too.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.addresses import (
    LOOPBACK_SCOPE,
    format_endpoint,
    parse_endpoint_untrusted,
    scope_of,
)
from lightpeer.core.guard.fairness import Fairness
from lightpeer.core.overlay.peer_cache import source_group
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.messages import MAX_REPLY_BYTES
from lightpeer.core.trust.records import check_scope_untrusted, told_records_untrusted
from lightpeer.errors import BadMessageError, RemoteError
from lightpeer.net.names import MAX_ADDRESSES, numeric_untrusted
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.rpc.channel import Limits, open_channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.overlay.peer_cache import PeerCache
    from lightpeer.core.overlay.peer_entry import PeerEntry
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.serve.access.node import Node
    from lightpeer.serve.overlay.agreed_clock import AgreedClock
    from lightpeer.serve.overlay.place import Place

logger = logging.getLogger(__name__)

CONNECT_S: Final = 5.0  # three SYNs
_LIMITS: Final = Limits(receive_message_bytes=MAX_REPLY_BYTES)
PROOF_S: Final = 1.0  # to reach ourselves: the router at most is in between
MET_LATELY_S: Final = 600.0  # an answer proves its address for so long
KNOCK_AGAIN_S: Final = 60.0  # at one target
KNOCKS_PER_NETWORK: Final = 16  # knocks for one source's network: as many as a join brings
KNOCKS_IN_ALL: Final = 64
MAX_NAMED: Final = 64  # hosts of peers that the operator named, or of the local network


@dataclass(frozen=True, slots=True)
class Met:
    """A peer that answered."""

    peer_id: PeerId
    host: str  # the numeric address that it answered at
    own: PeerRecord | None  # its own record, if it has one
    others: list[PeerRecord]  # its recommendations; not verified yet


class Meetings:
    """Contacts servers."""

    def __init__(
        self,
        node: Node,
        peers: PeerCache,
        place: Place,
        clock: AgreedClock,
        on_change: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin without any meeting.

        Args:
            node: this server.
            peers: the memory of other servers and how they did.
            place: where this server is reached; peers tell.
            clock: the time to go by; peers correct it.
            on_change: called when `peers` has changed.
        """
        self._on_change = on_change
        self._network = node.network
        self._identity = node.identity
        self._peers = peers
        self._place = place
        self.clock = clock
        self._knocks = Fairness(
            1 / KNOCK_AGAIN_S, 1, group_shares=KNOCKS_PER_NETWORK, total_shares=KNOCKS_IN_ALL
        )
        self._named: dict[str, None] = {}  # numeric hosts, the latest at the end

    async def resolve(self, host: str) -> list[str]:
        """Return the addresses of a name, a few at most; raise OSError if there are none."""
        return (await self._network.resolve(host))[:MAX_ADDRESSES]

    async def meet(
        self,
        contact: Contact,
        request: pb.ExchangeRequest,
        *,
        scope: int = LOOPBACK_SCOPE,
        is_named: bool = False,
    ) -> Met:
        """Make one Exchange with the peer at an address.

        Args:
            contact: the address, and the id that the peer there must have, if it is known.
            request: sent to it.
            scope: how narrow a network a name may lead into; any for a contact that a person gave.
            is_named: whether the operator named it, so that its word on us counts for more.

        Raises:
            OSError: the name leads nowhere.
            RemoteError: no answer, an unsound one, or another peer.
        """
        try:
            address = await numeric_untrusted(self._network, contact.address, scope)
            if is_named:
                self._note_named(address[0])
            peer, reply, rtt_s = await self._exchange(address, contact.peer_id, request)
        except (OSError, RemoteError):
            if contact.peer_id is not None:
                self._peers.on_failure(contact.peer_id, self.clock.unix_time())
                self._on_change()
            raise
        assert peer.peer_id is not None, "a sealed reply names its signer"
        met = Met(peer.peer_id, peer.host, *self._records_untrusted(reply.records[: 1 + request.want], peer))
        if met.own is not None:
            self._on_change()
            self._peers.add(met.own, met.peer_id, self.clock.unix_time(), met.host)
            if met.own.endpoints[0] in {contact.address, address}:
                self._peers.on_success(met.peer_id, rtt_s, self.clock.unix_time())
        await self._take_observed_untrusted(reply.observed, met)
        return met

    def _note_named(self, host: str) -> None:
        self._named.pop(host, None)
        self._named[host] = None
        if len(self._named) > MAX_NAMED:
            del self._named[next(iter(self._named))]

    async def try_to_meet(
        self,
        contact: Contact,
        request: pb.ExchangeRequest,
        *,
        scope: int = LOOPBACK_SCOPE,
        is_named: bool = False,
    ) -> Met | None:
        """Do as `meet` does, but return None where it fails."""
        try:
            return await self.meet(contact, request, scope=scope, is_named=is_named)
        except (OSError, RemoteError) as error:
            logger.info("cannot meet %s: %s", format_endpoint(contact.address), error)
            return None

    async def announce(self, neighbour: PeerRecord, own: bytes) -> None:
        """Send our record to a neighbour; one that cannot be reached will find out."""
        endpoint, peer_id = neighbour.endpoints[0], neighbour.peer_id
        try:
            address = await numeric_untrusted(self._network, endpoint, self._peers.scope(peer_id))
            async with self._peer_at(address, peer_id) as peer:
                await peer.announce(pb.Announcement(record=own))
        except (OSError, RemoteError) as error:
            logger.info("cannot announce at %s: %s", format_endpoint(endpoint), error)

    async def verify(self, record: PeerRecord, source: PeerId, source_host: str) -> PeerRecord | None:
        """Return the newest record of a server that answers at the address in its record, else None.

        Args:
            record: sound, as `parse_record_untrusted` and `check_scope_untrusted` have it.
            source: the peer that gave it to us.
            source_host: its numeric address.
        """
        known = self._peers.get(record.peer_id)
        now = self.clock.unix_time()
        if known is not None and known.record.sequence >= record.sequence:
            record = known.record
        if not record.serves or record.peer_id == self._identity.peer_id:
            return None
        if known is not None and self._was_met_lately(known, record, now):
            self._peers.add(record, source, now, source_host)
            return record
        address, told_by = record.endpoints[0], source_group(source, source_host)
        try:
            check_scope_untrusted(record, source_host)  # even for a known record
            target = await numeric_untrusted(self._network, address, scope_of(source_host))
            if not self._knocks.admit(target, told_by, 1, trio.current_time()):  # for all its names
                return None
            met = await self.meet(Contact(target, record.peer_id), pb.ExchangeRequest())
        except (OSError, RemoteError) as error:
            logger.info("not taken over: %s: %s", format_endpoint(address), error)
            return None
        newest = met.own if met.own is not None and met.own.sequence > record.sequence else record
        if not newest.serves or newest.endpoints[0] != address:
            return None
        self._peers.add(newest, source, now, source_host)
        self._peers.on_success(newest.peer_id, None, now)
        return newest

    def _was_met_lately(self, known: PeerEntry, record: PeerRecord, now: float) -> bool:
        same_place = known.record.endpoints[0] == record.endpoints[0]
        return known.tried and same_place and now - known.last_success_s < MET_LATELY_S

    # One meeting.

    @asynccontextmanager
    async def _peer_at(self, address: Endpoint, peer_id: PeerId | None) -> AsyncIterator[Peer]:
        """Connect for the length of a block, and note the peer's clock at its end."""
        sealer = Sealer(self._identity, self._network)
        opening = open_channel(self._network, *address, limits=_LIMITS, connect_timeout_s=CONNECT_S)
        async with opening as channel:
            await channel.connect()
            peer = Peer(channel, sealer, address=address, peer_id=peer_id)
            yield peer
        self.clock.hear(peer.host, sealer.clock.offset_ms / 1000, is_named=peer.host in self._named)

    async def _exchange(
        self, address: Endpoint, peer_id: PeerId | None, request: pb.ExchangeRequest
    ) -> tuple[Peer, pb.ExchangeReply, float]:
        """Return the peer, its reply, and the round trip in seconds."""
        async with self._peer_at(address, peer_id) as peer:
            began = trio.current_time()
            reply = await peer.exchange(request)
            return peer, reply, trio.current_time() - began

    def _records_untrusted(
        self, records: Iterable[bytes], peer: Peer
    ) -> tuple[PeerRecord | None, list[PeerRecord]]:
        sound = told_records_untrusted(
            records,
            self.clock.unix_time(),
            peer.host,
            lambda error: logger.info("a bad record from %s: %s", peer.name, error),
        )
        own = next((record for record in sound[:1] if record.peer_id == peer.peer_id), None)
        known = {peer.peer_id, self._identity.peer_id}
        return own, [record for record in sound if record.peer_id not in known]

    async def _take_observed_untrusted(self, observed: str, source: Met) -> None:
        """Note our address as a peer sees it, and prove it where one peer's word is not enough."""
        try:
            host, _ = parse_endpoint_untrusted(observed)
        except BadMessageError:
            return
        if not self._place.address.observed(host, source.host, is_named=source.host in self._named):
            return
        address, told_by = (host, self._place.port), source_group(source.peer_id, source.host)
        if not self._knocks.admit(address, told_by, 1, trio.current_time()):
            return
        try:
            with trio.move_on_after(PROOF_S):
                await self._exchange(address, self._identity.peer_id, pb.ExchangeRequest())
                self._place.address.proven(host)
        except (OSError, RemoteError) as error:
            logger.info("we are not to be reached at %s: %s", host, error)
