"""Playlists: an extended M3U in UTF-8 (m3u8), with a `loud:` uri for each track.

A playlist is how tracks are handed on, and how lists are kept between runs: the one shown last, favourites,
what was heard. Lines that are neither a track of this network nor a comment (files, web addresses) are
counted, and passed over; they stay where they are when a list is changed. Everything is bounded, since a
playlist may come from anybody.

Source: the "M3U" file format as VLC and mpv read it: `#EXTINF:seconds,Artist - Title` before each entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.content.uri import is_uri, named_track
from lightpeer.core.trust.bounds import MAX_TEXT_CHARS
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

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
    *blocks, _ = _blocks_untrusted(data)
    entries = [block.entry for block in blocks if block.entry is not None][:MAX_ENTRIES]
    return Playlist(tuple(entries), len(blocks) - len(entries))


def edited_playlist_untrusted(data: bytes, removed: Container[str], added: Iterable[Entry]) -> str:
    """Return a playlist without some tracks and with others at its end; its other lines stay.

    Args:
        data: the playlist.
        removed: the uris of the tracks that are to go.
        added: the tracks that are to come.

    Raises:
        BadMessageError: it is too large or no UTF-8.
    """
    lines = [line for block in _blocks_untrusted(data) for line in block.lines_without(removed)]
    head, *new = build_playlist(added).splitlines()
    return "\n".join([head, *(line for line in lines if line.strip() != head), *new]) + "\n"


class _Block(NamedTuple):
    """An entry with the comments before it; None is an entry of others, or the comments after the last."""

    lines: list[str]
    entry: Entry | None

    def lines_without(self, removed: Container[str]) -> list[str]:
        """Return the lines, less those of a track that is to go."""
        if self.entry is None or self.entry.uri not in removed:
            return self.lines
        return [line for line in self.lines[:-1] if not _INFO.fullmatch(line.strip())]


def _blocks_untrusted(data: bytes) -> list[_Block]:
    """Return all entries of a playlist, and what follows the last; raise BadMessageError."""
    if len(data) > MAX_PLAYLIST_BYTES:
        raise BadMessageError(f"a playlist of more than {MAX_PLAYLIST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadMessageError("a playlist that is not UTF-8 text") from error
    blocks = [_Block([], None)]
    label, duration_s = "", 0
    for whole_line in text.splitlines():
        blocks[-1].lines.append(whole_line)
        line = whole_line.strip()
        if match := _INFO.fullmatch(line):
            label = _on_one_line(match[2])[: 2 * MAX_TEXT_CHARS].strip()
            duration_s = max(0, int(match[1]))
        elif line and not line.startswith("#"):
            is_track = is_uri(line) and named_track(line) is not None
            blocks[-1] = _Block(blocks[-1].lines, Entry(line, label, duration_s) if is_track else None)
            blocks.append(_Block([], None))
            label, duration_s = "", 0
    return blocks


def _on_one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
