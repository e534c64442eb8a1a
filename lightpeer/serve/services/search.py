"""Index.Search: hits from the own index at once, and from other servers as walks bring them back.

The first reply also opens the stream that the caller asked for. Findings of others are merged, so that each
track is sent once, and hits that arrive at about the same time share a reply: on a 3G link each reply costs
its seal. Walks end when there are enough hits, when the caller is gone, or a little before its deadline.

Each caller has a share of the walks that this server starts (`core/guard/fairness.py`), and another of its
own answers. Beyond the first share a search is answered from the index alone, beyond the second it is
refused.
"""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import trio

from lightpeer.core.addresses import network_group
from lightpeer.core.content.uri import is_uri
from lightpeer.core.guard.fairness import Fairness
from lightpeer.core.rpc.framing import Compression
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.search.hits import Findings, FoundTrack, Holder, each_once
from lightpeer.core.search.replies import ReplyWriter
from lightpeer.core.search.walks import Budget, Visit, Walks
from lightpeer.core.trust.bounds import MAX_HITS, MAX_PEERS, MAX_QUERY_CHARS, QUERY_ID_BYTES
from lightpeer.core.trust.records import restore_record_untrusted
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.overlay.walkers import Errand
from lightpeer.tasks.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lightpeer.core.trust.identity import PeerId
    from lightpeer.rpc.server import Context
    from lightpeer.serve.library.index import IndexHit
    from lightpeer.serve.overlay.walkers import News, Walkers
    from lightpeer.serve.services.sealed import SealedCall, SealedCalls
    from lightpeer.serve.services.served_index import Searchable

logger = logging.getLogger(__name__)

HITS_PER_REPLY: Final = 10  # about a kilobyte: the first are shown while the others come
COMPRESSED_HITS: Final = 3  # gzip makes replies of as many hits a quarter smaller; it costs 18 bytes itself
VISITS_PER_S: Final = 200.0  # for one caller in the long run: an ordinary search every two seconds
VISITS_AT_ONCE: Final = 4000.0  # ten ordinary searches, for a person trying several words
CALLERS_SHARES: Final = 16  # at the full rate, so eight ordinary searches a second are sent on in all
ANSWERS_PER_S: Final = 100.0  # from the own index, to one caller, which may pass on the searches of many
ANSWERS_AT_ONCE: Final = 400.0  # a busy neighbour forwards many walks
SEARCH_S: Final = 10.0  # the most that a search takes, even with a later deadline
MARGIN_S: Final = 0.2  # kept back at each hop, so that hits still reach the caller
OTHERS_S: Final = 1.5  # about a walk; after it one neighbour's hits may take the places reserved for others
GATHER_HITS_S: Final = 0.1  # hits that come within it share a reply
FEW_TRACKS: Final = 4  # a search for a track to play asks for no more
BEGINNING_WALKERS: Final = 8  # a client's budget; branches of its walks have fewer, and pass hits on at once


class OpenTrack(Protocol):
    """The part of Streams.Open that a search needs."""

    async def __call__(self, request: pb.OpenRequest, caller: PeerId, context: Context) -> pb.OpenReply:
        """Open a track.

        Args:
            request: the client's.
            caller: its id.
            context: of the call.

        Raises:
            RpcError: the track cannot be opened.
        """


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to one caller."""

    request: pb.SearchRequest
    findings: Findings
    writer: ReplyWriter
    call: SealedCall
    context: Context
    is_held_here: bool  # the first hit
    matches: int  # tracks of our own
    preparing: int  # files of our own

    async def write(self, tracks: Iterable[FoundTrack]) -> None:
        """Send new tracks, if any of them has a holder that the caller can reach."""
        reply = self.writer.reply(each_once(tracks))
        if reply.hits:
            await self.send(reply)

    async def send(self, reply: pb.SearchReply) -> None:
        """Send a reply, uncompressed if it has little text."""
        if len(reply.hits) < COMPRESSED_HITS:
            self.context.disable_next_message_compression()
        await self.context.write(self.call.seal(reply))


class Search:
    """Index.Search of one server."""

    def __init__(
        self,
        *,
        calls: SealedCalls,
        index: Searchable,
        open_track: OpenTrack,
        own_records: Callable[[], list[bytes]],
        walkers: Walkers,
    ) -> None:
        """Make the service.

        Args:
            calls: opens the seals.
            index: finds the tracks of this server.
            open_track: opens the best hit.
            own_records: gives our own record, if an address is known.
            walkers: search at other servers.
        """
        self._calls = calls
        self._index = index
        self._open_track = open_track
        self._own_records = own_records
        self._walkers = walkers
        self._thread = Threads(1)  # SQLite answers one after the other
        self._walks: Walks[PeerId] = Walks()
        self._answers = Fairness(ANSWERS_PER_S, ANSWERS_AT_ONCE)
        self._relays = Fairness(VISITS_PER_S, VISITS_AT_ONCE, total_shares=CALLERS_SHARES)

    async def search(self, data: bytes, context: Context) -> None:
        """Send hits as they are found, and open the requested stream with the first of them."""
        call = self._calls.begin(context)
        request = call.open(data, pb.SearchRequest)
        _check(request)
        if not request.HasField("open"):  # audio is compressed already
            context.set_compression(Compression.Gzip)
        now = trio.current_time()
        if not _may_cost(self._answers, 1, call, context):
            raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "too many searches: search again in a minute")
        budget = Budget(request.walkers, request.hops)
        visit = self._walks.visit(request.query_id, request.query, call.peer_id, budget, now)
        answer = await self._from_index(request, call, context, is_first=visit.is_first)
        deadline = min(now + SEARCH_S, context.deadline or math.inf) - MARGIN_S
        visits = visit.budget.visits if answer.findings.missing > 0 and now < deadline else 0
        if answer.is_held_here and request.HasField("open") and not is_uri(request.query):
            visits = 0  # the track to play is here; a caller that wants more hits asks others
        if visits and _may_cost(self._relays, visits, call, context):
            await self._relay(answer, visit, deadline)
        else:
            await self._begin(answer)

    async def _from_index(
        self, request: pb.SearchRequest, call: SealedCall, context: Context, *, is_first: bool
    ) -> _Answer:
        """Begin an answer with our own hits, unless they were sent before."""
        records = [restore_record_untrusted(record) for record in self._own_records()]
        own = tuple(Holder(record.peer_id, record) for record in records)
        findings = Findings(request.query, request.limit)
        matches = preparing = 0
        if is_first:
            hits, preparing = await self._thread.run(self._index.search, request.query, request.limit)
            for hit in hits:
                findings.add(_found(hit, own))
            matches = len(findings.tracks)
            if findings.missing <= 0 and request.walkers >= BEGINNING_WALKERS and not _is_urgent(request):
                matches = max(matches, await self._thread.run(self._index.count, request.query))
        writer = ReplyWriter(records[0] if records else None, request.records, context.peer_address[0])
        is_held_here = bool(findings.tracks)
        return _Answer(request, findings, writer, call, context, is_held_here, matches, preparing)

    async def _begin(self, answer: _Answer) -> None:
        """Send the hits so far; the first reply is sent even without hits."""
        tracks = list(answer.findings.tracks.values())
        reply = answer.writer.reply(tracks[:HITS_PER_REPLY])
        reply.matches, reply.preparing = answer.matches, answer.preparing
        if answer.is_held_here and answer.request.HasField("open"):
            await self._open_hit(tracks[0], reply, answer)
        await answer.send(reply)
        for start in range(HITS_PER_REPLY, len(tracks), HITS_PER_REPLY):
            await answer.write(tracks[start : start + HITS_PER_REPLY])

    async def _relay(self, answer: _Answer, visit: Visit[PeerId], deadline: float) -> None:
        """Send the hits of the index and of walks, until there are enough.

        At the beginning of walks, hits of the same moment share a reply, and further holders of tracks that
        were sent wait for the next one.
        """
        request, findings = answer.request, answer.findings
        gathers = visit.budget.walkers >= BEGINNING_WALKERS and not _is_urgent(request)
        errand = Errand(request.query, request.limit, request.query_id, visit, deadline)
        async with self._walkers.sent(errand) as found:
            if gathers:
                await _gather(found, findings)
            await self._begin(answer)
            await self._pass_on(found, answer, trio.current_time() + OTHERS_S, gathers=gathers)
            await answer.write(findings.add_rest())
            await self._pass_on(found, answer, math.inf, gathers=gathers)
            await answer.write(findings.add_rest())

    async def _pass_on(
        self, found: trio.MemoryReceiveChannel[News], answer: _Answer, until: float, *, gathers: bool
    ) -> None:
        """Send the findings of walks until there are enough hits, all have ended, or a time is reached."""
        findings = answer.findings
        later: list[FoundTrack] = []
        while findings.missing > 0:
            first: News | None = None
            with trio.move_on_at(until), suppress(trio.EndOfChannel):  # never cancelled while a reply is sent
                first = await found.receive()
            if first is None:
                break
            news = _merge(findings, first)
            if gathers and news:
                news += await _gather(found, findings)
            if gathers and all(map(answer.writer.has_told, news)):
                later += news
            elif news:
                await answer.write(later + news)
                later = []
        await answer.write(later)

    async def _open_hit(self, track: FoundTrack, reply: pb.SearchReply, answer: _Answer) -> None:
        request = answer.request.open
        request.track_id = track.track_id
        try:
            opened = await self._open_track(request, answer.call.peer_id, answer.context)
            reply.open.CopyFrom(opened)
        except RpcError as error:
            if error.code() == StatusCode.INVALID_ARGUMENT:
                raise
            logger.info("the best hit cannot be opened: %s", error)


def _may_cost(fairness: Fairness, visits: int, call: SealedCall, context: Context) -> bool:
    """Return whether the caller's share has so many visits left, and take them."""
    group = network_group(context.peer_address[0])
    return fairness.admit(call.peer_id, group, visits, trio.current_time())


def _is_urgent(request: pb.SearchRequest) -> bool:
    """Return whether few tracks are wanted, most likely to be played."""
    return request.limit <= FEW_TRACKS or is_uri(request.query) or request.HasField("open")


async def _gather(found: trio.MemoryReceiveChannel[News], findings: Findings) -> list[FoundTrack]:
    """Return the new tracks of the next moment."""
    news: list[FoundTrack] = []
    with trio.move_on_after(GATHER_HITS_S):
        async for tracks in found:
            news += _merge(findings, tracks)
    return news


def _merge(findings: Findings, found: News) -> list[FoundTrack]:
    """Return the new tracks of a neighbour's findings, within its share."""
    return [news for track in found.tracks if (news := findings.add(track, found.told_by)) is not None]


def _check(request: pb.SearchRequest) -> None:
    if not 1 <= request.limit <= MAX_HITS:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"the limit is from 1 to {MAX_HITS} hits")
    if len(request.query) > MAX_QUERY_CHARS:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"a query has at most {MAX_QUERY_CHARS} characters")
    if len(request.query_id) not in {0, QUERY_ID_BYTES}:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"a query id has {QUERY_ID_BYTES} bytes")
    if request.records > MAX_PEERS:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"at most {MAX_PEERS} records at once")


def _found(hit: IndexHit, own: tuple[Holder, ...]) -> FoundTrack:
    return FoundTrack(
        track_id=hit.track_id,
        title=hit.title,
        artist=hit.artist,
        album=hit.album,
        duration_ms=hit.duration_ms,
        bitrates_kbps=hit.bitrates_kbps,
        holders=own,
        place=hit.place,
    )
