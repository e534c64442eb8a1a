"""The imported tracks on disk, from which the server streams.

In the state directory:

    library.db             which file of the music folder became which track
    index.db               the words to search (index.py); can always be rebuilt
    waiting.db             the words of files that are not imported yet (waiting.py); begun anew at start
    incoming/<n>/          a track being made; emptied at start
    tracks/<id>/manifest   named by the track id in hexadecimal
    tracks/<id>/<n>.opus   rendition n as an ordinary Ogg Opus file: header, then its segments
    tracks/<id>/<n>.tables its segment tables as they are sent, one after the other

A track is made in `incoming` and moved into place by one rename, so that a track
folder is always whole. Then the database learns of it; a folder that the database
does not know is left from a crash in between, and is removed at start.

A track that the disk does not return as it was stored is set aside (`aside.py`): neither found nor opened.
The database notes damage, so that its file is imported again, in this run or the next.

Worker threads read (`track`, `index.search`) while another imports. Their shared state has locks that are
never held across slow work. The ids are all in memory for a moment only, at start, when folders, database
and index are compared.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from lightpeer.core.content.manifest import Track, parse_manifest_untrusted, track_id_of
from lightpeer.core.content.uri import TRACK_ID_BYTES
from lightpeer.core.lists.packed import PackedSet
from lightpeer.core.trust.bounds import MAX_RENDITIONS
from lightpeer.errors import StateError, UnreadableError, UsageError
from lightpeer.serve.library.aside import MAX_ASIDE
from lightpeer.serve.library.disk import claim
from lightpeer.serve.library.imported_files import ImportedFiles, SourceKey, only_in_one
from lightpeer.serve.library.index import Answer, Index, entry_of
from lightpeer.serve.library.open_tracks import OpenTracks
from lightpeer.serve.library.paths import absolute
from lightpeer.serve.library.renditions import Renditions
from lightpeer.serve.library.store import StoredTrack
from lightpeer.serve.library.track_folders import TrackFolders
from lightpeer.serve.library.waiting import Waiting
from lightpeer.serve.operator.settings import DEFAULT_LADDER_KBPS
from lightpeer.tasks.supervision import OnceLog

DEFAULT_COMPLEXITY = 10  # the slowest: an import happens once
FORMAT = 1  # increased when imports of most files give other bytes, so that all are repeated


class Library:
    """The tracks of one server. Only one process at a time may have a state directory open.

    Attributes:
        imported: which file became which track, and what scans note of files.
        index: the words to search.
        waiting: the words of files that are not imported yet.
        renditions: which of the upper ones are here.
    """

    def __init__(
        self,
        state_dir: Path,
        music_dir: Path,
        ladder: Sequence[int] = DEFAULT_LADDER_KBPS,
        complexity: int = DEFAULT_COMPLEXITY,
        cache_bytes: int | None = None,
    ) -> None:
        """Open or create the state directory.

        Args:
            state_dir: where everything of the server is kept.
            music_dir: the folder that a scan reads.
            ladder: the bitrates to offer in kbit/s, rising.
            complexity: how hard libopus tries, 0 to 10.
            cache_bytes: of the renditions that can be made again; None: no bound.

        Raises:
            UsageError: the ladder is not one to eight rising bitrates that Opus has.
            StateError: the state directory cannot be used, or another server uses it.
        """
        self.state_dir = state_dir
        self.music_dir = absolute(music_dir)
        self.ladder = _checked(ladder)
        self.complexity = complexity
        self._folders = TrackFolders(state_dir)
        self._log = OnceLog()
        self._adding = threading.Lock()  # one track after the other is put in place
        self._withdrawn = PackedSet(TRACK_ID_BYTES)
        self._lock = claim(state_dir)
        try:
            self.imported = ImportedFiles(state_dir / "library.db")
            self.index = Index(state_dir / "index.db")
            self.waiting = Waiting(state_dir / "waiting.db")
            files = self._folders, self.imported, self._adding
            self.renditions = Renditions(*files, self._recipe, cache_bytes)
            self._open = OpenTracks(self._folders, self.imported, self.renditions)
            self._recover()
            for track_id in self.imported.damaged_track_ids(MAX_ASIDE):
                self._open.aside.add(track_id, time.monotonic(), is_damaged=True)
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Close every file and let another server have the state directory."""
        self._open.close()
        self.index.close()
        self.waiting.close()
        self.imported.close()
        self._lock.close()

    # For serving.

    def track(self, track_id: bytes) -> StoredTrack | None:
        """Return a track that can be served, or None where this server does not have it."""
        return self._open.get(track_id)

    def track_ids(self) -> Iterator[bytes]:
        """Yield the ids of all tracks, rising."""
        return self.imported.track_ids()

    def search(self, query: str, limit: int) -> Answer:
        """Return the best hits among the tracks that can be served; where the index cannot be read, none."""
        try:
            found = self.index.search(query, limit)
            wanted = self.waiting.want(query, limit - len(found))
            if wanted and not found and self.waiting.wait_for(wanted[0]):
                found, wanted = self.index.search(query, limit), wanted[1:]
        except StateError as error:
            self._log.say("the index", error)
            return Answer([])
        now = time.monotonic()
        return Answer([hit for hit in found if not self._open.aside.holds(hit.track_id, now)], len(wanted))

    def count(self, query: str) -> int:
        """Return how many tracks have all words of `query`; 0 where the index cannot be read."""
        try:
            return self.index.count(query)
        except StateError as error:
            self._log.say("the index", error)
            return 0

    # For imports.

    @property
    def found_damaged(self) -> int:
        """How many times a track was found damaged that was not known to be, since the start."""
        return self._open.aside.found_damaged

    def damaged_files(self) -> list[bytes]:
        """Return the paths of the files of damaged tracks, which are to be imported again."""
        return self.imported.damaged_paths(MAX_ASIDE) if self._open.aside.has_damage() else []

    def note_found(self, keys: Sequence[SourceKey]) -> list[SourceKey]:
        """Note that files are there; return those to import.

        They are new or changed, or would now become another track.
        """
        return self.imported.note_found(keys, self._recipe)

    def track_of_content(self, digest: bytes) -> StoredTrack | None:
        """Return the track that a file with these bytes became, if it is here and sound."""
        track_id = self.imported.track_of_content(digest, self._recipe)
        return self.track(track_id) if track_id is not None else None

    def forget(self, path: bytes) -> bool:
        """Forget a file, and drop its track unless another file stands for it; return whether that is so."""
        with self._adding:
            track_id = self.imported.track_of(path)
            self.imported.remove(path)
            return self._drop_unless_used(track_id)

    def has_files_below(self, folder: Path) -> bool:
        """Return whether tracks were made of files in a folder, which may be gone."""
        return self.imported.has_any_below(os.fsencode(absolute(folder)).rstrip(b"/") + b"/")

    def bytes_below(self, path: bytes) -> int:
        """Return how many bytes the tracks of the files below a path have."""
        return self._folders.size_bytes(self.imported.track_ids_below(path + b"/"))

    def folder_of(self, track_id: bytes) -> Path:
        """Return a track's folder."""
        return self._folders.of(track_id)

    def workspace(self, number: int = 0) -> Path:
        """Return an empty folder to make a track in; the next call with this number empties it."""
        return self._folders.workspace(number)

    def add_again(self, key: SourceKey, track_id: bytes) -> None:
        """Note that one more file stands for a track, in place of the file's earlier one."""
        with self._adding:
            before = self.imported.track_of(key.path)
            self.imported.put(key, self._recipe, track_id)
            self._drop_unless_used(before)

    def add(self, key: SourceKey, workspace: Path, content: bytes | None = None) -> Track:
        """Add a finished track, in place of the file's earlier one.

        Args:
            key: the file's.
            workspace: the folder that the track was made in.
            content: the digest of the file's bytes, by which it is known again.

        Raises:
            StateError: the disk refuses; the library is then as it was.
            UnreadableError: the track was withdrawn; the file is not imported again as it is.
        """
        manifest = (workspace / "manifest").read_bytes()
        track = parse_manifest_untrusted(manifest, track_id_of(manifest))
        with self._adding:
            before = self.imported.track_of(key.path)
            is_sound = not self._open.aside.holds(track.track_id, time.monotonic())
            self._folders.place(track.track_id, workspace, is_sound=is_sound)
            self.index.add_all([entry_of(track)])
            self.imported.put(key, self._recipe, track.track_id)
            if content is not None:
                self.imported.note_content(content, self._recipe, track.track_id)
            self._open.renew(track.track_id)
            self.renditions.added(track.track_id)
            self._drop_unless_used(before)
            if track.track_id in self._withdrawn:
                self._withdraw(track.track_id)
                raise UnreadableError("its track was withdrawn here for good")
        return track

    # For the operator.

    def withdraw(self, track_ids: PackedSet) -> list[bytes]:
        """Drop these tracks for good, and import them no more; return those that were here.

        They replace the earlier list. Safe while another thread imports.
        """
        self._withdrawn = track_ids  # first: `add` checks the tracks that are added meanwhile
        here = [track_id for track_id in self.track_ids() if track_id in track_ids]
        for track_id in here:
            self._withdraw(track_id)
        return here

    def _withdraw(self, track_id: bytes) -> None:
        self.imported.withdraw(track_id)
        self._drop_unless_used(track_id)

    @property
    def _recipe(self) -> str:
        return f"{FORMAT}:{','.join(map(str, self.ladder))}@{self.complexity}"

    def _drop_unless_used(self, track_id: bytes | None) -> bool:
        """Remove a track without files; return whether it was. A running stream ends at its next segment."""
        if track_id is None or self.imported.has_track(track_id):
            return False
        self.index.remove(track_id)
        self._open.renew(track_id)
        self.renditions.gone(track_id)
        self._folders.remove(track_id)
        return True

    def _recover(self) -> None:
        """Make folders, database and index agree, however the last run ended."""
        self._folders.clear_workspace()
        lost = []
        for track_id, is_on_disk in only_in_one(iter(self._folders.ids()), self.track_ids()):
            if is_on_disk:
                self._folders.remove(track_id)
            else:
                lost.append(track_id)
        self.imported.remove_tracks(lost)
        self.index.agree_with(self.track_ids(), self._open.load)


def has_library(state_dir: Path) -> bool:
    """Return whether a library was ever opened there."""
    return (state_dir / "library.db").exists()


def _checked(ladder: Sequence[int]) -> tuple[int, ...]:
    rising = all(low < high for low, high in pairwise(ladder))
    if not (1 <= len(ladder) <= MAX_RENDITIONS and rising and ladder[0] >= 6 and ladder[-1] <= 256):
        raise UsageError("a ladder is one to eight bitrates from 6 to 256 kbit/s, rising, such as 24,48,96")
    return tuple(ladder)
