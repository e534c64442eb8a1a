"""The player: a queue that may be changed while it plays, the commands, and what it does now.

The queue (`core/queue/play_queue.py`) says what is due. A command, or a change of the entries, changes the
place in it at once, and the engine (`engine.py`) goes on from there. So commands never wait, and what is
shown is true while a track is still being opened.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.content.manifest import MAX_SEGMENTS
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.core.queue.play_queue import PlayQueue
from lightpeer.errors import StateMisuseError, UsageError
from lightpeer.playback.engine import Engine
from lightpeer.playback.events import ModesChanged, Paused, QueueChanged, Unpaused
from lightpeer.playback.status import Status, place_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.queue.modes import Modes
    from lightpeer.playback.events import PlayerEvent

RESTART_AFTER_S: Final = 3.0  # "previous" later than this goes to the track's own beginning, as players do


def check_items(items: Iterable[str], start_s: float = 0.0) -> None:
    """Check what is to be played.

    Args:
        items: queries and track ids.
        start_s: where to begin in the first, in seconds.

    Raises:
        UsageError: an item looks like a track id but is none, or no track is as long as `start_s`.
    """
    for item in filter(is_uri, items):
        parse_uri(item)
    if not 0 <= start_s <= MAX_SEGMENTS:
        raise UsageError(f"a track has at most {MAX_SEGMENTS} seconds: nothing begins at {start_s:g} s")


class Player:
    """Plays a queue of queries and track ids through one sink.

    Commands may be given at any time. While nothing is played, they change the place where `run` begins.

    Attributes:
        queue: its entries and modes may be changed at any time; the place in it is changed by commands.
    """

    def __init__(
        self,
        client: Client,
        sink_factory: Callable[[], Sink],
        settings: Settings,
        *,
        on_event: Callable[[PlayerEvent], None] = lambda _event: None,
    ) -> None:
        """Play nothing yet.

        Args:
            client: finds and opens tracks.
            sink_factory: makes the sink when it is needed.
            settings: buffer, bitrate, transport and volume.
            on_event: called with each event.
        """
        self._client = client
        self._on_event = on_event
        self.queue = PlayQueue(random.SystemRandom().randrange)
        self._engine = Engine(client, sink_factory, settings, self.queue, on_event)
        self._told: tuple[int, Modes] | None = None  # of the queue; None: nothing is to be told
        self._listen()

    def _listen(self) -> None:
        """Tell of changes of the queue from now on."""
        self.queue.on_change = self._on_queue_changed
        self._told = self.queue.entries.version, self.queue.modes

    # Playing.

    async def play(self, items: Sequence[str], *, start_s: float = 0.0) -> None:
        """Play queries and track ids in order, in place of what is in the queue; return at the end.

        An item that cannot be had is reported as `NotPlayed`, and the next one is played.

        Args:
            items: queries and track ids.
            start_s: where to begin in the first that is played, in seconds.

        Raises:
            UsageError: an item looks like a track id but is none, or the first ends before `start_s`.
            StateMisuseError: something is played.
            NoPeerError, NothingFoundError, RemoteError, AudioError: as for `run`.
        """
        self._check_idle()
        check_items(items, start_s)
        self._told = None  # who plays knows what is in the queue
        self.queue.clear()
        self.queue.add(items)
        self.queue.start()
        self.queue.seek(start_s)
        self._listen()
        self._engine.start_s = start_s
        await self._engine.run()

    async def run(self) -> None:
        """Play the queue from the place where it is, or from its beginning; return at its end.

        Raises:
            StateMisuseError: something is played.
            NoPeerError: no peer was reached in `first_contact_wait_s`, or sound was away for `give_up_s`.
            NothingFoundError, RemoteError: not one of the entries could be played.
            AudioError: the sink, or a library that sound needs, does not work.
        """
        self._check_idle()
        self.queue.start()
        await self._engine.run()

    def _check_idle(self) -> None:
        if self._engine.is_running:
            raise StateMisuseError("a player plays one queue at a time: stop it first")

    # Commands.

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        if self._engine.is_running:
            sound = self._engine.sound
            sound.toggle_pause()
            self._on_event(Paused() if sound.paused else Unpaused())

    def seek(self, position_s: float) -> None:
        """Go to a position in the track, in seconds; beyond the end means the end."""
        self._obey(lambda: self.queue.seek(position_s))

    def seek_by(self, seconds: float) -> None:
        """Go forward, or back if negative; beyond the end means the end."""
        self.seek(self._engine.position_s + seconds)

    def next(self) -> None:
        """Go to the next track; after the last one, end."""
        self._obey(self.queue.next)

    def previous(self) -> None:
        """Go to the track's beginning, or near it to the track before."""
        if self._engine.position_s > RESTART_AFTER_S:
            self.seek(0.0)
        else:
            self._obey(self.queue.previous)

    def go(self, entry: int, position_s: float = 0.0) -> None:
        """Go to an entry of the queue, at a position in seconds; raise UsageError if it is not there."""
        self._obey(lambda: self.queue.go(entry, position_s))

    def stop(self) -> None:
        """End at once. The queue stays, and `run` goes on from the place where this was."""
        if self._engine.is_running:
            self.queue.seek(self._engine.position_s)
            self._engine.stop()

    def change_volume(self, decibels: float) -> None:
        """Turn the volume up, or down if negative."""
        self._engine.volume.change(decibels)
        self._set_gain()

    @property
    def normalizes(self) -> bool:
        """Whether all tracks are made equally loud; may be set at any time."""
        return self._engine.volume.normalizes

    @normalizes.setter
    def normalizes(self, is_on: bool) -> None:
        self._engine.volume.normalizes = is_on
        self._set_gain()

    def _set_gain(self) -> None:
        """Have what is heard be as loud as the volume says."""
        deck = self._engine.deck
        if deck is not None:
            deck.set_gain(self._engine.volume.gain_q8_db(deck.track))

    def _obey(self, command: Callable[[], bool]) -> None:
        """Have a command change the place, and go on there."""
        engine, before = self._engine, self.queue.turn
        heard_at_s = engine.position_s if engine.deck is not None and engine.deck.started else None
        is_later = command()
        if not engine.is_running:
            return
        if before is not None and self.queue.turn != before:
            listener, now = engine.decks.opener.listener, trio.current_time()
            skipped_at = listener.on_skip(before.entry, heard_at_s if is_later else None, now)
            if skipped_at is not None:
                self._client.on_skipped(skipped_at)
        engine.follow(is_sought=True)

    def _on_queue_changed(self) -> None:
        """Follow a change of the queue, and tell of it."""
        if self._engine.is_running:
            self._engine.decks.on_queue_changed()
            self._engine.follow()
        if self._told is None:
            return
        version, modes = self._told
        self._told = self.queue.entries.version, self.queue.modes
        if self.queue.entries.version != version:
            self._on_event(QueueChanged(self.queue.entries.version, len(self.queue.entries)))
        if self.queue.modes != modes:
            self._on_event(ModesChanged.to(self.queue.modes))

    # What it does now.

    @property
    def status(self) -> Status:
        """What the player does now, from memory: it never waits."""
        engine, place = self._engine, place_of(self.queue)
        decks, weather, meter = engine.decks, engine.weather, self._client.meter
        if engine.is_running:
            place = status_of(engine.due, place, is_paused=engine.sound.paused)
            if engine.due is not engine.deck:
                place = replace(place, state="opening")
            place = replace(place, position_s=engine.position_s, next_title=decks.next_title())
        left_bytes = meter.left_bytes if meter else None
        return replace(
            place,
            goodput_kbps=decks.opener.bandwidth.rate_bytes_per_s * 8 / 1000 if engine.is_running else 0.0,
            volume_db=engine.volume.db,
            awaited=weather.awaited,
            awaited_s=weather.lasts_s,
            reason=weather.reason,
            mb_per_hour=decks.mb_per_hour() if engine.deck is not None else 0.0,
            used_mb=self._client.network.counters.total_bytes() / 1e6,
            left_mb=left_bytes / 1e6 if left_bytes is not None else None,
        )

    def stats(self) -> dict[str, object]:
        """Return the measurements so far: the fields of `--stats`."""
        return self._engine.decks.report()
