"""What is to be played, fetched or pinned: from the arguments of a command to tracks and queries.

Numbers take from the list shown last, and playlists are read, before the network is used. A query is left to
the player, which opens its best hit in one round trip, unless all of its hits are wanted (`--all`, `--album`,
`--artist`) or the person is to choose (`--pick`).
"""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lightpeer.cli.hit_lines import hit_lines
from lightpeer.client.forgiving import find_forgiving
from lightpeer.client.metered import open_metered
from lightpeer.client.query import check_length
from lightpeer.client.models import in_album_order
from lightpeer.console.output import FALLBACK_COLUMNS
from lightpeer.console.signals import run_async
from lightpeer.core.content.playlist import (
    MAX_PLAYLIST_BYTES,
    Entry,
    label_of,
    parse_playlist_untrusted,
)
from lightpeer.core.content.uri import is_uri
from lightpeer.core.search.fields import field, parse_query
from lightpeer.core.search.items import Numbers, Playlist, Track, Words, checked_query, parse_items
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.errors import BadMessageError, NothingFoundError, UsageError
from lightpeer.net.system import SystemNetwork
from lightpeer.safe_files import read_ordinary
from lightpeer.state.lists import FAVOURITES, SHOWN, KeptList

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from lightpeer.client.client import Client
    from lightpeer.client.models import Found, Hit
    from lightpeer.config import Settings
    from lightpeer.console.output import Output
    from lightpeer.core.search.items import Item

PICK_FROM = 20  # hits, from which the person chooses
_QUESTION = "Number, 2-5, or Enter for 1: "


class Chosen(NamedTuple):
    """What a command is to work on.

    Attributes:
        items: uris and queries, in order.
        takes_all: whether all hits of the queries are wanted, not only the best.
    """

    items: list[str]
    takes_all: bool


def chosen(arguments: argparse.Namespace, settings: Settings, output: Output) -> Chosen:
    """Return what the arguments of a command name; ask the person if they say so.

    Raises:
        UsageError: they name nothing, or what is not there.
        NothingFoundError: the person is to choose, and there is nothing.
    """
    items = _named(arguments)
    takes_all = bool(arguments.all or arguments.album or arguments.artist)
    texts: list[str] = []
    for item in items:
        texts += _texts_of(item, settings, output)
    if arguments.favourites:
        texts += [entry.uri for entry in KeptList(settings.state_dir, FAVOURITES).load()]
        if not texts:
            raise UsageError("there are no favourites yet: add some with lightpeer favourite")
    if arguments.pick:
        texts = [
            uri for text in texts for uri in ([text] if is_uri(text) else _picked(text, settings, output))
        ]
    return Chosen(texts, takes_all and not arguments.pick)


def _named(arguments: argparse.Namespace) -> list[Item]:
    items = parse_items(arguments.items)
    fields = [field(name, words) for name in ("album", "artist") if (words := getattr(arguments, name))]
    if fields:
        words = [item.query for item in items if isinstance(item, Words)]
        items = [item for item in items if not isinstance(item, Words)]
        items.append(Words(checked_query(" ".join(fields + words))))
    if not items and not arguments.favourites:
        raise UsageError("nothing is named: give words, a loud: id, a number of the last search, or --album")
    if arguments.pick and not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("--pick asks on a terminal: give the number of a hit instead")
    return items


def _texts_of(item: Item, settings: Settings, output: Output) -> list[str]:
    match item:
        case Words(query):
            check_length(query)
            return [query]
        case Track(uri):
            return [uri]
        case Numbers():
            shown = KeptList(settings.state_dir, SHOWN).load()
            return list(item.of([entry.uri for entry in shown]))
        case Playlist(path):
            return _read_playlist(path, output)


def _read_playlist(name: str, output: Output) -> list[str]:
    path = Path(name).expanduser()
    try:
        found = parse_playlist_untrusted(read_ordinary(path, MAX_PLAYLIST_BYTES))
    except OSError as error:
        raise UsageError(f"cannot read the playlist {name}: {error.strerror}") from error
    except BadMessageError as error:
        raise UsageError(f"{name} is {error}") from error
    if not found.entries:
        raise UsageError(f"the playlist {name} has no loud: ids")
    if found.foreign:
        output.warn(f"{name}: {found.foreign} entries that are no loud: ids are left out")
    return [entry.uri for entry in found.entries]


# With the network.


async def all_tracks(client: Client, wanted: Chosen, output: Output) -> list[str]:
    """Return the items, with all hits of each query in its place if they are wanted, else as they are."""
    if not wanted.takes_all:
        return wanted.items
    uris: list[str] = []
    for text in wanted.items:
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


async def found_of(client: Client, query: str, limit: int, output: Output) -> Found:
    """Return what a query finds; say so where other words were taken to be meant.

    Args:
        client: the light client.
        query: words, fields, or a track's uri.
        limit: how many tracks are wanted.
        output: where that is said.

    Raises:
        NothingFoundError: it finds nothing.
    """
    found, meant = await find_forgiving(client, query, limit)
    if not found.hits:
        raise NothingFoundError(f"nothing found for {query!r}: try fewer or other words")
    if meant is not None:
        output.notify(f"nothing found for {query!r}: this is {meant!r}")
    return found


# Showing and picking.


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


def _picked(query: str, settings: Settings, output: Output) -> list[str]:
    hits: list[Hit] = []

    async def search() -> int:
        async with open_metered(settings, SystemNetwork()) as client:
            hits.extend((await found_of(client, query, PICK_FROM, output)).hits)
        return 0

    if status := run_async(search):
        raise SystemExit(status)
    show(hits, output)
    return _asked([hit.uri for hit in hits], output)


def _asked(uris: list[str], output: Output) -> list[str]:
    """Ask for numbers until they are some of the list's."""
    is_narrow = (output.columns or FALLBACK_COLUMNS) < len(_QUESTION) + len("10-20")
    while True:
        try:
            usual = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own may miss the first Ctrl-C
            answer = input("? " if is_narrow else _QUESTION).strip() or "1"
        except EOFError:
            raise UsageError("nothing was chosen") from None
        finally:
            signal.signal(signal.SIGINT, usual)
        with contextlib.suppress(UsageError):
            items = [item for item in parse_items([answer]) if isinstance(item, Numbers)]
            if taken := [uri for item in items for uri in item.of(uris)]:
                return taken
        output.warn(f"give a number from 1 to {len(uris)}, or several as 2-3, not {answer!r}")
