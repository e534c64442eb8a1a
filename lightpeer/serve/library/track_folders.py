"""The folders of the tracks in the state directory, and the one that a track is made in.

A track is made in `incoming` and moved into place by one rename, so a track's folder is always whole.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from lightpeer.serve.library.disk import flush, state_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class TrackFolders:
    """The folders of all tracks. Every method may wait for the disk."""

    def __init__(self, state_dir: Path) -> None:
        self._tracks = state_dir / "tracks"
        self._incoming = state_dir / "incoming"

    def of(self, track_id: bytes) -> Path:
        """Return a track's folder, which need not exist."""
        return self._tracks / track_id.hex()

    def ids(self) -> list[bytes]:
        """Return the ids of the tracks that have a folder, rising, and remove everything else.

        Raises:
            StateError: the disk refuses.
        """
        found = []
        try:
            self._tracks.mkdir(exist_ok=True)
            with os.scandir(self._tracks) as entries:
                for entry in entries:
                    track_id = _id_of(entry.name)
                    if track_id is None:
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        found.append(track_id)
        except OSError as error:
            raise state_error(self._tracks, error) from error
        found.sort()
        return found

    def size_bytes(self, track_ids: Iterable[bytes]) -> int:
        """Return how many bytes some tracks have together; raise StateError where the disk refuses."""
        folders = map(self.of, track_ids)
        try:
            return sum(file.stat().st_size for folder in folders for file in folder.iterdir())
        except OSError as error:
            raise state_error(self._tracks, error) from error

    def workspace(self, number: int = 0) -> Path:
        """Return an empty folder to make a track in; the next call with this number empties it.

        Raises:
            StateError: the disk refuses.
        """
        folder = self._incoming / str(number)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        except OSError as error:
            raise state_error(folder, error) from error
        return folder

    def clear_workspace(self) -> None:
        """Remove unfinished tracks."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    def place(self, track_id: bytes, workspace: Path, *, is_sound: bool) -> None:
        """Put a finished track where it belongs, unless it is there and sound.

        Args:
            track_id: the track's.
            workspace: the folder that it was made in.
            is_sound: whether an existing folder stays.

        Raises:
            StateError: the disk refuses.
        """
        folder = self.of(track_id)
        try:
            is_there = folder.exists()
            if is_there and is_sound:
                return
            flush(workspace)
            if is_there:  # no longer served; after a crash in between, it is imported again
                old = folder.with_name(folder.name + ".old")
                shutil.rmtree(old, ignore_errors=True)
                folder.rename(old)
                workspace.rename(folder)
                shutil.rmtree(old, ignore_errors=True)
            else:
                workspace.rename(folder)
        except OSError as error:
            raise state_error(folder, error) from error

    def remove(self, track_id: bytes) -> None:
        """Remove a track's folder."""
        shutil.rmtree(self.of(track_id), ignore_errors=True)


def _id_of(name: str) -> bytes | None:
    """Return the id of the track in a folder of this name."""
    try:
        track_id = bytes.fromhex(name)
    except ValueError:
        return None
    return track_id if track_id.hex() == name else None
