"""The messages of a search: hits read from a peer's replies, and written into our own.

A reply refers to each holder by a number that counts the holders named so far in its call. So a track that
many peers hold crosses each link once, with the holders known by then; further holders come later, by the
track's id alone. A record costs six times as much as an id, so no more records are sent than were asked for.
A reader bounds everything before it believes it: by what was asked for, and by the sizes that manifests and
records may have.

One `ReplyReader` serves each call that we make, one `ReplyWriter` each call that we answer. The rules are in
`proto/README.md`, "Index.Search".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lightpeer.core.content.album import place_untrusted, put_place
from lightpeer.core.content.uri import TRACK_ID_BYTES, is_uri, named_track
from lightpeer.core.search.hits import MAX_HOLDERS, FoundTrack, Holder
from lightpeer.core.trust.bounds import MAX_HITS, MAX_PEERS, MAX_RENDITIONS, MAX_TEXT_CHARS
from lightpeer.core.trust.identity import ID_BYTES, PeerId
from lightpeer.core.trust.records import PeerRecord, check_scope_untrusted, told_record_untrusted
from lightpeer.errors import BadMessageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb


class ReplyReader:
    """Reads the replies to one search, from one peer.

    Attributes:
        has_begun: whether a valid reply has come.
        records: the usable records of the call so far.
    """

    def __init__(self, query: str, limit: int, records: int, source_host: str) -> None:
        """Read nothing yet.

        Args:
            query: the query, words or a uri.
            limit: how many tracks or holders were asked for.
            records: how many records were asked for.
            source_host: the numeric address of the peer.
        """
        self._of_one_track = is_uri(query)
        self._wanted = named_track(query)
        self._limit = limit
        self._records = records
        self._source_host = source_host
        self._tracks: dict[bytes, FoundTrack] = {}
        self._hits = 0
        self.has_begun = False
        self._peers: list[Holder | None] = []  # None for one whose record is unusable
        self.records: list[PeerRecord] = []

    def read_untrusted(self, reply: pb.SearchReply, now: float) -> list[FoundTrack]:
        """Return the hits of a reply; raise BadMessageError if it is invalid.

        Args:
            reply: one message of the call, its seal opened.
            now: Unix time in seconds.
        """
        if self.has_begun and not reply.hits:
            raise BadMessageError("a search reply without hits that is not the first")
        self._hits += len(reply.hits)
        too_many = len(reply.hits) > self._limit or self._hits > self._limit * MAX_HOLDERS
        if too_many or len(self._peers) + len(reply.peers) > MAX_PEERS:
            raise BadMessageError("a search reply with more than was asked for")
        for data in reply.peers:
            self._peers.append(self._peer_untrusted(data, now))
        found = [self._hit_untrusted(hit) for hit in reply.hits]
        self.has_begun = True
        return found

    def _peer_untrusted(self, data: bytes, now: float) -> Holder | None:
        """Return the next peer: by its record, None for an unusable one; or by its id."""
        if len(self._peers) < self._records:
            return self._recorded_untrusted(data, now)
        if len(data) != ID_BYTES:
            raise BadMessageError("a search reply with more records than were asked for")
        return Holder(PeerId(data))

    def _recorded_untrusted(self, data: bytes, now: float) -> Holder | None:
        """Return a record's peer, or None if it has expired or its addresses mean nothing here."""
        try:
            record = told_record_untrusted(data, now, self._source_host)
        except BadMessageError:  # clocks and networks differ, so it need not be the peer's fault
            return None
        self.records.append(record)
        return Holder(record.peer_id, record)

    def _hit_untrusted(self, hit: pb.Hit) -> FoundTrack:
        if any(number >= len(self._peers) for number in hit.holders) or len(hit.holders) > MAX_HITS:
            raise BadMessageError("a hit with a holder that was not named")
        named = [self._peers[number] for number in hit.holders]
        holders = tuple(holder for holder in named if holder is not None)
        known = self._tracks.get(hit.track_id)
        if known is not None:
            return replace(known, holders=holders)
        if self._of_one_track and hit.track_id != self._wanted:
            raise BadMessageError("a hit for another track than the one that was named")
        if len(self._tracks) >= self._limit:
            raise BadMessageError("search replies with more than was asked for")
        track = self._tracks[hit.track_id] = _track_untrusted(hit, holders)
        return track


def _track_untrusted(hit: pb.Hit, holders: tuple[Holder, ...]) -> FoundTrack:
    """Return a hit's track; raise BadMessageError if no manifest could describe it."""
    if len(hit.track_id) != TRACK_ID_BYTES:
        raise BadMessageError("a hit without a track id")
    if any(len(text) > MAX_TEXT_CHARS for text in (hit.title, hit.artist, hit.album)):
        raise BadMessageError("a hit whose title is too long")
    if len(hit.bitrates_kbps) > MAX_RENDITIONS:
        raise BadMessageError("a hit with too many bitrates")
    return FoundTrack(
        track_id=hit.track_id,
        title=hit.title,
        artist=hit.artist,
        album=hit.album,
        duration_ms=hit.duration_ms,
        bitrates_kbps=tuple(hit.bitrates_kbps),
        holders=holders,
        place=place_untrusted(hit),
    )


class ReplyWriter:
    """Writes the replies to one search, to one peer. Each holder is sent once, and each track's title."""

    def __init__(self, own: PeerRecord | None, records: int, caller_host: str) -> None:
        """Write nothing yet.

        Args:
            own: our record, if our address is known.
            records: how many records are wanted.
            caller_host: the numeric address of the peer that asked.
        """
        self._own = own
        self._records = records
        self._caller_host = caller_host
        self._numbers: dict[PeerId, int] = {}
        self._told: set[bytes] = set()  # track ids

    def reply(self, found: Iterable[FoundTrack]) -> pb.SearchReply:
        """Return a reply with these tracks, as `Findings.add` returns them.

        The first reply names the answering peer, whatever the hits. Tracks whose holders the caller cannot
        reach are left out, so there may be no hits.
        """
        reply = pb.SearchReply()
        if self._own is not None:
            self._number(self._own, reply)
        for track in found:
            numbers = [self._number(holder.record, reply) for holder in track.holders if holder.record]
            holders = [number for number in numbers if number is not None]
            if holders or self._is_here(track):
                reply.hits.append(self._hit(track, holders))
        return reply

    def has_told(self, track: FoundTrack) -> bool:
        """Return whether the track's title has been sent."""
        return track.track_id in self._told

    def _number(self, holder: PeerRecord, reply: pb.SearchReply) -> int | None:
        """Return a holder's number in the call, after putting it into the reply if it is new."""
        number = self._numbers.get(holder.peer_id)
        if number is None and len(self._numbers) < MAX_PEERS and self._can_be_reached(holder):
            number = self._numbers[holder.peer_id] = len(self._numbers)
            reply.peers.append(holder.data if number < self._records else holder.peer_id)
        return number

    def _can_be_reached(self, holder: PeerRecord) -> bool:
        try:
            check_scope_untrusted(holder, self._caller_host)
        except BadMessageError:
            return False
        return True

    def _is_here(self, track: FoundTrack) -> bool:
        own_id = self._own.peer_id if self._own is not None else None
        return not track.holders or any(holder.peer_id == own_id for holder in track.holders)

    def _hit(self, track: FoundTrack, holders: list[int]) -> pb.Hit:
        if self.has_told(track):
            return pb.Hit(track_id=track.track_id, holders=holders)
        self._told.add(track.track_id)
        hit = pb.Hit(
            track_id=track.track_id,
            title=track.title,
            artist=track.artist,
            album=track.album,
            duration_ms=track.duration_ms,
            bitrates_kbps=track.bitrates_kbps,
            holders=holders,
        )
        put_place(track.place, hit)
        return hit
