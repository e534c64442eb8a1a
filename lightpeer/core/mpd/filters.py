"""Filters: which songs a remote control asks for, as a small tree, whichever language it was said in.

A search for `any` has its words in any of the tags, not in one alone: people type artist and title in one
field, and that is how the network finds tracks.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from lightpeer.core.mpd.song import TAGS, value_of
from lightpeer.core.search.words import folded, has_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lightpeer.core.mpd.song import Song

ANY: Final = "any"
FILE: Final = "file"
_SEARCHED: Final = frozenset((ANY, "Artist", "Album", "AlbumArtist", "Title"))


class Operator(Enum):
    """How a tag's value is compared."""

    IS = "=="
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"


class Comparison(NamedTuple):
    """A comparison; empty values are those of tags that a song does not have.

    Attributes:
        tag: a tag's name, `any` or `file`.
        operator: how its value is compared.
        value: with what.
        folds: whether case and accents do not matter.
    """

    tag: str
    operator: Operator
    value: str
    folds: bool = False


class Base(NamedTuple):
    """Whether a song is in a folder."""

    folder: str


class AddedSince(NamedTuple):
    """Whether a song was added at a time or later, in seconds since 1970."""

    time_s: int


class All(NamedTuple):
    """Whether all of some filters take a song; none of them: any song is taken."""

    parts: tuple[Filter, ...]


class Not(NamedTuple):
    """Whether a filter does not take a song."""

    part: Filter


Filter: TypeAlias = Comparison | Base | AddedSince | All | Not
"""Which songs are asked for."""


def matches(asked: Filter, song: Song, is_in: Callable[[Song, str], bool]) -> bool:
    """Return whether a filter takes a song.

    Args:
        asked: the filter.
        song: the song.
        is_in: whether a song is in a folder.
    """
    match asked:
        case All(parts):
            return all(matches(part, song, is_in) for part in parts)
        case Not(part):
            return not matches(part, song, is_in)
        case Base(folder):
            return is_in(song, folder)
        case AddedSince(time_s):
            return song.added_s >= time_s
        case _:
            return _is_true(asked, song)


def _is_true(test: Comparison, song: Song) -> bool:
    if test.tag == FILE:
        return _compares(test, song.uri)
    if test.tag != ANY:
        return _compares(test, value_of(song, test.tag))
    values = [value_of(song, tag) for tag in TAGS]
    has_all = test.folds and test.operator is Operator.CONTAINS and has_words(test.value, *values)
    return has_all or any(_compares(test, value) for value in values)


def _compares(test: Comparison, value: str) -> bool:
    asked = test.value
    if test.folds:
        asked, value = folded(asked), folded(value)
    if test.operator is Operator.IS or not asked:
        return value == asked
    return asked in value if test.operator is Operator.CONTAINS else value.startswith(asked)


def query_of(asked: Filter) -> str:
    """Return the words by which the network may find what is asked for; empty if there are none."""
    words = dict.fromkeys(word for value in _values(asked) for word in value.split())
    return " ".join(words)


def _values(asked: Filter) -> Iterator[str]:
    if isinstance(asked, All):
        for part in asked.parts:
            yield from _values(part)
    elif isinstance(asked, Comparison) and asked.tag in _SEARCHED:
        yield asked.value
