"""The open tracks of a queue: at most the one that plays, and the next two.

Once the one that plays has plenty of sound, the next two are opened: their first seconds are then here for a
skip. They fetch nothing more until the one before is complete. What is next may change at any moment: the
queue (`core/queue/play_queue.py`) is asked again whenever it has changed.

After the first contact (`contact.py`) a missing network is waited for; an entry that no peer offers is not,
nor, where another follows, for long one whose holders are away (`core/segments/retries.py`).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.kept import Wanted, begin_item
from lightpeer.client.start import INLINE_BYTES, INLINE_SEGMENTS, LOWEST_KBPS, Start, first_kbps
from lightpeer.client.stream import new_download, new_session
from lightpeer.core.content.uri import is_uri
from lightpeer.core.plan.bursts import Listening
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.retries import Retries
from lightpeer.core.segments.skips import Skips
from lightpeer.errors import HolderAwayError, LightpeerError, NoPeerError, NothingFoundError, RemoteError
from lightpeer.playback.contact import FirstContact
from lightpeer.playback.deck import Deck, first_segment
from lightpeer.playback.events import Opening, Slowed
from lightpeer.playback.stats import PlayStats
from lightpeer.playback.verdicts import Verdicts
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Collection

    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.queue.play_order import Turn
    from lightpeer.core.queue.play_queue import PlayQueue
    from lightpeer.download.session import Callbacks
    from lightpeer.peering.peer import Peer
    from lightpeer.playback.weather import Weather

logger = logging.getLogger(__name__)

AHEAD: Final = 2  # turns whose openings are here before they are due
OPENING_BYTES: Final = 11_000  # of each: three seconds at 24 kbit/s, and what TCP sends at once


class Decks:
    """Opens what a queue has due and what follows, and closes it.

    Attributes:
        listening: how long somebody has listened since the last skip.
        verdicts: what the listener makes of what queries found.
        awaited: the turn that is to be heard next, while none is.
        misses: how many entries in a row could not be had.
        bandwidth: the downlink's rate control, which all tracks share.
        stats: the measurements of the tracks that are closed.
    """

    def __init__(
        self, client: Client, settings: Settings, queue: PlayQueue, weather: Weather, callbacks: Callbacks
    ) -> None:
        """Open nothing yet.

        Args:
            client: finds and opens tracks.
            settings: bitrate, transport, and how long to wait for a first contact.
            queue: what is to be played.
            weather: is told while nothing can be opened.
            callbacks: what sessions call.
        """
        self.awaited: Turn | None = None
        self.misses = 0
        self.bandwidth = Bandwidth()  # replaced at the first track, by the remembered rate of the network
        self.stats = PlayStats()
        self._client = client
        self._settings = settings
        self._queue = queue
        self._weather = weather
        self._callbacks = callbacks
        self._contact = FirstContact(settings.first_contact_wait_s, client.network.counters.rx_bytes)
        self._setback: tuple[Turn, str] | None = None  # the turn that is tried again, and why
        self._source: Peer | None = None  # of the latest track
        self._has_begun = False  # anything, if only with what is kept
        self.listening = Listening()
        self._skips = Skips()
        self.verdicts = Verdicts()
        self._open: dict[Turn, Deck] = {}
        self._opening: Turn | None = None  # ahead
        self._openings = trio.CancelScope()  # around `open_ahead`, at the end of a track
        self._changed = trio.lowlevel.ParkingLot()
        self._nursery: trio.Nursery | None = None

    def begin(self, nursery: trio.Nursery) -> None:
        """Have tracks streamed in a nursery from now on, and tell when a cap is near."""
        self._nursery, self.misses = nursery, 0
        if self._client.meter is not None:
            self._client.meter.watch(self._tell_slowed)

    def _tell_slowed(self, why: str) -> None:
        self._weather.tell(Slowed(f"{why}: going on in the lowest quality"))

    def get(self, turn: Turn) -> Deck | None:
        """Return a turn's deck, if it is open."""
        return self._open.get(turn)

    def next_title(self) -> str:
        """Return the title of what follows, or what is asked for; empty: nothing follows."""
        for turn in self._queue.following(1):
            deck = self._open.get(turn)
            return deck.track.title if deck is not None else self._queue.entries.item(turn.entry)
        return ""

    async def opened(self, turn: Turn) -> Deck:
        """Return the deck of the turn that is due, once it is open.

        Raises:
            NoPeerError: no peer has ever answered, and this is not kept.
            NothingFoundError, RemoteError: it cannot be had.
        """
        deck = self._open.get(turn)
        if deck is None:
            self._weather.tell(Opening(self._queue.entries.item(turn.entry)))
            self._contact.begin()
            await trio.sleep_until(self._skips.open_at)
            deck = await self._open_patiently(turn, self._queue.position_s)
        self._weather.end("opening")
        self._contact.end()
        deck.session.release()
        return deck

    def on_skip(self, left: Turn, heard_at_s: float | None) -> Peer | None:
        """Note that a turn was left; return the peer whose track was skipped at once, if one was.

        Args:
            left: the turn.
            heard_at_s: the position that was heard; None: none was, or it was not left for a later one.
        """
        self._skips.on_skip(trio.current_time())
        self.listening.heard_s = 0.0
        return self.verdicts.on_left(left.entry, heard_at_s)

    def on_queue_changed(self) -> None:
        """Open what follows now; if that is due already, open it afresh."""
        self._changed.unpark_all()
        if self.awaited not in self._queue.following(1):
            self._openings.cancel()

    async def open_ahead(self, current: Deck) -> None:
        """Open the next turns once there is plenty of sound, and fetch the next after the present one."""
        self._opening = None
        async with open_nursery() as nursery:
            nursery.start_soon(self._open_following, current)
            await current.session.wait_until(lambda: current.session.complete)
            self._release_next(current)

    async def _open_following(self, current: Deck) -> None:
        """Open what follows, and again whenever that has changed, until the next turn is due."""
        missed: set[Turn] = set()
        while self.awaited is None:
            following = self._queue.following(AHEAD)
            self.close(keep=following)
            self._release_next(current)
            turn = next((turn for turn in following if turn not in missed | self._open.keys()), None)
            if turn is None:
                await self._changed.park()
                continue
            self._opening = turn
            await current.session.wait_until(lambda: current.has_plenty)
            try:
                await self._open_patiently(turn, 0.0)
            except LightpeerError as error:  # when it is due, it is tried again and reported
                logger.info("what follows cannot be opened yet: %s", error)
                missed.add(turn)
            self._opening = None
            self._release_next(current)

    def _release_next(self, current: Deck) -> None:
        if current.session.complete:
            for turn in self._open.keys() & set(self._queue.following(1)):
                self._open[turn].session.release()

    def await_next(self, openings: trio.CancelScope) -> None:
        """Note that the next turn is due now; what opens others ahead must not hold it up.

        Args:
            openings: the scope of `open_ahead`.
        """
        self.awaited = next(iter(self._queue.following(1)), None)
        if self.awaited is None or self.awaited != self._opening:
            openings.cancel()
            return
        self._openings = openings
        self._contact.begin()
        self._weather.on_silence()
        if self._setback is not None and self._setback[0] == self.awaited:
            self._weather.begin("opening", self._setback[1])

    def close(self, *, keep: Collection[Turn] = ()) -> None:
        """Close the decks but those of some turns, and of the one that is due.

        One that has played out of turn is closed too, or it would go on from there.
        """
        due = self._queue.turn
        for turn, deck in list(self._open.items()):
            if turn != due and (turn not in keep or deck.started):
                self.stats.add(deck.session)
                deck.close()
                del self._open[turn]

    def end(self) -> None:
        """Close all decks, and remember the rate of the network."""
        for deck in self._open.values():
            self.stats.add(deck.session)
            deck.close()
        self._open.clear()
        self.verdicts.forget()
        self._contact.end()
        self.bandwidth.history.note(0.0, trio.current_time(), fetching=False)
        if self._source is not None:
            self._client.downlink.note(self._source, self.bandwidth.measured_bytes_per_s)

    def report(self) -> dict[str, object]:
        """Return the measurements so far, open tracks included: the fields of `--stats`."""
        self.stats.first_packet_at = self._client.first_packet_at
        sessions = [deck.session for deck in self._open.values()]
        return self.stats.report(sessions, self.bandwidth, self._client.network.counters)

    def mb_per_hour(self) -> float:
        """Return what an hour of music costs, by all bytes so far and what is heard or here for them."""
        decks = self._open.values()
        had_s = self.stats.played_s + sum(deck.session.buffer_s + deck.in_hand_s for deck in decks)
        return self._client.network.counters.total_bytes() * 3.6e-3 / had_s if had_s else 0.0

    async def _open_patiently(self, turn: Turn, position_s: float) -> Deck:
        """Open a turn, however long that takes; raise for one that no peer offers, or without contact."""
        retries, item = Retries(), self._queue.entries.item(turn.entry)
        while True:
            began_at = trio.current_time()
            try:
                deck = await self._contact.attempt(partial(self._open_once, turn, item, position_s))
            except (NoPeerError, NothingFoundError, RemoteError) as error:
                self._contact.is_made |= self._client.has_heard or not isinstance(error, NoPeerError)
                again_s = self._again_s(turn, error, retries, trio.current_time() - began_at)
                if again_s is None and isinstance(error, HolderAwayError):
                    raise NothingFoundError(str(error)) from error
                if again_s is None:
                    raise
                logger.info("%s cannot be opened yet: %s", item, error)
                self._setback = turn, str(error)
                if turn == self.awaited:
                    self._weather.begin("opening", str(error), next_try_s=again_s)
            else:
                self._setback = None
                return deck
            await trio.sleep(again_s)

    def _again_s(self, turn: Turn, error: LightpeerError, retries: Retries, took_s: float) -> float | None:
        """Return how long to wait for the next try, after one that took a while; None if it is pointless."""
        has_others = self.misses + 1 < len(self._queue.entries)  # where it repeats, none is the last
        is_another_due = has_others and self._queue.is_followed(turn)
        is_away = is_another_due and isinstance(error, HolderAwayError)
        was_answered = not isinstance(error, NoPeerError)
        again_s = retries.next_s(took_s, was_answered=was_answered, is_away=is_away)
        if again_s is not None and isinstance(error, NoPeerError):
            return self._contact.again_s(error, again_s)
        return again_s if self._has_begun else None  # at the start a person waits for the answer

    async def _open_once(self, turn: Turn, item: str, position_s: float) -> Deck:
        """Open what a turn is to play, and begin to stream it from a position."""
        segment = first_segment(position_s)
        settings, listening = self._settings, self.listening
        wanted = Wanted(settings.bitrate_kbps)
        begun = await begin_item(self._client, item, self._start(turn, segment), wanted)
        if begun.first is not None:
            self._on_source(turn, item, begun.first[0])
        download = new_download(
            begun.track, settings, self.bandwidth, realtime=True, listening=listening, kept=begun.kept
        )
        download.sources.search.is_needed = begun.needs_sources
        download.buffer.is_held = self._is_ahead(turn)
        session = new_session(self._client, download, self._callbacks)
        session.seek(segment)
        deck = self._open[turn] = Deck(session)
        self._has_begun = True
        assert self._nursery is not None, "`begin` comes first"
        self._nursery.start_soon(deck.run, begun.first)
        return deck

    def _on_source(self, turn: Turn, item: str, peer: Peer) -> None:
        """Note the peer that a turn was opened at."""
        if not is_uri(item):
            self.verdicts.on_found(turn.entry, peer)
        self._source, self._contact.is_made = peer, True
        if not self._open and not self.bandwidth.rate_bytes_per_s:
            self.bandwidth = Bandwidth(self._client.downlink.rate_bytes_per_s(peer), peer.burst)

    def _is_ahead(self, turn: Turn) -> bool:
        return turn not in (self._queue.turn, self.awaited)

    def _start(self, turn: Turn, segment: int) -> Start:
        """Return how a turn is to begin: little of one that is not due, and little while skipping."""
        if self._is_ahead(turn):
            lowest = None if self._settings.bitrate_kbps else LOWEST_KBPS
            return Start(segment, OPENING_BYTES, lowest)
        rate_bytes_per_s = self.bandwidth.rate_bytes_per_s
        inline_bytes = self._skips.inline_bytes(INLINE_BYTES, rate_bytes_per_s, trio.current_time())
        kbps = first_kbps(self._settings, self._callbacks.limits(), rate_bytes_per_s)
        return Start(segment, inline_bytes, kbps, INLINE_SEGMENTS)
