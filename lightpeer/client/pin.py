"""Pins a track: fetches it into the cache, to be heard later without the network, and has it stay there.

What is kept of it already is verified, and not fetched again, so a pin that was broken off goes on. It is
pinned before it is fetched, so that no other track takes its room.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from lightpeer.client.fetch import BEST_KBPS, FetchOptions
from lightpeer.client.kept import KeptRenditions, Wanted
from lightpeer.client.stream import next_within, streaming
from lightpeer.core.content.eviction import pinned_bytes
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.errors import NothingFoundError, StateError, UsageError

if TYPE_CHECKING:
    from lightpeer.client.client import Client
    from lightpeer.core.content.manifest import Track
    from lightpeer.state.kept import KeptTracks

OTHER_BYTES = 30  # of a segment: its entries in the table and in the file's heads


@dataclass(frozen=True, slots=True)
class Pinned:
    """A track that was pinned.

    Attributes:
        uri: the track id, `loud:…`.
        title: the track's title.
        kept_bytes: of its segments, what had been kept before.
        fetched_bytes: what was fetched.
        pinned_bytes: what all pinned tracks take on disk.
        bound_bytes: how large the cache may be.
    """

    uri: str
    title: str
    kept_bytes: int
    fetched_bytes: int
    pinned_bytes: int
    bound_bytes: int


async def pin(client: Client, item: str, options: FetchOptions | None = None) -> Pinned:
    """Fetch a track into the cache and have it stay.

    Args:
        client: the light client.
        item: `loud:…`, or words, whose best hit is taken.
        options: rendition, patience and progress; None: the defaults.

    Raises:
        UsageError: the settings say that nothing is kept.
        LightpeerError: it cannot be had, does not fit, or cannot be written.
    """
    options, kept = options or FetchOptions(), client.kept
    if kept is None:
        raise UsageError("nothing can be pinned while the cache is off: give a --cache-size")
    wanted = Wanted(options.bitrate_kbps or BEST_KBPS)
    track_id = parse_uri(item) if is_uri(item) else await _found(client, item)
    async with streaming(client, track_id, wanted) as (session, _):
        track, file = session.track, kept.open(track_id)
        total_bytes, done_bytes = _expected_bytes(track, wanted), 0
        await trio.to_thread.run_sync(kept.pin, track_id, total_bytes)
        while (segment := await next_within(options.silence_s, session)) is not None:
            done_bytes += len(segment.data)
            if options.on_progress is not None:
                options.on_progress(done_bytes, total_bytes)
            await kept.make_way(file)
    await trio.to_thread.run_sync(kept.flush, track_id)
    if not KeptRenditions(file, track, wanted).has_from(0):
        raise StateError(track.uri, f"not all of {track.title} could be kept: run the command again")
    return _pinned(track, kept, session.stats.kept_bytes, session.stats.fetched_bytes)


def _pinned(track: Track, kept: KeptTracks, kept_bytes: int, fetched_bytes: int) -> Pinned:
    all_bytes = pinned_bytes(kept.tracks())
    return Pinned(track.uri, track.title, kept_bytes, fetched_bytes, all_bytes, kept.bound_bytes())


async def _found(client: Client, query: str) -> bytes:
    async with aclosing(client.search(query, limit=1)) as hits:
        async for hit in hits:
            return hit.track_id
    raise NothingFoundError(f"nothing found for {query!r}: try fewer or other words")


def _expected_bytes(track: Track, wanted: Wanted) -> int:
    """Return about how large a track's file will be."""
    bitrate_bps = track.renditions[wanted.renditions(track)[0]].bitrate_bps
    return round(bitrate_bps / 8 * track.duration_s) + OTHER_BYTES * track.segment_count
