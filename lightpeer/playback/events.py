"""A player's events: its own, and those of the session whose track is heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lightpeer.core.segments.events import Rebuffering, Resumed, SourceLost, TransportChanged, Waiting

__all__ = [
    "Ended",
    "NotPlayed",
    "Opening",
    "Paused",
    "PlayerEvent",
    "Playing",
    "Rebuffering",
    "Resumed",
    "Seeked",
    "Slowed",
    "SourceLost",
    "TransportChanged",
    "Unpaused",
    "Waiting",
]


@dataclass(frozen=True, slots=True)
class Opening:
    """An item of the queue, a query or a track's uri, is being opened."""

    item: str


@dataclass(frozen=True, slots=True)
class Playing:
    """The first sound of a track goes to the sink.

    Attributes:
        title: as the publisher wrote it, like artist and album; clean it before it is shown on a terminal.
        artist: the artist.
        album: the album.
        uri: the track's id, `loud:…`.
        duration_s: its length.
        bitrate_kbps: the rendition.
        transport: how audio comes, `udp` or `grpc`; `cache` while what is kept suffices.
    """

    title: str
    artist: str
    album: str
    uri: str
    duration_s: float
    bitrate_kbps: int
    transport: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The listener has paused."""


@dataclass(frozen=True, slots=True)
class Unpaused:
    """The listener goes on after a pause."""


@dataclass(frozen=True, slots=True)
class Seeked:
    """The track goes on at another position."""

    position_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A track was played to its end."""

    uri: str
    position_s: float


@dataclass(frozen=True, slots=True)
class NotPlayed:
    """An item was left out, or ended early. `message` is a sentence that says why."""

    item: str
    message: str


@dataclass(frozen=True, slots=True)
class Slowed:
    """A cap of the data budget is near, so playing uses less. `message` is a sentence that says so."""

    message: str


PlayerEvent: TypeAlias = (
    Opening
    | Waiting
    | Playing
    | Paused
    | Unpaused
    | Seeked
    | Ended
    | NotPlayed
    | Slowed
    | TransportChanged
    | SourceLost
    | Rebuffering
    | Resumed
)
