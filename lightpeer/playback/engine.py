"""The engine of a player: plays turn after turn, as the queue says, from decks into a sink.

Data flows one way: a deck returns pieces of PCM, decoded as they are asked for, and the sink takes them when
it has room. That wait is the backpressure on everything before it. Once a track has been fetched completely
the next one is opened, and plays on from its own deck without a gap.

Whatever changes the place in the queue interrupts what is being waited for, and `_play_turns` goes on from
there. `decks.py` opens tracks, and tries again where the network is away.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.download.session import Callbacks
from lightpeer.errors import NothingFoundError, RemoteError, UsageError
from lightpeer.playback.decks import AHEAD, Decks
from lightpeer.playback.events import Ended, NotPlayed, Seeked
from lightpeer.playback.sound import Sound, Volume
from lightpeer.playback.status import playing
from lightpeer.playback.weather import Weather
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.queue.play_order import Turn
    from lightpeer.core.queue.play_queue import PlayQueue
    from lightpeer.playback.deck import Deck
    from lightpeer.playback.events import PlayerEvent


class Engine:
    """Plays a queue through one sink.

    Attributes:
        decks: the open tracks.
        sound: the sink.
        volume: how loud it is.
        weather: what is waited for.
        deck: the one that plays; None while its track is being opened, and while nothing is played.
        start_s: where the first track is to begin, until it has been opened.
    """

    def __init__(
        self,
        client: Client,
        sink_factory: Callable[[], Sink],
        settings: Settings,
        queue: PlayQueue,
        on_event: Callable[[PlayerEvent], None],
    ) -> None:
        """Play nothing yet.

        Args:
            client: finds and opens tracks.
            sink_factory: makes the sink when it is needed.
            settings: buffer, bitrate, transport and volume.
            queue: what is to be played.
            on_event: called with each event.
        """
        self._client = client
        self._queue = queue
        self._on_event = on_event
        self.weather = Weather(settings.give_up_s, on_event)
        callbacks = Callbacks(
            on_event=self.weather.tell,
            on_silence=self._see_network,
            sink_ahead_s=self._sink_ahead_s,
            limits=client.limits,
        )
        self.decks = Decks(client, settings, queue, self.weather, callbacks)
        self.sound = Sound(sink_factory, client.connecting, self.weather)
        self.volume = Volume(settings)
        self.deck: Deck | None = None
        self.start_s = 0.0
        self._turn: Turn | None = None  # what is played, or is being opened to be
        self._nursery: trio.Nursery | None = None
        self._interrupt = trio.CancelScope()  # around the playing of one turn

    @property
    def is_running(self) -> bool:
        """Whether a queue is played, be it paused or waiting."""
        return self._nursery is not None

    @property
    def position_s(self) -> float:
        """The position that is heard now, in seconds; after a command, the position it goes to."""
        if self.deck is None:
            return self._queue.position_s
        if self._interrupt.cancel_called:
            return min(self._queue.position_s, self.deck.track.duration_s)
        return max(0.0, self.deck.position_s - self.sound.latency_s)

    @property
    def due(self) -> Deck | None:
        """The deck of the turn that is due, which may not be played yet; None while it is being opened."""
        turn = self._queue.turn
        return self.deck if turn is None or turn == self._turn else self.decks.get(turn)

    def _sink_ahead_s(self) -> float:
        """Return the seconds of sound that have left the buffer and are not heard yet."""
        return (self.deck.in_hand_s if self.deck is not None else 0.0) + self.sound.latency_s

    def _see_network(self) -> None:
        self.weather.see_network(self.deck.session if self.deck is not None else None)

    def follow(self, *, is_sought: bool = False) -> None:
        """Go on from the queue's place, if that is another now.

        Args:
            is_sought: also if it is another position of the same track, unless that is still being opened.
        """
        is_elsewhere = self._queue.turn != self._turn
        if is_elsewhere or (is_sought and self._turn is not None and self.deck is not None):
            self._interrupt.cancel()

    def stop(self) -> None:
        """End `run` at once."""
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    async def run(self) -> None:
        """Play from the queue's place to its end, or until stopped; errors are those of `Player.run`."""
        self.sound.begin()
        self.weather.clear()
        try:
            async with open_nursery() as self._nursery:
                self._nursery.start_soon(self.weather.watch)
                self.decks.begin(self._nursery)
                while not await self._play_to_end():
                    await self.sound.aclose()  # what is drained may take no more
                self._nursery.cancel_scope.cancel()
        finally:
            self._nursery = self.deck = self._turn = None
            self.decks.end()
            self.weather.clear()
            await self.sound.aclose()

    async def _play_to_end(self) -> bool:
        """Play until the queue ends or stops; return whether that was heard, before somebody chose more."""
        await self._play_turns()
        self._turn = self._queue.turn
        with trio.CancelScope() as self._interrupt:
            await self.sound.drain()
            return True
        return False

    async def _play_turns(self) -> None:
        """Play turn after turn, and go where commands say."""
        any_played, goes_on = False, True
        while goes_on and (turn := self._queue.turn) is not None:
            item, failure, is_heard = self._queue.entries.item(turn.entry), None, True
            with trio.CancelScope() as self._interrupt:
                try:
                    is_heard = await self._play_turn(turn)
                except (NothingFoundError, RemoteError) as error:
                    failure = error
            if self._interrupt.cancel_called:
                self.sound.flush()
            else:
                goes_on = self._queue.advance()
            any_played |= failure is None
            if failure is None and is_heard:
                self.decks.opener.missed.clear()
                continue
            self.decks.opener.missed.add(turn.entry)
            is_over = self._is_in_vain(turn) if self._queue.turn is not None else not any_played
            if failure is not None and is_over:
                raise failure
            if failure is not None:
                self._on_event(NotPlayed(item, str(failure)))
            goes_on = goes_on and not is_over

    def _is_in_vain(self, turn: Turn) -> bool:
        """Return whether nothing else is left to try after a turn of which nothing was heard."""
        stays = self._queue.turn is not None and self._queue.turn.entry == turn.entry
        return stays or not self.decks.opener.has_others(turn)

    async def _play_turn(self, turn: Turn) -> bool:
        """Play what is due, and open what follows; return whether it had sound."""
        self._turn = turn
        self.weather.on_silence()
        self.decks.close(keep=self._queue.following(AHEAD))
        self.decks.opener.awaited, self.deck = turn, self.decks.get(turn)
        deck = await self._loaded(turn)
        self._check_start(deck.track)
        if not deck.is_at(self._queue.position_s):
            deck.seek(self._queue.position_s)
            self._on_event(Seeked(deck.position_s))
        self.decks.opener.awaited, self.deck = None, deck
        self._see_network()
        async with open_nursery() as nursery:
            nursery.start_soon(self.decks.open_ahead, deck)
            is_heard = await self._hear(deck, turn)
            self._on_event(Ended(deck.track.uri, deck.position_s))
            self.decks.await_next(nursery.cancel_scope)
        return is_heard

    async def _loaded(self, turn: Turn) -> Deck:
        """Return a turn's deck, open and ready to decode; libraries are loaded meanwhile."""
        async with open_nursery() as nursery:
            nursery.start_soon(self.sound.prepare)
            deck = await self.decks.opened(turn)
        if not self.sound.realtime:
            deck.session.download.buffer.wishes.take_best()
        # Later entries may be mono or stereo, and most sinks cannot change.
        is_alone = self.sound.keeps_mono and len(self._queue.entries) == 1
        channels = self.sound.channels or (None if is_alone else 2)
        deck.load(gain_q8_db=self.volume.gain_q8_db(deck.track), channels=channels)
        return deck

    def _check_start(self, track: Track) -> None:
        """Raise UsageError if the first track ends before the place where it is to begin."""
        start_s, self.start_s = self.start_s, 0.0
        if start_s and self._queue.position_s == start_s and start_s >= track.duration_s:
            raise UsageError(
                f"{track.title} ends after {track.duration_s:.1f} s: it cannot begin at {start_s:g} s"
            )

    async def _hear(self, deck: Deck, turn: Turn) -> bool:
        """Give a deck's sound to the sink, piece by piece, to its end; return whether it had any."""
        heard_s = 0.0
        while (pcm := await deck.next_piece()) is not None:
            piece_s = len(pcm) / (2 * deck.channels * SAMPLE_RATE)
            await self.sound.open(deck.channels)
            self.decks.stats.on_pcm(piece_s, time.monotonic())
            if not deck.started:
                deck.started = True
                self._on_event(playing(deck))
            self.weather.on_sound()
            await self.sound.write(pcm)
            heard_s += piece_s
            listened_at = self.decks.opener.listener.on_heard(turn.entry, heard_s, deck.track.duration_s)
            if listened_at is not None:
                self._client.on_listened(listened_at)
        return heard_s > 0
