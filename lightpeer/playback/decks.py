"""The open tracks of a queue: at most the one that plays, and the next two.

Once the one that plays has plenty of sound, the next two are opened: their first seconds are then here for a
skip. They fetch nothing more until the one before is complete. What is next may change at any moment: the
queue (`core/queue/play_queue.py`) is asked again whenever it has changed. `opener.py` opens each.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.errors import LightpeerError
from lightpeer.playback.events import Opening, Slowed
from lightpeer.playback.opener import Opener
from lightpeer.playback.stats import PlayStats
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Collection

    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.queue.play_order import Turn
    from lightpeer.core.queue.play_queue import PlayQueue
    from lightpeer.download.session import Callbacks
    from lightpeer.playback.deck import Deck
    from lightpeer.playback.weather import Weather

logger = logging.getLogger(__name__)

AHEAD: Final = 2  # turns whose openings are here before they are due


class Decks:
    """Opens what a queue has due and what follows, and closes it.

    Attributes:
        opener: opens them.
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
        self.opener = Opener(client, settings, queue, weather, callbacks)
        self.stats = PlayStats()
        self._client = client
        self._queue = queue
        self._weather = weather
        self._open = self.opener.decks
        self._opening: Turn | None = None  # ahead
        self._openings = trio.CancelScope()  # around `open_ahead`, at the end of a track
        self._changed = trio.lowlevel.ParkingLot()

    def begin(self, nursery: trio.Nursery) -> None:
        """Have tracks streamed in a nursery from now on, and tell when a cap is near."""
        self.opener.nursery = nursery
        self.opener.missed.clear()
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
            self.opener.contact.begin()
            await trio.sleep_until(self.opener.listener.skips.open_at)
            deck = await self.opener.open(turn, self._queue.position_s)
        self._weather.end("opening")
        self.opener.contact.end()
        deck.session.release()
        return deck

    def on_queue_changed(self) -> None:
        """Open what follows now; if that is due already, open it afresh."""
        self._changed.unpark_all()
        if self.opener.awaited not in self._queue.following(1):
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
        while self.opener.awaited is None:
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
                await self.opener.open(turn, 0.0)
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
        self.opener.awaited = next(iter(self._queue.following(1)), None)
        if self.opener.awaited is None or self.opener.awaited != self._opening:
            openings.cancel()
            return
        self._openings = openings
        self.opener.contact.begin()
        self._weather.on_silence()
        if reason := self.opener.setback(self.opener.awaited):
            self._weather.begin("opening", reason)

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
        self.opener.end()

    def report(self) -> dict[str, object]:
        """Return the measurements so far, open tracks included: the fields of `--stats`."""
        self.stats.first_packet_at = self._client.first_packet_at
        sessions = [deck.session for deck in self._open.values()]
        return self.stats.report(sessions, self.opener.bandwidth, self._client.network.counters)

    def mb_per_hour(self) -> float:
        """Return what an hour of music costs, by all bytes so far and what is heard or here for them."""
        decks = self._open.values()
        had_s = self.stats.played_s + sum(deck.session.buffer_s + deck.in_hand_s for deck in decks)
        return self._client.network.counters.total_bytes() * 3.6e-3 / had_s if had_s else 0.0
