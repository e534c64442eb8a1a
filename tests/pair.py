"""Peers on a simulated internet: the real client, and the real server role, with content made of seeds.

async def main(net):
    async with serving(net.host("10.0.0.1"), [made_track(30)]) as server:
        ...
simulate(main, seed=1)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import trio

from lightpeer.config import Settings
from lightpeer.core.content.album import NOWHERE, AlbumPlace
from lightpeer.core.content.manifest import (
    SAMPLE_RATE,
    TABLE_BASE,
    TABLE_SEGMENTS,
    Description,
    Track,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    served_tables,
    track_id_of,
)
from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.search.words import has_words
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity, PeerId
from lightpeer.rpc.server import RpcServer
from lightpeer.serve.access.access import Access
from lightpeer.serve.access.node import Node
from lightpeer.serve.library.index import Answer, IndexHit
from lightpeer.serve.library.store import AbsentError
from lightpeer.serve.overlay.gossip import Gossip
from lightpeer.serve.overlay.place import Place
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.sending.uplink import Uplink
from lightpeer.serve.services.streams import Services
from lightpeer.testing.host import SimHost

PORT = 47474


@dataclass
class MadeTrack:
    """A track of bytes that are no audio, but segments, tables and manifest like any other's."""

    manifest: bytes
    track: Track
    segments: list[list[bytes]]  # by rendition
    tables: list[list[bytes]]  # as they are sent
    present: int = 8  # renditions that are not dropped

    def holds(self, rendition: int, segment: int) -> bool:
        if rendition >= len(self.segments):
            return False
        parts = self.tables if segment >= TABLE_BASE else self.segments
        return segment % TABLE_BASE < len(parts[rendition])

    def read(self, rendition: int, segment: int) -> bytes:
        if rendition >= self.present:
            raise AbsentError("x", "it was dropped")
        if segment >= TABLE_BASE:
            return self.tables[rendition][segment - TABLE_BASE]
        return self.segments[rendition][segment]


def made_track(
    seconds: int,
    *,
    kbps: Sequence[int] = (48,),
    title: str = "Song",
    artist: str = "Somebody",
    album: str = "",
    place: AlbumPlace = NOWHERE,
    seed: int = 1,
    header: bytes = b"header",
) -> MadeTrack:
    random = Random(seed)
    segments = [
        [random.randbytes(int(rate * 125 * random.uniform(0.8, 1.2))) for _ in range(seconds)]
        for rate in kbps
    ]
    tables = [
        [build_table(parts[i : i + TABLE_SEGMENTS]) for i in range(0, seconds, TABLE_SEGMENTS)]
        for parts in segments
    ]
    manifest = build_manifest(
        Description(
            title=title,
            artist=artist,
            album=album,
            duration_samples=seconds * SAMPLE_RATE,
            gain_q8_db=0,
            segment_count=seconds,
            place=place,
        ),
        renditions=[(r * 1000, header, t) for r, t in zip(kbps, tables, strict=True)],
    )
    track = parse_manifest_untrusted(manifest, track_id_of(manifest))
    return MadeTrack(manifest, track, segments, list(map(served_tables, tables)))


class Shelf:
    """A library and its index: a query finds the tracks that have all of its words.

    `waiting` are tracks that are being imported, until `import_waiting`.
    """

    def __init__(self, tracks: Sequence[MadeTrack]) -> None:
        self.tracks = {track.track.track_id: track for track in tracks}
        self.waiting: list[MadeTrack] = []
        self.renditions = self
        self.searches = 0
        self.opens = 0

    def track(self, track_id: bytes) -> MadeTrack | None:
        self.opens += 1
        return self.tracks.get(track_id)

    def opened(self, track: Track, _by: tuple[PeerId, str]) -> int:
        return min(self.tracks[track.track_id].present, len(track.renditions))

    def import_waiting(self) -> None:
        self.tracks |= {made.track.track_id: made for made in self.waiting}
        self.waiting.clear()

    def search(self, query: str, limit: int) -> Answer:
        self.searches += 1
        hits = [
            IndexHit(
                track_id=track_id,
                title=made.track.title,
                artist=made.track.artist,
                album=made.track.album,
                duration_ms=round(made.track.duration_s * 1000),
                bitrates_kbps=tuple(r.bitrate_bps // 1000 for r in made.track.renditions),
                place=made.track.place,
            )
            for track_id, made in self.tracks.items()
            if self._has(made.track, query)
        ][:limit]
        return Answer(hits, sum(self._has(made.track, query) for made in self.waiting))

    def count(self, query: str) -> int:
        return sum(self._has(made.track, query) for made in self.tracks.values())

    @staticmethod
    def _has(track: Track, query: str) -> bool:
        text = f"{track.title} {track.artist} {track.album} {track.place.album_artist}"
        return query == track.uri or has_words(query, text)


@dataclass
class Serving:
    """A server that runs."""

    host: SimHost
    identity: Identity
    shelf: Shelf
    gossip: Gossip  # which does not run: it knows whom the test puts into its view
    streams: StreamTable
    services: Services
    rpc: RpcServer
    scope: trio.CancelScope
    access: Access  # which the test may change

    def kill(self, *, silently: bool = False) -> None:
        """End as a process that is killed: its sockets are gone, its connections reset, unless silently."""
        self.scope.cancel()
        self.host.kill(silently=silently)

    @property
    def address(self) -> tuple[str, int]:
        return self.host.address, PORT


@asynccontextmanager
async def serving(
    host: SimHost,
    tracks: Sequence[MadeTrack] = (),
    *,
    cap: int | None = None,
    identity: Identity | None = None,
) -> AsyncIterator[Serving]:
    """Serve tracks from a host for the length of a block; `cap` is of its uplink, in bytes a second."""
    identity = identity or Identity(host.entropy(32))
    uplink = None if cap is None else Uplink(cap)
    access = Access(identity.peer_id)
    own = Node(identity, host, access)
    shelf, streams = Shelf(tracks), StreamTable(own, uplink=uplink)
    await streams.bind("")
    place = Place(OwnAddress(*host.addresses), PORT)
    gossip = Gossip(own, place, PeerCache(own=identity.peer_id))
    services = Services(own, shelf, streams, gossip)
    rpc = RpcServer(services.handlers())
    listener = await host.listen_tcp("", PORT)
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            async with trio.open_nursery() as tasks:
                tasks.start_soon(streams.run)
                if uplink is not None:
                    tasks.start_soon(uplink.run)
                tasks.start_soon(services.run)
                tasks.start_soon(rpc.serve, [listener])

    async with trio.open_nursery() as nursery:
        with host.tasks():
            nursery.start_soon(run)
        yield Serving(host, identity, shelf, gossip, streams, services, rpc, scope, access)
        nursery.cancel_scope.cancel()


def settings(state_dir: Path, *servers: Serving, **more: object) -> Settings:
    """Settings of a light client that knows these servers, and keeps nothing unless asked to."""
    chosen = {"bootstrap": tuple(Contact(s.address) for s in servers), "cache_bytes": 0, **more}
    return Settings(state_dir=state_dir, **chosen)
