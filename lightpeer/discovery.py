"""Finding tracks and peers: the light client's side of the unstructured network.

A light client only asks. A search is one call to one good peer, which answers from its
index and has the query carried on to others (`core/walks.py`); the hits are merged and
ranked here. Another peer is asked, with a greater budget, when nothing was found or
nobody answered. A search that is about to be played carries an Open, so that the first
audio comes with the hits: one round trip once the connection stands. When the asked peer
does not hold the track itself, it is opened at a holder that the hit names. Who else
holds a track is found by searching for its uri.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.uri import format_uri
from lightpeer.downlink import RememberedDownlink
from lightpeer.errors import NothingFoundError, RemoteError, RpcError
from lightpeer.found import Hit, PeerInfo, hit_of, info_of
from lightpeer.reach import Reach
from lightpeer.remembered import RememberedPeers
from lightpeer.state import load_or_create_identity
from lightpeer.wire.nursery import open_nursery

if TYPE_CHECKING:
    from lightpeer.config import Settings
    from lightpeer.core.hits import Findings, FoundTrack
    from lightpeer.core.identity import Identity, PeerId
    from lightpeer.core.manifest import Track
    from lightpeer.core.opening import Opened
    from lightpeer.core.peers import PeerCache
    from lightpeer.core.walks import Budget
    from lightpeer.opener import Opener
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.wire.network import Network
    from lightpeer.wire.peer import Peer

__all__ = ["Client", "Hit", "PeerInfo", "open_client"]

logger = logging.getLogger(__name__)

INLINE_BYTES: Final = 16 * 1024  # two seconds at 48 kbit/s, a third of a second on a 400 kbit/s link
FIRST_REPLY_S: Final = 5.0  # the asked peer answers at once; this is 16 kB at 30 kbit/s
PATIENCE_S: Final = 2.0  # for more, once there is something to show: walks take about one
HOLDERS_WANTED: Final = 4  # of a track that is to be played: as many as a stream takes, and one to spare
QUERY_ID_BYTES: Final = 8


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
    """The light client; make it with `open_client`. `downlink` is what it remembers of networks."""

    def __init__(self, settings: Settings, network: Network, nursery: trio.Nursery) -> None:
        self.settings = settings
        self.network = network
        self._remembered = RememberedPeers(settings.state_dir, settings.cached_peers, nursery)
        self.downlink = RememberedDownlink(settings.state_dir, network.unix_time)
        self._reach = Reach(settings, network, nursery, lambda: self.identity, self._remembered)

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
        return self._reach.connections.connecting

    @property
    def first_packet_at(self) -> float | None:
        """When the first packet left, as `time.monotonic()` gives it."""
        return self._reach.connections.first_packet_at

    def save(self) -> None:
        """Write what is to be remembered, if it changed."""
        self._remembered.save()
        self.downlink.save()

    def begin(self) -> None:
        """Start to connect to the first bootstrap peer, while the caller still loads what it needs."""
        self._reach.begin()

    def on_lie(self, peer: Peer, reason: str) -> None:
        """Score a peer down for what it sent in a stream."""
        from lightpeer.errors import BadMessageError

        self._reach.on_error(peer, BadMessageError(reason))

    # What commands use.

    async def search(self, query: str, limit: int = 10) -> AsyncGenerator[Hit, None]:
        """Yield the hits, best first, each track once; raise NoPeerError if nobody could be asked."""
        from lightpeer.core.hits import Findings

        findings = Findings(query, limit)
        answered = 0
        async with aclosing(self._reach.peers()) as peers:
            async for peer in peers:
                try:
                    budget = _budget(answered, found_any=False)
                    await self._collect(peer, query, limit, budget, findings)
                except RemoteError as error:
                    self._reach.on_error(peer, error)
                else:
                    answered += 1
                if findings.tracks or answered >= self.settings.peers_asked:
                    break
        if not answered and not findings.tracks:
            raise self._reach.nobody()
        for track in findings.ranked():
            yield hit_of(track)

    async def open_query(self, query: str, *, inline_bytes: int = INLINE_BYTES) -> tuple[Peer, Opened]:
        """Open the best hit; raises NoPeerError or NothingFoundError."""
        async with aclosing(self._opened(query, 1, self._opener(inline_bytes=inline_bytes))) as opened:
            async for source in opened:
                return source
        raise NothingFoundError(f"nothing found for {query!r}")

    async def open_track(
        self,
        track_id: bytes,
        *,
        inline_bytes: int = INLINE_BYTES,
        bitrate_kbps: int | None = None,
        exclude: Collection[PeerId] = (),
        track: Track | None = None,
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield one peer after another that serves the track; raise if there is none at all.

        Args:
            track_id: which.
            inline_bytes: how much of the first tables and segments is to come at once.
            bitrate_kbps: the greatest wanted of these.
            exclude: who is not to be opened.
            track: its manifest, if that is here already.
        """
        opened_any = False
        opener = self._opener(
            inline_bytes=inline_bytes, bitrate_kbps=bitrate_kbps, tried=exclude, track=track
        )
        async with aclosing(self._opened(format_uri(track_id), HOLDERS_WANTED, opener)) as opened:
            async for source in opened:
                opened_any = True
                yield source
        if not opened_any:
            which = "no other reachable peer" if exclude else "no reachable peer"
            raise NothingFoundError(f"{which} holds {format_uri(track_id)}")

    async def peers(self) -> list[PeerInfo]:
        """Exchange records with the peers at hand and return all that are known, best first."""
        reached = False
        async with aclosing(self._reach.peers(limit=self.settings.peers_asked)) as peers:
            async for peer in peers:
                reached = await self._reach.exchange(peer) or reached
        if not reached:
            raise self._reach.nobody()
        return [info_of(entry) for entry in self.cache.entries()]

    # Searching.

    async def _collect(self, peer: Peer, query: str, limit: int, budget: Budget, findings: Findings) -> None:
        """Search at a peer until there is enough, or nothing more within our patience."""
        with trio.CancelScope() as patience:
            async with aclosing(self._search_at(peer, query, limit, budget)) as replies:
                async for tracks, _ in replies:
                    for track in tracks:
                        findings.add(track)
                    if findings.missing <= 0:
                        return
                    if findings.tracks:
                        patience.deadline = min(patience.deadline, trio.current_time() + PATIENCE_S)

    async def _search_at(
        self, peer: Peer, query: str, limit: int, budget: Budget, wanted: pb.OpenRequest | None = None
    ) -> AsyncGenerator[tuple[list[FoundTrack], pb.SearchReply], None]:
        """Yield the hits of one reply after another, and the reply; raise RemoteError if it is not sound."""
        from lightpeer.core.hits import ReplyReader
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        request = pb.SearchRequest(
            query=query,
            limit=limit,
            walkers=budget.walkers,
            hops=budget.hops,
            query_id=self.network.entropy(QUERY_ID_BYTES),
            open=wanted,
        )
        reader = ReplyReader(query, limit, peer.host)
        started, known = trio.current_time(), 0
        async with aclosing(peer.search(request, first_reply_s=FIRST_REPLY_S)) as replies:
            async for reply in replies:
                tracks = reader.read_untrusted(reply, peer.unix_time())
                if not known:
                    self._reach.on_answer(peer, trio.current_time() - started)
                self._reach.learn(reader.records[known:], peer)
                known = len(reader.records)
                yield tracks, reply

    # Opening.

    def _opener(
        self,
        *,
        inline_bytes: int,
        bitrate_kbps: int | None = None,
        tried: Collection[PeerId] = (),
        track: Track | None = None,
    ) -> Opener:
        from lightpeer.core.ladder import FIRST_BPS
        from lightpeer.opener import Opener

        return Opener(
            self.identity.peer_id,
            None if self.settings.transport == "grpc" else self.network.entropy,
            bitrate_kbps=bitrate_kbps or self.settings.bitrate_kbps or FIRST_BPS // 1000,
            inline_bytes=inline_bytes,
            track=track,
            tried=tried,
        )

    async def _opened(
        self, query: str, limit: int, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield those who serve what was found, each once, as they are found; raise if nobody answers."""
        answered = 0
        async with aclosing(self._reach.peers()) as peers:
            async for peer in peers:
                try:
                    budget = _budget(answered, found_any=bool(opener.tried))
                    async with aclosing(self._opened_through(peer, query, limit, budget, opener)) as found:
                        async for source in found:
                            yield source
                except RemoteError as error:
                    self._reach.on_error(peer, error)
                else:
                    answered += 1
        if not answered:
            raise self._reach.nobody()

    async def _opened_through(
        self, asked: Peer, query: str, limit: int, budget: Budget, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield those who serve what a peer finds: itself by the search, others at their addresses."""
        opening = opener.begin() if asked.peer_id not in opener.tried else None
        wanted = opener.request(opening) if opening is not None else None
        async with aclosing(self._search_at(asked, query, limit, budget, wanted)) as replies:
            async for tracks, reply in replies:
                if opening is not None and tracks and reply.HasField("open"):
                    yield asked, opener.accept_untrusted(opening, reply.open, tracks[0].track_id, asked)
                for track in tracks:
                    async with aclosing(self._opened_at_holders(track, asked, opener)) as sources:
                        async for source in sources:
                            yield source

    async def _opened_at_holders(
        self, track: FoundTrack, told_by: Peer, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield the holders of a track that serve it; who names none holds it itself."""
        assert told_by.peer_id is not None, "it has answered"
        named = {record.peer_id: record for record in track.holders}
        for peer_id in named or [told_by.peer_id]:
            if peer_id in opener.tried:
                continue
            is_other = peer_id != told_by.peer_id
            peer = await self._reach.holder(named[peer_id], told_by) if is_other else told_by
            if peer is None:
                opener.tried.add(peer_id)
            elif (opened := await self._open_at(peer, track.track_id, told_by, opener)) is not None:
                yield peer, opened

    async def _open_at(self, peer: Peer, track_id: bytes, told_by: Peer, opener: Opener) -> Opened | None:
        """Open a track at a peer that is said to hold it; None, and a worse score, if that fails."""
        from lightpeer.core.status import StatusCode

        try:
            return await opener.open_at(peer, track_id)
        except RpcError as error:
            if error.code() == StatusCode.NOT_FOUND:  # one of the two was wrong, or the track has just gone
                logger.info("%s does not serve what %s told: %s", peer.name, told_by.name, error)
                self._reach.on_hollow_hit(told_by)
            else:
                self._reach.on_error(peer, error)
        except RemoteError as error:
            self._reach.on_error(peer, error)
        return None


def _budget(answered: int, *, found_any: bool) -> Budget:
    """Return how far a search may go when so many peers have answered, and it was not enough."""
    from lightpeer.core.walks import DEFAULT_BUDGET, GREATEST_BUDGET, NO_BUDGET

    if answered == 0:
        return DEFAULT_BUDGET
    return GREATEST_BUDGET if answered == 1 and not found_any else NO_BUDGET
