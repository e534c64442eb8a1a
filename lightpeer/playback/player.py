"""The player: joins sessions, decoders and a sink, and keeps the queue.

Data flows one way: a deck gives pieces of PCM, decoded as they are asked for, and
the sink takes them when it has room; that wait is the backpressure on all that comes
before. Once a track has been fetched to its end the next one is opened, and
plays on from its own deck without a gap.

A command only says where playing is to go on, then interrupts whatever is being
waited for; `_play_queue` goes on from there. So a command may come at any moment, and
several at once add up. Once anything was opened, a track that cannot be had for want of a network is
waited for; one that nobody has is told of and left out.

Audio libraries are imported only after the first packet has left: a Pi Zero
spends that time waiting for the network anyway.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import trio

from lightpeer.client.client import INLINE_BYTES, Start
from lightpeer.client.find_sources import first_source
from lightpeer.client.stream import new_session
from lightpeer.core.content.manifest import MAX_SEGMENTS, SAMPLE_RATE
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.retries import Retries
from lightpeer.core.segments.skips import Skips
from lightpeer.errors import (
    LightpeerError,
    NoPeerError,
    NothingFoundError,
    RemoteError,
    StateMisuseError,
    UsageError,
)
from lightpeer.playback.deck import Deck, first_segment
from lightpeer.playback.events import Ended, NotPlayed, Opening, Paused, Playing, Seeked, Unpaused, Waiting
from lightpeer.playback.stats import PlayStats
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.peering.peer import Peer
    from lightpeer.playback.events import PlayerEvent

logger = logging.getLogger(__name__)

SKIPPED_S = 15.0  # into a track that words found, within which it is skipped if it is not what was meant
LISTENED_S = 30.0  # on end, after which it is; or half of a shorter one
RESTART_AFTER_S = 3.0  # "previous" later than this goes to the track's own beginning, as players do
MIN_VOLUME_DB = -60.0
MAX_VOLUME_DB = 12.0


@dataclass(frozen=True, slots=True)
class Status:
    """What a player does now. `state`: opening, buffering, playing, paused or stopped."""

    state: str = "stopped"
    title: str = ""
    artist: str = ""
    uri: str = ""
    position_s: float = 0.0
    duration_s: float = 0.0
    buffer_s: float = 0.0
    bitrate_kbps: int = 0
    goodput_kbps: float = 0.0
    sources: int = 0
    transport: str = ""
    volume_db: float = 0.0


class _Place(NamedTuple):
    """Where playing is to go on: which item, and seconds from its start."""

    item: int
    position_s: float = 0.0


class Player:
    """Plays a queue of queries and track ids through one sink.

    Commands may be given at any time; while nothing is played all but the volume do nothing.
    """

    def __init__(
        self,
        client: Client,
        sink_factory: Callable[[], Sink],
        settings: Settings,
        *,
        on_event: Callable[[PlayerEvent], None] = lambda _event: None,
    ) -> None:
        """Take the client, how to make the sink when it is needed, and who is told of events."""
        self._client = client
        self._sink_factory = sink_factory
        self._settings = settings
        self._on_event = on_event
        self._bandwidth = Bandwidth()  # made anew for the first track, with what is remembered of the network
        self._source: Peer | None = None  # that the latest track was opened at
        self._found_at: dict[int, Peer] = {}  # by item: whom words led to, until that is judged
        self._stats = PlayStats()
        self._volume_db = settings.volume_db
        self._nursery: trio.Nursery | None = None
        self._items: tuple[str, ...] = ()  # empty while nothing is played
        self._at = _Place(0)
        self._start_s = 0.0  # where the first item is to begin, until it has been opened
        self._awaited: int | None = None  # the item that is to be heard next, while nothing is
        self._skips = Skips()
        self._interrupt = trio.CancelScope()  # around the playing of one item
        self._decks: dict[int, Deck] = {}  # by index: at most the one that plays, and the next
        self._deck: Deck | None = None  # the one that plays
        self._sink: Sink | None = None
        self._sink_is_open = False
        self._paused = False

    # Commands.

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        if not self._items:
            return
        self._paused = not self._paused
        if self._sink is not None and self._sink_is_open:
            self._sink.pause(self._paused)
        self._on_event(Paused() if self._paused else Unpaused())

    def seek_by(self, seconds: float) -> None:
        """Go forward, or back if negative; beyond the end is the end."""
        self._go(self._at.item, self._position_s + seconds)

    def next(self) -> None:
        """Go to the next track; after the last one, end."""
        self._go(self._at.item + 1)

    def previous(self) -> None:
        """Go to the track's beginning, or near it to the track before."""
        self._go(self._at.item - (self._position_s <= RESTART_AFTER_S))

    def stop(self) -> None:
        """End at once."""
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def change_volume(self, decibels: float) -> None:
        """Turn the volume up, or down if negative."""
        self._volume_db = max(MIN_VOLUME_DB, min(MAX_VOLUME_DB, self._volume_db + decibels))
        if self._deck is not None:
            self._deck.set_gain(self._gain_q8_db(self._deck.track))

    def _go(self, index: int, position_s: float = 0.0) -> None:
        """Go on elsewhere, unless all is over. While a track is being opened, a seek need not disturb it."""
        if self._at.item >= len(self._items):
            return
        was_just_begun = self._deck is not None and self._deck.started and self._position_s < SKIPPED_S
        before, self._at = self._at, _Place(max(0, index), max(0.0, position_s))
        if self._at.item != before.item:
            self._skips.on_skip(trio.current_time())
            if self._at.item > before.item and was_just_begun:
                self._judge(before.item, self._client.on_skipped)
        if self._deck is not None or self._at.item != before.item:
            self._interrupt.cancel()

    # What it does.

    @property
    def status(self) -> Status:
        """What the player does now."""
        deck = self._deck
        if deck is None and self._items:
            return Status("opening", position_s=self._at.position_s, volume_db=self._volume_db)
        if deck is None:
            return Status(volume_db=self._volume_db)
        session = deck.session
        state = "playing" if session.playout.playing else "buffering"
        return Status(
            state="paused" if self._paused else state,
            title=deck.track.title,
            artist=deck.track.artist,
            uri=deck.track.uri,
            position_s=self._position_s,
            duration_s=deck.track.duration_s,
            buffer_s=session.buffer_s,
            bitrate_kbps=_kbps(deck),
            goodput_kbps=self._bandwidth.rate_bytes_per_s * 8 / 1000,
            sources=session.source_count,
            transport=session.transport,
            volume_db=self._volume_db,
        )

    @property
    def _position_s(self) -> float:
        """What is heard now, in seconds of its track; where to, once a command was given."""
        if self._deck is None or self._interrupt.cancel_called:
            return self._at.position_s
        latency_s = self._sink.latency_s if self._sink is not None else 0.0
        return max(0.0, self._deck.position_s - latency_s)

    def stats(self) -> dict[str, object]:
        """Return the measurements so far: the fields of `--stats`."""
        self._stats.first_packet_at = self._client.first_packet_at
        sessions = [deck.session for deck in self._decks.values()]
        return self._stats.report(sessions, self._bandwidth, self._client.network.counters)

    async def play(self, items: Sequence[str], *, start_s: float = 0.0) -> None:
        """Play queries and track ids in order, the first one from `start_s` on; return at the end.

        What cannot be had is told of as `NotPlayed`, and the next one is played.

        Raises:
            UsageError: one of the items looks like a track id and is none, or the first ends by `start_s`.
            NoPeerError: no peer can be reached.
            NothingFoundError, RemoteError: not one of the items could be played.
            AudioError: the sink, or a library that sound needs, does not work.
        """
        if self._items:
            raise StateMisuseError("a player plays one queue at a time: stop it first")
        self.check_queue(items, start_s)
        self._start_s = start_s
        self._items, self._at, self._paused = tuple(items), _Place(0, start_s), False
        try:
            async with open_nursery() as self._nursery:
                await self._play_queue()
                self._nursery.cancel_scope.cancel()
        finally:
            self._items, self._nursery = (), None
            self._found_at.clear()
            self._close_decks(keep=())
            if self._source is not None:
                self._client.downlink.note(self._source, self._bandwidth.measured_bytes_per_s)
            await self._close_sink()

    @staticmethod
    def check_queue(items: Sequence[str], start_s: float) -> None:
        """Raise UsageError where an item looks like a track id and is none, or no track is so long."""
        for item in filter(is_uri, items):
            parse_uri(item)
        if not 0 <= start_s <= MAX_SEGMENTS:
            raise UsageError(f"a track has at most {MAX_SEGMENTS} seconds: nothing begins at {start_s:g} s")

    # The queue.

    async def _play_queue(self) -> None:
        """Play item after item, and go where commands say."""
        any_played = False
        while self._at.item < len(self._items):
            item, failure = self._items[self._at.item], None
            with trio.CancelScope() as self._interrupt:
                try:
                    await self._play_item()
                except (NothingFoundError, RemoteError) as error:
                    failure = error
            if not self._interrupt.cancel_called:
                self._at = _Place(self._at.item + 1)
            elif self._sink is not None:
                self._sink.flush()
            any_played |= failure is None
            if failure is not None:
                if not any_played and self._at.item >= len(self._items):
                    raise failure
                self._on_event(NotPlayed(item, str(failure)))
        if self._sink_is_open and self._sink is not None:
            await self._sink.drain()

    async def _play_item(self) -> None:
        """Play the item that is due from the place that is wanted to its end, and prepare the next."""
        index = self._at.item
        self._close_decks(keep=(index, index + 1))
        self._awaited = index
        self._deck = self._decks.get(index)
        deck = await self._loaded(index)
        self._check_start(deck)
        is_elsewhere = not deck.started and deck.session.cursor > 0  # it was opened for another place
        if deck.position_s != self._at.position_s or is_elsewhere:
            deck.seek(self._at.position_s)
            self._on_event(Seeked(deck.position_s))
        self._deck, self._awaited = deck, None
        async with open_nursery() as nursery:
            nursery.start_soon(self._open_ahead, deck, index + 1)
            heard_s, enough_s = 0.0, min(LISTENED_S, deck.track.duration_s / 2)
            while (pcm := await deck.next_piece()) is not None:
                await self._write(deck, pcm)
                heard_s += len(pcm) / (2 * deck.channels * SAMPLE_RATE)
                if heard_s >= enough_s:
                    self._judge(index, self._client.on_listened)
            self._on_event(Ended(deck.track.uri, deck.position_s))
            self._awaited = index + 1

    def _check_start(self, deck: Deck) -> None:
        """Raise UsageError where the first item has ended by the place that it was to begin at."""
        start_s, self._start_s = self._start_s, 0.0
        title, end_s = deck.track.title, deck.track.duration_s
        if start_s and self._at == _Place(0, start_s) and start_s >= end_s:
            raise UsageError(f"{title} ends after {end_s:.1f} s: it cannot begin at {start_s:g} s")

    async def _open_ahead(self, current: Deck, index: int) -> None:
        """Open an item as soon as the one before it has been fetched whole."""
        if index >= len(self._items) or index in self._decks:
            return
        await current.session.wait_complete()
        try:
            await self._open_patiently(index, 0.0)
        except LightpeerError as error:  # when it is due it is tried again, and told of
            logger.info("%s cannot be opened yet: %s", self._items[index], error)

    def _close_decks(self, *, keep: Sequence[int]) -> None:
        """Close the decks but those kept; one that has played before its turn is not, for it would go on."""
        for index, deck in list(self._decks.items()):
            if index not in keep or (index != self._at.item and deck.started):
                self._stats.add(deck.session)
                deck.close()
                del self._decks[index]
        if self._deck not in self._decks.values():
            self._deck = None

    # One item.

    async def _loaded(self, index: int) -> Deck:
        """Return the item's deck, opened and ready to decode; libraries are loaded meanwhile."""
        async with open_nursery() as nursery:
            nursery.start_soon(self._prepare_sound)
            deck = self._decks.get(index)
            if deck is None:
                self._on_event(Opening(self._items[index]))
                await trio.sleep_until(self._skips.open_at)
                deck = await self._open_patiently(index, self._at.position_s)
        assert self._sink is not None
        deck.session.playout.realtime = self._sink.realtime
        # What follows may be mono or stereo, and most sinks cannot change.
        deck.load(gain_q8_db=self._gain_q8_db(deck.track), channels=2 if len(self._items) > 1 else None)
        return deck

    async def _open_patiently(self, index: int, position_s: float) -> Deck:
        """Open an item, however long that takes; of what was never there, or nobody has, raise."""
        retries, was_told = Retries(), False
        while True:
            began_at = trio.current_time()
            try:
                return await self._open(index, position_s)
            except (NoPeerError, NothingFoundError, RemoteError) as error:
                took_s = trio.current_time() - began_at
                again_s = retries.next_s(took_s, was_answered=not isinstance(error, NoPeerError))
                if again_s is None or self._source is None:
                    raise
                logger.info("%s cannot be opened yet: %s", self._items[index], error)
                if index == self._awaited and not was_told:
                    was_told = True
                    self._on_event(Waiting(self._items[index], str(error)))
            await trio.sleep(again_s)

    async def _open(self, index: int, position_s: float) -> Deck:
        """Open an item, and begin to stream it from a position."""
        item, first = self._items[index], first_segment(position_s)
        inline_bytes = self._skips.inline_bytes(
            INLINE_BYTES, self._bandwidth.rate_bytes_per_s, trio.current_time()
        )
        start = Start(first, inline_bytes)
        if is_uri(item):
            peer, opened = await first_source(self._client.open_track(parse_uri(item), start))
        else:
            peer, opened = await self._client.open_query(item, start)
            self._found_at[index] = peer
        self._source = peer
        if not self._decks and not self._bandwidth.rate_bytes_per_s:
            self._bandwidth = Bandwidth(self._client.downlink.rate_bytes_per_s(peer), peer.burst)
        session = new_session(
            self._client,
            opened.track,
            self._settings,
            self._bandwidth,
            on_event=self._on_event,
            sink_ahead_s=self._ahead_s,
            first_segment=first,
        )
        deck = self._decks[index] = Deck(session)
        assert self._nursery is not None
        self._nursery.start_soon(deck.run, peer, opened)
        return deck

    def _judge(self, index: int, judgement: Callable[[Peer], None]) -> None:
        """Tell once what the listener made of a track that words had found."""
        peer = self._found_at.pop(index, None)
        if peer is not None:
            judgement(peer)

    def _ahead_s(self) -> float:
        """Return the seconds of sound that have left the buffer and are not heard yet."""
        in_hand_s = self._deck.in_hand_s if self._deck is not None else 0.0
        return in_hand_s + (self._sink.latency_s if self._sink is not None else 0.0)

    def _gain_q8_db(self, track: Track) -> int:
        gain = track.gain_q8_db if self._settings.normalize else 0
        return round(self._volume_db * 256) + gain

    # Sound.

    async def _prepare_sound(self) -> None:
        """Load what sound needs once the first packet has left, in a thread: it takes a Pi Zero a second."""
        if self._sink is None:
            await self._client.connecting.wait()
            await trio.to_thread.run_sync(_load_audio)
            self._sink = self._sink_factory()

    async def _write(self, deck: Deck, pcm: bytes) -> None:
        assert self._sink is not None
        if not self._sink_is_open:
            await self._open_sink(self._sink, deck.channels)
        self._stats.on_pcm(len(pcm) / (2 * deck.channels * SAMPLE_RATE), time.monotonic())
        if not deck.started:
            deck.started = True
            self._on_event(_playing(deck))
        await self._sink.write(pcm)

    async def _open_sink(self, sink: Sink, channels: int) -> None:
        with trio.CancelScope(shield=True):  # a sink that was half opened could not be opened again
            await sink.open(SAMPLE_RATE, channels)
        self._sink_is_open = True
        if self._paused:
            sink.pause(True)

    async def _close_sink(self) -> None:
        sink, self._sink, self._sink_is_open = self._sink, None, False
        if sink is not None:
            with trio.CancelScope(shield=True):
                await sink.aclose()


def _playing(deck: Deck) -> Playing:
    track = deck.track
    return Playing(
        title=track.title,
        artist=track.artist,
        album=track.album,
        uri=track.uri,
        duration_s=track.duration_s,
        bitrate_kbps=_kbps(deck),
        transport=deck.session.transport,
    )


def _kbps(deck: Deck) -> int:
    return deck.rendition.bitrate_kbps


def _load_audio() -> None:
    """Import the decoder and load its libraries."""
    from lightpeer.audio.decoder import Decoder

    Decoder().close()
