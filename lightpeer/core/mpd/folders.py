"""The seen catalogue as a tree of folders, for remotes that browse.

    Albums/ARTIST/ALBUM
    Recent
    Search/WORDS

Looking into a folder of `Search`, or adding one, makes that search: so remotes without a search box, and
scripts, can ask the network. Songs have their uris everywhere, wherever they are shown.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.uri import is_uri
from lightpeer.core.mpd.song import Song, value_of
from lightpeer.core.mpd.wire import Ack
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lightpeer.core.mpd.catalogue import Catalogue

ALBUMS, RECENT, SEARCH = "Albums", "Recent", "Search"
MOST_RECENT: Final = 100
_NAMELESS: Final = "Unknown"


def tidy(path: str) -> str:
    """Return a folder's path without slashes at its ends; empty for the root."""
    return path.strip("/")


def query_in(path: str) -> str:
    """Return the words of a folder that stands for a search; empty: it stands for none."""
    top, _, words = tidy(path).partition("/")
    return words.strip() if top == SEARCH else ""


def folders_in(catalogue: Catalogue, path: str) -> list[str]:
    """Return the paths of the folders in a folder; those of what is no folder are none."""
    match tidy(path).split("/"):
        case [""]:
            return [ALBUMS, RECENT, SEARCH]
        case ["Search"]:
            names = [_name(words) for words in catalogue.searches]
        case ["Albums"]:
            names = sorted({_place(song)[0] for song in catalogue if song.album})
        case ["Albums", artist]:
            places = {_place(song) for song in catalogue if song.album}
            names = sorted(album for at, album in places if at == artist)
        case _:
            return []
    return [f"{tidy(path)}/{name}" for name in names]


def songs_in(catalogue: Catalogue, path: str) -> list[Song]:
    """Return the songs that stand in a folder itself, or the one whose uri it is."""
    return [] if folders_in(catalogue, path) else songs_below(catalogue, path)


def songs_below(catalogue: Catalogue, path: str) -> list[Song]:
    """Return the songs in a folder and in those within it, or the one whose uri it is."""
    match tidy(path).split("/"):
        case [""]:
            return list(catalogue)
        case ["Recent"]:
            return list(catalogue)[:MOST_RECENT]
        case ["Search"]:
            return list(dict.fromkeys(song for words in catalogue.searches for song in catalogue.hits(words)))
        case ["Search", *_]:
            return catalogue.hits(query_in(path))
        case ["Albums", *place]:
            there = [song for song in catalogue if song.album and _place(song)[: len(place)] == tuple(place)]
            return sorted(there, key=_number)
        case [uri] if is_uri(uri):
            return [catalogue.get(uri) or Song(uri)]
        case _:
            return []


def membership(catalogue: Catalogue) -> Callable[[Song, str], bool]:
    """Return a function that says whether a song is in a folder, quick for many songs."""

    @cache
    def uris(path: str) -> frozenset[str]:
        return frozenset(song.uri for song in songs_below(catalogue, path))

    return lambda song, path: song.uri in uris(path)


def check_folder(path: str, found: Collection[object]) -> None:
    """Raise CommandError if nothing was found in a folder that need not be there."""
    if not found and tidy(path) not in {"", ALBUMS, RECENT, SEARCH}:
        raise CommandError(Ack.NO_EXIST, "No such directory")


def _place(song: Song) -> tuple[str, str]:
    return _name(value_of(song, "AlbumArtist")), _name(song.album)


def _number(song: Song) -> tuple[str, str, int, int]:
    return *_place(song), song.disc, song.track


def _name(text: str) -> str:
    """Return how a folder is called after something."""
    return text.replace("/", " ").strip() or _NAMELESS
