"""The live line: a pure function of the player's status and the terminal's width.

While music waits the line says what for, and since when: that is what the listener wants to know then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.console.text import clean, clock, truncate, width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.playback.status import Status

_MIN_TITLE_COLUMNS = 12


def status_line(status: Status, columns: int) -> str:
    """Return the live line for a status, at most `columns` wide."""
    if status.awaited and status.state in {"opening", "buffering"}:
        return truncate(f"… {_wait(status)}, buffer {_left(status)}; waiting (q quits)", columns)
    if status.state == "opening":
        return truncate("… opening", columns)
    known = list(_facts(status))
    while len(known) > 1 and width("  ".join(known)) + 4 + _MIN_TITLE_COLUMNS > columns:
        known.pop()
    facts = "  ".join(known)
    title = clean(status.title)
    if artist := clean(status.artist):
        title = f"{title} — {artist}"
    room = max(columns - width(facts) - 4, _MIN_TITLE_COLUMNS)
    sign = {"playing": "▶", "paused": "‖", "stopped": "■"}.get(status.state, "…")
    return truncate(f"{sign} {truncate(title, room)}  {facts}", columns)


def _facts(status: Status) -> Iterator[str]:
    """Yield what there is to say, the most important first."""
    yield f"{clock(status.position_s)}/{clock(status.duration_s)}"
    yield f"buf {status.buffer_s:.0f} s"
    if status.awaited:
        yield _wait(status)
        return
    if status.left_mb is not None:
        yield f"{status.left_mb:.3g} MB left"
    if status.mb_per_hour:
        yield f"{status.mb_per_hour:.0f} MB/h"
    yield f"{status.bitrate_kbps:.0f} kbit/s"
    yield f"↓{status.goodput_kbps:.0f}"
    yield f"{status.sources} src"
    if status.transport:
        yield clean(status.transport)
    if status.volume_db:
        yield f"{status.volume_db:+.0f} dB"


def _wait(status: Status) -> str:
    what = "sound device" if status.awaited == "sound" else "network"
    return f"no {what} for {clock(status.awaited_s)}"


def _left(status: Status) -> str:
    return f"{status.buffer_s:.0f} s" if status.buffer_s else "empty"
