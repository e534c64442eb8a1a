"""The commands of the cache: `cache` shows and clears it, `pin` fills it with what is to be heard later."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import trio

from lightpeer.cli.choosing import chosen
from lightpeer.cli.commands import silence_of
from lightpeer.cli.hits import all_tracks, found_of
from lightpeer.client.client import Client, open_client
from lightpeer.client.metered import open_metered
from lightpeer.console.signals import run_async
from lightpeer.console.text import clock, described
from lightpeer.core.content.eviction import pinned_bytes
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.errors import NothingFoundError, RemoteError
from lightpeer.net.system import SystemNetwork

if TYPE_CHECKING:
    import argparse

    from lightpeer.cli.choosing import Chosen
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
        return run_async(lambda: _cache(settings, output, clears=arguments.clear))
    silence_s = silence_of(arguments.timeout)
    wanted = chosen(arguments, settings, output)
    if arguments.remove:
        track_ids = [parse_uri(item) for item in wanted.items]
        return run_async(lambda: _unpin(settings, output, track_ids))
    return run_async(lambda: _pin(settings, output, wanted, silence_s))


def _kept(client: Client) -> KeptTracks:
    assert client.kept is not None, "it is looked at even while it is off"
    return client.kept


async def _cache(settings: Settings, output: Output, *, clears: bool) -> int:
    is_off = settings.cache_bytes == 0
    seen = replace(settings, cache_bytes=settings.cache_bytes or None)
    async with open_client(seen, SystemNetwork()) as client:
        kept = _kept(client)
        if clears:
            count = kept.clear()
            output.remark("cleared", f"{_tracks(count)} removed", tracks=count)
            return 0
        for entry in kept.described():
            _print_track(output, *entry)
        tracks, bound_bytes = kept.tracks(), 0 if is_off else kept.bound_bytes()
    size_bytes, stay_bytes = sum(track.size_bytes for track in tracks), pinned_bytes(tracks)
    output.result(
        "cache",
        f"{_tracks(len(tracks))}, {_mb(size_bytes)} of {_mb(bound_bytes)}, {_mb(stay_bytes)} pinned",
        tracks=len(tracks),
        bytes=size_bytes,
        bound_bytes=bound_bytes,
        pinned_bytes=stay_bytes,
    )
    return 0


def _print_track(output: Output, kept: KeptTrack, file: KeptFile, track: Track) -> None:
    every = range(len(track.renditions))
    here = sum(file.index.best(segment, every) is not None for segment in range(track.segment_count))
    length = clock(track.duration_s)
    heard = length if here == track.segment_count else f"{clock(here)} of {length}"
    size = _mb(kept.size_bytes) + "  pinned" * kept.is_pinned
    output.result(
        "kept",
        f"{track.uri}  {heard}  {size}  {described(track.title, track.artist, track.album)}",
        uri=track.uri,
        title=track.title,
        artist=track.artist,
        album=track.album,
        duration_s=track.duration_s,
        kept_s=min(here, track.duration_s),
        bytes=kept.size_bytes,
        pinned=kept.is_pinned,
    )


async def _unpin(settings: Settings, output: Output, track_ids: list[bytes]) -> int:
    seen = replace(settings, cache_bytes=settings.cache_bytes or None)
    async with open_client(seen, SystemNetwork()) as client:
        count = sum(_kept(client).unpin(track_id) for track_id in track_ids)
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
