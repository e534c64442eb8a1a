"""The settings of a serving peer, and its connection to its operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from lightpeer.core.addresses import DEFAULT_PORT, Endpoint
from lightpeer.core.trust.contact import Contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable
    from pathlib import Path

    from lightpeer.serve.operator.events import ServerEvent

DEFAULT_LADDER_KBPS: Final = (24, 48, 96)  # barely any link, 3G, and as good as most can hear
PERIOD_S: Final = 60.0  # 4 kB a minute; a crashed server is out of all views within half an hour
DEFAULT_LISTEN: Final[Endpoint] = ("127.0.0.1", DEFAULT_PORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The settings of a serving peer."""

    music_dir: Path
    more_music_dirs: tuple[Path, ...] = ()
    follow_links: bool = False  # also out of the music folders
    state_dir: Path
    listen: Endpoint = DEFAULT_LISTEN  # for RPC, and for UDP unless that port is taken
    announce: tuple[Endpoint, ...] = ()  # to others, all of one port; none: as listened on, or observed
    bootstrap: tuple[Contact, ...] = ()
    ladder_kbps: tuple[int, ...] = DEFAULT_LADDER_KBPS
    lan: bool = True  # be found on the local network, and find others there
    mirror: tuple[str, ...] = ()  # tracks to fetch from the network and serve: `loud:…`, or words
    max_upload_bytes_per_s: int | None = None  # of audio, to all together
    allow: tuple[str, ...] = ()  # lists of peers that may listen, files or peer ids; none: everybody may
    deny: tuple[str, ...] = ()  # lists of peers that may not, and of tracks that are not served
    cache_bytes: int | None = None  # of renditions that can be made again; none: all of them are kept
    on_demand: bool = False  # files are imported once somebody searches for them
    import_beside: bool = True  # in processes of low priority, on all cores but one; else in a thread
    gossip_s: float = PERIOD_S  # the period in which two other servers are met


class Progress(Protocol):
    """Draws how far an import is."""

    def __call__(self, done: int, total: int, name: str) -> None:
        """Draw it again.

        Args:
            done: how many files are imported.
            total: how many there are to import.
            name: the file that begins.
        """

    def close(self) -> None:
        """Draw no more."""


def _ignore(_event: ServerEvent) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The operator of a server, as the server knows them.

    Attributes:
        tell: called with each event.
        progress: draws how far the import is.
        toggles: with each item the server stops serving, or begins again.
        hangups: with each item all lists are read again, and the music folders.
    """

    tell: Callable[[ServerEvent], object] = _ignore
    progress: Progress | None = None
    toggles: AsyncIterable[object] | None = None
    hangups: AsyncIterable[object] | None = None
