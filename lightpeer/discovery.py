"""Finding peers and tracks: the light client's side of the unstructured network.

A light client only asks. It knows a few addresses (the bootstrap list) and a
bounded cache of signed records kept on disk between runs. Peers are tried in
that order, those of the cache best first; connections are kept and shared by all
that the process does. A search that is about to be played carries an Open, so
that the first audio comes with the hits: one round trip once the connection stands.
When the first peers know nothing, their neighbours are asked, a bounded number.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import trio

from lightpeer.connections import Connections, Terms
from lightpeer.contacts import Contact
from lightpeer.core.uri import TRACK_ID_BYTES, format_uri
from lightpeer.errors import (
    BadMessageError,
    NoPeerError,
    NothingFoundError,
    RemoteError,
    RpcError,
    StreamFailedError,
)
from lightpeer.remembered import RememberedPeers
from lightpeer.state import load_or_create_identity
from lightpeer.wire.nursery import open_nursery

if TYPE_CHECKING:
    from lightpeer.config import Settings
    from lightpeer.core.identity import Identity, PeerId
    from lightpeer.core.opening import Opened
    from lightpeer.core.peers import PeerCache, PeerEntry
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.wire.network import Network
    from lightpeer.wire.peer import Peer

logger = logging.getLogger(__name__)

INLINE_BYTES = 16 * 1024  # two seconds at 48 kbit/s, a third of a second on a 400 kbit/s link
MAX_CONNECTIONS = 8  # a phone asks two peers and streams from three
IDLE_S = 10.0  # a 3G radio stays up for about that long after the last packet: our goodbye does not wake it
RACING = 3  # connections under way at a time
HEAD_START_S = 1.0  # over the next: two round trips of a slow 3G link and some
MAX_ASKED = 8  # peers that one search may cost
RECORDS_WANTED = 8
MAX_RECORDS = 16  # of one reply: a seal costs a Pi Zero a millisecond or two
MAX_HITS = 50
MAX_TEXT_CHARS = 512


@dataclass(frozen=True, slots=True)
class Hit:
    """A track that somebody holds; `holders` are peer ids as people see them."""

    track_id: bytes
    uri: str
    title: str
    artist: str
    album: str
    duration_s: float
    bitrates_kbps: list[int]
    holders: list[str]


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A peer as `lightpeer peers` shows it."""

    peer_id: str
    endpoints: list[str]
    rtt_ms: float | None
    roles: list[str]
    state: str


@asynccontextmanager
async def open_client(settings: Settings, network: Network) -> AsyncIterator[Client]:
    """Give a light client; it opens no socket before it is asked for something, and none that listens."""
    async with open_nursery() as nursery:
        client = Client(settings, network, nursery)
        try:
            yield client
        finally:
            nursery.cancel_scope.cancel()
            client.save()


class Client:
    """The light client; make it with `open_client`."""

    def __init__(self, settings: Settings, network: Network, nursery: trio.Nursery) -> None:
        self.settings = settings
        self.network = network
        self._nursery = nursery
        terms = Terms(MAX_CONNECTIONS, IDLE_S, settings.connect_timeout_s, settings.call_timeout_s)
        self._connections = Connections(terms, network, nursery, lambda: self.identity)
        self._remembered = RememberedPeers(settings.state_dir, settings.cached_peers, nursery)
        self._unsound: str | None = None  # what the last peer that broke the protocol did

    @cached_property
    def identity(self) -> Identity:
        """Our key, made at first use."""
        return load_or_create_identity(self.settings.state_dir, self.network.entropy)

    @property
    def cache(self) -> PeerCache:
        """What we remember of other peers."""
        return self._remembered.cache

    @property
    def connecting(self) -> trio.Event:
        """Set once the first packet of all is on its way."""
        return self._connections.connecting

    @property
    def first_packet_at(self) -> float | None:
        """When the first packet left, as `time.monotonic()` gives it."""
        return self._connections.first_packet_at

    def save(self) -> None:
        """Write the peer cache, if it changed."""
        self._remembered.save()

    def begin(self) -> None:
        """Start to connect to the first bootstrap peer, while the caller still loads what it needs."""
        if self.settings.bootstrap:
            self._nursery.start_soon(self._connect, self.settings.bootstrap[0])

    # What commands use.

    async def search(self, query: str, limit: int = 10) -> AsyncGenerator[Hit, None]:
        """Yield hits as they come, each track once; raise NoPeerError if nobody could be asked."""
        seen: set[bytes] = set()
        asked = 0
        async with aclosing(self._peers()) as peers:
            async for peer in peers:
                try:
                    async with aclosing(self._search_at(peer, query, limit, None)) as replies:
                        async for hits, _ in replies:
                            for hit in hits:
                                if hit.track_id not in seen and len(seen) < limit:
                                    seen.add(hit.track_id)
                                    yield hit
                except RemoteError as error:
                    self._misbehaved(peer, error)
                    continue
                asked += 1
                if len(seen) >= limit or asked >= (self.settings.peers_asked if seen else MAX_ASKED):
                    break
        if not asked:
            raise self._no_peer()

    async def open_query(self, query: str, *, inline: bool = True) -> tuple[Peer, Opened]:
        """Open the best hit with the search itself; raises NoPeerError or NothingFoundError."""
        reached = False
        async with aclosing(self._peers()) as peers:
            async for peer in peers:
                try:
                    found = await self._search_and_open(peer, query, inline=inline)
                except RemoteError as error:
                    self._misbehaved(peer, error)
                    continue
                reached = True
                if found is not None:
                    return peer, found
        if not reached:
            raise self._no_peer()
        raise NothingFoundError(f"nothing found for {query!r}")

    async def open_track(
        self,
        track_id: bytes,
        *,
        inline: bool = True,
        bitrate_kbps: int | None = None,
        exclude: Collection[PeerId] = (),
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield one peer after another that serves the track; raise if there is none at all."""
        reached = opened_any = False
        async with aclosing(self._peers()) as peers:
            async for peer in peers:
                if peer.peer_id in exclude:
                    reached = True
                    continue
                try:
                    opened = await self._open_at(peer, track_id, inline=inline, bitrate_kbps=bitrate_kbps)
                except RpcError as error:
                    reached = True
                    logger.info("%s does not serve it: %s", peer.name, error)
                    continue
                except RemoteError as error:
                    self._misbehaved(peer, error)
                    continue
                reached = opened_any = True
                yield peer, opened
        if not reached:
            raise self._no_peer()
        if not opened_any:
            which = "no other reachable peer" if exclude else "no reachable peer"
            raise NothingFoundError(f"{which} holds {format_uri(track_id)}")

    async def peers(self) -> list[PeerInfo]:
        """Exchange records with the peers at hand and return all that are known, best first."""
        reached = False
        async with aclosing(self._peers(limit=self.settings.peers_asked)) as peers:
            async for peer in peers:
                reached = True
                await self._exchange(peer)
        if not reached:
            raise self._no_peer()
        return [self._info(entry) for entry in self.cache.entries()]

    def _info(self, entry: PeerEntry) -> PeerInfo:
        from lightpeer.core.identity import format_peer_id
        from lightpeer.core.records import format_endpoint

        return PeerInfo(
            peer_id=format_peer_id(entry.record.peer_id),
            endpoints=[format_endpoint(endpoint) for endpoint in entry.record.endpoints],
            rtt_ms=None if entry.rtt_s is None else round(entry.rtt_s * 1000, 1),
            roles=["serve"] if entry.record.serves else [],
            state="tried" if entry.tried else "new",
        )

    # One peer.

    async def _search_and_open(self, peer: Peer, query: str, *, inline: bool) -> Opened | None:
        """Search at a peer and open the best hit there; None if it has none."""
        from lightpeer.core.opening import Opening

        opening = Opening(self._ephemeral_secret())
        wanted = opening.request(
            bitrate_kbps=self._first_bitrate_kbps(), inline_bytes=INLINE_BYTES if inline else 0
        )
        async with aclosing(self._search_at(peer, query, 1, wanted)) as replies:
            async for hits, reply in replies:
                if not hits:
                    continue
                if reply.HasField("open") and peer.peer_id is not None:
                    return opening.accept_untrusted(
                        reply.open,
                        track_id=hits[0].track_id,
                        client=self.identity.peer_id,
                        server=peer.peer_id,
                    )
                return await self._open_at(peer, hits[0].track_id, inline=inline)
        return None

    async def _open_at(
        self, peer: Peer, track_id: bytes, *, inline: bool, bitrate_kbps: int | None = None
    ) -> Opened:
        from lightpeer.core.opening import Opening

        opening = Opening(self._ephemeral_secret())
        request = opening.request(
            track_id,
            bitrate_kbps=bitrate_kbps or self._first_bitrate_kbps(),
            inline_bytes=INLINE_BYTES if inline else 0,
        )
        reply = await peer.open(request)
        assert peer.peer_id is not None, "a sealed reply names its signer"
        return opening.accept_untrusted(
            reply, track_id=track_id, client=self.identity.peer_id, server=peer.peer_id
        )

    def _ephemeral_secret(self) -> bytes | None:
        return None if self.settings.transport == "grpc" else self.network.entropy(32)

    def _first_bitrate_kbps(self) -> int:
        from lightpeer.core.ladder import FIRST_BPS

        return self.settings.bitrate_kbps or FIRST_BPS // 1000

    async def _search_at(
        self, peer: Peer, query: str, limit: int, wanted: pb.OpenRequest | None
    ) -> AsyncGenerator[tuple[list[Hit], pb.SearchReply], None]:
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        request = pb.SearchRequest(
            query=query, limit=limit, hops=0, query_id=self.network.entropy(8), open=wanted
        )
        left = limit
        async with aclosing(peer.search(request)) as replies:
            async for reply in replies:
                if len(reply.hits) > left or (left < limit and not reply.hits):
                    raise BadMessageError("search replies beyond what was asked for")
                left -= max(1, len(reply.hits))
                holders = self._learn_untrusted(reply.records, peer)
                yield [_hit_untrusted(hit, holders) for hit in reply.hits], reply

    async def _exchange(self, peer: Peer) -> None:
        """Ask a peer for a sample of the records that it knows."""
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        started = trio.current_time()
        try:
            reply = await peer.exchange(pb.ExchangeRequest(want=RECORDS_WANTED))
        except RemoteError as error:
            self._misbehaved(peer, error)
            return
        self._learn_untrusted(reply.records, peer)
        if peer.peer_id is not None:
            self.cache.on_success(peer.peer_id, trio.current_time() - started, self._now_s())
            self._remembered.note_change()

    def _learn_untrusted(self, records: Iterable[bytes], source: Peer) -> list[str]:
        """Put records into the cache; return their subjects' ids as text, "" for one that is not sound."""
        from lightpeer.core.identity import format_peer_id
        from lightpeer.core.peers import parse_record_untrusted
        from lightpeer.core.records import check_scope_untrusted

        names = []
        for data in islice(records, MAX_RECORDS):
            try:
                record = parse_record_untrusted(data, self._now_s())
                check_scope_untrusted(record, source.host)
            except BadMessageError as error:
                logger.info("a bad record from %s: %s", source.name, error)
                names.append("")
                continue
            self.cache.add(record, source.peer_id or record.peer_id, self._now_s())
            self._remembered.note_change()
            names.append(format_peer_id(record.peer_id))
        return names

    # Peers.

    async def _peers(self, limit: int = MAX_ASKED) -> AsyncGenerator[Peer, None]:
        """Yield connected peers, those at hand first, then their neighbours."""
        tried: set[Contact] = set()
        met: list[Peer] = []
        for depth in range(3):
            while waiting := [c for c in self._candidates() if c not in tried]:
                peer = await self._first_of(waiting[:RACING], tried)
                if peer is None or peer in met:
                    continue
                met.append(peer)
                yield peer
                if len(met) >= limit:
                    return
            if depth < 2:
                for peer in met[:2]:
                    await self._exchange(peer)

    async def _first_of(self, candidates: list[Contact], tried: set[Contact]) -> Peer | None:
        """Return the first that can be reached; each has a head start over the next (as in RFC 8305)."""
        reached: list[Peer] = []

        async def attempt(candidate: Contact, failed: trio.Event) -> None:
            peer = await self._connect(candidate)
            tried.add(candidate)
            failed.set()
            if peer is not None:
                reached.append(peer)
                nursery.cancel_scope.cancel()

        async with open_nursery() as nursery:
            for candidate in candidates:
                failed = trio.Event()
                nursery.start_soon(attempt, candidate, failed)
                with trio.move_on_after(HEAD_START_S):
                    await failed.wait()
                if reached:
                    break
        return reached[0] if reached else None

    def _candidates(self) -> list[Contact]:
        """Return whom to try, best first: the connected, the bootstrap list, the cache."""
        cached = [
            Contact(endpoint, record.peer_id)
            for record in self.cache.best(MAX_ASKED, self._now_s())
            for endpoint in record.endpoints[:1]
        ]
        named = self.settings.bootstrap
        return [*self._connections.alive(), *named, *cached]

    async def _connect(self, candidate: Contact) -> Peer | None:
        """Return the peer at an address, connected; None, and a worse score, if it cannot be reached."""
        try:
            return await self._connections.connect(candidate)
        except RemoteError as error:
            logger.info("cannot reach %s:%s: %s", *candidate.address, error)
            if candidate.peer_id is not None:
                self.cache.on_failure(candidate.peer_id, self._now_s())
                self._remembered.note_change()
            return None

    def on_lie(self, peer: Peer, reason: str) -> None:
        """Score a peer down for what it sent in a stream."""
        self._misbehaved(peer, BadMessageError(reason))

    def _misbehaved(self, peer: Peer, error: RemoteError) -> None:
        logger.info("%s: %s", peer.name, error)
        if isinstance(error, BadMessageError):
            self._unsound = f"{peer.name} answered, but not by the protocol ({error})"
        if peer.peer_id is None:
            return
        self._remembered.note_change()
        if isinstance(error, RpcError):
            self.cache.on_failure(peer.peer_id, self._now_s())
        else:
            self.cache.on_misbehaviour(peer.peer_id, self._now_s())

    def _now_s(self) -> float:
        return self.network.unix_time()

    def _no_peer(self) -> NoPeerError | StreamFailedError:
        if self._unsound:
            return StreamFailedError(f"{self._unsound}: name another peer with --bootstrap HOST:PORT")
        if not self.settings.bootstrap and not self.cache.entries():
            return NoPeerError("no peer is known: name one with --bootstrap HOST:PORT")
        return NoPeerError(
            "no peer can be reached: check the network, or name another with --bootstrap HOST:PORT"
        )


def _hit_untrusted(hit: pb.Hit, holders: list[str]) -> Hit:
    """Return a hit as it is shown; raise BadMessageError if it is not sound."""
    if len(hit.track_id) != TRACK_ID_BYTES:
        raise BadMessageError("a hit without a track id")
    return Hit(
        track_id=hit.track_id,
        uri=format_uri(hit.track_id),
        title=hit.title[:MAX_TEXT_CHARS],
        artist=hit.artist[:MAX_TEXT_CHARS],
        album=hit.album[:MAX_TEXT_CHARS],
        duration_s=hit.duration_ms / 1000,
        bitrates_kbps=list(hit.bitrates_kbps[:16]),
        holders=[holders[i] for i in hit.holders[:16] if i < len(holders) and holders[i]],
    )
