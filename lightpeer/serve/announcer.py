"""How a server makes itself known: its own record, told to the bootstrap peers again and again.

With each bootstrap peer it exchanges records, which also tells a server that
listens on every address which one it is seen at, and then announces itself,
again as often as that peer wants. A peer that cannot be reached is tried again
after a pause that doubles. Nothing else is polled.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.peers import PeerCache, parse_record_untrusted
from lightpeer.core.records import Role, build_record, format_endpoint, parse_endpoint_untrusted
from lightpeer.errors import BadMessageError, RemoteError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.wire.peer import Peer, SealClock
from lightpeer.wire.tcp import open_channel

if TYPE_CHECKING:
    from lightpeer.core.identity import Identity
    from lightpeer.wire.network import Address, Network

logger = logging.getLogger(__name__)

RECORD_LIFETIME_S: Final = 3600  # who crashes is forgotten within the hour
RECORDS_WANTED: Final = 15
RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 600.0
MIN_AGAIN_S: Final = 60  # whatever a peer says
MAX_AGAIN_S: Final = RECORD_LIFETIME_S // 2
MAX_LEARNED: Final = 16


class OwnRecord:
    """The server's record, sealed anew when half of its life is over."""

    def __init__(self, identity: Identity, clock: SealClock, endpoint: Address | None = None) -> None:
        """Take the address to announce, if it is known; raise UsageError for one that nobody could use."""
        self._identity = identity
        self._clock = clock
        self._endpoint = endpoint
        self._data: bytes | None = None
        self._expires_s = 0
        self.current()

    def settle(self, endpoint: Address) -> None:
        """Take an address to announce, unless there is one."""
        if self._endpoint is None:
            self._endpoint = endpoint
            logger.info("announcing %s", format_endpoint(endpoint))

    def current(self) -> bytes | None:
        """Return the sealed record; None while no address is known."""
        if self._endpoint is None:
            return None
        now_s = self._clock.now_ms() // 1000
        left_s = self._expires_s - now_s
        if self._data is None or not RECORD_LIFETIME_S // 2 < left_s <= RECORD_LIFETIME_S:
            self._expires_s = now_s + RECORD_LIFETIME_S
            self._data = build_record(
                self._identity, [self._endpoint], Role.SERVES, sequence=now_s, expires_s=self._expires_s
            )
        return self._data


class Announcer:
    """Keeps in touch with bootstrap peers; `run` it once for each."""

    def __init__(
        self,
        *,
        network: Network,
        identity: Identity,
        clock: SealClock,
        own: OwnRecord,
        port: int,
        peers: PeerCache,
    ) -> None:
        """Take our RPC port, and the cache for what is learned."""
        self._network = network
        self._identity = identity
        self._clock = clock
        self._own = own
        self._port = port
        self._peers = peers

    async def run(self, address: Address) -> None:
        """Announce this server at one address for ever."""
        pause_s = RETRY_S
        while True:
            try:
                await trio.sleep(await self._announce(address))
                pause_s = RETRY_S
            except (OSError, RemoteError) as error:
                logger.info("cannot announce at %s: %s", format_endpoint(address), error)
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_RETRY_S)

    async def _announce(self, address: Address) -> int:
        """Exchange records and announce; return the seconds until the next time."""
        async with open_channel(self._network, *address) as channel:
            peer = Peer(channel, self._identity, self._clock, self._network, address=address)
            reply = await peer.exchange(pb.ExchangeRequest(want=RECORDS_WANTED))
            host, _ = parse_endpoint_untrusted(reply.observed)
            self._own.settle((host, self._port))
            self._learn_untrusted(reply, peer)
            record = self._own.current()
            assert record is not None, "there is an address once a peer has observed it"
            again_s = (await peer.announce(pb.Announcement(record=record))).again_s
        return max(MIN_AGAIN_S, min(again_s, MAX_AGAIN_S))

    def _learn_untrusted(self, reply: pb.ExchangeReply, peer: Peer) -> None:
        now = self._clock.now_ms() / 1000
        for data in reply.records[:MAX_LEARNED]:
            try:
                record = parse_record_untrusted(data, now)
            except BadMessageError as error:
                logger.info("a bad record from %s: %s", peer.name, error)
                continue
            assert peer.peer_id is not None
            self._peers.add(record, peer.peer_id, now)
            if record.peer_id == peer.peer_id:
                self._peers.on_success(record.peer_id, None, now)


def is_wildcard(host: str) -> bool:
    """Tell whether a listening address means every address of the machine."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return not host
