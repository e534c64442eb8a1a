"""The hits of a search: read from others' replies, merged, and put into replies of one's own.

The light client reads and merges what the peers that it asked have sent. A server does
the same with what walks bring back, and writes what is new of it into its own reply. So
a track that many hold crosses each link once, with the holders that were known by then;
further ones come later, by the track's id alone. Of what walks bring, one neighbour and one network of
holders fill half of what is wanted at most, so that a liar that answers first is not all that is found; what
is over waits until nobody else has more. A record costs six times what an id
does, and whoever only shows hits needs few, so no more come than were asked for. All of
it is bounded before it is believed: by what was asked for, and by the sizes that
manifests and records may have.

Call order: a `ReplyReader` for each call that was made, a `ReplyWriter` for a call that
is answered, one `Findings` for the search. What `read_untrusted` gives goes to
`Findings.add`, and what that says is new, to `ReplyWriter.reply`.

The rules are `proto/README.md`'s, "Index.Search".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from lightpeer.core.content.manifest import Track
from lightpeer.core.content.uri import TRACK_ID_BYTES, is_uri, named_track
from lightpeer.core.overlay.peer_cache import source_group
from lightpeer.core.trust.bounds import MAX_HITS, MAX_PEERS, MAX_RENDITIONS, MAX_TEXT_CHARS
from lightpeer.core.trust.identity import ID_BYTES, PeerId
from lightpeer.core.trust.records import PeerRecord, check_scope_untrusted, told_record_untrusted
from lightpeer.errors import BadMessageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

MAX_HOLDERS: Final = 4  # of a track that words found: as many as a stream takes at a time, and one to spare
MAX_OVER: Final = 4 * MAX_HITS  # hits beyond a share that are kept: 100 kB


@dataclass(frozen=True, slots=True)
class Holder:
    """A peer that is said to hold a track; where it is, is known by its record alone."""

    peer_id: PeerId
    record: PeerRecord | None = None


@dataclass(frozen=True, slots=True)
class FoundTrack:
    """A track that somebody holds, as a hit describes it; without holders, it is whoever told of it."""

    track_id: bytes
    title: str
    artist: str
    album: str
    duration_ms: int
    bitrates_kbps: tuple[int, ...]
    holders: tuple[Holder, ...]

    def is_said_by(self, manifest: Track) -> bool:
        """Tell whether the hit says of its track what the manifest does: else somebody lied."""
        said = (self.title, self.artist, self.album)
        return said == (manifest.title, manifest.artist, manifest.album)


class Findings:
    """What one search has found so far, each track once, in the order in which they came."""

    def __init__(self, query: str, limit: int) -> None:
        """Take what is looked for; for a uri the limit is of holders, for words it is of tracks."""
        self._query = query
        self._of_one_track = is_uri(query)
        self._wanted = named_track(query)
        self._limit = limit
        self._share = (limit + 1) // 2
        self._filled: Counter[Hashable] = Counter()  # by who told, and by the network of the first holder
        self._over: list[FoundTrack] = []
        self.tracks: dict[bytes, FoundTrack] = {}

    @property
    def missing(self) -> int:
        """How many more are wanted, tracks or holders."""
        if self._of_one_track:
            return self._limit - sum(max(1, len(track.holders)) for track in self.tracks.values())
        return self._limit - len(self.tracks)

    def add(self, found: FoundTrack, told_by: Hashable | None = None) -> FoundTrack | None:
        """Merge a hit; return what was not known of it: the track, or it with further holders only.

        Args:
            found: the hit.
            told_by: a neighbour that has its share and no more; None: without one.
        """
        known = self.tracks.get(found.track_id)
        if self._of_one_track and found.track_id != self._wanted:
            return None
        if known is None and self.missing <= 0:
            return None
        if told_by is not None:
            within = self._within_share(found, known, told_by)
            if within is None:
                return None
            found = within
        had = known.holders if known is not None else ()
        room = (self._limit if self._of_one_track else MAX_HOLDERS) - len(had)
        ids = {holder.peer_id for holder in had}
        fresh: dict[PeerId, Holder] = {}
        for holder in found.holders:
            if holder.peer_id not in ids and len(fresh) < room:
                fresh.setdefault(holder.peer_id, holder)
        if known is not None and not fresh:
            return None
        news = replace(known or found, holders=tuple(fresh.values()))
        self.tracks[found.track_id] = replace(news, holders=had + news.holders)
        return news

    def _within_share(
        self, found: FoundTrack, known: FoundTrack | None, told_by: Hashable
    ) -> FoundTrack | None:
        """Return what a neighbour may still add of a hit; note the rest for later."""
        if self._of_one_track:
            had = {holder.peer_id for holder in known.holders} if known is not None else set()
            fresh = tuple(holder for holder in found.holders if holder.peer_id not in had)
            room = self._share - self._filled[told_by]
            self._filled[told_by] += len(fresh[:room])
            if fresh[room:]:
                self._keep(replace(found, holders=fresh[room:]))
            return replace(found, holders=fresh[:room]) if fresh[:room] else None
        if known is not None:
            return found
        fillers = {told_by, *(group_of(holder) for holder in found.holders[:1])}
        if any(self._filled[filler] >= self._share for filler in fillers):
            self._keep(found)
            return None
        self._filled.update(fillers)
        return found

    def _keep(self, found: FoundTrack) -> None:
        if len(self._over) < MAX_OVER:
            self._over.append(found)

    def add_rest(self) -> list[FoundTrack]:
        """Merge what was over somebody's share, now that others had their time; return what is new."""
        over, self._over = self._over, []
        return [news for found in over if (news := self.add(found)) is not None]

    def ranked(self) -> list[FoundTrack]:
        """Return the tracks, those whose title has most of the words first, then those in most networks.

        Each server has ranked its own; among tracks that are alike in both, that order stays.
        """
        words = self._query.casefold().split()

        def rank(track: FoundTrack) -> tuple[int, int]:
            title = track.title.casefold().split()
            networks = {group_of(holder) for holder in track.holders}
            return -sum(word in title for word in words), -len(networks)

        return sorted(self.tracks.values(), key=rank)


def group_of(holder: Holder) -> str:
    """Return the network that a holder is in; itself at home, or where that is not known."""
    if holder.record is None:
        return holder.peer_id.hex()
    return source_group(holder.peer_id, holder.record.endpoints[0][0])


def each_once(news: Iterable[FoundTrack]) -> list[FoundTrack]:
    """Return what `Findings.add` said is new since the last reply, each track once with all its holders."""
    tracks: dict[bytes, FoundTrack] = {}
    for track in news:
        known = tracks.get(track.track_id)
        tracks[track.track_id] = (
            track if known is None else replace(known, holders=known.holders + track.holders)
        )
    return list(tracks.values())


class ReplyReader:
    """The replies to one search, from one peer."""

    def __init__(self, query: str, limit: int, records: int, source_host: str) -> None:
        """Take what was asked for, and the numeric address that it was asked at."""
        self._of_one_track = is_uri(query)
        self._wanted = named_track(query)
        self._limit = limit
        self._records = records
        self._source_host = source_host
        self._tracks: dict[bytes, FoundTrack] = {}
        self._hits = 0
        self.has_begun = False  # a sound reply has come
        self._peers: list[Holder | None] = []  # None in the place of one whose record is of no use
        self.records: list[PeerRecord] = []
        """The records of the call so far that are of use."""

    def read_untrusted(self, reply: pb.SearchReply, now: float) -> list[FoundTrack]:
        """Return the hits of a reply; raise BadMessageError if it is not sound.

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
        """Return the next peer: by its record, None for one of no use; or by its id."""
        if len(self._peers) < self._records:
            return self._recorded_untrusted(data, now)
        if len(data) != ID_BYTES:
            raise BadMessageError("a search reply with more records than were asked for")
        return Holder(PeerId(data))

    def _recorded_untrusted(self, data: bytes, now: float) -> Holder | None:
        """Return a record's peer, or None where it has expired or does not lead anywhere from here."""
        try:
            record = told_record_untrusted(data, now, self._source_host)
        except BadMessageError:  # clocks differ, and so do networks: nobody's fault for sure
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
    """Return a hit's track; raise BadMessageError for one that no manifest could have."""
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
    )


class ReplyWriter:
    """The replies to one search, to one peer; each holder goes out once, and each track's title."""

    def __init__(self, own: PeerRecord | None, records: int, caller_host: str) -> None:
        """Take who answers, where that is known; how many records are wanted, and where whoever asked is."""
        self._own = own
        self._records = records
        self._caller_host = caller_host
        self._numbers: dict[PeerId, int] = {}
        self._told: set[bytes] = set()  # track ids

    def reply(self, found: Iterable[FoundTrack]) -> pb.SearchReply:
        """Return a reply with these tracks, as `Findings.add` gives them.

        The first names the answering peer, whatever the hits. Tracks whose holders mean nothing where the
        caller is are left out, so that there may be no hits.
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
        """Tell whether the track's title went out."""
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
        return pb.Hit(
            track_id=track.track_id,
            title=track.title,
            artist=track.artist,
            album=track.album,
            duration_ms=track.duration_ms,
            bitrates_kbps=track.bitrates_kbps,
            holders=holders,
        )
