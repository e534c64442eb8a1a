"""The commands that use the network: search, play, fetch, peers.

Invalid arguments are refused before a socket is opened. Titles and the like come from strangers, so `Output`
cleans them.
"""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lightpeer.client.metered import open_metered
from lightpeer.client.query import check_length
from lightpeer.console.signals import SIGNALLED, run_async
from lightpeer.console.text import clock, described
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.errors import NothingFoundError, UsageError
from lightpeer.net.system import SystemNetwork

if TYPE_CHECKING:
    import argparse

    from lightpeer.client.models import Hit
    from lightpeer.config import Settings
    from lightpeer.console.output import Output


def run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Run a command of this module; return its exit status."""
    match arguments.command:
        case "search":
            query = checked_item(" ".join(arguments.query))
            return run_async(lambda: _search(settings, output, query, arguments.limit))
        case "peers":
            return run_async(lambda: _peers(settings, output))
        case "fetch":
            parse_uri(arguments.uri)
            path = checked_target(arguments.out)
            silence_s = checked_timeout(arguments.timeout)
            status = run_async(lambda: _fetch(settings, output, arguments.uri, path, silence_s))
            if status > SIGNALLED:
                _tell_what_is_kept(path, output)
            return status
        case _:
            from lightpeer.cli.play import Programme, play

            programme = Programme(
                [checked_item(item) for item in arguments.items],
                start_s=arguments.start,
                stats=checked_target(arguments.stats) if arguments.stats else None,
                live=not arguments.verbose,  # the log would run into the live line
            )
            return play(settings, output, programme)


def checked_query(text: str) -> str:
    """Return the words to search for; raise UsageError if there are none."""
    words = " ".join(text.split())
    if not words:
        raise UsageError("nothing to search for: give a title, an artist or an album")
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the words to search for are not UTF-8 text") from error
    check_length(words)
    return words


def checked_item(text: str) -> str:
    """Return a query or track id; raise UsageError if it is neither."""
    if not is_uri(text):
        return checked_query(text)
    parse_uri(text)
    return text


def checked_target(text: str) -> Path:
    """Return the path of a file to write; raise UsageError if it cannot be written."""
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"cannot write to {text}: there is no such user here") from error
    replaceable = path.is_file() or not path.exists()  # a device would be replaced too
    if not replaceable or not path.parent.is_dir():
        raise UsageError(f"cannot write to {text}: name an ordinary file in a folder that exists")
    return path


def checked_timeout(seconds: float | None) -> float:
    """Return how long to wait, in seconds, infinity for 0; raise UsageError if it is out of range."""
    from lightpeer.client.stream import SILENCE_S

    if seconds is None:
        return SILENCE_S
    if not 0 <= seconds < math.inf:
        raise UsageError("--timeout is a number of seconds, or 0 to wait for ever")
    return seconds or math.inf


async def _search(settings: Settings, output: Output, query: str, limit: int) -> int:
    found = False
    async with open_metered(settings, SystemNetwork()) as client:
        async for hit in client.search(query, limit=limit):
            found = True
            _print_hit(hit, output)
    if not found:
        raise NothingFoundError(f"nothing found for {query!r}: try fewer or other words")
    return 0


def _print_hit(hit: Hit, output: Output) -> None:
    rates = "/".join(map(str, hit.bitrates_kbps))
    output.result(
        "hit",
        f"{hit.uri}  {clock(hit.duration_s)}  {rates}  {described(hit.title, hit.artist, hit.album)}",
        uri=hit.uri,
        title=hit.title,
        artist=hit.artist,
        album=hit.album,
        duration_s=hit.duration_s,
        bitrates_kbps=list(hit.bitrates_kbps),
        holders=list(hit.holders),
    )


async def _peers(settings: Settings, output: Output) -> int:
    async with open_metered(settings, SystemNetwork()) as client:
        for peer in await client.peers():
            rtt = "-" if peer.rtt_ms is None else f"{peer.rtt_ms:.0f} ms"
            output.result(
                "peer",
                f"{peer.peer_id}  {peer.state}  {rtt}  {' '.join(peer.roles)}  {' '.join(peer.endpoints)}",
                peer_id=peer.peer_id,
                endpoints=list(peer.endpoints),
                rtt_ms=peer.rtt_ms,
                roles=list(peer.roles),
                state=peer.state,
            )
    return 0


async def _fetch(settings: Settings, output: Output, uri: str, path: Path, silence_s: float) -> int:
    from lightpeer.cli.terminal import LiveLine, is_live
    from lightpeer.client.fetch import FetchOptions, fetch

    live = not output.json and not output.quiet and is_live(sys.stderr)
    line = LiveLine(sys.stderr) if live else None

    def progress(done_bytes: int, total_bytes: int | None) -> None:
        if line:
            share = f" of {total_bytes / 1000:.0f}" if total_bytes else ""
            line.show(f"{path.name}: {done_bytes / 1000:.0f}{share} kB")

    try:
        async with open_metered(settings, SystemNetwork()) as client:
            if client.meter is not None:
                client.meter.watch(output.notify)
            options = FetchOptions(settings.bitrate_kbps, silence_s, progress)
            done = await fetch(client, uri, path, options)
    finally:
        if line:
            line.clear()
    output.remark(
        "fetched",
        f"{path}: {done.size_bytes} bytes, {done.bitrate_kbps} kbit/s, by {done.transport}",
        uri=done.uri,
        path=str(path),
        bytes=done.size_bytes,
        kept_bytes=done.kept_bytes,
        title=done.title,
        bitrate_kbps=done.bitrate_kbps,
        transport=done.transport,
        sources=done.sources,
    )
    return 0


def _tell_what_is_kept(path: Path, output: Output) -> None:
    """Say, after a signal, that the part of a track that is here is not lost."""
    from lightpeer.client.part_file import part_of

    part = part_of(path)
    if part.exists() and not output.quiet:
        with contextlib.suppress(OSError):  # the terminal may be gone
            output.notify(f"{part} is kept: the same command goes on from it")
