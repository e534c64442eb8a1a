"""What a light client shows of what it found: tracks and peers, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightpeer.core.content.uri import format_uri

if TYPE_CHECKING:
    from lightpeer.core.overlay.peer_entry import PeerEntry
    from lightpeer.core.search.hits import FoundTrack


@dataclass(frozen=True, slots=True)
class Hit:
    """A track that somebody holds; `holders` are peer ids as people see them."""

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
    """A peer as `lightpeer peers` shows it."""

    peer_id: str
    endpoints: list[str]
    rtt_ms: float | None
    roles: list[str]
    state: str


def hit_of(track: FoundTrack) -> Hit:
    """Return a track that was found as it is shown."""
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
    """Return a peer that is remembered as it is shown."""
    from lightpeer.core.addresses import format_endpoint
    from lightpeer.core.trust.identity import format_peer_id

    return PeerInfo(
        peer_id=format_peer_id(entry.record.peer_id),
        endpoints=[format_endpoint(endpoint) for endpoint in entry.record.endpoints],
        rtt_ms=None if entry.rtt_s is None else round(entry.rtt_s * 1000, 1),
        roles=["serve"] if entry.record.serves else [],
        state="tried" if entry.tried else "new",
    )
