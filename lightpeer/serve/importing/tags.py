"""Title, artist, album, place on it and stored gain of a music file, from its tags or else its name.

Of a part of a file the cue sheet comes first, and what that leaves out is the file's.

A file with unreadable tags has none; the decoder finds out whether it can be played.

A number in front of a name may be the track's, or part of the name (`99 Luftballons`). It is the track's
where it is written like one, or where a file beside it has the number before or after. A file without any
tag that is numbered so, two folders or more below the music folder, is taken for `Artist/Album/07 Title`; a
folder such as `CD 2` between these is a disc.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from lightpeer.console.text import clean
from lightpeer.core.content.album import NOWHERE, AlbumPlace
from lightpeer.core.trust.bounds import MAX_TEXT_CHARS
from lightpeer.serve.importing.cue_sheets import part_of
from lightpeer.serve.importing.stored_tags import stored_tags
from lightpeer.serve.library.paths import file_and_part

_R128_TO_REPLAYGAIN_Q8 = 5 * 256  # R128_TRACK_GAIN aims at -23 LUFS, the manifest at -18
_MAX_GAIN_Q8 = 24 * 256  # a greater one is a broken tag
_TRACK_NUMBER = re.compile(r"([0-9]{1,3})(?:(\.\s*|\s+-\s+)|\s+)(?=\S)")
_MAX_NUMBER = 9999  # of a track or disc
_DISC = re.compile(r"(?:cd|dis[ck])[ .-]*([0-9]{1,2})", re.IGNORECASE)
_YEAR = re.compile(r"[0-9]{4}")
_NUMBERS = re.compile(r"\s*(\d{1,5})\s*(?:/\s*(\d{1,5})\s*)?")  # of so many
_DECIBELS = re.compile(r"\s*([+-]?\d{1,3}(?:\.\d+)?)\s*(?:dB)?\s*", re.IGNORECASE)
_Q8 = re.compile(r"\s*([+-]?\d{1,5})\s*")


@dataclass(frozen=True, slots=True)
class Tags:
    """A file's tags; `gain_q8_db` (1/256 dB, to -18 LUFS) is None where there is none."""

    title: str
    artist: str = ""
    album: str = ""
    gain_q8_db: int | None = None
    place: AlbumPlace = NOWHERE


def read_tags(path: Path, roots: Sequence[Path] = ()) -> Tags:
    """Return the tags of a file, completed by its name, or of a part of one.

    `roots` are the music folders, below which the names of folders say something.
    """
    file, number = file_and_part(path)
    stored = stored_tags(file)
    title, artist, album, album_artist = (
        _tidy(", ".join(stored.get(name, ()))) for name in ("title", "artist", "album", "albumartist")
    )
    if number:
        place = _place_of(stored, album_artist or artist)
        return _tags_of_part(path, Tags(title, artist, album, place=place))
    artist = artist or album_artist
    if not (title or artist or album):
        return replace(tags_from_path(path, roots), gain_q8_db=gain_from_tags(stored))
    if not title:
        named = tags_from_name(path)
        title, artist = named.title, artist or named.artist
    place = _place_of(stored, "" if album_artist == artist else album_artist)  # it goes without saying
    return Tags(title, artist, album, gain_from_tags(stored), place)


def _tags_of_part(path: Path, of_file: Tags) -> Tags:
    """Return the tags of a part of a file, whose own have the album's artist in any case."""
    part = part_of(path)
    if part is None:
        return tags_from_name(path)  # its import says that it is no more
    (number, _, title, performer), sheet, place = part.track, part.sheet, of_file.place
    album_artist = _tidy(sheet.performer) or place.album_artist
    artist = _tidy(performer) or album_artist
    return Tags(
        _tidy(title) or f"Track {number}",
        artist,
        _tidy(sheet.title) or of_file.album,
        place=AlbumPlace(
            track=number,
            disc=sheet.disc or place.disc,
            tracks=part.parts,
            album_artist="" if album_artist == artist else album_artist,
            year=sheet.year or place.year,
        ),
    )


def _place_of(stored: Mapping[str, list[str]], album_artist: str) -> AlbumPlace:
    """Return where a track stands on its album; what no album can have is left out."""
    track, tracks = _numbers(stored, "tracknumber")
    disc, _ = _numbers(stored, "discnumber")
    total, _ = _numbers(stored, "tracktotal")
    year = _YEAR.match("".join(stored.get("date", [])[:1]).strip())
    return AlbumPlace(track, disc, tracks or total, album_artist, int(year[0]) if year else 0)


def _numbers(stored: Mapping[str, list[str]], name: str) -> tuple[int, int]:
    """Return a number and of how many it is one, as in `3/12`; 0 for what is not known."""
    found = _NUMBERS.fullmatch("".join(stored.get(name, [])[:1]))
    number, of = (int(text or 0) for text in found.groups()) if found else (0, 0)
    return number if number <= _MAX_NUMBER else 0, of if of <= _MAX_NUMBER else 0


def tags_from_path(path: Path, roots: Sequence[Path] = ()) -> Tags:
    """Return what `Artist/Album/07 Title.ext` says, as far as these are folders below one of the roots."""
    named, (number, _) = tags_from_name(path), _numbered(path)
    levels = max((len(path.relative_to(root).parts) - 1 for root in roots if root in path.parents), default=0)
    folders = [_tidy(_readable(folder.name)) for folder in path.parents[:levels]]
    disc = _DISC.fullmatch(folders[0]) if folders else None
    album, album_artist, *_ = [*folders[1 if disc else 0 :], "", ""]
    if not number or not album_artist:
        return named
    artist = named.artist or album_artist
    place = AlbumPlace(number, int(disc[1]) if disc else 0)
    if artist != album_artist:  # else it goes without saying
        place = place._replace(album_artist=album_artist)
    return Tags(named.title, artist, album, place=place)


def tags_from_name(path: Path) -> Tags:
    """Return title and artist as `Artist - Title.ext` or `07 Title.ext` gives them."""
    _, words = _numbered(path)
    artist, dash, title = words.partition(" - ")
    if dash and artist.strip() and title.strip():
        return Tags(title.strip(), artist.strip())
    return Tags(words or _tidy(_readable(path.stem)) or "untitled")


def _numbered(path: Path) -> tuple[int, str]:
    """Return the track's number that a name begins with, 0 if it has none, and the rest of the name."""
    stem = _tidy(_readable(path.stem))
    if (number := _TRACK_NUMBER.match(stem)) and (_is_track_number(number) or _has_next(path, number[1])):
        return int(number[1]), stem[number.end() :]
    return 0, stem


def _readable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace").replace("_", " ")


def _is_track_number(number: re.Match[str]) -> bool:
    """Return whether a number is written as tracks are counted: `07`, `7.`, `7 - `."""
    return number[1].startswith("0") or bool(number[2])


def _has_next(path: Path, number: str) -> bool:
    """Return whether a file in the same folder has the number before or after."""
    try:
        numbers = _numbers_in(path.parent, path.parent.stat().st_mtime_ns)
    except OSError:
        return False
    return not numbers.isdisjoint({int(number) - 1, int(number) + 1})


@lru_cache(maxsize=1)  # files of one folder come one after the other
def _numbers_in(folder: Path, _mtime_ns: int) -> frozenset[int]:
    """Return the numbers that names in a folder begin with."""
    with os.scandir(folder) as entries:
        found = (_TRACK_NUMBER.match(entry.name.replace("_", " ")) for entry in entries)
        return frozenset(int(number[1]) for number in found if number)


def gain_from_tags(other: Mapping[str, list[str]]) -> int | None:
    """Return the gain in 1/256 dB that R128_TRACK_GAIN (RFC 7845, 5.2.1) or ReplayGain tags give, or None."""
    fields = {name.lower(): values[0] for name, values in other.items() if values}
    if match := _Q8.fullmatch(str(fields.get("r128_track_gain", ""))):
        gain = int(match[1]) + _R128_TO_REPLAYGAIN_Q8
    elif match := _DECIBELS.fullmatch(str(fields.get("replaygain_track_gain", ""))):
        gain = round(float(match[1]) * 256)
    else:
        return None
    return gain if abs(gain) <= _MAX_GAIN_Q8 else None


def _tidy(text: str | None) -> str:
    """Return a tag as one line of valid Unicode, without control characters."""
    valid = (text or "").encode("utf-8", "replace").decode()
    return " ".join(clean(valid).split())[:MAX_TEXT_CHARS]
