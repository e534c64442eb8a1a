"""A player's events as `--json` prints them, with names and fields that programs rely on.

The names are kept here, apart from the classes, so that renaming a class does not change the output.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from lightpeer.playback import events

if TYPE_CHECKING:
    from lightpeer.playback.events import PlayerEvent

_NAMES: Final[dict[type[PlayerEvent], str]] = {
    events.Opening: "opening",
    events.Waiting: "waiting",
    events.Playing: "playing",
    events.Paused: "paused",
    events.Unpaused: "unpaused",
    events.Seeked: "seeked",
    events.Ended: "ended",
    events.QueueChanged: "queue",
    events.ModesChanged: "modes",
    events.NotPlayed: "warning",
    events.Slowed: "slowed",
    events.TransportChanged: "transport",
    events.SourceLost: "source_lost",
    events.Rebuffering: "rebuffering",
    events.Resumed: "resumed",
}


def name_of(event: PlayerEvent) -> str:
    """Return the event's name in JSON."""
    return _NAMES[type(event)]


def fields_of(event: PlayerEvent) -> dict[str, object]:
    """Return the event's fields in JSON."""
    match event:
        case events.NotPlayed():
            return {"message": event.message}
        case events.Waiting(reason, since_s, next_try_s):
            fields: dict[str, object] = {"since_s": round(since_s, 3), "reason": reason}
            return fields if next_try_s is None else fields | {"next_try_s": round(next_try_s, 3)}
        case events.Resumed(after_s):
            return {"after_s": round(after_s, 3)}
    return asdict(event)
