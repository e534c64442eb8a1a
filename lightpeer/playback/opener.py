"""Opens what a queue has due or next, however long that takes.

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
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.retries import Retries
from lightpeer.errors import HolderAwayError, LightpeerError, NoPeerError, NothingFoundError, RemoteError
from lightpeer.playback.contact import FirstContact
from lightpeer.playback.deck import Deck, first_segment
from lightpeer.playback.listener import Listener

if TYPE_CHECKING:
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.queue.play_order import Turn
    from lightpeer.core.queue.play_queue import PlayQueue
    from lightpeer.download.session import Callbacks
    from lightpeer.peering.peer import Peer
    from lightpeer.playback.weather import Weather

logger = logging.getLogger(__name__)

OPENING_BYTES: Final = 11_000  # of what is not due: three seconds at 24 kbit/s, and what TCP sends at once
UNHEARD: Final = {"wav", "pipe"}  # outputs that nobody listens to meanwhile: quality counts there, not time
HIGHEST_KBPS: Final = 510  # of Opus (RFC 6716, section 2.1.1)


class Opener:
    """Opens turns, and has them streamed.

    Attributes:
        decks: the open tracks.
        listener: skips some of them.
        contact: the first answer of any peer.
        bandwidth: the downlink's rate control, which all tracks share.
        awaited: the turn that is to be heard next, while none is.
        missed: the entries that could not be had since one was heard.
        nursery: where tracks are streamed.
    """

    def __init__(
        self, client: Client, settings: Settings, queue: PlayQueue, weather: Weather, callbacks: Callbacks
    ) -> None:
        """Open nothing yet; the arguments are those of `Decks`."""
        self.decks: dict[Turn, Deck] = {}
        self.listener = Listener()
        self.contact = FirstContact(settings.first_contact_wait_s, client.network.counters.rx_bytes)
        self.bandwidth = Bandwidth()  # replaced at the first track, by the remembered rate of the network
        self.awaited: Turn | None = None
        self.missed: set[int] = set()
        self.nursery: trio.Nursery | None = None
        self._client = client
        self._settings = settings
        self._queue = queue
        self._weather = weather
        self._callbacks = callbacks
        self._setback: tuple[Turn, str] | None = None  # the turn that is tried again, and why
        self._source: Peer | None = None  # of the latest track
        self._is_heard = settings.output.partition(":")[0] not in UNHEARD
        self._has_begun = False  # anything, if only with what is kept

    def setback(self, turn: Turn) -> str:
        """Return why a turn could not be opened yet; empty: it has not been tried, or is open."""
        return self._setback[1] if self._setback is not None and self._setback[0] == turn else ""

    def has_others(self, turn: Turn) -> bool:
        """Return whether there are other entries to try yet; of a queue that repeats none is the last."""
        return not self.missed.union({turn.entry}).issuperset(self._queue.entries.ids)

    def end(self) -> None:
        """Remember the rate of the network."""
        self.listener.forget()
        self.contact.end()
        self.bandwidth.history.note(0.0, trio.current_time(), fetching=False)
        if self._source is not None:
            self._client.downlink.note(self._source, self.bandwidth.measured_bytes_per_s)

    async def open(self, turn: Turn, position_s: float) -> Deck:
        """Open a turn at a position in seconds; return its deck.

        Raises:
            NoPeerError: no peer has ever answered, and this is not kept.
            NothingFoundError, RemoteError: it cannot be had.
        """
        retries, item = Retries(), self._queue.entries.item(turn.entry)
        while True:
            began_at = trio.current_time()
            try:
                deck = await self.contact.attempt(partial(self._open_once, turn, item, position_s))
            except (NoPeerError, NothingFoundError, RemoteError) as error:
                self.contact.is_made |= self._client.has_heard or not isinstance(error, NoPeerError)
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
        is_another_due = self.has_others(turn) and self._queue.is_followed(turn)
        is_away = is_another_due and isinstance(error, HolderAwayError)
        was_answered = not isinstance(error, NoPeerError)
        again_s = retries.next_s(took_s, was_answered=was_answered, is_away=is_away)
        if again_s is not None and isinstance(error, NoPeerError):
            return self.contact.again_s(error, again_s)
        return again_s if self._has_begun else None  # at the start a person waits for the answer

    async def _open_once(self, turn: Turn, item: str, position_s: float) -> Deck:
        """Open what a turn is to play, and begin to stream it from a position."""
        segment = first_segment(position_s)
        settings, listening = self._settings, self.listener.listening
        wanted = Wanted(settings.bitrate_kbps)
        begun = await begin_item(self._client, item, self._start(turn, segment), wanted)
        if begun.first is not None:
            self._on_source(turn, item, begun.first[0])
        download = new_download(
            begun.track, settings, self.bandwidth, realtime=True, listening=listening, kept=begun.kept
        )
        if not self._is_heard:
            download.buffer.wishes.take_best()
        download.sources.search.is_needed = begun.needs_sources
        download.buffer.is_held = self._is_ahead(turn)
        session = new_session(self._client, download, self._callbacks)
        session.seek(segment)
        deck = self.decks[turn] = Deck(session)
        self._has_begun = True
        assert self.nursery is not None, "`Decks.begin` comes first"
        self.nursery.start_soon(deck.run, begun.first)
        return deck

    def _on_source(self, turn: Turn, item: str, peer: Peer) -> None:
        """Note the peer that a turn was opened at."""
        if not is_uri(item):
            self.listener.on_found(turn.entry, peer)
        self._source, self.contact.is_made = peer, True
        if not self.decks and not self.bandwidth.rate_bytes_per_s:
            self.bandwidth = Bandwidth(self._client.downlink.rate_bytes_per_s(peer), peer.burst)

    def _is_ahead(self, turn: Turn) -> bool:
        return turn not in (self._queue.turn, self.awaited)

    def _start(self, turn: Turn, segment: int) -> Start:
        """Return how a turn is to begin: little of one that is not due, and little while skipping."""
        limits = self._callbacks.limits()
        if not (self._is_heard or self._settings.bitrate_kbps):
            kbps = HIGHEST_KBPS if limits is None else limits.at_most_kbps(HIGHEST_KBPS)
            return Start(segment, OPENING_BYTES if self._is_ahead(turn) else INLINE_BYTES, kbps)
        if self._is_ahead(turn):
            lowest = None if self._settings.bitrate_kbps else LOWEST_KBPS
            return Start(segment, OPENING_BYTES, lowest)
        rate_bytes_per_s = self.bandwidth.rate_bytes_per_s
        inline_bytes = self.listener.skips.inline_bytes(INLINE_BYTES, rate_bytes_per_s, trio.current_time())
        kbps = first_kbps(self._settings, limits, rate_bytes_per_s)
        return Start(segment, inline_bytes, kbps, INLINE_SEGMENTS)
