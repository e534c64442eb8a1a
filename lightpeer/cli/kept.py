"""The commands of the cache: `cache` shows and clears it, `pin` fills it with what is to be heard later."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import trio

from lightpeer.cli.choosing import chosen
from lightpeer.cli.commands import silence_of
from lightpeer.cli.hit_lines import Row, lines_of
from lightpeer.cli.hits import all_tracks, found_of
from lightpeer.client.client import open_client
from lightpeer.client.metered import open_metered
from lightpeer.console.signals import run_async
from lightpeer.console.text import clock, described
from lightpeer.core.content.eviction import pinned_bytes
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.errors import NothingFoundError, RemoteError, UsageError
from lightpeer.net.system import SystemNetwork

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence

    from lightpeer.cli.choosing import Chosen
    from lightpeer.client.client import Client
    from lightpeer.client.fetch import FetchOptions
    from lightpeer.config import Settings
    from lightpeer.console.output import Output
    from lightpeer.core.content.eviction import KeptTrack
    from lightpeer.core.content.manifest import Track
    from lightpeer.state.kept import KeptTracks
    from lightpeer.state.kept_file import KeptFile


def run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Run a command of this module; return its exit status."""
    if arguments.command == "cache":
        if arguments.pinned and not arguments.clear:
            raise UsageError("--pinned says what --clear removes: give both")
        if arguments.clear:
            return run_async(lambda: _clear(settings, output, pinned=arguments.pinned))
        return run_async(lambda: _show(settings, output))
    silence_s = silence_of(arguments.timeout)
    wanted = chosen(arguments, settings, output)
    if arguments.remove:
        track_ids = [parse_uri(item) for item in wanted.items]
        return run_async(lambda: _unpin(settings, output, track_ids))
    return run_async(lambda: _pin(settings, output, wanted, silence_s))


@asynccontextmanager
async def _open_kept(settings: Settings) -> AsyncIterator[KeptTracks]:
    """Open the cache for a block, even while it is off."""
    seen = replace(settings, cache_bytes=settings.cache_bytes or None)
    async with open_client(seen, SystemNetwork()) as client:
        assert client.kept is not None, "it is not off"
        yield client.kept


async def _clear(settings: Settings, output: Output, *, pinned: bool) -> int:
    async with _open_kept(settings) as kept:
        count = kept.clear(pinned=pinned)
        stay = len(kept.tracks())
    text = f"{_tracks(count)} removed"
    if stay:
        text += f", {stay} pinned left: --clear --pinned removes what is pinned, too"
    output.remark("cleared", text, tracks=count, pinned=stay)
    return 0


async def _show(settings: Settings, output: Output) -> int:
    async with _open_kept(settings) as kept:
        entries = list(kept.described())
        _print_tracks(output, entries)
        tracks, bound_bytes = kept.tracks(), 0 if settings.cache_bytes == 0 else kept.bound_bytes()
    size_bytes, stay_bytes = sum(track.size_bytes for track in tracks), pinned_bytes(tracks)
    text = f"{_tracks(len(tracks))}, {_mb(size_bytes)} of {_mb(bound_bytes)}, {_mb(stay_bytes)} pinned"
    output.prose(
        "cache",
        text,
        tracks=len(tracks),
        bytes=size_bytes,
        bound_bytes=bound_bytes,
        pinned_bytes=stay_bytes,
    )
    return 0


def _print_tracks(output: Output, entries: Sequence[tuple[KeptTrack, KeptFile, Track]]) -> None:
    """Print what is kept, a line a track: what it is, and the facts as there is room for them."""
    here = [_kept_segments(file, track) for _, file, track in entries]
    rows = [
        Row(described(track.title, track.artist, track.album), _facts(kept, track, segments))
        for (kept, _, track), segments in zip(entries, here, strict=True)
    ]
    for (kept, _, track), segments, line in zip(entries, here, lines_of(rows, output.columns), strict=True):
        output.result(
            "kept",
            line,
            uri=track.uri,
            title=track.title,
            artist=track.artist,
            album=track.album,
            duration_s=track.duration_s,
            kept_s=min(segments, track.duration_s),
            bytes=kept.size_bytes,
            pinned=kept.is_pinned,
        )


def _kept_segments(file: KeptFile, track: Track) -> int:
    every = range(len(track.renditions))
    return sum(file.index.best(segment, every) is not None for segment in range(track.segment_count))


def _facts(kept: KeptTrack, track: Track, segments: int) -> tuple[str, ...]:
    length = clock(track.duration_s)
    heard = length if segments == track.segment_count else f"{clock(segments)} of {length}"
    return heard, _mb(kept.size_bytes), "pinned" if kept.is_pinned else "", track.uri


async def _unpin(settings: Settings, output: Output, track_ids: list[bytes]) -> int:
    async with _open_kept(settings) as kept:
        count = sum(map(kept.unpin, track_ids))
    output.remark("unpinned", f"{_tracks(count)} may make room for others again", tracks=count)
    return 0


async def _pin(settings: Settings, output: Output, wanted: Chosen, silence_s: float) -> int:
    from lightpeer.client.fetch import FetchOptions

    status = 0
    async with open_metered(settings, SystemNetwork()) as client:
        items = wanted.items
        if wanted.takes_all:
            items = await all_tracks(client, items, output)
        for item in items:
            try:
                uri = item if is_uri(item) else (await found_of(client, item, 1, output)).hits[0].uri
                await _pin_one(client, uri, FetchOptions(settings.bitrate_kbps, silence_s), output)
            except (NothingFoundError, RemoteError) as error:
                if len(items) == 1:
                    raise
                output.notify(f"{item}: {error}")
                status = status or error.exit_status
    return status


async def _pin_one(client: Client, uri: str, options: FetchOptions, output: Output) -> None:
    from lightpeer.cli.progress import Progress
    from lightpeer.cli.terminal import LiveLine, is_live
    from lightpeer.client.pin import pin

    line = LiveLine(sys.stderr) if not output.json and not output.quiet and is_live(sys.stderr) else None
    progress = Progress(uri)

    def on_progress(done_bytes: int, total_bytes: int | None) -> None:
        if line:
            line.show(progress.line(done_bytes, total_bytes, trio.current_time(), line.columns()))

    try:
        done = await pin(client, uri, options._replace(on_progress=on_progress))
    finally:
        if line:
            line.clear()
    output.remark(
        "pinned",
        output.fit(f"{done.title} is pinned; {_mb(done.pinned_bytes)} of {_mb(done.bound_bytes)} are"),
        **asdict(done),
    )


def _tracks(count: int) -> str:
    return f"{count} track" + "s" * (count != 1)


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
