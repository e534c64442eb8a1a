"""The player: joins a queue, its open tracks, and a sink, and obeys commands.

Data flows one way: a deck returns pieces of PCM, decoded as they are asked for, and the sink takes them when
it has room. That wait is the backpressure on everything before it. Once a track has been fetched completely
the next one is opened, and plays on from its own deck without a gap.

A command changes the place where playing is to go on (`queue.py`), then interrupts whatever is being waited
for, and `_play_queue` goes on from there. `decks.py` opens tracks, and tries again where the network is away.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.download.session import Callbacks
from lightpeer.errors import NothingFoundError, RemoteError
from lightpeer.playback.decks import AHEAD, Decks
from lightpeer.playback.events import Ended, NotPlayed, Paused, Seeked, Unpaused
from lightpeer.playback.queue import Place, Queue
from lightpeer.playback.sound import Sound, Volume
from lightpeer.playback.status import Status, playing, status_of
from lightpeer.playback.weather import Weather
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.playback.deck import Deck
    from lightpeer.playback.events import PlayerEvent

RESTART_AFTER_S: Final = 3.0  # "previous" later than this goes to the track's own beginning, as players do


class Player:
    """Plays a queue of queries and track ids through one sink.

    Commands may be given at any time; while nothing is played, all but the volume do nothing.
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
        self._queue = Queue()
        self._weather = Weather(settings.give_up_s, on_event)
        callbacks = Callbacks(
            on_event=self._weather.tell,
            on_silence=self._see_network,
            sink_ahead_s=self._sink_ahead_s,
            limits=client.limits,
        )
        self._decks = Decks(client, settings, self._queue, self._weather, callbacks)
        self._sound = Sound(sink_factory, client.connecting, self._weather)
        self._volume = Volume(settings)
        self._deck: Deck | None = None  # the one that plays
        self._nursery: trio.Nursery | None = None
        self._interrupt = trio.CancelScope()  # around the playing of one item

    # Commands.

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        if self._queue.items:
            self._sound.toggle_pause()
            self._on_event(Paused() if self._sound.paused else Unpaused())

    def seek_by(self, seconds: float) -> None:
        """Go forward, or back if negative; beyond the end means the end."""
        self._go(Place(self._queue.at.item, self._position_s + seconds))

    def next(self) -> None:
        """Go to the next track; after the last one, end."""
        self._go(Place(self._queue.at.item + 1))

    def previous(self) -> None:
        """Go to the track's beginning, or near it to the track before."""
        self._go(Place(self._queue.at.item - (self._position_s <= RESTART_AFTER_S)))

    def stop(self) -> None:
        """End at once."""
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def change_volume(self, decibels: float) -> None:
        """Turn the volume up, or down if negative."""
        self._volume.change(decibels)
        if self._deck is not None:
            self._deck.set_gain(self._volume.gain_q8_db(self._deck.track))

    def _go(self, place: Place) -> None:
        """Go on elsewhere, unless all is over. A seek need not disturb a track that is being opened."""
        queue = self._queue
        if queue.is_over:
            return
        is_heard = self._deck is not None and self._deck.started
        before = queue.at.item
        skipped_at = queue.go(place, self._position_s if is_heard else None, trio.current_time())
        if skipped_at is not None:
            self._client.on_skipped(skipped_at)
        if queue.at.item != before:
            self._decks.listening.heard_s = 0.0
        if self._deck is not None or queue.at.item != before:
            self._interrupt.cancel()

    # Status.

    @property
    def status(self) -> Status:
        """What the player does now."""
        deck, weather, meter = self._deck, self._weather, self._client.meter
        left_bytes = meter.left_bytes if meter else None
        status = Status()
        if self._queue.items:
            status = status_of(deck, self._position_s, is_paused=self._sound.paused)
        return replace(
            status,
            goodput_kbps=self._decks.bandwidth.rate_bytes_per_s * 8 / 1000 if deck is not None else 0.0,
            volume_db=self._volume.db,
            awaited=weather.awaited,
            awaited_s=weather.lasts_s,
            mb_per_hour=self._decks.mb_per_hour() if deck is not None else 0.0,
            left_mb=left_bytes / 1e6 if left_bytes is not None else None,
        )

    @property
    def _position_s(self) -> float:
        """The position that is heard now, in seconds; after a command, the position it goes to."""
        if self._deck is None or self._interrupt.cancel_called:
            return self._queue.at.position_s
        return max(0.0, self._deck.position_s - self._sound.latency_s)

    def _sink_ahead_s(self) -> float:
        """Return the seconds of sound that have left the buffer and are not heard yet."""
        return (self._deck.in_hand_s if self._deck is not None else 0.0) + self._sound.latency_s

    def _see_network(self) -> None:
        self._weather.see_network(self._deck.session if self._deck is not None else None)

    def stats(self) -> dict[str, object]:
        """Return the measurements so far: the fields of `--stats`."""
        return self._decks.report()

    # Playing.

    async def play(self, items: Sequence[str], *, start_s: float = 0.0) -> None:
        """Play queries and track ids in order, the first one from `start_s` on; return at the end.

        An item that cannot be had is reported as `NotPlayed`, and the next one is played.

        Raises:
            UsageError: an item looks like a track id but is none, or the first ends before `start_s`.
            NoPeerError: no peer was reached in `first_contact_wait_s`, or sound was away for `give_up_s`.
            NothingFoundError, RemoteError: not one of the items could be played.
            AudioError: the sink, or a library that sound needs, does not work.
        """
        self._queue.begin(items, start_s)
        self._sound.paused = False
        self._weather.clear()
        try:
            async with open_nursery() as self._nursery:
                self._nursery.start_soon(self._weather.watch)
                self._decks.begin(self._nursery)
                await self._play_queue()
                self._nursery.cancel_scope.cancel()
        finally:
            self._nursery = self._deck = None
            self._decks.end()
            self._queue.end()
            self._weather.clear()
            await self._sound.aclose()

    async def _play_queue(self) -> None:
        """Play item after item, and go where commands say."""
        any_played = False
        while not self._queue.is_over:
            item, failure = self._queue.items[self._queue.at.item], None
            with trio.CancelScope() as self._interrupt:
                try:
                    await self._play_item()
                except (NothingFoundError, RemoteError) as error:
                    failure = error
            if self._interrupt.cancel_called:
                self._sound.flush()
            else:
                self._queue.advance()
            any_played |= failure is None
            if failure is not None:
                if not any_played and self._queue.is_over:
                    raise failure
                self._on_event(NotPlayed(item, str(failure)))
        await self._sound.drain()

    async def _play_item(self) -> None:
        """Play the item that is due, from the place that is wanted to its end, and open the next one."""
        item = self._queue.at.item
        self._weather.on_silence()
        self._decks.close(keep=range(item, item + 1 + AHEAD))
        self._decks.awaited, self._deck = item, self._decks.get(item)
        deck = await self._loaded(item)
        self._queue.check_start(deck.track)
        if not deck.is_at(self._queue.at.position_s):
            deck.seek(self._queue.at.position_s)
            self._on_event(Seeked(deck.position_s))
        self._decks.awaited, self._deck = None, deck
        self._see_network()
        async with open_nursery() as nursery:
            nursery.start_soon(self._decks.open_ahead, deck, item)
            await self._hear(deck, item)
            self._on_event(Ended(deck.track.uri, deck.position_s))
            self._decks.await_next(item + 1, nursery.cancel_scope)

    async def _loaded(self, item: int) -> Deck:
        """Return an item's deck, open and ready to decode; libraries are loaded meanwhile."""
        async with open_nursery() as nursery:
            nursery.start_soon(self._sound.prepare)
            deck = await self._decks.opened(item)
        if not self._sound.realtime:
            deck.session.download.buffer.wishes.take_best()
        # Later items may be mono or stereo, and most sinks cannot change.
        channels = 2 if len(self._queue.items) > 1 else None
        deck.load(gain_q8_db=self._volume.gain_q8_db(deck.track), channels=channels)
        return deck

    async def _hear(self, deck: Deck, item: int) -> None:
        """Give a deck's sound to the sink, piece by piece, to the end of the track."""
        heard_s = 0.0
        while (pcm := await deck.next_piece()) is not None:
            piece_s = len(pcm) / (2 * deck.channels * SAMPLE_RATE)
            await self._sound.open(deck.channels)
            self._decks.stats.on_pcm(piece_s, time.monotonic())
            if not deck.started:
                deck.started = True
                self._on_event(playing(deck))
            self._weather.on_sound()
            await self._sound.write(pcm)
            heard_s += piece_s
            listened_at = self._queue.on_heard(item, heard_s, deck.track.duration_s)
            if listened_at is not None:
                self._client.on_listened(listened_at)
