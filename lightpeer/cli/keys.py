"""The keys while music plays: commands from the bytes that a terminal sends, by a small state machine.

Three of the bytes make an arrow.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.playback.status import Status

SEEK_S: Final = 10.0
VOLUME_STEP_DB: Final = 2.0


class Key(Enum):
    """The command of a key."""

    PAUSE = "pause"
    FORWARD = "forward"
    BACK = "back"
    NEXT = "next"
    PREVIOUS = "previous"
    LOUDER = "louder"
    QUIETER = "quieter"
    QUIT = "quit"
    HELP = "help"


class Controls(Protocol):
    """The player, as keys control it and the line shows it."""

    @property
    def status(self) -> Status:
        """The track that plays, and its position."""

    def toggle_pause(self) -> None:
        """Pause, or go on."""

    def seek_by(self, seconds: float, /) -> None:
        """Go forward, or back."""

    def next(self) -> None:
        """Go to the next track."""

    def previous(self) -> None:
        """Go back to the track before."""

    def change_volume(self, decibels: float, /) -> None:
        """Play louder, or quieter."""

    def stop(self) -> None:
        """End."""


ACTIONS: Final[dict[Key, Callable[[Controls], None]]] = {
    Key.PAUSE: lambda player: player.toggle_pause(),
    Key.FORWARD: lambda player: player.seek_by(SEEK_S),
    Key.BACK: lambda player: player.seek_by(-SEEK_S),
    Key.NEXT: lambda player: player.next(),
    Key.PREVIOUS: lambda player: player.previous(),
    Key.LOUDER: lambda player: player.change_volume(VOLUME_STEP_DB),
    Key.QUIETER: lambda player: player.change_volume(-VOLUME_STEP_DB),
    Key.QUIT: lambda player: player.stop(),
}

HELP: Final = (
    "space  pause",
    "← →    10 s",
    "n p    next, before",
    "+ -    volume",
    "q      end",
)
"""The keys in lines for the narrowest terminal, of 20 columns."""

_PLAIN_KEYS = {
    " ": Key.PAUSE,
    "n": Key.NEXT,
    "p": Key.PREVIOUS,
    "+": Key.LOUDER,
    "=": Key.LOUDER,  # + without shift on many keyboards
    "-": Key.QUIETER,
    "q": Key.QUIT,
    "?": Key.HELP,
}
_ARROW_KEYS = {"C": Key.FORWARD, "D": Key.BACK}


class KeyParser:
    """Keys from the bytes that a terminal sends.

    An arrow is `ESC [ C`, or `ESC O C` in application mode. Any other sequence is skipped up to its last byte
    (ECMA-48 section 5.4), so that none of its bytes is taken for a key.
    """

    def __init__(self) -> None:
        self._state = "plain"
        self._parameters = False

    def feed(self, data: bytes) -> list[Key]:
        """Return the keys that some bytes complete."""
        found = (self._step(char) for char in data.decode("latin-1"))
        return [key for key in found if key is not None]

    def _step(self, char: str) -> Key | None:
        if char == "\x1b":
            self._state, self._parameters = "escape", False
        elif self._state == "escape" and char in "[O":
            self._state = "sequence"
        elif self._state == "sequence":
            return self._step_sequence(char)
        else:
            self._state = "plain"
            return _PLAIN_KEYS.get(char)
        return None

    def _step_sequence(self, char: str) -> Key | None:
        if not "\x40" <= char <= "\x7e":
            self._parameters = True
            return None
        self._state = "plain"
        return None if self._parameters else _ARROW_KEYS.get(char)
