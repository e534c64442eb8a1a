"""`lightpeer search`: hits, numbered, which other commands take by their numbers; or a playlist of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.cli.hits import entry_of, found_of, show
from lightpeer.client.metered import open_metered
from lightpeer.client.query import check_length
from lightpeer.console.signals import run_async
from lightpeer.core.content.playlist import build_playlist
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.core.search.fields import joined
from lightpeer.core.search.items import checked_query
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.errors import UsageError
from lightpeer.net.system import SystemNetwork
from lightpeer.state.lists import ShownList

if TYPE_CHECKING:
    import argparse

    from lightpeer.client.models import Found
    from lightpeer.config import Settings
    from lightpeer.console.output import Output


def run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Run the command; return its exit status."""
    query = checked_query(joined(arguments.query))
    check_length(query)
    if is_uri(query):
        parse_uri(query)
    if arguments.m3u and output.json:
        raise UsageError("--m3u and --json are two forms of the same: give one of them")
    return run_async(lambda: search(settings, output, query, limit=arguments.limit, as_m3u=arguments.m3u))


async def search(
    settings: Settings, output: Output, query: str, *, limit: int = 10, as_m3u: bool = False
) -> int:
    """Search, print what is found, and remember it as the list shown last; return the exit status.

    Args:
        settings: those in force.
        output: prints the hits.
        query: words, fields, or a track's uri.
        limit: how many hits to print.
        as_m3u: print a playlist.
    """
    async with open_metered(settings, SystemNetwork()) as client:
        found = await found_of(client, query, limit, output, waits=False)
        entries = list(map(entry_of, found.hits))
        if as_m3u:
            output.lines(build_playlist(entries))
        else:
            show(found.hits, output)
        _tell_of_more(found, limit, output, beside=as_m3u)
        ShownList(settings.state_dir, client.losses).save(entries)
        await client.know_others()
    return 0


def _tell_of_more(found: Found, limit: int, output: Output, *, beside: bool) -> None:
    """Say how many more there are: below the hits on a terminal, else on stderr, beside them.

    Args:
        found: what was found.
        limit: how many hits were wanted.
        output: where they were printed.
        beside: whether they are a playlist, which such a line does not belong to.
    """
    count = len(found.hits)
    if count < limit or limit >= MAX_HITS:
        return
    total = f"of {found.matches}" if found.matches > count else "shown, and there may be more"
    text = f"{count} {total}: --limit {MAX_HITS} shows more"
    if output.columns is not None and not beside:
        output.remark("more", output.fit(text))
    elif not output.quiet:
        output.warn(text)
