"""Hits for a command: all that a query finds, or the best, with a wrong letter forgiven; shown as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.cli.hit_lines import hit_lines
from lightpeer.client.forgiving import find_prepared
from lightpeer.client.models import in_album_order
from lightpeer.core.content.playlist import Entry, label_of
from lightpeer.core.content.uri import is_uri
from lightpeer.core.search.fields import parse_query
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.errors import NothingFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.client.client import Client
    from lightpeer.client.models import Found, Hit
    from lightpeer.console.output import Output


async def all_tracks(client: Client, items: Sequence[str], output: Output) -> list[str]:
    """Return uris and queries with all hits of each query in its place; wait for such as are being made."""
    uris: list[str] = []
    for text in items:
        if is_uri(text):
            uris.append(text)
        else:
            hits = await hits_of(client, text, output)
            uris += [hit.uri for hit in hits]
            output.remark("found", f"{len(hits)} tracks of {text}", query=text, tracks=len(hits))
    return uris


async def hits_of(client: Client, query: str, output: Output) -> list[Hit]:
    """Return all hits of a query, albums in their order; raise NothingFoundError if there are none."""
    found = await found_of(client, query, MAX_HITS, output)
    fields = {name for name, _ in parse_query(query).fields}
    return in_album_order(found.hits) if fields & {"album", "artist"} else found.hits


async def found_of(client: Client, query: str, limit: int, output: Output, *, waits: bool = True) -> Found:
    """Return what a query finds; say so where other words were taken to be meant.

    Args:
        client: the light client.
        query: words, fields, or a track's uri.
        limit: how many tracks are wanted.
        output: where that is said, and how many tracks are being made.
        waits: whether to wait for such, as long as for the first peer, where there is nothing else.

    Raises:
        NothingFoundError: it finds nothing.
    """

    def on_wait(count: int) -> None:
        _say_preparing(f"{_counted(count)} being prepared there: waiting", count, output)

    wait_s = client.settings.first_contact_wait_s if waits else 0.0
    found, meant = await find_prepared(client, query, limit, wait_s, on_wait)
    if found.preparing and (found.hits or not waits):
        text = f"{_counted(found.preparing, more=bool(found.hits))} being prepared there"
        _say_preparing(f"{text}: search again in a moment", found.preparing, output)
    if not found.hits and found.preparing:
        raise NothingFoundError(f"nothing found for {query!r} yet: search again in a moment")
    if not found.hits:
        raise NothingFoundError(f"nothing found for {query!r}: try fewer or other words")
    if meant is not None:
        output.notify(f"nothing found for {query!r}: this is {meant!r}")
    return found


def _counted(count: int, *, more: bool = False) -> str:
    return f"{count}{' more' if more else ''} {'is' if count == 1 else 'are'}"


def _say_preparing(text: str, count: int, output: Output) -> None:
    """Say on stderr what is being made, as it is no hit; in JSON as an event."""
    if output.json:
        output.result("preparing", text, tracks=count)
    else:
        output.warn(text)


def show(hits: Sequence[Hit], output: Output) -> None:
    """Print hits, numbered."""
    for hit, line in zip(hits, hit_lines(hits, output.columns), strict=True):
        output.result("hit", line, **_fields_of(hit))


def _fields_of(hit: Hit) -> dict[str, object]:
    return {
        "uri": hit.uri,
        "title": hit.title,
        "artist": hit.artist,
        "album": hit.album,
        "duration_s": hit.duration_s,
        "bitrates_kbps": list(hit.bitrates_kbps),
        "holders": list(hit.holders),
        "track_number": hit.track_number or None,
        "disc_number": hit.disc_number or None,
        "disc_tracks": hit.disc_tracks or None,
        "album_artist": hit.album_artist,
        "year": hit.year or None,
    }


def entry_of(hit: Hit) -> Entry:
    """Return a hit as a playlist lists it."""
    return Entry(hit.uri, label_of(hit.title, hit.artist), round(hit.duration_s))
