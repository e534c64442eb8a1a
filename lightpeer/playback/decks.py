"""The open tracks of a queue: at most the one that plays, and the next two.

Once the one that plays has plenty of sound, the next two are opened: their first seconds are then here for a
skip. They fetch nothing more until the one before is complete. After the first contact (`contact.py`) a
missing network is waited for; an item that no peer offers is not, nor, where another follows, for long one
whose holders are away (`core/segments/retries.py`).
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
from lightpeer.errors import HolderAwayError, LightpeerError, NoPeerError, NothingFoundError, RemoteError
from lightpeer.playback.contact import FirstContact
from lightpeer.playback.deck import Deck, first_segment
from lightpeer.playback.events import Opening, Slowed
from lightpeer.playback.stats import PlayStats
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Collection

    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.download.session import Callbacks
    from lightpeer.peering.peer import Peer
    from lightpeer.playback.queue import Queue
    from lightpeer.playback.weather import Weather

logger = logging.getLogger(__name__)

AHEAD: Final = 2  # items whose openings are here before they are due
OPENING_BYTES: Final = 11_000  # of each: three seconds at 24 kbit/s, and what TCP sends at once


class Decks:
    """Opens a queue's items, and closes them.

    Attributes:
        listening: how long somebody has listened since the last skip.
        awaited: the item that is to be heard next, while none is.
        bandwidth: the downlink's rate control, which all tracks share.
        stats: the measurements of the tracks that are closed.
    """

    def __init__(
        self, client: Client, settings: Settings, queue: Queue, weather: Weather, callbacks: Callbacks
    ) -> None:
        """Open nothing yet.

        Args:
            client: finds and opens tracks.
            settings: bitrate, transport, and how long to wait for a first contact.
            queue: the items.
            weather: is told while nothing can be opened.
            callbacks: what sessions call.
        """
        self.awaited: int | None = None
        self.bandwidth = Bandwidth()  # replaced at the first track, by the remembered rate of the network
        self.stats = PlayStats()
        self._client = client
        self._settings = settings
        self._queue = queue
        self._weather = weather
        self._callbacks = callbacks
        self._contact = FirstContact(settings.first_contact_wait_s, client.network.counters.rx_bytes)
        self._setback: tuple[int, str] | None = None  # the item that is tried again, and why
        self._source: Peer | None = None  # of the latest track
        self._has_begun = False  # any item, if only with what is kept
        self.listening = Listening()
        self._open: dict[int, Deck] = {}
        self._nursery: trio.Nursery | None = None

    def begin(self, nursery: trio.Nursery) -> None:
        """Have tracks streamed in a nursery from now on, and tell when a cap is near."""
        self._nursery = nursery
        if self._client.meter is not None:
            self._client.meter.watch(self._tell_slowed)

    def _tell_slowed(self, why: str) -> None:
        self._weather.tell(Slowed(f"{why}: going on in the lowest quality"))

    def get(self, item: int) -> Deck | None:
        """Return an item's deck, if it is open."""
        return self._open.get(item)

    async def opened(self, item: int) -> Deck:
        """Return the deck of the item that is due, once it is open.

        Raises:
            NoPeerError: no peer has ever answered, and this is not kept.
            NothingFoundError, RemoteError: the item cannot be had.
        """
        deck = self._open.get(item)
        if deck is None:
            self._weather.tell(Opening(self._queue.items[item]))
            self._contact.begin()
            await trio.sleep_until(self._queue.skips.open_at)
            deck = await self._open_patiently(item, self._queue.at.position_s)
        self._weather.end("opening")
        self._contact.end()
        deck.session.release()
        return deck

    async def open_ahead(self, current: Deck, item: int) -> None:
        """Open the next items once there is plenty of sound, and fetch the next after the present one.

        Args:
            current: the deck that plays.
            item: its item.
        """
        async with open_nursery() as nursery:
            nursery.start_soon(self._open_next, current, item)
            await current.session.wait_until(lambda: current.session.complete)
            self._release_after(current, item)

    async def _open_next(self, current: Deck, item: int) -> None:
        for ahead in range(item + 1, min(item + 1 + AHEAD, len(self._queue.items))):
            if ahead in self._open:
                continue
            await current.session.wait_until(lambda: current.has_plenty)
            try:
                await self._open_patiently(ahead, 0.0)
            except LightpeerError as error:  # when it is due, it is tried again and reported
                logger.info("%s cannot be opened yet: %s", self._queue.items[ahead], error)
            self._release_after(current, item)
            if self.awaited == ahead:
                return

    def _release_after(self, current: Deck, item: int) -> None:
        if current.session.complete and (following := self._open.get(item + 1)):
            following.session.release()

    def await_next(self, item: int, openings: trio.CancelScope) -> None:
        """Note that an item is due now; what opens others ahead must not hold it up.

        Args:
            item: the item.
            openings: the scope of `open_ahead`.
        """
        self.awaited = item
        if item in self._open or item >= len(self._queue.items):
            openings.cancel()
            return
        self._contact.begin()
        self._weather.on_silence()
        if self._setback is not None and self._setback[0] == item:
            self._weather.begin("opening", self._setback[1])

    def close(self, *, keep: Collection[int] = ()) -> None:
        """Close the decks but those of some items.

        One that has played out of turn is closed too, or it would go on from there.
        """
        for item, deck in list(self._open.items()):
            if item not in keep or (item != self._queue.at.item and deck.started):
                self.stats.add(deck.session)
                deck.close()
                del self._open[item]

    def end(self) -> None:
        """Close all decks, and remember the rate of the network."""
        self.close()
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

    async def _open_patiently(self, item: int, position_s: float) -> Deck:
        """Open an item, however long that takes; raise for one that no peer offers, or without contact."""
        retries = Retries()
        while True:
            began_at = trio.current_time()
            try:
                deck = await self._contact.attempt(partial(self._open_once, item, position_s))
            except (NoPeerError, NothingFoundError, RemoteError) as error:
                self._contact.is_made |= self._client.has_heard or not isinstance(error, NoPeerError)
                again_s = self._again_s(item, error, retries, trio.current_time() - began_at)
                if again_s is None and isinstance(error, HolderAwayError):
                    raise NothingFoundError(str(error)) from error
                if again_s is None:
                    raise
                logger.info("%s cannot be opened yet: %s", self._queue.items[item], error)
                self._setback = item, str(error)
                if item == self.awaited:
                    self._weather.begin("opening", str(error), next_try_s=again_s)
            else:
                self._setback = None
                return deck
            await trio.sleep(again_s)

    def _again_s(self, item: int, error: LightpeerError, retries: Retries, took_s: float) -> float | None:
        """Return how long to wait for the next try, after one that took a while; None if it is pointless."""
        is_another_due = item + 1 < len(self._queue.items)
        is_away = is_another_due and isinstance(error, HolderAwayError)
        was_answered = not isinstance(error, NoPeerError)
        again_s = retries.next_s(took_s, was_answered=was_answered, is_away=is_away)
        if again_s is not None and isinstance(error, NoPeerError):
            return self._contact.again_s(error, again_s)
        return again_s if self._has_begun else None  # at the start a person waits for the answer

    async def _open_once(self, item: int, position_s: float) -> Deck:
        """Open an item, and begin to stream it from a position."""
        text, segment = self._queue.items[item], first_segment(position_s)
        settings, listening = self._settings, self.listening
        wanted = Wanted(settings.bitrate_kbps)
        begun = await begin_item(self._client, text, self._start(item, segment), wanted)
        if begun.first is not None:
            self._on_source(item, begun.first[0])
        download = new_download(
            begun.track, settings, self.bandwidth, realtime=True, listening=listening, kept=begun.kept
        )
        download.sources.search.is_needed = begun.needs_sources
        download.buffer.is_held = self._is_ahead(item)
        session = new_session(self._client, download, self._callbacks)
        session.seek(segment)
        deck = self._open[item] = Deck(session)
        self._has_begun = True
        assert self._nursery is not None, "`begin` comes first"
        self._nursery.start_soon(deck.run, begun.first)
        return deck

    def _on_source(self, item: int, peer: Peer) -> None:
        """Note the peer that an item was opened at."""
        if not is_uri(self._queue.items[item]):
            self._queue.on_found(item, peer)
        self._source, self._contact.is_made = peer, True
        if not self._open and not self.bandwidth.rate_bytes_per_s:
            self.bandwidth = Bandwidth(self._client.downlink.rate_bytes_per_s(peer), peer.burst)

    def _is_ahead(self, item: int) -> bool:
        return item not in (self._queue.at.item, self.awaited)

    def _start(self, item: int, segment: int) -> Start:
        """Return how an item is to begin: little of one that is not due, and little while skipping."""
        if self._is_ahead(item):
            lowest = None if self._settings.bitrate_kbps else LOWEST_KBPS
            return Start(segment, OPENING_BYTES, lowest)
        rate_bytes_per_s = self.bandwidth.rate_bytes_per_s
        inline_bytes = self._queue.skips.inline_bytes(INLINE_BYTES, rate_bytes_per_s, trio.current_time())
        kbps = first_kbps(self._settings, self._callbacks.limits(), rate_bytes_per_s)
        return Start(segment, inline_bytes, kbps, INLINE_SEGMENTS)
