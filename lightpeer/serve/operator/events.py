"""What a server tells whoever runs it: each thing that may happen is a class."""

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
class RoleChanged:
    """The server ceases to serve, or begins again."""

    serves: bool


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A track of somebody else's is here now, and is served."""

    uri: str
    title: str


@dataclass(frozen=True, slots=True)
class Mended:
    """So many tracks that the disk had damaged were imported again."""

    tracks: int


@dataclass(frozen=True, slots=True)
class ListsRead:
    """Lists of who may listen have changed; `summary` says in a few words what is in force."""

    summary: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A track was withdrawn for good."""

    uri: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something is not as the operator wants it: a list, a mirror; `message` is a sentence."""

    message: str


@dataclass(frozen=True, slots=True)
class LibraryTrouble:
    """A music file, or all of the import, went wrong; what is there is served. `message` is a sentence."""

    message: str


ServerEvent: TypeAlias = (
    Listening | RoleChanged | Mirrored | Mended | ListsRead | Withdrawn | Trouble | LibraryTrouble
)
