"""`lightpeer favourite` and `history`: lists of tracks, which play and fetch take by their numbers.

Both show their list numbered, as a search does, and make it the list shown last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.cli.choosing import chosen
from lightpeer.cli.hits import entry_of, found_of, hits_of
from lightpeer.client.metered import open_metered
from lightpeer.console.signals import run_async
from lightpeer.console.text import clock
from lightpeer.core.content.playlist import Entry, build_playlist
from lightpeer.core.content.uri import is_uri
from lightpeer.errors import NothingFoundError, UsageError
from lightpeer.net.system import SystemNetwork
from lightpeer.state.lists import HISTORY, Favourites, KeptList, ShownList

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from lightpeer.cli.choosing import Chosen
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.console.output import Output


def run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Run a command of this module; return its exit status."""
    if arguments.command == "history":
        played = KeptList(settings.state_dir, HISTORY).load()
        return _show(_each_once(reversed(played)), settings, output, as_m3u=arguments.m3u)
    favourites = Favourites(settings.state_dir)
    names_none = not arguments.items and arguments.album is None and arguments.artist is None
    if names_none and not (arguments.remove or arguments.all or arguments.pick):
        return _show(favourites.load(), settings, output, as_m3u=arguments.m3u)
    wanted = chosen(arguments, settings, output)
    if arguments.remove:
        return _remove(wanted, favourites, output)
    return run_async(lambda: _add(wanted, settings, favourites, output))


def _each_once(entries: Iterator[Entry]) -> list[Entry]:
    return list({entry.uri: entry for entry in entries}.values())


def _show(entries: Sequence[Entry], settings: Settings, output: Output, *, as_m3u: bool) -> int:
    if not entries:
        raise NothingFoundError("the list is empty")
    if as_m3u:
        output.lines(build_playlist(entries))
        return 0
    digits = len(str(len(entries)))
    for number, (uri, label, duration_s) in enumerate(entries, 1):
        length = clock(duration_s)
        line = output.fit(f"{number:{digits}}  {length:>7}  {label or uri}  {uri}")
        output.result("track", line, uri=uri, label=label, duration_s=duration_s)
    ShownList(settings.state_dir).save(entries)
    return 0


def _remove(wanted: Chosen, favourites: Favourites, output: Output) -> int:
    if not all(map(is_uri, wanted.items)):
        raise UsageError("--remove takes numbers of the list and loud: ids, no words")
    count = favourites.remove(wanted.items)
    output.remark("removed", f"{count} removed", tracks=count)
    return 0


async def _add(wanted: Chosen, settings: Settings, favourites: Favourites, output: Output) -> int:
    known = {entry.uri: entry for entry in ShownList(settings.state_dir).load()}
    entries: list[Entry] = [known[item] for item in wanted.items if item in known]
    asked = [item for item in wanted.items if item not in known]
    if asked:
        async with open_metered(settings, SystemNetwork()) as client:
            for item in asked:
                entries += await _entries(client, item, wanted, output)
    favourites.add(entries)
    for entry in entries:
        text = output.fit(f"{entry.label or entry.uri} is a favourite")
        output.remark("added", text, uri=entry.uri, label=entry.label)
    return 0


async def _entries(client: Client, item: str, wanted: Chosen, output: Output) -> list[Entry]:
    if is_uri(item):
        return list(map(entry_of, (await client.find(item, 1)).hits)) or [Entry(item)]
    hits = await hits_of(client, item, output) if wanted.takes_all else None
    if hits is None:
        hits = (await found_of(client, item, 1, output)).hits
    return list(map(entry_of, hits))
