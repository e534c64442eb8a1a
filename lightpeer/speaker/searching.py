"""Searches for remote controls: none waits for the network for longer than most clients wait for an answer.

What has not come by then is searched for all the same, and told of as a change of the catalogue, so that the
client's own next try is answered at once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.mpd.song import Song
from lightpeer.errors import LightpeerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.client.models import Hit
    from lightpeer.core.mpd.catalogue import Catalogue

ANSWER_S: Final = 4.0  # several clients give up after 5 s without an answer
LONGEST_S: Final = 60.0
MAX_SEARCHES: Final = 8  # at once; what is asked beyond is answered from the catalogue

logger = logging.getLogger(__name__)


def song_of(hit: Hit) -> Song:
    """Return a hit as remotes see it."""
    return Song(
        uri=hit.uri,
        title=hit.title,
        artist=hit.artist,
        album=hit.album,
        album_artist=hit.album_artist,
        track=hit.track_number,
        disc=hit.disc_number,
        year=hit.year,
        duration_s=hit.duration_s,
    )


class Searches:
    """The searches that are being made.

    Attributes:
        on_late: called when one has found something after its answer was given.
    """

    def __init__(
        self,
        find: Callable[[str], Awaitable[list[Hit]]],
        catalogue: Catalogue,
        unix_time: Callable[[], float],
        nursery: trio.Nursery,
    ) -> None:
        """Search for nothing yet.

        Args:
            find: searches the network; raises LightpeerError.
            catalogue: where to note what was found.
            unix_time: returns the time in seconds since 1970.
            nursery: where searches go on after their answers.
        """
        self._find = find
        self._catalogue = catalogue
        self._unix_time = unix_time
        self._nursery = nursery
        self._ends: dict[str, trio.Event] = {}  # of each that is being made, by its words
        self.on_late: Callable[[], None] = lambda: None

    async def ask(self, words: str) -> None:
        """Search for words, unless that is being done; return when they are found, or after `ANSWER_S`."""
        end = self._ends.get(words)
        if end is None:
            if len(self._ends) >= MAX_SEARCHES:
                return
            end = self._ends[words] = trio.Event()
            self._nursery.start_soon(self._search, words, end, trio.current_time() + ANSWER_S)
        with trio.move_on_after(ANSWER_S):
            await end.wait()

    async def _search(self, words: str, end: trio.Event, answered_at: float) -> None:
        try:
            with trio.move_on_after(LONGEST_S):
                songs = [song_of(hit) for hit in await self._find(words)]
                is_news = self._catalogue.note_search(words, songs, self._unix_time())
                if is_news and trio.current_time() >= answered_at:
                    self.on_late()
        except LightpeerError as error:
            logger.info("search for %r: %s", words, error)
        finally:
            del self._ends[words]
            end.set()
