"""What may be chosen for a serving peer, and what joins it to whoever runs it."""

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
PERIOD_S: Final = 60.0  # 4 kB a minute; who crashed is out of all views within the half hour
DEFAULT_LISTEN: Final[Endpoint] = ("127.0.0.1", DEFAULT_PORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """What a person may choose for a serving peer."""

    music_dir: Path
    more_music_dirs: tuple[Path, ...] = ()
    follow_links: bool = False  # that lead out of the music folders
    state_dir: Path
    listen: Endpoint = DEFAULT_LISTEN  # for RPC, and for UDP unless that port is taken
    announce: tuple[Endpoint, ...] = ()  # to others, all of one port; none: as listened on, or observed
    bootstrap: tuple[Contact, ...] = ()
    ladder_kbps: tuple[int, ...] = DEFAULT_LADDER_KBPS
    lan: bool = True  # be found on the local network, and find others there
    mirror: tuple[str, ...] = ()  # tracks to fetch from the network and serve: `loud:…`, or words
    max_upload_bytes_per_s: int | None = None  # of audio, to all together
    allow: tuple[str, ...] = ()  # lists of who may listen, files or peer ids; none: everybody may
    deny: tuple[str, ...] = ()  # lists of who may not, and of what is not served
    gossip_s: float = PERIOD_S  # the period in which two other servers are met


class Progress(Protocol):
    """Draws how far an import is."""

    def __call__(self, done: int, total: int, name: str) -> None:
        """Draw it anew; `name` is the file that was done last."""

    def close(self) -> None:
        """Draw no more."""


def _ignore(_event: ServerEvent) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Whoever runs a server: what they are told, and by what they interfere.

    With each of `toggles` the server ceases to serve, or begins again; with each of `hangups` the lists of
    who may listen are read anew. `progress` draws how far the import is.
    """

    tell: Callable[[ServerEvent], object] = _ignore
    progress: Progress | None = None
    toggles: AsyncIterable[object] | None = None
    hangups: AsyncIterable[object] | None = None
