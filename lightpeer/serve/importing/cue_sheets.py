"""Music files that hold many tracks: how the cue sheets beside or inside them divide them.

A part of a file has a path of its own (`library/paths.py`), and a key that its file and its sheet make. With
these it is found, imported, noticed when it changes and forgotten as a file is. A sheet that does not fit its
file divides nothing: that is told, and the file is one track.

A folder's sheets are its files that end in `.cue`; links are not followed, and a sheet divides files in its
own folder alone. Of two that divide one file the first by name counts, and both count before one within the
file, for which FLAC has two places: a tag, and a block without titles.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple

from lightpeer.core.content.cue_sheet import (
    MAX_SHEET_BYTES,
    TICKS_PER_S,
    CueFile,
    CueSheet,
    CueTrack,
    parse_cue_untrusted,
)
from lightpeer.errors import BadMessageError, MissingLibraryError
from lightpeer.serve.importing.decoders import MUSIC_SUFFIXES
from lightpeer.serve.importing.stored_tags import by_mutagen
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.paths import file_and_part, part_path

_WHOLE: Final = ": the file is imported as one track"
_INSIDE: Final = frozenset({".flac"})
_REMEMBERED: Final = 1 << 14  # files that were looked into, for the next look
NO_SHEET: Final = CueSheet("", "", 0, 0, ())


class Part(NamedTuple):
    """A part of a file: its track, its end in ticks (None: the file's), and of how many it is one."""

    track: CueTrack
    end_ticks: int | None
    parts: int
    sheet: CueSheet

    @property
    def start_s(self) -> Fraction:
        """Where it begins, in seconds."""
        return Fraction(self.track.start_ticks, TICKS_PER_S)

    @property
    def end_s(self) -> Fraction | None:
        """Where it ends, None with the file."""
        return None if self.end_ticks is None else Fraction(self.end_ticks, TICKS_PER_S)


class Division(NamedTuple):
    """How a sheet divides a file; `size` and `mtime_ns` are the sheet's, 0 for one that is in the file."""

    sheet: CueSheet
    tracks: tuple[CueTrack, ...]
    size: int = 0
    mtime_ns: int = 0

    def keys(self, file: SourceKey) -> list[SourceKey]:
        """Return the keys of a file's parts: other ones if the file or the sheet changes."""
        size, mtime_ns = file.size + self.size, max(file.mtime_ns, self.mtime_ns)
        path = Path(os.fsdecode(file.path))
        paths = (os.fsencode(part_path(path, track.number)) for track in self.tracks)
        return [SourceKey(path, size, mtime_ns) for path in paths]

    def part(self, number: int) -> Part | None:
        """Return the part that has a number."""
        for track, following in zip(self.tracks, (*self.tracks[1:], None), strict=True):
            if track.number == number:
                end_ticks = following.start_ticks if following else None
                return Part(track, end_ticks, len(self.tracks), self.sheet)
        return None


class Sheets:
    """The sheets of one folder.

    Attributes:
        folder: the folder.
        wrong: the sheets that divide nothing though they mean to, with the reasons.
    """

    def __init__(self, folder: Path) -> None:
        """Read the sheets that are in the folder now."""
        self.folder = folder
        self.wrong: list[tuple[Path, str]] = []
        self._divisions: dict[str, Division] = {}
        names = _names_in(folder)
        for name in names:
            if name.lower().endswith(".cue"):
                self._read(folder / name, names)

    def of(self, file: Path) -> Division | None:
        """Return how a sheet divides a file in this folder."""
        return self._divisions.get(file.name)

    def _read(self, path: Path, names: list[str]) -> None:
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                sheet = parse_cue_untrusted(file.read(MAX_SHEET_BYTES + 1))
            for found in filter(_is_divided, sheet.files):
                name = _named(found.name, names)
                _require_within(found.tracks, path.with_name(name))
                division = Division(sheet, found.tracks, status.st_size, status.st_mtime_ns)
                self._divisions.setdefault(name, division)
        except OSError as error:
            self.wrong.append((path, f"it cannot be read: {error.strerror}"))
        except BadMessageError as error:
            self.wrong.append((path, f"{error}{_WHOLE}"))


def division_of(file: Path) -> Division | None:
    """Return how a file is divided now, None if it is one track."""
    if division := Sheets(file.parent).of(file):
        return division
    try:
        key = SourceKey.of(file, file.stat())
    except OSError:
        return None
    return division_inside(key)[0]


@lru_cache(maxsize=_REMEMBERED)
def division_inside(key: SourceKey) -> tuple[Division | None, str]:
    """Return how a sheet inside a file divides it, if one does, and what is wrong with that sheet, or ""."""
    file = Path(os.fsdecode(key.path))
    if file.suffix.lower() not in _INSIDE:
        return None, ""
    try:
        sheet = _sheet_inside(file)
        for found in filter(_is_divided, sheet.files):
            _require_within(found.tracks, file)
            return Division(sheet, found.tracks), ""
    except BadMessageError as error:
        return None, f"the cue sheet in it is wrong, as {error}{_WHOLE}"
    return None, ""


def part_of(path: Path) -> Part | None:
    """Return the part that a path is of; None if it is a file's, or if that is not divided so any more."""
    file, number = file_and_part(path)
    division = division_of(file) if number else None
    return division.part(number) if division else None


def key_of(path: Path) -> SourceKey | None:
    """Return the key of an ordinary file, or a part of one, that is there."""
    file, number = file_and_part(path)
    key = SourceKey.of_file(file)
    if key is None or not number:
        return key
    division = division_of(file)
    keys = division.keys(key) if division else []
    return next((key for key in keys if key.path == os.fsencode(path)), None)


def _names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder, in order."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if _is_ordinary(entry))
    except OSError:
        return []  # the look through the folders tells


def _is_ordinary(entry: os.DirEntry[str]) -> bool:
    is_link_to_music = entry.is_symlink() and PurePath(entry.name).suffix.lower() in MUSIC_SUFFIXES
    return is_link_to_music or entry.is_file(follow_symlinks=False)


def _is_divided(file: CueFile) -> bool:
    return len(file.tracks) > 1


def _named(name: str, names: list[str]) -> str:
    """Return the file that a sheet names: by its name, or else by that without its suffix.

    A sheet is mostly written for a WAV file, which was compressed later.
    """
    folded = _folded(name)
    music = [n for n in names if PurePath(n).suffix.lower() in MUSIC_SUFFIXES]
    same = [n for n in music if _folded(n) == folded]
    same = same or [n for n in music if _folded(_stem(n)) == _folded(_stem(name))]
    if name in same or len(same) == 1:
        return name if name in same else same[0]
    raise BadMessageError("the file that it divides is not beside it")


def _stem(name: str) -> str:
    """Return a name without its suffix, and with all folders that it names."""
    return name.rpartition(".")[0] or name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _require_within(tracks: tuple[CueTrack, ...], file: Path) -> None:
    """Raise BadMessageError if a track begins after a file's end, where that is known."""
    length_s = _length_s(file)
    if length_s is not None and tracks[-1].start_ticks >= length_s * TICKS_PER_S:
        raise BadMessageError("its times go beyond the end of the file")


def _length_s(file: Path) -> float | None:
    with suppress(MissingLibraryError):
        info = getattr(by_mutagen(file), "info", None)
        return getattr(info, "length", 0.0) or None
    return None


def _sheet_inside(file: Path) -> CueSheet:
    """Return the sheet in a FLAC file, an empty one if it has none; raise BadMessageError if it is wrong."""
    flac = None
    with suppress(MissingLibraryError):
        flac = by_mutagen(file)
    texts = (getattr(flac, "tags", None) or {}).get("cuesheet", [])
    if texts:
        return parse_cue_untrusted(texts[0].encode("utf-8", "replace"))
    block = getattr(flac, "cuesheet", None)
    tracks = tuple(_tracks_of(block, flac.info.sample_rate)) if flac and block else ()
    return NO_SHEET._replace(files=(CueFile(file.name, tracks),))


def _tracks_of(block: Any, rate: int) -> Iterator[CueTrack]:
    """Yield the tracks of a CUESHEET block whose numbers and times rise; its last entry is the end."""
    number, start_ticks = 0, -1
    for track in block.tracks:
        begins = [index.index_offset for index in track.indexes if index.index_number == 1]
        at = (track.start_offset + begins[0]) * TICKS_PER_S // rate if begins else -1
        if number < track.track_number <= 99 and at > start_ticks:
            number, start_ticks = track.track_number, at
            yield CueTrack(number, start_ticks, "", "")
