"""What is to be played, fetched or pinned: from the arguments of a command to tracks and queries.

Numbers take from the list shown last, and playlists are read, before the network is used. A query is left to
the player, which opens its best hit in one round trip, unless all of its hits are wanted (`--all`, `--album`,
`--artist`) or the person is to choose (`--pick`).
"""

from __future__ import annotations

import contextlib
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lightpeer.client.query import check_length
from lightpeer.console.output import FALLBACK_COLUMNS
from lightpeer.core.content.uri import is_uri
from lightpeer.core.search.fields import field
from lightpeer.core.search.items import Numbers, Playlist, Track, Words, checked_query, parse_items
from lightpeer.errors import BadMessageError, UsageError

if TYPE_CHECKING:
    import argparse

    from lightpeer.client.models import Hit
    from lightpeer.config import Settings
    from lightpeer.console.output import Output
    from lightpeer.core.search.items import Item

PICK_FROM = 20  # hits, from which the person chooses


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
    texts = [text for item in items for text in _texts_of(item, settings, output)]
    if arguments.favourites:
        texts += _favourites(settings, is_all=not texts)
    if not texts:
        raise UsageError(f"{' '.join(arguments.items)} names no track: give the smaller number first")
    if arguments.pick:
        asked = ([text] if is_uri(text) else _picked(text, settings, output) for text in texts)
        texts = list(chain.from_iterable(asked))
    return Chosen(texts, takes_all and not arguments.pick)


def _favourites(settings: Settings, *, is_all: bool) -> list[str]:
    """Return the favourites; raise UsageError if there are none, and they are all that was named."""
    from lightpeer.state.lists import Favourites

    favourites = [entry.uri for entry in Favourites(settings.state_dir).load()]
    if is_all and not favourites:
        raise UsageError("there are no favourites yet: add some with lightpeer favourite")
    return favourites


def _named(arguments: argparse.Namespace) -> list[Item]:
    items = parse_items(arguments.items)
    given = {name: words for name in ("album", "artist") if (words := getattr(arguments, name)) is not None}
    fields = [_field(name, words) for name, words in given.items()]
    if fields:
        words = [item.query for item in items if isinstance(item, Words)]
        items = [item for item in items if not isinstance(item, Words)]
        items.append(Words(checked_query(" ".join(fields + words))))
    if not items and not arguments.favourites:
        raise UsageError("nothing is named: give words, a loud: id, a number of the last search, or --album")
    if arguments.pick and not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("--pick asks on a terminal: give the number of a hit instead")
    return items


def _field(name: str, words: str) -> str:
    if not words.strip():
        raise UsageError(f"--{name} names nothing: give the name of an {name}")
    return field(name, words)


def _texts_of(item: Item, settings: Settings, output: Output) -> list[str]:
    match item:
        case Words(query):
            check_length(query)
            return [query]
        case Track(uri):
            return [uri]
        case Numbers():
            from lightpeer.state.lists import ShownList

            shown = ShownList(settings.state_dir).load()
            return list(item.of([entry.uri for entry in shown]))
        case Playlist(path):
            return _read_playlist(path, output)


def _read_playlist(name: str, output: Output) -> list[str]:
    from lightpeer.core.content.playlist import MAX_PLAYLIST_BYTES, parse_playlist_untrusted
    from lightpeer.safe_files import read_ordinary

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


def _picked(query: str, settings: Settings, output: Output) -> list[str]:
    from lightpeer.cli.hits import found_of, show
    from lightpeer.client.metered import open_metered
    from lightpeer.console.signals import run_async
    from lightpeer.net.system import SystemNetwork

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
    question = f"Number up to {len(uris)}, several as 1-{len(uris)}, or Enter for 1: "
    is_narrow = (output.columns or FALLBACK_COLUMNS) < len(question) + len("10-20")
    while True:
        answer = _answer_to("? " if is_narrow else question, output).strip() or "1"
        with contextlib.suppress(UsageError):
            items = [item for item in parse_items([answer]) if isinstance(item, Numbers)]
            if taken := [uri for item in items for uri in item.of(uris)]:
                return taken
        output.warn(f"give a number from 1 to {len(uris)}, or several as 1-{len(uris)}, not {answer!r}")


def _answer_to(question: str, output: Output) -> str:
    """Ask on the terminal; raise UsageError at its end.

    Python's own `input` may miss the Ctrl-C that comes just before it waits.
    """
    import trio

    from lightpeer.console.signals import run_async

    lines: list[str] = []

    async def wait() -> int:
        print(question, end="", file=output.stream, flush=True)  # a Ctrl-C that answers it is seen here
        await trio.lowlevel.wait_readable(sys.stdin.fileno())
        lines.append(sys.stdin.readline())
        return 0

    if status := run_async(wait):
        print(file=output.stream)
        raise SystemExit(status)
    if not lines[0]:
        raise UsageError("nothing was chosen")
    return lines[0]
