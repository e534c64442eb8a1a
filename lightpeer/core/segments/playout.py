"""When sound may start, when it must wait, and when data is fetched.

Fetching goes in bursts: at full speed up to the high-water mark, then a rest until the low-water mark, so
that a phone's radio can sleep between them. Sound starts once `start_s` seconds are there (or the rest of
the track). After it ran dry it resumes once `resume_s` seconds are there: a listener would rather wait once
than twice.

A file as a sink does not play in real time: sound always runs, and waiting for data interrupts nothing.

Call `update` whenever the buffer or the time changes, and `on_filled` once every segment up to the
high-water mark is here or on its way; then read `playing`, `fetching` and `is_dry`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Playout:
    """The marks are seconds of audio. `rebuffers` and `rebuffer_s` count interruptions, not the start."""

    start_s: float
    resume_s: float
    low_water_s: float
    high_water_s: float
    realtime: bool = True
    playing: bool = False
    fetching: bool = True
    rebuffers: int = 0
    rebuffer_s: float = 0.0
    is_dry: bool = False  # sound was interrupted and waits for data
    _started: bool = False
    _dry_since: float | None = None

    def rebuffered_s(self, now: float) -> float:
        """Return how long sound was interrupted in all, the present interruption included."""
        return self.rebuffer_s + (0.0 if self._dry_since is None else now - self._dry_since)

    def update(self, buffer_s: float, now: float, *, complete: bool) -> None:
        """Decide anew whether to play and to fetch.

        Args:
            buffer_s: seconds of audio that are ready.
            now: the time in seconds.
            complete: whether the rest of the track is among them.
        """
        if complete or buffer_s >= self.high_water_s:
            self.fetching = not complete and buffer_s < self.high_water_s
        elif buffer_s < self.low_water_s:
            self.fetching = True
        if not self.realtime:
            self.playing = True
        elif self.playing:
            if buffer_s <= 0 and not complete:
                self.playing = False
                self.rebuffers += 1
                self.is_dry, self._dry_since = True, now
        elif complete or buffer_s >= (self.resume_s if self._started else self.start_s):
            self._resume(now)

    def on_filled(self) -> None:
        """End a burst: fetching rests until the low-water mark, rather than trickle after the playhead."""
        self.fetching = False

    def restart(self) -> None:
        """Begin anew after a seek: fetch at once, start at the start mark, count nothing."""
        self.playing = self._started = False
        self.fetching = True
        self.is_dry, self._dry_since = False, None

    def go_on(self) -> None:
        """Let sound run on after a seek to what is here: no mark need be reached."""
        self.playing = self._started = True

    def _resume(self, now: float) -> None:
        if self._dry_since is not None:
            self.rebuffer_s = self.rebuffered_s(now)
            self.is_dry, self._dry_since = False, None
        self.playing = self._started = True
