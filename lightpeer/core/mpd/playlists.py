"""Stored playlists: lists of tracks by name, which remotes keep, load and edit; bounded in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.content.playlist import Entry
from lightpeer.core.mpd.wire import Ack, clean
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PLAYLISTS: Final = 256
MAX_TRACKS: Final = 20_000  # of all of them
MAX_NAME_BYTES: Final = 200  # the name of a file, with its ending


class Playlist(NamedTuple):
    """A list, and when it was changed, in seconds since 1970."""

    entries: tuple[Entry, ...]
    changed_s: float


class Playlists:
    """All lists, by name."""

    def __init__(self) -> None:
        self._all: dict[str, Playlist] = {}

    @property
    def names(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self._all)

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def get(self, name: str) -> Playlist:
        """Return a list; raise CommandError if there is none of this name."""
        if name not in self._all:
            raise CommandError(Ack.NO_EXIST, "No such playlist")
        return self._all[name]

    def put(self, name: str, entries: Iterable[Entry], now_s: float) -> None:
        """Keep a list under a name, in place of what was there.

        Args:
            name: the name.
            entries: its tracks.
            now_s: the time in seconds since 1970.

        Raises:
            CommandError: a file cannot be called so, or there would be too much.
        """
        _check_name(name)
        kept = tuple(entries)
        others = sum(len(other.entries) for at, other in self._all.items() if at != name)
        if others + len(kept) > MAX_TRACKS or (name not in self._all and len(self._all) == MAX_PLAYLISTS):
            raise CommandError(Ack.PLAYLIST_MAX, "playlists hold no more: remove some first")
        self._all[name] = Playlist(kept, now_s)

    def remove(self, name: str) -> None:
        """Forget a list; raise CommandError if there is none of this name."""
        self.get(name)
        del self._all[name]

    def rename(self, name: str, to: str, now_s: float) -> None:
        """Give a list another name.

        Args:
            name: its name so far.
            to: the new one.
            now_s: the time in seconds since 1970.

        Raises:
            CommandError: there is no such list, there is one of the new name, or no file can be called so.
        """
        entries = self.get(name).entries
        check_new(self, to)
        _check_name(to)
        del self._all[name]
        self.put(to, entries, now_s)


def check_new(playlists: Playlists, name: str) -> None:
    """Raise CommandError if there is a list of a name."""
    if name in playlists:
        raise CommandError(Ack.EXIST, "Playlist already exists")


def without(entries: Sequence[Entry], places: range) -> list[Entry]:
    """Return the entries of a list but for those at some places."""
    return [*entries[: places.start], *entries[places.stop :]]


def _check_name(name: str) -> None:
    is_bad = not name or name.startswith(".") or "/" in name or clean(name) != name
    if is_bad or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        text = "playlist name is invalid: it may not begin with a dot, nor contain slashes or newlines"
        raise CommandError(Ack.ARG, text)
