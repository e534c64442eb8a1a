"""The hits of a search, merged from the replies of others.

The light client and a server do the same: a track that several peers reported is one track, with the holders
of all of them. Of the hits that walks bring, one neighbour and one network of holders fill at most half of
the limit, so that the first liar to answer does not fill it all. Hits beyond that share wait until no other
peer has more.

`replies.py` reads hits from messages and writes them. Call order: each track that a `ReplyReader` returns
goes to the search's one `Findings.add`; what that returns is news, and goes to a `ReplyWriter`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from lightpeer.core.content.album import NOWHERE, AlbumPlace
from lightpeer.core.content.manifest import Track
from lightpeer.core.content.uri import is_uri, named_track
from lightpeer.core.overlay.peer_cache import source_group
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.trust.records import PeerRecord

MAX_HOLDERS: Final = 4  # of a track that words find: as many as a stream uses at a time, and one to spare
MAX_MATCHES: Final = 1000  # counted of a query; more are hardly looked through
MAX_OVER: Final = 4 * MAX_HITS  # hits kept beyond a share: 100 kB


@dataclass(frozen=True, slots=True)
class Holder:
    """A peer that is said to hold a track, with its record, which has its addresses, if that is known."""

    peer_id: PeerId
    record: PeerRecord | None = None


@dataclass(frozen=True, slots=True)
class FoundTrack:
    """A track as a hit describes it. Without holders, it is held by the peer that sent the hit."""

    track_id: bytes
    title: str
    artist: str
    album: str
    duration_ms: int
    bitrates_kbps: tuple[int, ...]
    holders: tuple[Holder, ...]
    place: AlbumPlace = NOWHERE  # only for people: peers that do not know it leave it out

    def is_said_by(self, manifest: Track) -> bool:
        """Return whether the hit agrees with the track's manifest; otherwise a peer has lied."""
        said = (self.title, self.artist, self.album)
        return said == (manifest.title, manifest.artist, manifest.album)


class Findings:
    """The tracks that one search has found so far, each once, in order of arrival.

    Attributes:
        tracks: the tracks, by id.
        matches: how many a peer that was asked has of its own, as far as it said so; at most MAX_MATCHES.
        preparing: how many more such a peer said that it is making; at most MAX_HITS.
    """

    def __init__(self, query: str, limit: int) -> None:
        """Find nothing yet; the limit is of holders if the query is a uri, else of tracks."""
        self._query = query
        self._of_one_track = is_uri(query)
        self._wanted = named_track(query)
        self._limit = limit
        self._share = (limit + 1) // 2
        self._filled: Counter[Hashable] = Counter()  # by neighbour, and by the first holder's network
        self._over: list[FoundTrack] = []
        self.tracks: dict[bytes, FoundTrack] = {}
        self.matches = self.preparing = 0

    @property
    def missing(self) -> int:
        """How many more tracks, or holders, are wanted."""
        if self._of_one_track:
            return self._limit - sum(max(1, len(track.holders)) for track in self.tracks.values())
        return self._limit - len(self.tracks)

    def note_said(self, matches: int, preparing: int) -> None:
        """Note how many tracks a peer said that it has of its own, and how many it is making."""
        self.matches = max(self.matches, min(matches, MAX_MATCHES))
        self.preparing = max(self.preparing, min(preparing, MAX_HITS))

    def add(self, found: FoundTrack, told_by: Hashable | None = None) -> FoundTrack | None:
        """Merge a hit; return the news in it: the track, or the track with its further holders only.

        Args:
            found: the hit.
            told_by: the neighbour that reported it, which has a share; None: no share applies.
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
        """Return the part of a hit that a neighbour may still add; keep the rest for later."""
        if self._of_one_track:
            return self._holders_within_share(found, known, told_by)
        if known is not None:
            return found
        fillers = {told_by, *(group_of(holder) for holder in found.holders[:1])}
        if any(self._filled[filler] >= self._share for filler in fillers):
            self._keep(found)
            return None
        self._filled.update(fillers)
        return found

    def _holders_within_share(
        self, found: FoundTrack, known: FoundTrack | None, told_by: Hashable
    ) -> FoundTrack | None:
        had = {holder.peer_id for holder in known.holders} if known is not None else set()
        fresh = tuple(holder for holder in found.holders if holder.peer_id not in had)
        room = self._share - self._filled[told_by]
        self._filled[told_by] += len(fresh[:room])
        if fresh[room:]:
            self._keep(replace(found, holders=fresh[room:]))
        return replace(found, holders=fresh[:room]) if fresh[:room] else None

    def _keep(self, found: FoundTrack) -> None:
        if len(self._over) < MAX_OVER:
            self._over.append(found)

    def add_rest(self) -> list[FoundTrack]:
        """Merge the hits beyond shares, now that others had their time; return the news."""
        over, self._over = self._over, []
        return [news for found in over if (news := self.add(found)) is not None]

    def ranked(self) -> list[FoundTrack]:
        """Return the tracks, those whose title has most of the words first, then those in most networks.

        Each server has ranked its own hits. Among tracks that are equal in both, that order stays.
        """
        words = self._query.casefold().split()

        def rank(track: FoundTrack) -> tuple[int, int]:
            title = track.title.casefold().split()
            networks = {group_of(holder) for holder in track.holders}
            return -sum(word in title for word in words), -len(networks)

        return sorted(self.tracks.values(), key=rank)


def group_of(holder: Holder) -> str:
    """Return a holder's network; the holder itself at home, or where its network is unknown."""
    if holder.record is None:
        return holder.peer_id.hex()
    return source_group(holder.peer_id, holder.record.endpoints[0][0])


def each_once(news: Iterable[FoundTrack]) -> list[FoundTrack]:
    """Merge the news of several `Findings.add`: return each track once, with all its new holders."""
    tracks: dict[bytes, FoundTrack] = {}
    for track in news:
        known = tracks.get(track.track_id)
        tracks[track.track_id] = (
            track if known is None else replace(known, holders=known.holders + track.holders)
        )
    return list(tracks.values())
