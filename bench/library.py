"""Libraries of made-up tracks, as large as a measurement wants them, laid down as an import would.

Manifests, segment tables and the index are true; the segments are noise. Tracks of one length
share a few files of segments (hard links), and differ in their titles, and so in their ids.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from bench.index import Titles
from bench.links.track import KBPS
from lightpeer.core.content.manifest import (
    SAMPLE_RATE,
    TABLE_SEGMENTS,
    Description,
    build_manifest,
    build_table,
    track_id_of,
)
from lightpeer.serve.library.index import Index, IndexHit
from lightpeer.serve.library.library import DEFAULT_COMPLEXITY, FORMAT, Library

RECIPE = f"{FORMAT}:{KBPS}@{DEFAULT_COMPLEXITY}"  # of the server that `serve_command` starts
HEADER = b"header"
DIFFERENT = 60  # segments; a rendition repeats them
FILES_A_FOLDER = 20


class Sound:
    """A rendition on disk, for several tracks to share."""

    def __init__(self, folder: Path, kbps: int, seconds: int, seed: int) -> None:
        random = Random(seed)
        segments = [random.randbytes(int(kbps * 125 * random.uniform(0.9, 1.1))) for _ in range(DIFFERENT)]
        all_segments = [segments[number % DIFFERENT] for number in range(seconds)]
        firsts = range(0, seconds, TABLE_SEGMENTS)
        tables = [build_table(all_segments[first : first + TABLE_SEGMENTS]) for first in firsts]
        self.rendition = (kbps * 1000, HEADER, tables)
        self.seconds = seconds
        self.opus, self.tables = folder / f"{seed}.opus", folder / f"{seed}.tables"
        folder.mkdir(parents=True, exist_ok=True)
        self.opus.write_bytes(HEADER + b"".join(all_segments))
        self.tables.write_bytes(b"".join(tables))


def make_library(state: Path, music: Path, count: int, sounds: list[Sound], *, linked: bool) -> list[bytes]:
    """Lay down so many tracks in a state directory, and the files that they were made of; return their ids.

    Where not `linked`, tracks are manifests alone: they start and are found, but do not play.
    """
    music.mkdir(parents=True)
    Library(state, music, (KBPS,)).close()
    titles, ids, entries = Titles(), [], []
    with closing(sqlite3.connect(state / "library.db")) as database:
        for number in range(count):
            sound = sounds[number % len(sounds)]
            title, artist, album = titles.words(1, 5), titles.words(1, 3), titles.words(1, 4)
            manifest = build_manifest(
                Description(
                    title=f"{title} {number}",
                    artist=artist,
                    album=album,
                    duration_samples=sound.seconds * SAMPLE_RATE,
                    gain_q8_db=0,
                    segment_count=sound.seconds,
                ),
                renditions=[sound.rendition],
            )
            ids.append(track_id_of(manifest))
            folder = state / "tracks" / ids[-1].hex()
            folder.mkdir()
            (folder / "manifest").write_bytes(manifest)
            if linked:
                (folder / "0.opus").hardlink_to(sound.opus)
                (folder / "0.tables").hardlink_to(sound.tables)
            path = music / f"{number // FILES_A_FOLDER:05}" / f"{number:06} - {title}.flac"
            path.parent.mkdir(exist_ok=True)
            path.touch()
            row = (os.fsencode(path), 0, path.stat().st_mtime_ns, RECIPE, ids[-1])
            database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", row)
            duration_ms = sound.seconds * 1000
            entries.append(IndexHit(ids[-1], f"{title} {number}", artist, album, duration_ms, (KBPS,)))
        database.commit()
    with closing(Index(state / "index.db")) as index:
        for first in range(0, count, 1000):
            index.add_all(entries[first : first + 1000])
    return ids


def drop_from_memory(paths: Iterator[Path]) -> None:
    """Have the system forget what it holds of files, so that they are read from the disk.

    What is not written yet it cannot forget: `os.sync` comes first.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
