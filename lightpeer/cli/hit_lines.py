"""Hits as lines: title first, numbered, and cut to the terminal's width.

Facts stand at the right, in columns of their own: length, bitrates, holders, uri. Where the terminal is too
narrow for all of them beside a title, the last go first. Without a terminal nothing is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.console.text import clean, clock, described, truncate, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lightpeer.client.models import Hit

_MIN_TITLE_COLUMNS: Final = 24  # beside more facts than the length
_GAP: Final = 2


def hit_lines(hits: Sequence[Hit], columns: int | None) -> Iterator[str]:
    """Yield a line for each hit.

    Args:
        hits: in the order of their numbers, which begin with 1.
        columns: how wide a line may be; None: as wide as it takes.
    """
    digits = len(str(len(hits)))
    names = [clean(described(hit.title, hit.artist, hit.album)) for hit in hits]
    facts = list(map(_facts, hits))
    if columns is None:
        for number, (name, known) in enumerate(zip(names, facts, strict=True), 1):
            yield "  ".join((f"{number:{digits}}", name, *known))
        return
    widths = [max(map(width, column)) for column in zip(*facts, strict=True)]
    room = columns - digits - _GAP
    while len(widths) > 1 and room - _taken(widths) < _MIN_TITLE_COLUMNS:
        widths.pop()
    most = max(map(width, names), default=0)
    title_columns = max(0, min(most, room - _taken(widths)))
    for number, (name, known) in enumerate(zip(names, facts, strict=True), 1):
        title = truncate(name, title_columns)
        padded = title + " " * (title_columns - width(title))
        right = (f"{fact:>{size}}" for fact, size in zip(known, widths, strict=False))
        yield truncate("  ".join((f"{number:{digits}}", padded, *right)), columns)


def _facts(hit: Hit) -> tuple[str, ...]:
    holders = max(1, len(hit.holders))
    peers = f"{holders} peer" + "s" * (holders != 1)
    rates = "/".join(map(str, hit.bitrates_kbps))
    return clock(hit.duration_s), rates, peers, hit.uri


def _taken(widths: Iterable[int]) -> int:
    return sum(size + _GAP for size in widths)
