"""Cue sheets: where the tracks lie in a file that holds many, and what they are called.

A sheet names files, and for each its tracks: a track begins at its INDEX 01, and ends where the next one of
the same file begins. Times are minutes, seconds and 75ths of a second. What a sheet says beyond that is
passed over. A sheet may be anybody's, so everything is bounded, and one that contradicts itself is refused.

Source: the "Cue sheet commands" of CDRWIN's user guide, and the REM lines of Exact Audio Copy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lightpeer.core.trust.bounds import MAX_TEXT_CHARS
from lightpeer.errors import BadMessageError

MAX_SHEET_BYTES: Final = 256 * 1024  # in UTF-16 too
TICKS_PER_S: Final = 75  # a CD's frames; "frame" has another meaning in sound
_LINE: Final = re.compile(r"\s*(REM\s+\w+|\w+)\s+(.*?)\s*", re.ASCII | re.IGNORECASE)
_FILE: Final = re.compile(r'"([^"]+)".*|(.+?)(?:\s+(?:WAVE|MP3|AIFF|BINARY|MOTOROLA|FLAC))?', re.IGNORECASE)
_NUMBER: Final = re.compile(r"([0-9]{1,2})\b.*")
_YEAR: Final = re.compile(r"\D*([0-9]{4})\b.*")
_INDEX: Final = re.compile(r"0?1\s+([0-9]{1,4}):([0-5][0-9]):([0-6][0-9]|7[0-4])")


class CueTrack(NamedTuple):
    """A track of a file: its number, where it begins in ticks, and its title and performer, or "" ."""

    number: int
    start_ticks: int
    title: str
    performer: str


class CueFile(NamedTuple):
    """A file as a sheet names it, and its tracks in their order."""

    name: str
    tracks: tuple[CueTrack, ...]


class CueSheet(NamedTuple):
    """A sheet: its album's title, performer, year and disc (0 and "" for what is not known), and files."""

    title: str
    performer: str
    year: int
    disc: int
    files: tuple[CueFile, ...]


def parse_cue_untrusted(data: bytes) -> CueSheet:
    """Return what a cue sheet says; raise BadMessageError if it is too large or contradicts itself."""
    if len(data) > MAX_SHEET_BYTES:
        raise BadMessageError(f"it is larger than {MAX_SHEET_BYTES // 1024} kB")
    reader = _Reader()
    for line in _text_of(data).splitlines():
        if match := _LINE.fullmatch(line):
            reader.read("".join(match[1].upper().split()), match[2])
    return reader.sheet()


def _text_of(data: bytes) -> str:
    """Return a sheet's text: UTF-16 if it says so, UTF-8 if it is that, else as Windows had it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


@dataclass(slots=True)
class _Entry:
    """A track, or the album, as far as it has been read."""

    number: int = 0
    start_ticks: int = -1
    title: str = ""
    performer: str = ""


@dataclass(slots=True)
class _Reader:
    """Takes a sheet's lines, one after the other."""

    album: _Entry = field(default_factory=_Entry)
    year: int = 0
    disc: int = 0
    files: list[tuple[str, list[_Entry]]] = field(default_factory=list)
    entry: _Entry = field(default_factory=_Entry)  # that titles belong to

    def __post_init__(self) -> None:
        self.entry = self.album

    def read(self, command: str, rest: str) -> None:
        match command:
            case "FILE" if name := _FILE.fullmatch(rest):
                self.files.append(((name[1] or name[2])[:MAX_TEXT_CHARS], []))
            case "TRACK":
                self.end_track()
                self.entry = _Entry(int(number[1]) if (number := _NUMBER.fullmatch(rest)) else 0)
            case "INDEX" if time := _INDEX.fullmatch(rest):
                self._begin(*map(int, time.groups()))
            case "TITLE":
                self.entry.title = _unquoted(rest)
            case "PERFORMER":
                self.entry.performer = _unquoted(rest)
            case "REMDATE" if year := _YEAR.fullmatch(rest):
                self.year = int(year[1])
            case "REMDISCNUMBER" if number := _NUMBER.fullmatch(_unquoted(rest)):
                self.disc = int(number[1])

    def _begin(self, minutes: int, seconds: int, ticks: int) -> None:
        """Have the track begin in the file that was named last, which may be later than its TRACK line."""
        if not self.files or self.entry is self.album:
            raise BadMessageError("it has a time that belongs to no track of a file")
        tracks = self.files[-1][1]
        number, start_ticks = (tracks[-1].number, tracks[-1].start_ticks) if tracks else (0, -1)
        self.entry.start_ticks = (60 * minutes + seconds) * TICKS_PER_S + ticks
        if self.entry.number <= number or self.entry.start_ticks <= start_ticks:
            raise BadMessageError("its tracks or their times do not rise")
        tracks.append(self.entry)

    def end_track(self) -> None:
        if self.entry is not self.album and self.entry.start_ticks < 0:
            raise BadMessageError("it has a track without a beginning")

    def sheet(self) -> CueSheet:
        self.end_track()
        files = [CueFile(name, tuple(map(_track, tracks))) for name, tracks in self.files]
        return CueSheet(self.album.title, self.album.performer, self.year, self.disc, tuple(files))


def _track(entry: _Entry) -> CueTrack:
    return CueTrack(entry.number, entry.start_ticks, entry.title, entry.performer)


def _unquoted(text: str) -> str:
    """Return a text without the quotes around it."""
    return text.removeprefix('"').removesuffix('"').strip()[:MAX_TEXT_CHARS]
