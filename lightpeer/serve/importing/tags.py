"""Title, artist, album, place on it and stored gain of a music file, from its tags or else its name.

Tags are read by tinytag, imported when the first file is. Nothing here fails: a
file with unreadable tags has none; the decoder finds out whether it can be played.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightpeer.console.text import clean
from lightpeer.core.content.album import NOWHERE, AlbumPlace
from lightpeer.core.trust.bounds import MAX_TEXT_CHARS

if TYPE_CHECKING:
    from tinytag import TinyTag

_R128_TO_REPLAYGAIN_Q8 = 5 * 256  # R128_TRACK_GAIN aims at -23 LUFS, the manifest at -18
_MAX_GAIN_Q8 = 24 * 256  # a greater one is a broken tag
_TRACK_NUMBER = re.compile(r"^\d{1,3}(?:\.\s*|\s+-\s+|\s+)(?=\S)")
_MAX_NUMBER = 9999  # of a track or disc
_YEAR = re.compile(r"[0-9]{4}")
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


def read_tags(path: Path) -> Tags:
    """Return the file's tags, completed by its name."""
    title, artist, album, other, place = _stored_tags(path)
    if not title:
        named = tags_from_name(path)
        title, artist = named.title, artist or named.artist
    if place.album_artist == artist:  # which goes without saying
        place = place._replace(album_artist="")
    return Tags(title, artist, album, gain_from_tags(other), place)


def _stored_tags(path: Path) -> tuple[str, str, str, Mapping[str, list[str]], AlbumPlace]:
    from tinytag import TinyTag  # only an import needs it

    try:
        tag = TinyTag.get(path, duration=False)
    except Exception:  # noqa: BLE001 - a parser of hostile files raises anything
        return "", "", "", {}, NOWHERE
    return _tidy(tag.title), _tidy(tag.artist), _tidy(tag.album), tag.other, _place_of(tag)


def _place_of(tag: TinyTag) -> AlbumPlace:
    """Return where a track stands on its album; what no album can have is left out."""
    year = _YEAR.match(str(tag.year or ""))
    return AlbumPlace(
        track=_number(tag.track),
        disc=_number(tag.disc),
        tracks=_number(tag.track_total),
        album_artist=_tidy(tag.albumartist),
        year=int(year[0]) if year else 0,
    )


def _number(value: int | None) -> int:
    return value if value and 0 < value <= _MAX_NUMBER else 0


def tags_from_name(path: Path) -> Tags:
    """Return title and artist as `Artist - Title.ext` or `07 Title.ext` gives them."""
    stem = _tidy(os.fsencode(path.stem).decode("utf-8", "replace").replace("_", " "))
    words = _TRACK_NUMBER.sub("", stem)
    artist, dash, title = words.partition(" - ")
    if dash and artist.strip() and title.strip():
        return Tags(title.strip(), artist.strip())
    return Tags(words or stem or "untitled")


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
