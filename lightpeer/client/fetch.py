"""Fetching a track into a file: the session's segments, written as they come.

The file is the rendition's header pages and all of its segments: a playable
`.opus`, byte for byte what was imported. It has its name only when it is whole (`part_file.py`);
what an earlier try left of it is not fetched again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.part_file import PartFile
from lightpeer.client.stream import SILENCE_S, next_within, streaming
from lightpeer.core.content.uri import parse_uri
from lightpeer.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightpeer.client.client import Client

BEST_KBPS: Final = 1000  # above every rendition: a fetch wants the best, as with yt-dlp


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched, and how it came. `kept_bytes` of it an earlier try had left."""

    uri: str
    path: Path
    size_bytes: int
    kept_bytes: int
    title: str
    bitrate_kbps: int
    transport: str  # `udp`, `grpc` or `grpc+udp`
    sources: int  # at most at a time


async def fetch(
    client: Client,
    uri: str,
    path: Path,
    *,
    bitrate_kbps: int | None = None,
    silence_s: float = SILENCE_S,
    on_progress: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Fetched:
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
    return Fetched(
        uri=uri,
        path=path,
        size_bytes=part.size_bytes,
        kept_bytes=part.kept_bytes,
        title=session.track.title,
        bitrate_kbps=session.track.renditions[session.ladder.current].bitrate_kbps,
        transport="+".join(sorted(session.stats.transports)) or "grpc",  # all of it came with the Open
        sources=session.stats.sources,
    )
