"""What the arguments of a command name: tracks by id, by their number in the list shown last, or by words.

Words that stand beside one another are one query, as in a search. Numbers are words too, unless there is
nothing else beside them: `play 3` takes the third track of the list, and `play 3 doors down` searches.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.core.search.fields import joined
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NUMBERS: Final = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", re.ASCII)
_PLAYLIST_ENDINGS: Final = (".m3u", ".m3u8")


class Words(NamedTuple):
    """A query."""

    query: str


class Track(NamedTuple):
    """A track by its id, `loud:…`."""

    uri: str


class Numbers(NamedTuple):
    """Tracks by their numbers in the list shown last, such as `2-5` or `1,4`; counted from 1."""

    text: str

    def of(self, uris: Sequence[str]) -> Iterator[str]:
        """Yield the tracks of a list, by their ids; raise UsageError if it has fewer."""
        for part in self.text.split(","):
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                if not 1 <= number <= len(uris):
                    raise UsageError(_missing(number, len(uris)))
                yield uris[number - 1]


class Playlist(NamedTuple):
    """A file that lists tracks."""

    path: str


Item = Words | Track | Numbers | Playlist


def parse_items(arguments: Iterable[str]) -> list[Item]:
    """Return what arguments name, in order; raise UsageError for a malformed track id or no words."""
    items: list[Item] = []
    for kind, group in groupby(arguments, _kind):
        beside = list(group)
        if kind is Track:
            for uri in beside:
                parse_uri(uri)
                items.append(Track(uri))
        elif kind is Playlist:
            items.extend(map(Playlist, beside))
        elif all(map(_NUMBERS.fullmatch, beside)):
            items.extend(map(Numbers, beside))
        else:
            items.append(Words(checked_query(joined(beside))))
    return items


def checked_query(text: str) -> str:
    """Return the words to search for; raise UsageError if there are none."""
    words = " ".join(text.split())
    if not words:
        raise UsageError("nothing to search for: give a title, an artist or an album")
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the words to search for are not UTF-8 text") from error
    return words


def _kind(argument: str) -> type[Item]:
    if is_uri(argument):
        return Track
    return Playlist if argument.lower().endswith(_PLAYLIST_ENDINGS) else Words


def _missing(number: int, count: int) -> str:
    if not count:
        return f"nothing was listed that {number} could be taken from: search first, or write title:{number}"
    tracks = f"{count} track" + "s" * (count != 1)
    return f"the list shown last has {tracks}, no {number}: to search for the word, write title:{number}"
