"""Lists of tracks that are kept between runs, each a playlist beside the key, which any player may read.

`shown` is the list that was shown last, from which numbers take; `favourites` are the person's own; `history`
is what was played, the latest last. A run can do without the first and the last (`SmallFile`), but the
person cannot do without the favourites: where these cannot be read or saved, that is a StateError. Lines of
other programs stay in them. A list that is added to is locked meanwhile (`locks.py`).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.playlist import (
    MAX_PLAYLIST_BYTES,
    Entry,
    build_playlist,
    edited_playlist_untrusted,
    parse_playlist_untrusted,
)
from lightpeer.errors import StateError, UsageError
from lightpeer.safe_files import read_ordinary
from lightpeer.state.files import Losses, SmallFile, ensure_state_dir, write_atomically
from lightpeer.state.locks import locked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

logger = logging.getLogger(__name__)

SHOWN: Final = "shown.m3u8"
FAVOURITES: Final = "favourites.m3u8"
HISTORY: Final = "history.m3u8"
MOST_KEPT: Final = 1000  # of a list: about 100 kB
MOST_OF_HISTORY: Final = 200  # which is written with each track


class KeptList:
    """One list."""

    def __init__(self, state_dir: Path, name: str, losses: Losses | None = None) -> None:
        """Read nothing yet.

        Args:
            state_dir: the file's directory.
            name: the file's.
            losses: reports that the file cannot be saved.
        """
        self._folder = state_dir
        self._path = state_dir / name
        self._most = MOST_OF_HISTORY if name == HISTORY else MOST_KEPT
        self._losses = losses or Losses()
        self._file = SmallFile(self._path, MAX_PLAYLIST_BYTES, "the list", self._losses)

    def load(self) -> list[Entry]:
        """Return its tracks."""
        found = self._file.load(parse_playlist_untrusted)
        return list(found.entries) if found is not None else []

    def add(self, entry: Entry) -> None:
        """Add a track at the end, unless it is the last already; a failure is reported."""
        try:
            ensure_state_dir(self._folder)
            with locked(self._path):
                entries = self.load()
                if not entries or entries[-1].uri != entry.uri:
                    self.save([*entries, entry])
        except StateError as error:
            self._losses.note(error)

    def save(self, entries: Iterable[Entry]) -> None:
        """Replace it; of too many tracks the last are kept. A failure is reported."""
        try:
            ensure_state_dir(self._folder)
        except StateError as error:
            self._losses.note(error)
            return
        self._file.save(build_playlist(list(entries)[-self._most :]).encode())


class ShownList(KeptList):
    """The list that was shown last. Where it cannot be saved, numbers must not take from one before it."""

    def __init__(self, state_dir: Path, losses: Losses | None = None) -> None:
        """Read nothing yet.

        Args:
            state_dir: the file's directory.
            losses: reports that the file cannot be saved.
        """
        super().__init__(state_dir, SHOWN, losses)

    def save(self, entries: Iterable[Entry]) -> None:
        """Replace it; where that fails, remove it, and say what numbers mean now."""
        try:
            ensure_state_dir(self._folder)
            write_atomically(self._path, build_playlist(list(entries)[-self._most :]).encode())
        except StateError as error:
            self._losses.note(error)
            with suppress(OSError):  # not ours, or on a disk that is read only
                self._path.unlink(missing_ok=True)
            what = "still take from one before" if self._path.exists() else "take nothing from"
            logger.warning("numbers %s this list: give loud: ids instead", what)


class Favourites:
    """The person's own list."""

    def __init__(self, state_dir: Path) -> None:
        """Read nothing yet; the file is in the state directory."""
        self._folder = state_dir
        self._path = state_dir / FAVOURITES
        self._file = SmallFile(self._path, MAX_PLAYLIST_BYTES, "the list", Losses())

    def load(self) -> list[Entry]:
        """Return its tracks; a corrupt one is set aside. StateError: it is there, but cannot be read."""
        self._read()
        found = self._file.load(parse_playlist_untrusted)
        return list(found.entries) if found is not None else []

    def add(self, entries: Iterable[Entry]) -> None:
        """Add those tracks that are not there yet, at the end.

        Raises:
            UsageError: they would be too many.
            StateError: the list cannot be read or saved.
        """
        ensure_state_dir(self._folder)
        with locked(self._path):
            before = {entry.uri for entry in self.load()}
            fresh = {entry.uri: entry for entry in entries if entry.uri not in before}
            if len(before) + len(fresh) > MOST_KEPT:
                raise UsageError(
                    f"there may be {MOST_KEPT} favourites: remove some, or keep a playlist of your own"
                )
            self._edit((), fresh.values())

    def remove(self, uris: Collection[str]) -> int:
        """Remove tracks, and return how many were there; raise StateError if that fails."""
        ensure_state_dir(self._folder)
        with locked(self._path):
            removed = [entry for entry in self.load() if entry.uri in uris]
            self._edit(uris, ())
        return len(removed)

    def _edit(self, removed: Collection[str], added: Iterable[Entry]) -> None:
        text = edited_playlist_untrusted(self._read(), removed, added)
        if len(text.encode()) > MAX_PLAYLIST_BYTES:
            raise StateError(self._path, f"{self._path} is full: remove lines of other programs from it")
        write_atomically(self._path, text.encode())

    def _read(self) -> bytes:
        try:
            return read_ordinary(self._path, MAX_PLAYLIST_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except OSError as error:
            text = f"cannot read the favourites in {self._path}: {error.strerror}"
            raise StateError(self._path, text) from error
