"""When sound may start, and when it must wait.

Sound starts once what is ahead, and the rate at which more comes, say that it will last; the same after it
ran dry. Over a link that gives less than the lowest rendition it waits for more, but not for ever: the
listener hears what there is.

A file as a sink does not play in real time: sound always runs, and waiting for data interrupts nothing.

Call `update` whenever the buffer or the time changes; then read `playing` and `is_dry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEAST_S: Final = 1.0  # one segment
UNPROVEN_S: Final = 2.0  # while nothing has come but the reply to the Open: another transport may be needed
MOST_NEEDED_S: Final = 10.0  # over a link that gives next to nothing
LASTING_S: Final = 20.0  # for so long sound is to last, once it starts
_EASE: Final = 1.2  # times the bitrate of what is fetched: a rate at which sound lasts


def needed_s(rate_bytes_per_s: float, bitrate_bps: float) -> float:
    """Return how much sound must be ahead for it to last.

    Args:
        rate_bytes_per_s: at which more comes; 0 if nothing has come yet.
        bitrate_bps: of the lowest rendition that may be fetched.
    """
    if not rate_bytes_per_s:
        return UNPROVEN_S
    share = rate_bytes_per_s * 8 / (bitrate_bps * _EASE)
    return max(LEAST_S, min(MOST_NEEDED_S, LASTING_S * (1.0 - share)))


@dataclass(slots=True)
class Playout:
    """The running of sound. `rebuffers` and `rebuffer_s` count interruptions, not the start."""

    realtime: bool = True
    playing: bool = False
    rebuffers: int = 0
    rebuffer_s: float = 0.0
    is_dry: bool = False  # sound was interrupted and waits for data
    _dry_since: float | None = None

    def rebuffered_s(self, now: float) -> float:
        """Return how long sound was interrupted in all, the present interruption included."""
        return self.rebuffer_s + (0.0 if self._dry_since is None else now - self._dry_since)

    def update(self, ahead_s: float, needed_s: float, now: float, *, complete: bool) -> None:
        """Decide anew whether to play.

        Args:
            ahead_s: seconds of audio until nothing is left to hear.
            needed_s: how much of it is needed to start.
            now: the time in seconds.
            complete: whether the rest of the track is among them.
        """
        if not self.realtime:
            self.playing = True
        elif self.playing:
            if ahead_s <= 0 and not complete:
                self.playing = False
                self.rebuffers += 1
                self.is_dry, self._dry_since = True, now
        elif complete or ahead_s >= needed_s:
            self._resume(now)

    def go_on(self) -> None:
        """Let sound run on after a seek to what is here."""
        self.playing = True

    def restart(self) -> None:
        """Begin anew after a seek; count nothing."""
        self.playing = False
        self.is_dry, self._dry_since = False, None

    def _resume(self, now: float) -> None:
        if self._dry_since is not None:
            self.rebuffer_s = self.rebuffered_s(now)
            self.is_dry, self._dry_since = False, None
        self.playing = True
