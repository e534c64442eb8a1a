"""What commands work on: the queue, the player, the seen catalogue, playlists; and what a client has chosen.

The player is behind `Controls`, since it has a clock and a network. All that is read of it is `Now`, from
memory, so that no command waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from lightpeer.core.mpd.catalogue import Catalogue
from lightpeer.core.mpd.playlists import Playlists
from lightpeer.core.mpd.song import TAGS, Song

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.core.mpd.wire import Lines
    from lightpeer.core.queue.play_queue import PlayQueue

PLAYING, PAUSED, STOPPED = "play", "pause", "stop"
DEFAULT_BINARY_BYTES: Final = 8192


class Now(NamedTuple):
    """What the player does now.

    Attributes:
        state: `PLAYING`, `PAUSED` or `STOPPED`.
        position_s: what is heard, in seconds from the track's start.
        duration_s: the track's length; 0 while it is not known.
        bitrate_kbps: the rendition.
        volume: from 0 to 100.
        normalizes: whether all tracks are made equally loud.
        error: a sentence that says what is wrong; empty: nothing.
    """

    state: str = STOPPED
    position_s: float = 0.0
    duration_s: float = 0.0
    bitrate_kbps: int = 0
    volume: int = 100
    normalizes: bool = True
    error: str = ""


class Controls(Protocol):
    """What a player is told to do. Nothing here waits, and nothing is done if it is so already."""

    def now(self) -> Now:
        """Return what it does now."""

    def play(self, entry: int | None = None, position_s: float = 0.0) -> None:
        """Play an entry of the queue from a position; None: what is due, from where that is."""

    def pause(self, *, is_paused: bool) -> None:
        """Hold the sound, or let it go on."""

    def stop(self) -> None:
        """Stop; the queue stays."""

    def next(self) -> None:
        """Go to what follows."""

    def previous(self) -> None:
        """Go to what was before."""

    def seek(self, position_s: float) -> None:
        """Go to a position in what is played."""

    def set_volume(self, percent: int) -> None:
        """Set the volume, from 0 to 100."""

    def normalize(self, *, is_on: bool) -> None:
        """Make all tracks equally loud, or leave them as they are."""

    def clear_error(self) -> None:
        """Forget what was wrong."""


@dataclass(slots=True)
class Session:
    """What one client has chosen.

    Attributes:
        is_admitted: whether it has said the password, or needs none.
        tags: those that it wants to see.
        features: the protocol's features that it has enabled.
    """

    is_admitted: bool = True
    tags: set[str] = field(default_factory=lambda: set(TAGS))
    features: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Speaker:
    """All that commands work on.

    Attributes:
        queue: what is played.
        controls: the player.
        started_s: when it began, in seconds since 1970.
        password: what clients must say first; empty: nothing.
        name: what its output is called.
        on_change: called with MPD's name for what a command has changed here; the player tells of its own.
        catalogue: the tracks that were seen.
        playlists: the stored ones.
        is_output_on: whether sound may be made.
        updates: how often clients have asked to update the catalogue.
        loaded: the playlist that was loaded last.
    """

    queue: PlayQueue
    controls: Controls
    started_s: float
    password: str = ""
    name: str = "lightpeer"
    on_change: Callable[[str], None] = lambda _subsystem: None
    catalogue: Catalogue = field(default_factory=Catalogue)
    playlists: Playlists = field(default_factory=Playlists)
    is_output_on: bool = True
    updates: int = 0
    loaded: str = ""

    def song(self, item: str) -> Song:
        """Return what is known of an item, a uri or words."""
        return self.catalogue.get(item) or Song(item)


class Call(NamedTuple):
    """A command that is carried out.

    Attributes:
        speaker: what it works on.
        session: of the client that gave it.
        arguments: with what.
        now_s: the time in seconds since 1970.
    """

    speaker: Speaker
    session: Session
    arguments: Sequence[str]
    now_s: float


def asks_nothing(_: Call) -> str:
    """Return no words to search for."""
    return ""


class Rule(NamedTuple):
    """What a command does.

    Attributes:
        run: carries it out, and returns the answer; raises CommandError.
        least: the fewest arguments that it takes.
        most: the most.
        query: returns the words to search the network for before it is carried out; empty: none.
        is_public: whether it needs no password.
    """

    run: Callable[[Call], Lines]
    least: int = 0
    most: int = 0
    query: Callable[[Call], str] = asks_nothing
    is_public: bool = False
