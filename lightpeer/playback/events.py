"""A player's events: its own, and those of the session whose track is heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

from lightpeer.core.segments.events import Rebuffering, Resumed, SourceLost, TransportChanged, Waiting

if TYPE_CHECKING:
    from lightpeer.core.queue.modes import Modes

__all__ = [
    "Ended",
    "ModesChanged",
    "NotPlayed",
    "Opening",
    "Paused",
    "PlayerEvent",
    "Playing",
    "QueueChanged",
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
class QueueChanged:
    """Entries of the queue were added, removed or moved.

    Attributes:
        version: that of the entries.
        length: how many there are.
    """

    version: int
    length: int


@dataclass(frozen=True, slots=True)
class ModesChanged:
    """The queue is played in another way; the fields are those of `Modes`."""

    random: bool
    repeat: bool
    single: str
    consume: str

    @classmethod
    def to(cls, modes: Modes) -> Self:
        """Return the event that tells of some modes."""
        return cls(modes.random, modes.repeat, modes.single.value, modes.consume.value)


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
    | QueueChanged
    | ModesChanged
    | NotPlayed
    | Slowed
    | TransportChanged
    | SourceLost
    | Rebuffering
    | Resumed
)
