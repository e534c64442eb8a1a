"""What a player does now, as it is shown to a person or a program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lightpeer.playback.events import Playing

if TYPE_CHECKING:
    from lightpeer.core.queue.play_queue import PlayQueue
    from lightpeer.playback.deck import Deck


@dataclass(frozen=True, slots=True)
class Status:
    """What a player does now.

    Attributes:
        state: `opening`, `buffering`, `playing`, `paused` or `stopped`.
        entry: the queue's entry that is due; 0: none.
        item: what is asked for by it, a query or a track's uri.
        number: which it is of all entries, in the order in which they are played, from 1.
        count: how many entries there are.
        title: the track's, as its publisher wrote it.
        artist: likewise.
        uri: the track's id.
        position_s: what is heard now, in seconds from the track's start.
        duration_s: the track's length.
        buffer_s: seconds of audio that have been fetched and not played.
        bitrate_kbps: the rendition.
        goodput_kbps: the downlink's measured rate.
        sources: how many peers send the track.
        transport: how audio comes, `udp` or `grpc`; `cache` while what is kept suffices.
        volume_db: the listener's choice.
        awaited: what is away and waited for, `network` or `sound`; empty: nothing.
        awaited_s: for how many seconds it has been.
        reason: a sentence that says why.
        next_title: the title of the track after this, or the words that are to find it.
        lowest_kbps: the track's lowest rendition.
        used_mb: what has been received and sent since the program began, in MB.
        mb_per_hour: what an hour of this costs, in MB.
        left_mb: what is left of the data budget's nearest cap; None: there is none.
    """

    state: str = "stopped"
    entry: int = 0
    item: str = ""
    number: int = 0
    count: int = 0
    title: str = ""
    artist: str = ""
    uri: str = ""
    position_s: float = 0.0
    duration_s: float = 0.0
    buffer_s: float = 0.0
    bitrate_kbps: int = 0
    goodput_kbps: float = 0.0
    sources: int = 0
    transport: str = ""
    volume_db: float = 0.0
    awaited: str = ""
    awaited_s: float = 0.0
    reason: str = ""
    next_title: str = ""
    lowest_kbps: int = 0
    used_mb: float = 0.0
    mb_per_hour: float = 0.0
    left_mb: float | None = None


def place_of(queue: PlayQueue) -> Status:
    """Return what is to say of a queue that is not played."""
    turn = queue.turn
    if turn is None:
        return Status()
    return Status(
        entry=turn.entry,
        item=queue.entries.item(turn.entry),
        number=queue.number,
        count=len(queue.entries),
        position_s=queue.position_s,
    )


def status_of(deck: Deck | None, place: Status, *, is_paused: bool) -> Status:
    """Return what is to say of the track that is due.

    Args:
        deck: its deck; None while it is being opened.
        place: where that is in the queue.
        is_paused: whether the listener has paused.
    """
    if deck is None:
        return replace(place, state="opening")
    track, session = deck.track, deck.session
    state = "playing" if session.playout.playing else "buffering"
    return replace(
        place,
        state="paused" if is_paused else state,
        title=track.title,
        artist=track.artist,
        uri=track.uri,
        duration_s=track.duration_s,
        buffer_s=session.buffer_s,
        bitrate_kbps=deck.rendition.bitrate_kbps,
        lowest_kbps=track.renditions[0].bitrate_kbps,
        sources=session.source_count,
        transport=session.transport,
    )


def playing(deck: Deck) -> Playing:
    """Return the event that tells of a track's first sound."""
    track = deck.track
    return Playing(
        title=track.title,
        artist=track.artist,
        album=track.album,
        uri=track.uri,
        duration_s=track.duration_s,
        bitrate_kbps=deck.rendition.bitrate_kbps,
        transport=deck.session.transport,
    )
