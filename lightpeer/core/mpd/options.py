"""What may follow a filter: how the songs that it takes are sorted, cut, grouped, and where they are put."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from lightpeer.core.mpd.arguments import Range, span
from lightpeer.core.mpd.song import checked_tag, tag_named, value_of
from lightpeer.core.mpd.wire import Ack
from lightpeer.core.search.words import folded
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lightpeer.core.mpd.song import Song

_Item = TypeVar("_Item")
_ADDED: Final = frozenset(("last-modified", "added"))
_NUMBERS: Final = frozenset(("Track", "Disc", "Date"))


class Options(NamedTuple):
    """What follows a filter.

    Attributes:
        sort: the tag to sort by, or `added`; empty: as the songs come.
        is_descending: whether the last comes first.
        window: which of the songs.
        groups: the tags to group by.
        position: where to put the songs, as it was said; empty: at the end.
    """

    sort: str = ""
    is_descending: bool = False
    window: Range = Range()
    groups: tuple[str, ...] = ()
    position: str = ""


def split_options(words: Sequence[str], *allowed: str) -> tuple[Sequence[str], Options]:
    """Return a filter's arguments, and what follows them.

    Args:
        words: all the arguments.
        allowed: which of `sort`, `window`, `group` and `position` may follow.

    Raises:
        CommandError: what follows makes no sense.
    """
    options = Options()
    while len(words) >= 2 and words[-2] in allowed:
        name, value = words[-2:]
        words = words[:-2]
        match name:
            case "sort":
                options = options._replace(sort=_sort_tag(value), is_descending=value.startswith("-"))
            case "window":
                options = options._replace(window=span(value))
            case "group":
                options = options._replace(groups=(checked_tag(value), *options.groups))
            case _:
                options = options._replace(position=value)
    return words, options


def _sort_tag(value: str) -> str:
    name = value.removeprefix("-").lower()
    tag = "added" if name in _ADDED else tag_named(name)
    if tag is None:
        raise CommandError(Ack.ARG, f"Unknown sort tag: {value}")
    return tag


def arranged(found: Iterable[_Item], options: Options, song_of: Callable[[_Item], Song]) -> list[_Item]:
    """Return what was found, sorted and cut as is asked for.

    Args:
        found: songs, or what has songs.
        options: how.
        song_of: returns a song.
    """
    items = list(found)
    if options.sort:
        items.sort(key=lambda item: _sort_key(song_of(item), options.sort), reverse=options.is_descending)
    return items[options.window.cut]


def _sort_key(song: Song, tag: str) -> tuple[float, str]:
    if tag == "added":
        return song.added_s, ""
    value = value_of(song, tag)
    return (float(value or 0), "") if tag in _NUMBERS else (0.0, folded(value))
