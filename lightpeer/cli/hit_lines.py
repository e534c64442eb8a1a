"""Tracks as lines: title first, and cut to the terminal's width.

Facts stand at the right, in columns of their own. Where the terminal is too narrow for all of them beside a
title, the last go first. Without a terminal nothing is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.console.text import clean, clock, described, truncate, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lightpeer.client.models import Hit

_MIN_TITLE_COLUMNS: Final = 24  # beside more facts than the length
_GAP: Final = "  "


class Row(NamedTuple):
    """A line before it is cut.

    Attributes:
        name: what the track is called.
        facts: what else there is to say, the most important first; each has a column, empty or not.
        number: what it begins with, of one width in all lines; empty: nothing.
    """

    name: str
    facts: tuple[str, ...]
    number: str = ""


def hit_lines(hits: Sequence[Hit], columns: int | None) -> Iterator[str]:
    """Return a line for each hit: its number, title, length, bitrates, holders, uri.

    Args:
        hits: in the order of their numbers, which begin with 1.
        columns: how wide a line may be; None: as wide as it takes.
    """
    digits = len(str(len(hits)))
    names = (described(hit.title, hit.artist, hit.album) for hit in hits)
    rows = [
        Row(name, _facts(hit), f"{number:{digits}}")
        for number, (hit, name) in enumerate(zip(hits, names, strict=True), 1)
    ]
    return lines_of(rows, columns)


def lines_of(rows: Sequence[Row], columns: int | None) -> Iterator[str]:
    """Yield the line of each row; `columns`: how wide it may be, None: as wide as it takes."""
    rows = [row._replace(name=clean(row.name)) for row in rows]
    if columns is None:
        for name, facts, number in rows:
            yield _GAP.join(part for part in (number, name, *facts) if part)
        return
    widths = [max(map(width, column)) for column in zip(*(row.facts for row in rows), strict=True)]
    room = columns - max((width(row.number + _GAP) for row in rows if row.number), default=0)
    while len(widths) > 1 and room - _taken(widths) < _MIN_TITLE_COLUMNS:
        widths.pop()
    most = max((width(row.name) for row in rows), default=0)
    title_columns = max(0, min(most, room - _taken(widths)))
    for name, facts, number in rows:
        title = truncate(name, title_columns)
        padded = title + " " * (title_columns - width(title))
        right = (f"{fact:>{size}}" for fact, size in zip(facts, widths, strict=False) if size)
        yield truncate(_GAP.join([*filter(None, [number]), padded, *right]), columns)


def _facts(hit: Hit) -> tuple[str, ...]:
    holders = max(1, len(hit.holders))
    peers = f"{holders} peer" + "s" * (holders != 1)
    rates = "/".join(map(str, hit.bitrates_kbps))
    return clock(hit.duration_s), rates, peers, hit.uri


def _taken(widths: Iterable[int]) -> int:
    return sum(size + len(_GAP) for size in widths if size)
