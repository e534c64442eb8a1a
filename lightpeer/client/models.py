"""Tracks and peers as a light client shows them, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightpeer.core.content.uri import format_uri

if TYPE_CHECKING:
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
    """

    track_id: bytes
    uri: str
    title: str
    artist: str
    album: str
    duration_s: float
    bitrates_kbps: list[int]
    holders: list[str]


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
