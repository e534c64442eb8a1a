"""Text that strangers wrote, made safe to show: on one line, without control characters, within a width.

Titles, file names, ids and the reasons of errors come from others, and a terminal obeys escape sequences in
its output. So all text is cleaned here, as it is printed. The tags that a server keeps of a file are cleaned
by the same rule.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSHOWN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that control a terminal, reorder text (bidi overrides), or are invisible."""

_JOINERS: Final = "\u200c\u200d"  # of category Cf, but Persian, Indic scripts and emoji are spelt with them
_ABOVE_OTHERS: Final = {"Mn", "Me"}  # accents and variation selectors


def clean(text: str, instead: str = " ") -> str:
    """Return the text on one line, with `instead` in place of each character that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(instead if unicodedata.category(c) in _UNSHOWN and c not in _JOINERS else c for c in text)


def clean_lines(text: str) -> str:
    """Return a text of several lines, such as a traceback, with each line cleaned."""
    return "\n".join(map(clean, text.split("\n")))


def width(text: str) -> int:
    """Return the width of a cleaned text in columns of a terminal (UAX #11)."""
    return sum(map(_char_width, text))


def truncate(text: str, columns: int) -> str:
    """Return the text, cut with an ellipsis if it is wider than `columns`."""
    if width(text) <= columns:
        return text
    used, kept = 1, []  # the ellipsis takes one
    for char in text:
        used += _char_width(char)
        if used > columns:
            break
        kept.append(char)
    return "".join(kept) + "…" if columns > 0 else ""


def fold(text: str, columns: int, indent: int = 0) -> Iterator[str]:
    """Yield a cleaned text in lines that fit, broken at spaces where there are any.

    Args:
        text: the text.
        columns: how wide a line may be, at least 2.
        indent: spaces before all lines but the first, as far as these leave half of the room.
    """
    margin = " " * min(indent, (columns - 1) // 2)
    line, is_empty = "", True
    for word in text.split(" "):
        longer = line + word if is_empty else f"{line} {word}"
        if width(longer) > columns and not is_empty:
            yield line.rstrip()
            longer = margin + word
        while width(longer) > columns:
            head = _beginning(longer, columns)
            yield head
            longer = margin + longer[len(head) :]
        line, is_empty = longer, False
    yield line.rstrip()


def _beginning(text: str, columns: int) -> str:
    """Return as much of a text as fits, and at least a character beyond its spaces."""
    size, used = 0, 0
    for char in text:
        used += _char_width(char)
        if used > columns and text[:size].strip():
            break
        size += 1
    return text[:size]


def _char_width(char: str) -> int:
    if char in _JOINERS or unicodedata.combining(char) or unicodedata.category(char) in _ABOVE_OTHERS:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def clock(seconds: float) -> str:
    """Return a duration as people write it: 3:05, or 1:02:03."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def seconds_of(text: str) -> float:
    """Return the seconds of a position: 90, 2.5, 1:30 or 1:02:03.

    Raises:
        ValueError: the text is no position.
    """
    seconds, parts = 0.0, text.split(":")
    for place, part in enumerate(parts):
        is_last = place == len(parts) - 1
        is_number = part.isascii() and part.replace(".", "", is_last).isdecimal()
        if not is_number or len(parts) > 3 or (place and float(part) >= 60):
            raise ValueError(f"{text!r} is no position")
        seconds = seconds * 60 + float(part)
    return seconds


def described(title: str, artist: str = "", album: str = "") -> str:
    """Return a track as people name it: `Title — Artist (Album)`."""
    text = f"{title} — {artist}" if artist else title
    return f"{text} ({album})" if album else text
