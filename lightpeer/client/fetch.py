"""Fetches a track into a file: a session's segments, written as they arrive.

The file is the rendition's header pages and all of its segments: a playable `.opus`, byte for byte as it was
imported. It gets its name only once it is complete (`part_file.py`). What an earlier try left or the cache
has is not fetched again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from lightpeer.client.kept import Wanted
from lightpeer.client.part_file import destination, part_of
from lightpeer.client.stream import SILENCE_S, next_within, streaming
from lightpeer.core.content.uri import parse_uri
from lightpeer.errors import StateError, StreamFailedError

if TYPE_CHECKING:
    from lightpeer.client.client import Client
    from lightpeer.client.part_file import PartFile
    from lightpeer.download.session import Session

BEST_KBPS: Final = 1000  # above every rendition: a fetch wants the best, as with yt-dlp


class FetchOptions(NamedTuple):
    """How a track is fetched.

    Attributes:
        bitrate_kbps: the greatest rendition wanted; None: the best.
        silence_s: how long to wait for a segment before giving up; infinity: for ever.
        on_progress: called with the bytes done and the bytes expected, if that is known.
        replaces: whether another file of that name is replaced; else it must be the track.
    """

    bitrate_kbps: int | None = None
    silence_s: float = SILENCE_S
    on_progress: Callable[[int, int | None], None] | None = None
    replaces: bool = True


@dataclass(frozen=True, slots=True)
class Fetched:
    """A track that was fetched, and how.

    Attributes:
        uri: the track id, `loud:…`.
        path: the file; `-` for standard output.
        size_bytes: its size.
        kept_bytes: how many of these an earlier try had left, or the cache had.
        title: the track's title.
        bitrate_kbps: the rendition.
        transport: `udp`, `grpc` or `grpc+udp`; `cache` where nothing was fetched.
        sources: how many peers sent it at a time, at most.
        was_there: whether the file was there already, and complete.
    """

    uri: str
    path: Path
    size_bytes: int
    kept_bytes: int
    title: str
    bitrate_kbps: int
    transport: str
    sources: int
    was_there: bool = False


async def fetch(client: Client, uri: str, path: Path | None, options: FetchOptions | None = None) -> Fetched:
    """Fetch a track into a file.

    Args:
        client: the light client.
        uri: the track id, `loud:…`.
        path: the file; it is replaced once the track is complete. Until then `PATH.part` holds what arrived.
            None: standard output.
        options: rendition, patience and progress; None: the defaults.

    Raises:
        UsageError: another file has that name, and is not to be replaced.
        LightpeerError: no reachable peer holds it, the stream failed, or the file cannot be written.
    """
    options = options or FetchOptions()
    part = destination(path, replaces=options.replaces)
    wanted = Wanted(options.bitrate_kbps or BEST_KBPS, is_exact=True, keeps=False)
    try:
        async with streaming(client, parse_uri(uri), wanted, part) as (session, _):
            while (segment := await next_within(options.silence_s, session)) is not None:
                if path is None:
                    await trio.to_thread.run_sync(part.write, segment)
                else:
                    part.write(segment)
                if options.on_progress is not None:
                    bitrate_bps = session.track.renditions[segment.rendition].bitrate_bps
                    options.on_progress(part.size_bytes, round(bitrate_bps / 8 * session.track.duration_s))
        await trio.to_thread.run_sync(part.finish)  # a memory card takes its time
    except BlockingIOError as error:
        reason = f"another fetch is writing {path}: wait for it, or choose another file"
        raise StateError(path, reason) from error
    except OSError as error:
        raise StateError(path, _refusal(path, error)) from error
    except StreamFailedError as error:
        part.close()  # which removes a part without sound
        raise StreamFailedError(f"{error}{_way_on(path)}") from error
    finally:
        part.close()
    return _fetched(uri, path or Path("-"), part, session)


def _way_on(path: Path | None) -> str:
    """Return how to go on after a failure, to be appended to its sentence."""
    if path is None or not (part := part_of(path)).exists():
        return ""
    return f"; {part} is kept, and the same command goes on from it"


def _refusal(path: Path | None, error: OSError) -> str:
    if path is None:
        return f"cannot write to standard output ({error.strerror})"
    way_out = "name another place with -o or --dir"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        way_out = "make room, and the same command goes on from what is here"
    return f"cannot write {path} ({error.strerror}): {way_out}"


def _fetched(uri: str, path: Path, part: PartFile, session: Session) -> Fetched:
    rendition = session.track.renditions[part.rendition]
    came = "grpc" if session.stats.sources else "cache"  # grpc: all of it came with the Open
    return Fetched(
        uri=uri,
        path=path,
        size_bytes=part.size_bytes,
        kept_bytes=part.kept_bytes,
        title=session.track.title,
        bitrate_kbps=rendition.bitrate_kbps,
        transport="+".join(sorted(session.stats.transports)) or came,
        sources=session.stats.sources,
        was_there=part.is_finished,
    )
