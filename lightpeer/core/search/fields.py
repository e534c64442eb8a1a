"""A query as a person writes it: words, and words of one field, as in `rain artist:"Die Mole"`.

Servers know no fields. They are asked for all of the words, whatever the field, and the hits are narrowed
here: a hit stays if each field has its words, by the rule of `words.py`. The artist of an album counts as an
artist of its tracks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.content.uri import is_uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.core.search.hits import FoundTrack

_FIELD: Final = re.compile(r'(?<!\S)(title|artist|album):(?:"([^"]+)"|([^"\s]\S*))', re.IGNORECASE)
_BEGINS_FIELD: Final = re.compile(r"(title|artist|album):(?!\")(.*\s.*)", re.IGNORECASE)


class Query(NamedTuple):
    """A query.

    Attributes:
        text: all of its words, as servers are asked for them, or the uri of a track.
        fields: name and words of each field.
    """

    text: str
    fields: tuple[tuple[str, str], ...] = ()

    def admits(self, track: FoundTrack) -> bool:
        """Return whether the fields of a hit have their words."""
        from lightpeer.core.search.words import has_words  # few queries have fields

        texts = {
            "title": (track.title,),
            "artist": (track.artist, track.place.album_artist),
            "album": (track.album,),
        }
        return all(has_words(words, *texts[name]) for name, words in self.fields)


def parse_query(text: str) -> Query:
    """Return the query in a text; a uri is one as it is."""
    if is_uri(text):
        return Query(text)
    fields: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        words = match[2] or match[3]
        fields.append((match[1].lower(), words))
        return words

    words = _FIELD.sub(take, text)
    return Query(" ".join(words.split()), tuple(fields))


def field(name: str, words: str) -> str:
    """Return a field with its words, as `parse_query` reads it."""
    plain = " ".join(words.replace('"', " ").split())
    return f'{name}:"{plain}"'


def joined(arguments: Iterable[str]) -> str:
    """Return the query that a shell's arguments are: a field that one of them begins has all of it."""
    return " ".join(map(_quoted, arguments))


def _quoted(argument: str) -> str:
    match = _BEGINS_FIELD.fullmatch(argument)
    return field(match[1].lower(), match[2]) if match else argument
