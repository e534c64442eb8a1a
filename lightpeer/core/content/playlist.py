"""Playlists: an extended M3U in UTF-8 (m3u8), with a `loud:` uri for each track.

A playlist is how tracks are handed on, and how lists are kept between runs: the one shown last, favourites,
what was heard. Lines that are neither a track of this network nor a comment (files, web addresses) are
counted, and passed over. Everything is bounded, since a playlist may come from anybody.

Source: the "M3U" file format as VLC and mpv read it: `#EXTINF:seconds,Artist - Title` before each entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.content.uri import is_uri, named_track
from lightpeer.core.trust.bounds import MAX_TEXT_CHARS
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ENTRIES: Final = 10_000
MAX_PLAYLIST_BYTES: Final = 4_000_000
_HEAD: Final = "#EXTM3U"
_INFO: Final = re.compile(r"#EXTINF:\s*(-?\d{1,6})[^,]*,(.*)", re.ASCII)


class Entry(NamedTuple):
    """A track of a playlist.

    Attributes:
        uri: its id, `loud:…`.
        label: artist and title as people read them; empty if unknown.
        duration_s: its length; 0 if unknown.
    """

    uri: str
    label: str = ""
    duration_s: int = 0


class Playlist(NamedTuple):
    """What a playlist holds: its tracks, and how many other entries were passed over."""

    entries: tuple[Entry, ...]
    foreign: int = 0


def label_of(title: str, artist: str) -> str:
    """Return how a playlist names a track: `Artist - Title`."""
    return f"{artist} - {title}" if artist else title


def build_playlist(entries: Iterable[Entry]) -> str:
    """Return the text of a playlist."""
    lines = [_HEAD]
    for entry in entries:
        lines += [f"#EXTINF:{entry.duration_s or -1},{_on_one_line(entry.label)}", entry.uri]
    return "\n".join(lines) + "\n"


def parse_playlist_untrusted(data: bytes) -> Playlist:
    """Return what a playlist holds; raise BadMessageError if it is too large or no UTF-8."""
    if len(data) > MAX_PLAYLIST_BYTES:
        raise BadMessageError(f"a playlist of more than {MAX_PLAYLIST_BYTES} bytes")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadMessageError("a playlist that is not UTF-8 text") from error
    entries: list[Entry] = []
    foreign, label, duration_s = 0, "", 0
    for line in map(str.strip, lines):
        if match := _INFO.fullmatch(line):
            label = _on_one_line(match[2])[: 2 * MAX_TEXT_CHARS].strip()
            duration_s = max(0, int(match[1]))
        elif line and not line.startswith("#"):
            if is_uri(line) and named_track(line) is not None and len(entries) < MAX_ENTRIES:
                entries.append(Entry(line, label, duration_s))
            else:
                foreign += 1
            label, duration_s = "", 0
    return Playlist(tuple(entries), foreign)


def _on_one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
