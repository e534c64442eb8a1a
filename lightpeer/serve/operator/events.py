"""The events that a server reports to its operator, a class each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from lightpeer.core.addresses import Endpoint


@dataclass(frozen=True, slots=True)
class Listening:
    """The server is ready: the music is imported, or much of it is and the rest follows."""

    address: Endpoint
    peer_id: str


@dataclass(frozen=True, slots=True)
class Invited:
    """Others can be invited by this word; it replaces an earlier one."""

    invite: str


@dataclass(frozen=True, slots=True)
class OnlyHere:
    """The server listens for this machine alone, at `port`."""

    port: int


@dataclass(frozen=True, slots=True)
class Reached:
    """Another machine has reached the server at this address of ours, for the first time."""

    address: Endpoint


@dataclass(frozen=True, slots=True)
class NotReached:
    """No other machine has reached the server yet, at any address; it listens at `port`."""

    port: int


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """The server ceases to serve, or begins again."""

    serves: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """A scan of the music folders is over, and it was the first or has changed the library.

    Attributes:
        tracks: how many there are now.
        hours: how long they play together.
        summary: what became of the files, in a few words.
    """

    tracks: int
    hours: float
    summary: str


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A mirrored track is here now, and is served."""

    uri: str
    title: str


@dataclass(frozen=True, slots=True)
class Mended:
    """Tracks that the disk had damaged were imported again; `tracks` is their number."""

    tracks: int


@dataclass(frozen=True, slots=True)
class ListsRead:
    """Changed lists were read; `summary` describes the rules in force in a few words."""

    summary: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A track was withdrawn for good."""

    uri: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A list or a mirror does not work as the operator wants; `message` is a sentence."""

    message: str


@dataclass(frozen=True, slots=True)
class LibraryTrouble:
    """A music file, or all of the import, failed; imported tracks are served. `message` is a sentence."""

    message: str


ServerEvent: TypeAlias = (
    Listening
    | Invited
    | OnlyHere
    | Reached
    | NotReached
    | RoleChanged
    | Imported
    | Mirrored
    | Mended
    | ListsRead
    | Withdrawn
    | Trouble
    | LibraryTrouble
)
