"""A track as remote controls see it: its tags by MPD's names, and the lines that describe it.

Clients are offered the tags that tracks of this network have (`TAGS`). They may ask for any that MPD knows,
and some do so whatever they were offered: no track has one of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.mpd.arguments import iso_time
from lightpeer.core.mpd.wire import Ack, Lines, pair
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FORMAT: Final = "48000:16:2"


class Song(NamedTuple):
    """A track.

    Attributes:
        uri: its id, `loud:…`; of what is still to be found, the words.
        title: as its publisher wrote it, like artist and album.
        artist: the artist.
        album: the album.
        album_artist: whose album it is, where that is not the artist.
        track: its number on the disc; this and what follows is 0 where it is not known.
        disc: the disc's.
        year: when the album came out.
        duration_s: its length.
        added_s: when it was first seen, in seconds since 1970.
    """

    uri: str
    title: str = ""
    artist: str = ""
    album: str = ""
    album_artist: str = ""
    track: int = 0
    disc: int = 0
    year: int = 0
    duration_s: float = 0.0
    added_s: float = 0.0


TAGS: Final[dict[str, Callable[[Song], str]]] = {
    "Artist": lambda song: song.artist,
    "Album": lambda song: song.album,
    "AlbumArtist": lambda song: song.album_artist,
    "Title": lambda song: song.title,
    "Track": lambda song: str(song.track or ""),
    "Disc": lambda song: str(song.disc or ""),
    "Date": lambda song: str(song.year or ""),
}
_OTHERS: Final = (
    "ArtistSort", "AlbumSort", "AlbumArtistSort", "TitleSort", "Name", "Genre", "Mood", "OriginalDate",
    "Composer", "ComposerSort", "Performer", "Conductor", "Work", "Ensemble", "Movement", "MovementNumber",
    "ShowMovement", "Location", "Grouping", "Comment", "Label", "MUSICBRAINZ_ARTISTID", "MUSICBRAINZ_ALBUMID",
    "MUSICBRAINZ_ALBUMARTISTID", "MUSICBRAINZ_TRACKID", "MUSICBRAINZ_RELEASETRACKID", "MUSICBRAINZ_WORKID",
    "MUSICBRAINZ_RELEASEGROUPID",
)  # fmt: skip
_BY_FOLDED: Final = {name.lower(): name for name in (*TAGS, *_OTHERS)}
_INSTEAD: Final = {
    "AlbumArtist": "Artist",
    "ArtistSort": "Artist",
    "AlbumSort": "Album",
    "AlbumArtistSort": "AlbumArtist",
    "TitleSort": "Title",
}
"""What a tag is taken to be where a track does not have it, as in MPD."""


def tag_named(text: str) -> str | None:
    """Return MPD's spelling of a tag's name; None: it knows no such tag."""
    return _BY_FOLDED.get(text.lower())


def checked_tag(text: str) -> str:
    """Return MPD's spelling of a tag's name; raise CommandError if it knows no such tag."""
    name = tag_named(text)
    if name is None:
        raise CommandError(Ack.ARG, f"Unknown tag type: {text}")
    return name


def value_of(song: Song, tag: str) -> str:
    """Return a tag of a song, or what it is taken to be; empty if it has none."""
    value = TAGS[tag](song) if tag in TAGS else ""
    return value or (value_of(song, _INSTEAD[tag]) if tag in _INSTEAD else "")


def song_lines(song: Song, tags: Collection[str], place: tuple[int, int] | None = None) -> Lines:
    """Return the lines that describe a song.

    Args:
        song: the song.
        tags: those that the client wants to see.
        place: its place and its id in the queue; None: it is not of the queue.
    """
    lines = [pair("file", song.uri)]
    if song.added_s:
        lines += [pair("Last-Modified", iso_time(song.added_s)), pair("added", iso_time(song.added_s))]
    lines.append(pair("Format", FORMAT))
    lines += [pair(tag, value) for tag, get in TAGS.items() if tag in tags and (value := get(song))]
    if song.duration_s:
        lines += [f"Time: {round(song.duration_s)}", f"duration: {song.duration_s:.3f}"]
    if place is not None:
        lines += [f"Pos: {place[0]}", f"Id: {place[1]}"]
    return lines
