"""The open tracks of a queue: at most the one that plays, and the next.

The next item is opened once the one before it has been fetched completely. Once any item was opened, a
missing network is waited for; an item that no peer offers is not (`core/segments/retries.py`).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from lightpeer.client.client import INLINE_BYTES, Start
from lightpeer.client.kept import Wanted, begin_item
from lightpeer.client.stream import new_download, new_session
from lightpeer.core.content.uri import is_uri
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.retries import Retries
from lightpeer.download.session import Callbacks
from lightpeer.errors import LightpeerError, NoPeerError, NothingFoundError, RemoteError
from lightpeer.playback.deck import Deck, first_segment
from lightpeer.playback.events import Opening, Waiting
from lightpeer.playback.stats import PlayStats

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.peering.peer import Peer
    from lightpeer.playback.events import PlayerEvent
    from lightpeer.playback.queue import Queue

logger = logging.getLogger(__name__)


class Decks:
    """Opens a queue's items, and closes them.

    Attributes:
        awaited: the item that is to be heard next, while none is.
        bandwidth: the downlink's rate control, which all tracks share.
        stats: the measurements of the tracks that are closed.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        queue: Queue,
        *,
        on_event: Callable[[PlayerEvent], None],
        sink_ahead_s: Callable[[], float],
    ) -> None:
        """Open nothing yet.

        Args:
            client: finds and opens tracks.
            settings: buffer marks, bitrate and transport.
            queue: the items.
            on_event: called with each event.
            sink_ahead_s: returns the seconds of sound that have left the buffer and are not heard yet.
        """
        self.awaited: int | None = None
        self.bandwidth = Bandwidth()  # replaced at the first track, by the remembered rate of the network
        self.stats = PlayStats()
        self._client = client
        self._settings = settings
        self._queue = queue
        self._on_event = on_event
        self._sink_ahead_s = sink_ahead_s
        self._source: Peer | None = None  # of the latest track
        self._open: dict[int, Deck] = {}
        self._nursery: trio.Nursery | None = None

    def begin(self, nursery: trio.Nursery) -> None:
        """Have tracks streamed in a nursery from now on."""
        self._nursery = nursery

    def get(self, item: int) -> Deck | None:
        """Return an item's deck, if it is open."""
        return self._open.get(item)

    async def opened(self, item: int) -> Deck:
        """Return the deck of the item that is due, once it is open.

        Raises:
            NoPeerError: no peer can be reached.
            NothingFoundError, RemoteError: the item cannot be had.
        """
        deck = self._open.get(item)
        if deck is None:
            self._on_event(Opening(self._queue.items[item]))
            await trio.sleep_until(self._queue.skips.open_at)
            deck = await self._open_patiently(item, self._queue.at.position_s)
        return deck

    async def open_ahead(self, current: Deck, item: int) -> None:
        """Open an item as soon as the one before it has been fetched completely.

        Args:
            current: the deck of the one before.
            item: the item.
        """
        if item >= len(self._queue.items) or item in self._open:
            return
        await current.session.wait_complete()
        try:
            await self._open_patiently(item, 0.0)
        except LightpeerError as error:  # when it is due, it is tried again and reported
            logger.info("%s cannot be opened yet: %s", self._queue.items[item], error)

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
        if self._source is not None:
            self._client.downlink.note(self._source, self.bandwidth.measured_bytes_per_s)

    def report(self) -> dict[str, object]:
        """Return the measurements so far, open tracks included: the fields of `--stats`."""
        self.stats.first_packet_at = self._client.first_packet_at
        sessions = [deck.session for deck in self._open.values()]
        return self.stats.report(sessions, self.bandwidth, self._client.network.counters)

    async def _open_patiently(self, item: int, position_s: float) -> Deck:
        """Open an item, however long that takes; raise for one that never was there or no peer offers."""
        retries, was_told = Retries(), False
        while True:
            began_at = trio.current_time()
            try:
                return await self._open_once(item, position_s)
            except (NoPeerError, NothingFoundError, RemoteError) as error:
                took_s = trio.current_time() - began_at
                again_s = retries.next_s(took_s, was_answered=not isinstance(error, NoPeerError))
                if again_s is None or self._source is None:
                    raise
                logger.info("%s cannot be opened yet: %s", self._queue.items[item], error)
                if item == self.awaited and not was_told:
                    was_told = True
                    self._on_event(Waiting(self._queue.items[item], str(error)))
            await trio.sleep(again_s)

    async def _open_once(self, item: int, position_s: float) -> Deck:
        """Open an item, and begin to stream it from a position."""
        text, segment = self._queue.items[item], first_segment(position_s)
        rate_bytes_per_s = self.bandwidth.rate_bytes_per_s
        inline_bytes = self._queue.skips.inline_bytes(INLINE_BYTES, rate_bytes_per_s, trio.current_time())
        start, wanted = Start(segment, inline_bytes), Wanted(self._settings.bitrate_kbps)
        begun = await begin_item(self._client, text, start, wanted)
        if begun.first is not None:
            self._on_source(item, begun.first[0])
        download = new_download(begun.track, self._settings, self.bandwidth, realtime=True, kept=begun.kept)
        begun.look(download)
        callbacks = Callbacks(on_event=self._on_event, sink_ahead_s=self._sink_ahead_s)
        session = new_session(self._client, download, callbacks)
        session.seek(segment)
        deck = self._open[item] = Deck(session)
        assert self._nursery is not None, "`begin` comes first"
        self._nursery.start_soon(deck.run, begun.first)
        return deck

    def _on_source(self, item: int, peer: Peer) -> None:
        """Note the peer that an item was opened at."""
        if not is_uri(self._queue.items[item]):
            self._queue.on_found(item, peer)
        self._source = peer
        if not self._open and not self.bandwidth.rate_bytes_per_s:
            self.bandwidth = Bandwidth(self._client.downlink.rate_bytes_per_s(peer), peer.burst)
