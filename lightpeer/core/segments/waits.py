"""What keeps music from going on: since when, what is said of it, and when it is given up.

An outage is weather, and so is a sound device that has gone: it passes, and is waited for. Three causes are
told apart: nothing comes of a track that is wanted, a track cannot be opened, the sound device is away. The
wait begins with the first of them. It is over once none is left and sound runs again, so that one outage is
told of once, however many of its effects are noticed.

Only silence uses up a listener's patience: while the buffer lasts, nobody waits. A process that was stopped
wakes up with its patience gone, though it could not try meanwhile: then the silence counts anew.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias

from lightpeer.core.segments.events import Resumed, Waiting

Cause: TypeAlias = Literal["network", "opening", "sound"]

LATE_S: Final = 5.0  # after its time: a process that gives up so late was stopped


class Waits:
    """The wait of one listener; times are seconds.

    Attributes:
        since: when the wait began; None while there is none.
        silent_since: when sound ceased to run; None while it runs.
        give_up_at: when to ask `is_given_up`.
    """

    def __init__(self, give_up_s: float) -> None:
        """Wait for nothing yet; after `give_up_s` seconds of silence it is given up."""
        self.since: float | None = None
        self.silent_since: float | None = None
        self.give_up_at = math.inf
        self._give_up_s = give_up_s
        self._is_paused = False
        self._reasons: dict[Cause, str] = {}

    @property
    def is_for_sound(self) -> bool:
        """Whether it is the sound device that is away."""
        return "sound" in self._reasons

    @property
    def reason(self) -> str:
        """What was said last of the causes that are left; empty if there is none."""
        return list(self._reasons.values())[-1] if self._reasons else ""

    def begin(
        self,
        cause: Cause,
        reason: str,
        now: float,
        *,
        since: float | None = None,
        next_try_s: float | None = None,
    ) -> Waiting | None:
        """Note a cause; return what to tell, if it or its reason is news.

        Args:
            cause: what is waited for.
            reason: a sentence that says so.
            now: the time.
            since: when it began, if that was earlier.
            next_try_s: how long until the next try, if that is known.
        """
        is_news = self._reasons.pop(cause, None) != reason
        self._reasons[cause] = reason
        self.since = min(now if since is None else since, math.inf if self.since is None else self.since)
        return Waiting(reason, now - self.since, next_try_s) if is_news else None

    def end(self, cause: Cause, now: float) -> Resumed | None:
        """Note that a cause is over; return what to tell, if nothing is waited for any more."""
        self._reasons.pop(cause, None)
        return self._see(now)

    def on_silence(self, now: float) -> None:
        """Note that sound does not run."""
        if self.silent_since is None:
            self.silent_since = now
            self._count()

    def on_sound(self, now: float) -> Resumed | None:
        """Note that sound runs; return what to tell, if nothing is waited for any more."""
        if self.silent_since is None:
            return None
        self.silent_since, self.give_up_at = None, math.inf
        return self._see(now)

    def on_paused(self, now: float, *, is_paused: bool) -> None:
        """Note a pause, or its end: it costs no patience."""
        self._is_paused = is_paused
        if self.silent_since is not None:
            self.silent_since = now
        self._count()

    def is_given_up(self, now: float) -> bool:
        """Return whether patience is at an end."""
        if now > self.give_up_at + LATE_S:
            self.silent_since = now
            self._count()
        return now >= self.give_up_at

    def _count(self) -> None:
        is_counting = self.silent_since is not None and not self._is_paused
        self.give_up_at = (self.silent_since or 0.0) + self._give_up_s if is_counting else math.inf

    def _see(self, now: float) -> Resumed | None:
        if self.since is None or self._reasons or self.silent_since is not None:
            return None
        since, self.since = self.since, None
        return Resumed(now - since)
