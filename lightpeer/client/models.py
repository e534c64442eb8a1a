"""Tracks and peers as a light client shows them, in words and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lightpeer.core.content.uri import format_uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.core.overlay.peer_entry import PeerEntry
    from lightpeer.core.search.hits import FoundTrack


@dataclass(frozen=True, slots=True)
class Hit:
    """A track that was found.

    Attributes:
        track_id: 32 bytes.
        uri: the same as text, `loud:…`.
        title: as its publisher wrote it, like artist and album.
        artist: the artist.
        album: the album.
        duration_s: its length.
        bitrates_kbps: its renditions.
        holders: ids of peers that are said to hold it, as people see them.
        track_number: on its disc, from 1; this and what follows is 0 or empty where it is not known.
        disc_number: from 1.
        disc_tracks: how many tracks the disc has.
        album_artist: whose album it is, where that is not the artist.
        year: when the album came out.
    """

    track_id: bytes
    uri: str
    title: str
    artist: str
    album: str
    duration_s: float
    bitrates_kbps: list[int]
    holders: list[str]
    track_number: int = 0
    disc_number: int = 0
    disc_tracks: int = 0
    album_artist: str = ""
    year: int = 0


class Found(NamedTuple):
    """What a search found.

    Attributes:
        hits: the tracks, best first.
        matches: how many the peer that was asked has of its own, as far as it said so.
        preparing: how many more it is making, which are found in a moment.
    """

    hits: list[Hit]
    matches: int
    preparing: int = 0


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A known peer.

    Attributes:
        peer_id: its id, as people see it.
        endpoints: its addresses.
        rtt_ms: its round trip; None: not measured.
        roles: `serve` for a server.
        state: `tried` once it has answered us, else `new`.
    """

    peer_id: str
    endpoints: list[str]
    rtt_ms: float | None
    roles: list[str]
    state: str


def hit_of(track: FoundTrack) -> Hit:
    """Return a found track as it is shown."""
    from lightpeer.core.trust.identity import format_peer_id

    return Hit(
        track_id=track.track_id,
        uri=format_uri(track.track_id),
        title=track.title,
        artist=track.artist,
        album=track.album,
        duration_s=track.duration_ms / 1000,
        bitrates_kbps=list(track.bitrates_kbps),
        holders=[format_peer_id(holder.peer_id) for holder in track.holders],
        track_number=track.place.track,
        disc_number=track.place.disc,
        disc_tracks=track.place.tracks,
        album_artist=track.place.album_artist,
        year=track.place.year,
    )


def info_of(entry: PeerEntry) -> PeerInfo:
    """Return a remembered peer as it is shown."""
    from lightpeer.core.addresses import format_endpoint
    from lightpeer.core.trust.identity import format_peer_id

    return PeerInfo(
        peer_id=format_peer_id(entry.record.peer_id),
        endpoints=[format_endpoint(endpoint) for endpoint in entry.record.endpoints],
        rtt_ms=None if entry.rtt_s is None else round(entry.rtt_s * 1000, 1),
        roles=["serve"] if entry.record.serves else [],
        state="tried" if entry.tried else "new",
    )


def in_album_order(hits: Iterable[Hit]) -> list[Hit]:
    """Return hits by album, and within it by disc and number; what has no number comes last."""

    def order(hit: Hit) -> tuple[object, ...]:
        artist = hit.album_artist or hit.artist
        album = artist.casefold(), hit.year, hit.album.casefold()
        return not hit.album, album, hit.disc_number, hit.track_number or math.inf

    return sorted(hits, key=order)
