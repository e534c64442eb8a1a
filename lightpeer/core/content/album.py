"""Where a track stands on its album: what its publisher's tags say, in manifests and hits.

All of it is optional, and for people: it puts an album in order and names files. `proto/README.md`, sections
5 and 6, is the normative text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lightpeer.core.trust.bounds import MAX_TEXT_CHARS
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb


class AlbumPlace(NamedTuple):
    """A track's place; 0 and an empty text mean that nothing is known.

    Attributes:
        track: its number on its disc, from 1 on.
        disc: the disc's number, from 1 on.
        tracks: how many tracks the disc has.
        album_artist: whose album it is, where that is not the track's artist.
        year: when the album came out.
    """

    track: int = 0
    disc: int = 0
    tracks: int = 0
    album_artist: str = ""
    year: int = 0


NOWHERE = AlbumPlace()


def put_place(place: AlbumPlace, message: pb.Manifest | pb.Hit) -> None:
    """Put a place into a message; what is not known takes no bytes."""
    message.track_number = place.track
    message.disc_number = place.disc
    message.disc_tracks = place.tracks
    message.album_artist = place.album_artist[:MAX_TEXT_CHARS]
    message.year = place.year


def place_untrusted(message: pb.Manifest | pb.Hit) -> AlbumPlace:
    """Return the place in a message; raise BadMessageError if a text is too long."""
    if len(message.album_artist) > MAX_TEXT_CHARS:
        raise BadMessageError("an album artist whose name is too long")
    return AlbumPlace(
        message.track_number, message.disc_number, message.disc_tracks, message.album_artist, message.year
    )
