"""Fetching a track into a file: the session's segments, written as they come.

The file is the rendition's header pages and all of its segments: a playable
`.opus`, byte for byte what was imported. It has its name only when it is whole (`part_file.py`);
what an earlier try left of it is not fetched again.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.find_sources import first_source, source_finder
from lightpeer.client.part_file import PartFile
from lightpeer.core.content.uri import parse_uri
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.download.session import Session
from lightpeer.errors import StateError, StreamFailedError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from lightpeer.client.client import Client
    from lightpeer.core.segments.scheduler import SegmentReady
    from lightpeer.core.udp.opening import Opened

INLINE_BYTES: Final = 11_000
"""As much as TCP sends at once: ten segments (RFC 6928), two of which HTTP/2's settings take, less headers.
One more would come a round trip later; the rest comes sooner by UDP."""

TABLE_INLINE_BYTES: Final = 1_500  # a segment table, by which what is there already is checked
BEST_KBPS: Final = 1000  # above every rendition: a fetch wants the best, as with yt-dlp
SILENCE_S: Final = 120.0  # without a segment: longer than most tunnels, and nothing is lost by trying again


async def fetch(
    client: Client,
    uri: str,
    path: Path,
    *,
    bitrate_kbps: int | None = None,
    silence_s: float = SILENCE_S,
    on_progress: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> dict[str, object]:
    """Fetch a track into a file; return what was fetched.

    Args:
        client: the light client.
        uri: the track id, `loud:…`.
        path: the file; it is replaced when the track is whole. Until then `PATH.part` holds what came.
        bitrate_kbps: the greatest rendition wanted; None: the best.
        silence_s: without a segment, after which to give up; infinity: never.
        on_progress: called with the bytes done and the bytes expected, if that is known.

    Raises:
        LightpeerError: nobody reachable holds it, the stream failed, or the file cannot be written.
    """
    part = PartFile(path)
    try:
        async with streaming(client, parse_uri(uri), bitrate_kbps or BEST_KBPS, part) as (session, _):
            while (segment := await next_within(silence_s, session)) is not None:
                part.write(segment)
                bitrate_bps = session.track.renditions[segment.rendition].bitrate_bps
                on_progress(part.size_bytes, round(bitrate_bps / 8 * session.track.duration_s))
        await trio.to_thread.run_sync(part.finish)  # a memory card takes its time
    except OSError as error:
        reason = f"cannot write {path} ({error.strerror}): choose another file with -o"
        raise StateError(path, reason) from error
    finally:
        part.close()
    assert session.ladder.current is not None
    return {
        "uri": uri,
        "path": str(path),
        "bytes": part.size_bytes,
        "kept_bytes": part.kept_bytes,
        "title": session.track.title,
        "bitrate_kbps": session.track.renditions[session.ladder.current].bitrate_kbps,
        "transport": "+".join(sorted(session.stats.transports)) or "grpc",  # all of it came with the Open
        "sources": session.stats.sources,
    }


async def next_within(silence_s: float, session: Session) -> SegmentReady | None:
    """Return the next segment of a track, None after the last; raise StreamFailedError if it takes longer."""
    with trio.move_on_after(silence_s):
        return await session.next_segment()
    raise StreamFailedError(f"nothing came for {silence_s:.0f} s: try again later")


@asynccontextmanager
async def streaming(
    client: Client, track_id: bytes, bitrate_kbps: int, part: PartFile | None = None
) -> AsyncIterator[tuple[Session, Opened]]:
    """Stream one rendition as fast as it comes, for the length of a block; give the session and the Open.

    Args:
        client: the light client.
        track_id: which track.
        bitrate_kbps: the rendition is the greatest that is not above it, else the lowest.
        part: where segments may be already; it is begun.
    """
    is_begun = part is not None and part.has_begun_before
    inline_bytes = TABLE_INLINE_BYTES if is_begun else INLINE_BYTES
    found = client.open_track(track_id, bitrate_kbps=bitrate_kbps, inline_bytes=inline_bytes)
    peer, opened = await first_source(found)
    bandwidth = Bandwidth(client.downlink.rate_bytes_per_s(peer), peer.burst)
    session = Session(
        opened.track,
        client.network,
        replace(client.settings, bitrate_kbps=bitrate_kbps),
        bandwidth,
        source_finder(client, opened.track),
        on_lie=client.on_lie,
        on_served=client.on_served,
        realtime=False,
        kept=None if part is None else part.kept,
    )
    if part is not None:
        number = session.ladder.current or 0
        part.begin(number, opened.track.renditions[number])
    async with open_nursery() as nursery:
        nursery.start_soon(session.run, peer, opened)
        yield session, opened
        client.downlink.note(peer, bandwidth.measured_bytes_per_s)
        nursery.cancel_scope.cancel()
