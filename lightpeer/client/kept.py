"""How a track begins: with what is kept of it on disk where that has its beginning, else at a peer.

What is kept whole needs no network, not even to be opened. Where only a part is kept, sources are looked for
as soon as the track begins. In any case, what was once fetched and verified is not fetched again.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from lightpeer.core.content.manifest import rendition_asked
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.errors import CapReachedError, NoPeerError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from lightpeer.client.client import Client
    from lightpeer.client.start import Start
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.peer import Peer
    from lightpeer.state.kept_file import KeptFile


class Wanted(NamedTuple):
    """The renditions that will do.

    Attributes:
        bitrate_kbps: the greatest rendition that is not above it, or a better one; None: any.
        is_exact: that one alone.
        keeps: whether what comes is to be kept.
    """

    bitrate_kbps: int | None = None
    is_exact: bool = False
    keeps: bool = True

    def renditions(self, track: Track) -> range:
        """Return the numbers of those that a track has."""
        if self.bitrate_kbps is None:
            return range(len(track.renditions))
        least = rendition_asked([r.bitrate_bps for r in track.renditions], self.bitrate_kbps)
        return range(least, least + 1 if self.is_exact else len(track.renditions))


class KeptRenditions:
    """What is kept of a track in the renditions that will do: what a download reads, and adds to."""

    def __init__(self, file: KeptFile, track: Track, wanted: Wanted) -> None:
        self._file = file
        self._count = track.segment_count
        self._renditions = wanted.renditions(track)

    def has_from(self, segment: int, count: int | None = None) -> bool:
        """Return whether some segments from one on are here, or all."""
        first = min(segment, self._count - 1)
        last = self._count if count is None else first + count
        return self._file.index.covers(range(first, last), self._renditions)

    def best(self, segment: int) -> int | None:
        """Return the best of those renditions in which a segment is here, None if it is in none."""
        return self._file.index.best(segment, self._renditions)

    def read(self, rendition: int, number: int, size: int) -> bytes | None:
        """Return an object's bytes, not verified; None if it is not here.

        Args:
            rendition: the rendition's index in the manifest.
            number: the segment's number, or TABLE_BASE and the table's.
            size: how many bytes it has.
        """
        return self._file.read((rendition, number), size)

    def put(self, rendition: int, number: int, data: bytes) -> None:
        """Keep an object that was verified.

        Args:
            rendition: the rendition's index in the manifest.
            number: the segment's number, or TABLE_BASE and the table's.
            data: its bytes.
        """
        self._file.put((rendition, number), data)

    def drop(self, rendition: int, number: int) -> None:
        """Forget an object, whose bytes are not right."""
        self._file.drop((rendition, number))


class Beginning(NamedTuple):
    """A track that can begin.

    Attributes:
        track: its manifest.
        first: the source that it was opened at, and the Open; None where what is kept begins it.
        kept: what is kept of it; None where nothing is to be.
        lacks_some: whether what is kept begins it, and does not suffice.
    """

    track: Track
    first: tuple[Peer, Opened] | None
    kept: KeptRenditions | None = None
    lacks_some: bool = False

    @property
    def needs_sources(self) -> bool:
        """Whether sources are to be looked for."""
        return self.first is not None or self.lacks_some


async def begin_item(client: Client, item: str, start: Start, wanted: Wanted) -> Beginning:
    """Begin a track by its id, or the best hit of a query, which is one that is kept where no peer answers.

    Args:
        client: the light client.
        item: `loud:…`, or words.
        start: from where on.
        wanted: the renditions that will do.

    Raises:
        LightpeerError: no reachable peer holds it, and its beginning is not kept.
    """
    if is_uri(item):
        return await begin_track(client, parse_uri(item), start, wanted)
    client.expect_to_keep()
    try:
        first = await client.open_query(item, start)
    except (NoPeerError, CapReachedError):
        track_id = client.kept.find(item) if client.kept is not None else None
        if track_id is None:
            raise
        return await begin_track(client, track_id, start, wanted)
    return _opened(client, first, start, wanted)


async def begin_track(client: Client, track_id: bytes, start: Start, wanted: Wanted) -> Beginning:
    """Begin a track by its id; see `begin_item`."""
    track = None
    if client.has_kept(track_id) and (kept_tracks := client.kept) is not None:
        file = kept_tracks.open(track_id)
        track = file.track
        if track is not None and (kept := KeptRenditions(file, track, wanted)).has_from(
            start.first_segment, 1
        ):
            file.touch()
            client.connecting.set()  # no packet will leave that others wait for
            return Beginning(track, None, kept, lacks_some=not kept.has_from(start.first_segment))
    client.expect_to_keep()
    first = await first_source(client.open_track(track_id, start, track=track))
    return _opened(client, first, start, wanted)


async def first_source(found: AsyncGenerator[tuple[Peer, Opened], None]) -> tuple[Peer, Opened]:
    """Return the first source that is found; raise as the finder does if there is none."""
    async with aclosing(found):
        return await anext(found)


def _opened(client: Client, first: tuple[Peer, Opened], start: Start, wanted: Wanted) -> Beginning:
    """Return a track that a peer has opened, which may be kept for the most part."""
    opened = first[1]
    if client.kept is None:
        return Beginning(opened.track, first)
    from lightpeer.state.kept_file import MANIFEST

    file = client.kept.open(opened.track.track_id)
    if opened.manifest and wanted.keeps:
        file.put(MANIFEST, opened.manifest)
    kept = KeptRenditions(file, opened.track, wanted)
    is_whole = kept.has_from(start.first_segment)
    return Beginning(opened.track, None if is_whole else first, kept)
