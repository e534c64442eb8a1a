"""The seen catalogue: the tracks that searches, lists and the queue have shown, which remotes browse.

Nobody has a list of all the network's tracks, and a remote expects one. So it is given what was seen here,
from memory and at once: its artists and albums fill by use. The network is asked by searches alone, and not
again within `FRESH_S`, since clients ask twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.search.words import tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lightpeer.core.mpd.song import Song

MAX_SONGS: Final = 5000
MAX_SEARCHES: Final = 100
FRESH_S: Final = 60.0


class Search(NamedTuple):
    """A search of the network.

    Attributes:
        words: as they were typed.
        uris: what was found, best first.
        at_s: when, in seconds since 1970.
    """

    words: str
    uris: tuple[str, ...]
    at_s: float


class Catalogue:
    """What was seen, the latest last; of too much the earliest is forgotten.

    Attributes:
        changed_s: when it has last changed, in seconds since 1970; 0: never.
    """

    def __init__(self) -> None:
        self.changed_s = 0.0
        self._songs: dict[str, Song] = {}
        self._searches: dict[str, Search] = {}

    def __len__(self) -> int:
        return len(self._songs)

    def __contains__(self, uri: object) -> bool:
        return uri in self._songs

    def __iter__(self) -> Iterator[Song]:
        """Give the songs, the latest first."""
        return reversed(self._songs.values())

    def get(self, uri: str) -> Song | None:
        """Return a song that was seen; None: it was not."""
        return self._songs.get(uri)

    def remember(self, songs: Sequence[Song], now_s: float) -> bool:
        """Have seen songs, the first of them latest; return whether one is new, or other than it was.

        Args:
            songs: the songs.
            now_s: the time in seconds since 1970.
        """
        is_news = False
        for song in reversed(songs):
            before = self._songs.pop(song.uri, None)
            seen = song._replace(added_s=before.added_s if before is not None else now_s)
            self._songs[song.uri] = seen
            is_news |= seen != before
        while len(self._songs) > MAX_SONGS:
            del self._songs[next(iter(self._songs))]
        if is_news:
            self.changed_s = now_s
        return is_news

    # Searches.

    @property
    def searches(self) -> list[str]:
        """The words of the searches that are remembered, the latest first."""
        return [search.words for search in reversed(self._searches.values())]

    def note_search(self, words: str, songs: Sequence[Song], now_s: float) -> bool:
        """Note what a search of the network has found; return whether that is news.

        Args:
            words: what was searched for.
            songs: what was found, best first.
            now_s: the time in seconds since 1970.
        """
        before = self._searches.pop(_key(words), None)
        uris = tuple(song.uri for song in songs)
        self._searches[_key(words)] = Search(words, uris, now_s)
        while len(self._searches) > MAX_SEARCHES:
            del self._searches[next(iter(self._searches))]
        return self.remember(songs, now_s) or before is None or before.uris != uris

    def is_fresh(self, words: str, now_s: float) -> bool:
        """Return whether a search has been made so lately that it need not be made again."""
        search = self._searches.get(_key(words))
        return search is not None and 0 <= now_s - search.at_s < FRESH_S

    def hits(self, words: str) -> list[Song]:
        """Return what a search has found, best first; nothing, if it was not made."""
        search = self._searches.get(_key(words))
        return list(self._known(search.uris)) if search is not None else []

    def _known(self, uris: Iterable[str]) -> Iterator[Song]:
        return (self._songs[uri] for uri in uris if uri in self._songs)


def _key(words: str) -> str:
    return " ".join(tokens_of(words))
