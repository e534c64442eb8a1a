"""The weather that a player waits for: the shell around `core/segments/waits.py`, which decides.

Decks, sound and sessions say here what keeps music from going on, and that it is over. Here it is told to the
listener, and the one timer runs that ends it all where somebody asked for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from lightpeer.core.segments.waits import Waits
from lightpeer.errors import AudioError, NoPeerError
from lightpeer.playback.events import Rebuffering, Resumed, SourceLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.segments.waits import Cause
    from lightpeer.download.session import Session
    from lightpeer.playback.events import PlayerEvent


class Weather:
    """What one player waits for. `watch` runs beside it."""

    def __init__(self, give_up_s: float, on_event: Callable[[PlayerEvent], None]) -> None:
        """Wait for nothing yet.

        Args:
            give_up_s: the longest silence, in seconds.
            on_event: is told of each wait and its end.
        """
        self._give_up_s = give_up_s
        self._on_event = on_event
        self._waits = Waits(give_up_s)
        self._timer = trio.CancelScope()
        self._lost = ""  # why the latest source was

    @property
    def awaited(self) -> str:
        """What is waited for, `network` or `sound`; empty: nothing."""
        if self._waits.since is None:
            return ""
        return "sound" if self._waits.is_for_sound else "network"

    @property
    def lasts_s(self) -> float:
        """For how many seconds it has been waited for."""
        return 0.0 if self._waits.since is None else trio.current_time() - self._waits.since

    @property
    def reason(self) -> str:
        """A sentence that says why it is waited for."""
        return self._waits.reason

    def clear(self) -> None:
        """Begin anew, before a queue is played."""
        self._waits, self._lost = Waits(self._give_up_s), ""

    def tell(self, event: PlayerEvent) -> None:
        """Pass on what a session tells; the end of an interruption within a wait is told with its end."""
        if isinstance(event, Rebuffering):
            self.on_silence()
        elif isinstance(event, SourceLost):
            self._lost = event.reason
        if not (isinstance(event, Resumed) and self._waits.since is not None):
            self._on_event(event)

    def begin(
        self, cause: Cause, reason: str, *, since: float | None = None, next_try_s: float | None = None
    ) -> None:
        """Note what keeps music from going on.

        Args:
            cause: what is waited for.
            reason: a sentence that says so.
            since: when it began, if that was earlier, in trio's time.
            next_try_s: seconds until the next try, if that is known.
        """
        self._pass_on(
            self._waits.begin(cause, reason, trio.current_time(), since=since, next_try_s=next_try_s)
        )

    def end(self, cause: Cause) -> None:
        """Note that this is over."""
        self._pass_on(self._waits.end(cause, trio.current_time()))

    def see_network(self, session: Session | None) -> None:
        """See whether anything comes of the track that plays."""
        if session is not None and session.source_count:
            self._lost = ""
        since = session.silent_since if session is not None else None
        if session is None or since is None:
            self.end("network")
            return
        is_alone = self._lost and not session.source_count
        cause = f", as the last source is gone ({self._lost})" if is_alone else ""
        self.begin("network", f"nothing comes from the network{cause}", since=since)
        if not session.playout.realtime:  # it has given all that was here
            self.on_silence()

    def on_silence(self) -> None:
        """Note that sound does not run."""
        self._waits.on_silence(trio.current_time())
        self._set_timer()

    def on_sound(self) -> None:
        """Note that sound runs."""
        self._pass_on(self._waits.on_sound(trio.current_time()))
        self._set_timer()

    def on_paused(self, *, is_paused: bool) -> None:
        """Note a pause, or its end."""
        self._waits.on_paused(trio.current_time(), is_paused=is_paused)
        self._set_timer()

    async def watch(self) -> None:
        """Wait until patience is at an end.

        Raises:
            AudioError: the sound device did not come back in time.
            NoPeerError: the network did not.
        """
        while not self._waits.is_given_up(trio.current_time()):
            with trio.CancelScope(deadline=self._waits.give_up_at) as self._timer:
                await trio.sleep_forever()
        silence = f"no sound for {self._give_up_s:g} s"
        reason = self._waits.reason or "too little comes from the network"
        kind = AudioError if self._waits.is_for_sound else NoPeerError
        raise kind(f"{silence}, given up: {reason}")

    def _set_timer(self) -> None:
        self._timer.deadline = self._waits.give_up_at

    def _pass_on(self, event: PlayerEvent | None) -> None:
        if event is not None:
            self._on_event(event)
