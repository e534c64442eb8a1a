"""Fetching a track into a file: the session's segments, written as they come.

The file is the rendition's header pages and all of its segments: a playable
`.opus`, byte for byte what was imported. It is written beside its final name and renamed
when it is whole, so a file with that name is always complete.
"""

from __future__ import annotations

import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lightpeer.core.bandwidth import Bandwidth
from lightpeer.core.uri import parse_uri
from lightpeer.errors import StateError
from lightpeer.finding import first_source, source_finder
from lightpeer.session import Session
from lightpeer.wire.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from typing import BinaryIO

    from lightpeer.core.opening import Opened
    from lightpeer.discovery import Client

INLINE_BYTES = 11_000
"""As much as TCP sends at once: ten segments (RFC 6928), two of which HTTP/2's settings take, less headers.
One more would come a round trip later; the rest comes sooner by UDP."""

BEST_KBPS = 1000  # above every rendition: who fetches wants the best, as with yt-dlp


async def fetch(
    client: Client,
    uri: str,
    path: Path,
    *,
    bitrate_kbps: int | None = None,
    on_progress: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> dict[str, object]:
    """Fetch a track into a file; return what was fetched.

    Args:
        client: the light client.
        uri: the track id, `loud:…`.
        path: the file; it is replaced when the track is whole.
        bitrate_kbps: the greatest rendition wanted; None: the best.
        on_progress: called with the bytes done and the bytes expected, if that is known.

    Raises:
        LightpeerError: nobody reachable holds it, the stream failed, or the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        async with streaming(client, parse_uri(uri), bitrate_kbps or BEST_KBPS) as (session, _):
            with part.open("wb") as file:
                size = await _write(session, file, on_progress)
        part.replace(path)
    except OSError as error:
        reason = f"cannot write {path} ({error.strerror}): choose another file with -o"
        raise StateError(path, reason) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    assert session.ladder.current is not None
    return {
        "uri": uri,
        "path": str(path),
        "bytes": size,
        "title": session.track.title,
        "bitrate_kbps": round(session.track.renditions[session.ladder.current].bitrate_bps / 1000),
        "transport": "+".join(sorted(session.stats.transports)) or "grpc",  # all of it came with the Open
        "sources": session.stats.sources,
    }


@asynccontextmanager
async def streaming(
    client: Client, track_id: bytes, bitrate_kbps: int
) -> AsyncIterator[tuple[Session, Opened]]:
    """Stream one rendition as fast as it comes, for the length of a block; give the session and the Open.

    The rendition is the greatest that is not above `bitrate_kbps`, else the lowest.
    """
    found = client.open_track(track_id, bitrate_kbps=bitrate_kbps, inline_bytes=INLINE_BYTES)
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
    )
    async with open_nursery() as nursery:
        nursery.start_soon(session.run, peer, opened)
        yield session, opened
        client.downlink.note(peer, bandwidth.measured_bytes_per_s)
        nursery.cancel_scope.cancel()


async def _write(session: Session, file: BinaryIO, on_progress: Callable[[int, int | None], None]) -> int:
    size = 0
    while (segment := await session.next_segment()) is not None:
        rendition = session.track.renditions[segment.rendition]
        if not size:
            size = file.write(rendition.header)
        size += file.write(segment.data)
        on_progress(size, round(rendition.bitrate_bps / 8 * session.track.duration_s))
    return size
