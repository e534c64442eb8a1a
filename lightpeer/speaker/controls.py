"""The player as remote controls drive it (`core/mpd/speaker.py`, `Controls`).

A player plays until its queue ends, and ends in an error where it cannot. Here one task runs it again
whenever somebody wants it played, so that commands never wait, in whatever order they come; what went wrong
stays to be told. The volume is kept in percent, since decibels would not lead back to what was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.mpd.speaker import PAUSED, PLAYING, STOPPED, Now
from lightpeer.core.mpd.volume import decibels_of, percent_of
from lightpeer.errors import LightpeerError
from lightpeer.playback.events import ModesChanged, NotPlayed, Playing, QueueChanged
from lightpeer.playback.player import Player
from lightpeer.playback.sound import MIN_VOLUME_DB

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.queue.play_queue import PlayQueue
    from lightpeer.playback.events import PlayerEvent

_SUBSYSTEMS: Final[dict[type[PlayerEvent], str]] = {QueueChanged: "playlist", ModesChanged: "options"}
"""MPD's name for what an event changes; what is not here changes what the player does."""


class PlayerControls:
    """A player that is told what to do by remotes.

    Attributes:
        on_change: called with MPD's name for what has changed.
        on_playing: called with each track that begins to be heard.
    """

    def __init__(self, client: Client, sink_factory: Callable[[], Sink], settings: Settings) -> None:
        """Play nothing yet.

        Args:
            client: finds and opens tracks.
            sink_factory: makes the sink when it is needed.
            settings: buffer, bitrate, transport and volume.
        """
        self._player = Player(client, sink_factory, settings, on_event=self._tell)
        self._volume = percent_of(self._player.status.volume_db)
        self._error = ""
        self._is_wanted = False  # to be played, be it paused
        self._is_running = False
        self._is_paused = False
        self._wants_pause = False
        self._begin = trio.Event()
        self.on_change: Callable[[str], None] = lambda _subsystem: None
        self.on_playing: Callable[[Playing], None] = lambda _event: None

    @property
    def queue(self) -> PlayQueue:
        """What is played."""
        return self._player.queue

    async def run(self) -> None:
        """Play whenever somebody wants it."""
        while True:
            await self._begin.wait()
            self._begin = trio.Event()
            if not self._is_wanted:
                continue
            self._is_running, self._is_paused = True, False
            try:
                await self._player.run()
            except LightpeerError as error:
                self._error = str(error)
            finally:
                self._is_running = False
            self._is_wanted = self._begin.is_set()
            self.on_change("player")

    def now(self) -> Now:
        """Return what it does now, from memory."""
        status = self._player.status
        state = PAUSED if self._wants_pause else PLAYING
        return Now(
            state=state if self._is_wanted else STOPPED,
            position_s=status.position_s,
            duration_s=status.duration_s,
            bitrate_kbps=status.bitrate_kbps,
            volume=self._volume,
            normalizes=self._player.normalizes,
            error=self._error or (status.reason if status.awaited else ""),
        )

    # Commands.

    def play(self, entry: int | None = None, position_s: float = 0.0) -> None:
        """Play an entry of the queue from a position; None: what is due, from where that is."""
        self._error = ""
        if entry is not None:
            self._player.go(entry, position_s)
        self.queue.start()
        self.pause(is_paused=False)
        if not (self._is_running and self._is_wanted):
            self._begin.set()
        self._is_wanted = True
        self.on_change("player")

    def pause(self, *, is_paused: bool) -> None:
        """Hold the sound, or let it go on."""
        self._wants_pause = is_paused
        self._settle_pause()

    def _settle_pause(self) -> None:
        """Pause as is wanted, if it runs; else it does so as it begins."""
        if self._is_running and self._is_paused != self._wants_pause:
            self._is_paused = self._wants_pause
            self._player.toggle_pause()

    def stop(self) -> None:
        """Stop; the queue, and the place in it, stay."""
        self._is_wanted = self._wants_pause = False
        self._player.stop()
        self.on_change("player")

    def next(self) -> None:
        """Go to what follows; after the last, stop."""
        self._player.next()

    def previous(self) -> None:
        """Go to the track's beginning, or near it to the track before."""
        self._player.previous()

    def seek(self, position_s: float) -> None:
        """Go to a position in what is played."""
        self._player.seek(position_s)

    def set_volume(self, percent: int) -> None:
        """Set the volume, from 0 to 100."""
        self._volume = percent
        self._player.change_volume(decibels_of(percent, MIN_VOLUME_DB) - self._player.status.volume_db)
        self.on_change("mixer")

    def normalize(self, *, is_on: bool) -> None:
        """Make all tracks equally loud, or leave them as they are."""
        self._player.normalizes = is_on

    def clear_error(self) -> None:
        """Forget what was wrong."""
        self._error = ""
        self.on_change("player")

    # What comes of them.

    def _tell(self, event: PlayerEvent) -> None:
        self._settle_pause()
        if isinstance(event, Playing):
            self.on_playing(event)
        elif isinstance(event, NotPlayed):
            self._error = event.message
        self.on_change(_SUBSYSTEMS.get(type(event), "player"))
