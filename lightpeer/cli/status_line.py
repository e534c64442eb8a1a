"""The live line: a pure function of the player's status and the terminal's width.

The title comes first, then the position, then whatever else there is room for, the most important first.
While music waits, what it waits for takes the place of the position, and where there is no room for both that
of the title too: it is what the listener wants to know then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.console.text import clean, clock, truncate, width
from lightpeer.core.content.uri import is_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.playback.status import Status

_GAP: Final = "  "
_MIN_TITLE_COLUMNS: Final = 8  # less of a title says nothing
_MAX_NEXT_COLUMNS: Final = 30  # of the next title, before what else there is
_SIGNS: Final = {"playing": "▶", "paused": "‖", "stopped": "■"}


def status_line(status: Status, columns: int) -> str:
    """Return the live line for a status, at most `columns` wide."""
    line = _SIGNS.get(status.state, "…") + " "
    room = columns - width(line)
    names = _names(status)
    first = _fitting(_first(status), room - min(width(names[-1]), _MIN_TITLE_COLUMNS) - len(_GAP))
    name_room = room - width(first) - len(_GAP)
    if name_room >= _MIN_TITLE_COLUMNS and names[-1]:
        line += truncate(_fitting(names, name_room), name_room) + _GAP
    line += first
    for fact in _facts(status):
        if width(line) + len(_GAP) + width(fact) > columns:
            break
        line += _GAP + fact
    return truncate(line, columns)


def _fitting(variants: list[str], columns: int) -> str:
    """Return the first of some variants that fits, else the last."""
    return next((text for text in variants if width(text) <= columns), variants[-1])


def _names(status: Status) -> list[str]:
    """Return what the track is called: with its artist, and without."""
    title = clean(status.title or ("" if is_uri(status.item) else status.item))
    artist = clean(status.artist)
    return [f"{title} — {artist}", title] if artist else [title]


def _first(status: Status) -> list[str]:
    """Return what is to be known first, long and short: where it is, or what it waits for."""
    waits = status.state in {"opening", "buffering"}
    if waits and status.awaited:
        lasts = clock(status.awaited_s)
        return [f"no {_away(status)} for {lasts}", f"no {status.awaited} {lasts}"]
    if status.state == "opening":
        return ["opening"]
    if waits and 0 < status.goodput_kbps < status.lowest_kbps:
        link = f"link {status.goodput_kbps:.0f} kbit/s"
        return [f"{link}, lowest rendition {status.lowest_kbps}", link]
    if waits:
        return ["waiting for data", "waiting"]
    position = clock(status.position_s)
    return [f"{position}/{clock(status.duration_s)}", position]


def _away(status: Status) -> str:
    return "sound device" if status.awaited == "sound" else "network"


def _facts(status: Status) -> Iterator[str]:
    """Yield what else there is to say, the most important first."""
    waits = status.state in {"opening", "buffering"}
    if status.awaited and not waits:
        yield f"no {_away(status)} for {clock(status.awaited_s)}"
    if status.count > 1:
        yield f"{status.number} of {status.count}"
    if status.awaited and waits:
        yield f"buffer {status.buffer_s:.0f} s" if status.buffer_s else "buffer empty"
        yield "q quits"
        yield clean(status.reason)
        return
    if status.left_mb is not None:
        yield f"{status.left_mb:.3g} MB left"
    if status.used_mb:
        yield f"{status.used_mb:.1f} MB"
    if status.next_title and not is_uri(status.next_title):
        yield f"next: {truncate(clean(status.next_title), _MAX_NEXT_COLUMNS)}"
    yield from _of_the_stream(status) if status.duration_s else ()


def _of_the_stream(status: Status) -> Iterator[str]:
    """Yield how the track comes."""
    if not status.awaited:
        yield f"buf {status.buffer_s:.0f} s"
    if status.volume_db:
        yield f"{status.volume_db:+.0f} dB"
    if status.mb_per_hour:
        yield f"{status.mb_per_hour:.0f} MB/h"
    yield f"{status.bitrate_kbps} kbit/s"
    yield f"↓{status.goodput_kbps:.0f}"
    yield f"{status.sources} src"
    if status.transport:
        yield clean(status.transport)
