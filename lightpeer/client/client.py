"""The light client: finds tracks and peers in the unstructured network, and serves nothing itself.

`reach.py` knows the peers that can be asked, `search.py` searches at them, and `peering/opener.py` opens a
track at one. The client keeps a key, and remembers peers and networks between runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.query import check_length
from lightpeer.client.reach import Reach
from lightpeer.client.start import Start, first_kbps
from lightpeer.core.content.uri import format_uri
from lightpeer.errors import BadMessageError, NothingFoundError
from lightpeer.state.files import Losses, is_kept, load_or_make_identity
from lightpeer.state.peers import RememberedPeers
from lightpeer.state.rates import RememberedDownlink
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from lightpeer.client.meter import Meter
    from lightpeer.client.models import Found, Hit, PeerInfo
    from lightpeer.client.search import Searcher
    from lightpeer.config import Settings
    from lightpeer.core.budget.profile import Limits
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.overlay.peer_cache import PeerCache
    from lightpeer.core.trust.contact import Contact
    from lightpeer.core.trust.identity import Identity, PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.net.network import Network
    from lightpeer.peering.opener import Opener, TakesFrom
    from lightpeer.peering.peer import Peer
    from lightpeer.state.kept import KeptTracks

SOUND_FIRST_S: Final = 5.0  # before further peers are asked for: by then there is music in the buffer
HOLDERS_WANTED: Final = 4  # of one track: as many as a stream takes, and one to spare


@asynccontextmanager
async def open_client(
    settings: Settings, network: Network, takes_from: TakesFrom = lambda _peer_id, _host: True
) -> AsyncIterator[Client]:
    """Open a light client for the length of a block. It never listens, and opens no socket before it must.

    Args:
        settings: the bootstrap list, timeouts and so on.
        network: the way out.
        takes_from: returns whether a track may be taken from a peer at a numeric address.
    """
    async with open_nursery() as nursery:
        client = Client(settings, network, nursery, takes_from)
        try:
            yield client
        finally:
            nursery.cancel_scope.cancel()
            client.save()


class Client:
    """The light client; make it with `open_client`.

    Attributes:
        settings: as given.
        network: the way out.
        downlink: the remembered rates of networks.
        losses: what of its state cannot be saved.
        meter: counts its bytes (`meter.py`); None: nobody does.
    """

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
        self.meter: Meter | None = None
        self.losses = losses = Losses()
        self._remembered = RememberedPeers(settings.state_dir, settings.cached_peers, nursery, losses=losses)
        self.downlink = RememberedDownlink(settings.state_dir, network.unix_time, losses)
        self._reach = Reach(settings, network, nursery, lambda: self.identity, self._remembered)

    def _check_budget(self) -> None:
        """Raise CapReachedError where nothing may be sent any more."""
        if self.meter is not None:
            self.meter.look()

    @cached_property
    def _searcher(self) -> Searcher:
        from lightpeer.client.search import Searcher  # after the first packet has left

        return Searcher(self._reach, self.network.entropy)

    @cached_property
    def identity(self) -> Identity:
        """Our key, made at first use; where it cannot be saved, it lasts for this run."""
        return load_or_make_identity(self.settings.state_dir, self.network.entropy, self.losses)

    @property
    def cache(self) -> PeerCache:
        """The remembered peers."""
        return self._remembered.cache

    @property
    def connecting(self) -> trio.Event:
        """Set once the first packet of all is on its way."""
        return self._reach.connections.connecting

    @property
    def first_packet_at(self) -> float | None:
        """When the first packet left, as `time.monotonic()` gives it."""
        return self._reach.connections.first_packet_at

    @property
    def has_heard(self) -> bool:
        """Whether any peer has ever answered a search."""
        return "_searcher" in self.__dict__ and self._searcher.has_heard

    def limits(self) -> Limits | None:
        """Return what the data budget leaves; None if nobody counts."""
        return self.meter.limits if self.meter else None

    def save(self) -> None:
        """Save remembered peers and networks and what was heard, if they changed."""
        self._remembered.save()
        self.downlink.save()
        if "kept" in self.__dict__ and self.kept is not None:
            self.kept.save()

    def begin(self) -> None:
        """Start to connect to the first bootstrap peer, while the caller still loads what it needs."""
        self._reach.begin()

    def on_lie(self, peer: Peer, reason: str) -> None:
        """Score a peer down for false bytes in a stream."""
        self._reach.on_error(peer, BadMessageError(reason))

    def on_served(self, peer: Peer, size: int, seconds: float) -> None:
        """Score a peer by the bytes of music that it delivered in some seconds of fetching."""
        self._reach.scores.on_served(peer, size, seconds)

    def on_listened(self, peer: Peer) -> None:
        """Score a peer up for a track that a query had found there and the person listened to."""
        self._reach.scores.on_listened(peer)

    def on_skipped(self, peer: Peer) -> None:
        """Score a peer down for a track that a query had found there and the person skipped at once."""
        self._reach.scores.on_skipped(peer)

    # What is kept.

    @cached_property
    def kept(self) -> KeptTracks | None:
        """What was heard and is on disk, None where the settings say that nothing is."""
        if self.settings.cache_bytes == 0:
            return None
        from lightpeer.state.kept import KeptTracks

        return KeptTracks(self.settings.state_dir, self.settings.cache_bytes, self._nursery, self.losses)

    def has_kept(self, track_id: bytes) -> bool:
        """Return whether anything of a track is kept."""
        return self.settings.cache_bytes != 0 and is_kept(self.settings.state_dir, track_id)

    def expect_to_keep(self) -> None:
        """Load what keeping needs, while the network is waited for."""
        if self.settings.cache_bytes != 0:
            self._nursery.start_soon(_load_kept, self.connecting)

    # Searching and opening.

    async def search(self, query: str, limit: int = 10) -> AsyncGenerator[Hit, None]:
        """Yield at most `limit` hits, best first, each track once; raise NoPeerError if no peer answered."""
        for hit in (found := await self.find(query, limit)).hits:
            yield hit
        if found.hits:
            await self.know_others()

    async def know_others(self) -> None:
        """Make sure that we know more peers than the one that answered: to be called once hits are shown."""
        await self._searcher.know_others()

    async def find(self, query: str, limit: int) -> Found:
        """Return what `search` yields, and how many there are; raise NoPeerError if no peer answered."""
        from lightpeer.client.finding import find

        check_length(query)
        self._check_budget()
        return await find(self._searcher, query, limit, self.settings.peers_asked)

    async def open_query(self, query: str, start: Start | None = None) -> tuple[Peer, Opened]:
        """Open the best hit of some words; return its source.

        Raises:
            NoPeerError: no peer answered.
            NothingFoundError: the words found nothing that can be opened.
            UsageError: there are too many.
        """
        from lightpeer.core.search.fields import parse_query

        check_length(query)
        self._check_budget()
        if parse_query(query).fields:
            from lightpeer.client.finding import first_opened

            source = await first_opened(await self.find(query, 1), lambda i: self.open_track(i, start))
        else:
            source = await self._searcher.best(query, self._opener(start or Start()))
        if source is not None:
            self._nursery.start_soon(self._searcher.know_others, SOUND_FIRST_S)
            return source
        raise NothingFoundError(f"nothing found for {query!r}")

    async def open_track(
        self,
        track_id: bytes,
        start: Start | None = None,
        *,
        exclude: Collection[PeerId] = (),
        track: Track | None = None,
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield the sources of a track, one after another.

        Args:
            track_id: the track.
            start: how it is to begin.
            exclude: peers that are not opened.
            track: its manifest, if it is known already.

        Raises:
            NoPeerError: no peer answered.
            NothingFoundError: no reachable peer holds it.
        """
        self._check_budget()
        opened_any = False
        opener = self._opener(start or Start(), exclude, track)
        async with aclosing(self._searcher.opened(format_uri(track_id), HOLDERS_WANTED, opener)) as opened:
            async for source in opened:
                opened_any = True
                yield source
        if not opened_any:
            which = "no other reachable peer" if exclude else "no reachable peer"
            raise NothingFoundError(f"{which} holds {format_uri(track_id)}")

    async def meet(self, contacts: Sequence[Contact]) -> Peer:
        """Return the first peer that answers at some addresses; raise LightpeerError if nobody does."""
        from lightpeer.client.greeting import meet

        self._check_budget()
        return await meet(self._reach, contacts)

    async def peers(self) -> list[PeerInfo]:
        """Ask a peer for others, and a second if too few are known; return all known ones, best first.

        Raises:
            NoPeerError: no peer answered.
        """
        from lightpeer.client.greeting import hear_of_others
        from lightpeer.client.models import info_of

        self._check_budget()
        cache, now = self.cache, self.network.unix_time
        await hear_of_others(self._reach, self.settings.peers_asked, lambda: cache.has_enough(now()))
        return [info_of(entry) for entry in cache.entries()]

    def _opener(self, start: Start, tried: Collection[PeerId] = (), track: Track | None = None) -> Opener:
        from lightpeer.peering.opener import Opener

        wanted = start.wanted(first_kbps(self.settings, self.limits()), track)
        entropy = None if self.settings.transport == "grpc" else self.network.entropy
        return Opener(self.identity.peer_id, entropy, wanted, tried=tried, takes_from=self._takes_from)


async def _load_kept(connecting: trio.Event) -> None:
    """Load what keeping needs, once a packet is on its way."""
    await connecting.wait()
    import lightpeer.state.kept  # noqa: F401 - to have it loaded
