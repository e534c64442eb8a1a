"""Finding tracks and peers: the light client's side of the unstructured network.

A light client only asks: for hits, for somebody who serves what words or an id mean, for
peers. Whom it asks is in `reach.py`, how it searches in `search.py`, and how a track
is opened in `peering/opener.py`. It keeps a key, and remembers peers and networks between runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.models import Hit, PeerInfo, hit_of, info_of
from lightpeer.client.reach import Reach
from lightpeer.client.search import Searcher
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import BadMessageError, NothingFoundError
from lightpeer.state.files import Losses, load_or_make_identity
from lightpeer.state.peers import RememberedPeers
from lightpeer.state.rates import RememberedDownlink
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.overlay.peer_cache import PeerCache
    from lightpeer.core.trust.identity import Identity, PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.net.network import Network
    from lightpeer.peering.opener import Opener, TakesFrom
    from lightpeer.peering.peer import Peer

__all__ = ["Client", "Hit", "PeerInfo", "open_client"]

INLINE_BYTES: Final = 16 * 1024  # two seconds at 48 kbit/s, a third of a second on a 400 kbit/s link
SOUND_FIRST_S: Final = 5.0  # until others are asked about: by then there is music in the buffer
HOLDERS_WANTED: Final = 4  # of a track that is to be played: as many as a stream takes, and one to spare


@asynccontextmanager
async def open_client(
    settings: Settings, network: Network, takes_from: TakesFrom = lambda _peer_id, _host: True
) -> AsyncIterator[Client]:
    """Give a light client; it opens no socket before it is asked for something, and none that listens.

    `takes_from` tells whether a track may be taken from a peer at a numeric address.
    """
    async with open_nursery() as nursery:
        client = Client(settings, network, nursery, takes_from)
        try:
            yield client
        finally:
            nursery.cancel_scope.cancel()
            client.save()


class Client:
    """The light client; make it with `open_client`. `downlink` is what it remembers of networks."""

    def __init__(
        self,
        settings: Settings,
        network: Network,
        nursery: trio.Nursery,
        takes_from: TakesFrom = lambda _peer_id, _host: True,
    ) -> None:
        self.settings = settings
        self._takes_from = takes_from
        self.network = network
        self._nursery = nursery
        self._losses = Losses()
        self._remembered = RememberedPeers(
            settings.state_dir, settings.cached_peers, nursery, losses=self._losses
        )
        self.downlink = RememberedDownlink(settings.state_dir, network.unix_time, self._losses)
        self._reach = Reach(settings, network, nursery, lambda: self.identity, self._remembered)
        self._searcher = Searcher(self._reach, network.entropy)

    @cached_property
    def identity(self) -> Identity:
        """Our key, made at first use; where it cannot be kept, for this run alone."""
        return load_or_make_identity(self.settings.state_dir, self.network.entropy, self._losses)

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
        self._reach.on_error(peer, BadMessageError(reason))

    def on_served(self, peer: Peer, size: int, seconds: float) -> None:
        """Score a peer by the bytes of music that it delivered in some seconds of fetching."""
        self._reach.on_served(peer, size, seconds)

    def on_listened(self, peer: Peer) -> None:
        """Score a peer up for a track that words had found there and that was listened to."""
        self._reach.on_listened(peer)

    def on_skipped(self, peer: Peer) -> None:
        """Score a peer down for one that was skipped at once: it may come first with anything."""
        self._reach.on_skipped(peer)

    # What commands use.

    async def search(self, query: str, limit: int = 10) -> AsyncGenerator[Hit, None]:
        """Yield the hits, best first, each track once; raise NoPeerError if nobody could be asked."""
        findings = await self._searcher.find(query, limit, self.settings.peers_asked)
        for track in findings.ranked():
            yield hit_of(track)
        if findings.tracks:
            await self._searcher.know_others()

    async def open_query(
        self, query: str, *, inline_bytes: int = INLINE_BYTES, first_segment: int = 0
    ) -> tuple[Peer, Opened]:
        """Open the best hit; raises NoPeerError or NothingFoundError.

        Args:
            query: the words.
            inline_bytes: how much of the first tables and segments is to come at once.
            first_segment: where these begin.
        """
        opener = self._opener(inline_bytes=inline_bytes, first_segment=first_segment)
        source = await self._searcher.best(query, opener)
        if source is not None:
            self._nursery.start_soon(self._searcher.know_others, SOUND_FIRST_S)
            return source
        raise NothingFoundError(f"nothing found for {query!r}")

    async def open_track(
        self,
        track_id: bytes,
        *,
        inline_bytes: int = INLINE_BYTES,
        first_segment: int = 0,
        bitrate_kbps: int | None = None,
        exclude: Collection[PeerId] = (),
        track: Track | None = None,
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield one peer after another that serves the track; raise if there is none at all.

        Args:
            track_id: which.
            inline_bytes: how much of the first tables and segments is to come at once.
            first_segment: where these begin.
            bitrate_kbps: the greatest wanted of these.
            exclude: who is not to be opened.
            track: its manifest, if that is here already.
        """
        opened_any = False
        opener = self._opener(
            inline_bytes=inline_bytes,
            first_segment=first_segment,
            bitrate_kbps=bitrate_kbps,
            tried=exclude,
            track=track,
        )
        async with aclosing(self._searcher.opened(format_uri(track_id), HOLDERS_WANTED, opener)) as opened:
            async for source in opened:
                opened_any = True
                yield source
        if not opened_any:
            which = "no other reachable peer" if exclude else "no reachable peer"
            raise NothingFoundError(f"{which} holds {format_uri(track_id)}")

    async def peers(self) -> list[PeerInfo]:
        """Exchange records with a peer at hand, with another if too few are known; return all, best first."""
        from lightpeer.client.setbacks import Setbacks
        from lightpeer.core.trust.bounds import MAX_RECORDS

        reached, setbacks = False, Setbacks()
        async with aclosing(self._reach.peers(setbacks, limit=self.settings.peers_asked)) as peers:
            async for peer in peers:
                reached = await self._reach.exchange(peer, MAX_RECORDS - 1, setbacks) or reached
                if reached and self.cache.has_enough(self.network.unix_time()):
                    break
        if not reached:
            raise self._reach.nobody(setbacks)
        return [info_of(entry) for entry in self.cache.entries()]

    def _opener(
        self,
        *,
        inline_bytes: int,
        first_segment: int = 0,
        bitrate_kbps: int | None = None,
        tried: Collection[PeerId] = (),
        track: Track | None = None,
    ) -> Opener:
        from lightpeer.core.segments.abr import FIRST_BPS
        from lightpeer.peering.opener import Opener, Wanted

        return Opener(
            self.identity.peer_id,
            None if self.settings.transport == "grpc" else self.network.entropy,
            Wanted(
                bitrate_kbps or self.settings.bitrate_kbps or FIRST_BPS // 1000,
                inline_bytes,
                first_segment,
                track,
            ),
            tried=tried,
            takes_from=self._takes_from,
        )
