"""Searches: at one good peer, which has the query carried on to others (`core/walks.py`).

Another peer is asked, with a greater budget, when nothing was found or nobody answered.
A search for what is about to be played carries an Open, so that the first audio comes
with the hits: one round trip once the connection stands. When the asked peer does not
hold the track itself, it is opened at a holder that the hit names. Who else holds a track
is found by searching for its uri.

Holders are remembered once they have served us, and not because hits name them: whom those
name is up to whoever answers, who may name accomplices alone, as often as we search. Who knows
hardly anybody has the asked peer tell of a few instead, after the hits or the first sound.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.errors import RemoteError, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lightpeer.core.hits import Findings, FoundTrack
    from lightpeer.core.opening import Opened
    from lightpeer.core.walks import Budget
    from lightpeer.opener import Opener
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.reach import Reach
    from lightpeer.wire.peer import Peer

logger = logging.getLogger(__name__)

FIRST_REPLY_S: Final = 5.0  # the asked peer answers at once; this is 16 kB at 30 kbit/s
PATIENCE_S: Final = 2.0  # for more, once there is something to show: walks take about one
HOLDERS_S: Final = 15.0  # for the holders that one peer names: one that is silent, and time for another
QUERY_ID_BYTES: Final = 8
RECORDS_TO_SHOW: Final = 1  # the asked peer's own; hits need none
RECORDS_TO_OPEN: Final = 5  # the asked peer's own, and of as many holders as a stream may turn to


class _Leads:
    """The hits of one peer that is asked: how long they may keep us, and whether they lead anywhere."""

    def __init__(self, told_by: Peer) -> None:
        self.told_by = told_by
        self.led_somewhere = False
        self.led_nowhere = False  # some of them
        self.lost: RpcError | None = None  # how the peer itself went away, before it opened what it holds
        self._left_s = HOLDERS_S

    @property
    def are_used_up(self) -> bool:
        """Whether the time is over."""
        return self._left_s <= 0

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow one, for as long as there is time."""
        began = trio.current_time()
        with trio.move_on_after(max(0.0, self._left_s)):
            yield
        self._left_s -= trio.current_time() - began


class Searcher:
    """Searches at the peers within reach."""

    def __init__(self, reach: Reach, entropy: Callable[[int], bytes]) -> None:
        """Take whom to ask, and what makes the ids of queries."""
        self._reach = reach
        self._entropy = entropy
        self._first_to_answer: Peer | None = None

    async def find(self, query: str, limit: int, most_asked: int) -> Findings:
        """Return what is found; raise NoPeerError if nobody could be asked.

        Args:
            query: words, or the uri of a track.
            limit: how many tracks are wanted.
            most_asked: how many peers may answer that they found nothing.
        """
        from lightpeer.core.hits import Findings

        findings = Findings(query, limit)
        answered = 0
        async with aclosing(self._reach.peers()) as peers:
            async for peer in peers:
                try:
                    budget = _budget(answered, found_any=False)
                    await self._collect(peer, query, limit, budget, findings)
                except RemoteError as error:
                    self._reach.on_error(peer, error)
                else:
                    answered += 1
                if findings.tracks or answered >= most_asked:
                    break
        if not findings.tracks and (not answered or self._reach.was_refused):
            raise self._reach.nobody()
        return findings

    async def know_others(self, after_s: float = 0) -> None:
        """See to it that we know others than who answered first."""
        await trio.sleep(after_s)
        if self._first_to_answer is not None:
            await self._reach.find_spares(self._first_to_answer)

    async def _collect(self, peer: Peer, query: str, limit: int, budget: Budget, findings: Findings) -> None:
        """Search at a peer until there is enough, or nothing more within our patience."""
        with trio.CancelScope() as patience:
            async with aclosing(self._replies(peer, query, limit, budget, RECORDS_TO_SHOW)) as replies:
                async for tracks, _ in replies:
                    for track in tracks:
                        findings.add(track)
                    if findings.missing <= 0:
                        return
                    if findings.tracks:
                        patience.deadline = min(patience.deadline, trio.current_time() + PATIENCE_S)

    async def _replies(
        self,
        peer: Peer,
        query: str,
        limit: int,
        budget: Budget,
        records: int,
        wanted: pb.OpenRequest | None = None,
    ) -> AsyncGenerator[tuple[list[FoundTrack], pb.SearchReply], None]:
        """Yield the hits of one reply after another, and the reply; raise RemoteError if it is not sound."""
        from lightpeer.core.hits import ReplyReader
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        request = pb.SearchRequest(
            query=query,
            limit=limit,
            walkers=budget.walkers,
            hops=budget.hops,
            query_id=self._entropy(QUERY_ID_BYTES),
            records=records,
            open=wanted,
        )
        reader = ReplyReader(query, limit, records, peer.host)
        started = trio.current_time()
        async with aclosing(peer.search(request, first_reply_s=FIRST_REPLY_S)) as replies:
            async for reply in replies:
                is_first = not reader.has_begun
                tracks = reader.read_untrusted(reply, self._reach.record_time(peer))
                if is_first:
                    self._reach.learn((r for r in reader.records if r.peer_id == peer.peer_id), peer)
                    self._reach.on_answer(peer, trio.current_time() - started)
                    self._first_to_answer = self._first_to_answer or peer
                yield tracks, reply

    async def opened(
        self, query: str, limit: int, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield those who serve what was found, each once, as they are found; raise if nobody answers."""
        answered, opened_any = 0, False
        async with aclosing(self._reach.peers()) as peers:
            async for peer in peers:
                try:
                    budget = _budget(answered, found_any=bool(opener.tried))
                    async with aclosing(self._opened_through(peer, query, limit, budget, opener)) as found:
                        async for source in found:
                            opened_any = True
                            yield source
                except RemoteError as error:
                    self._reach.on_error(peer, error)
                else:
                    answered += 1
        if not answered or (self._reach.was_refused and not opened_any):
            raise self._reach.nobody()

    async def _opened_through(
        self, asked: Peer, query: str, limit: int, budget: Budget, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield those who serve what a peer finds: itself by the search, others at their addresses.

        Of the hits it is believed as much as was asked for: each leads to strangers, one connection after
        another, while somebody waits for music.
        """
        from lightpeer.core.hits import Findings

        findings, leads = Findings(query, limit), _Leads(asked)
        opening = opener.begin() if asked.peer_id not in opener.tried else None
        wanted = opener.request(opening) if opening is not None else None
        answer = self._replies(asked, query, limit, budget, RECORDS_TO_OPEN, wanted)
        async with aclosing(answer) as replies:
            async for tracks, reply in replies:
                if opening is not None and tracks and reply.HasField("open"):
                    opened = opener.accept_untrusted(opening, reply.open, tracks[0].track_id, asked)
                    leads.led_somewhere = True
                    yield asked, opened
                for track in filter(None, map(findings.add, tracks)):
                    async with aclosing(self._opened_at_holders(track, leads, opener)) as sources:
                        async for source in sources:
                            leads.led_somewhere = True
                            yield source
                if leads.are_used_up:
                    break
        if leads.lost is not None:  # it has answered, but that is no answer to who holds the track
            raise leads.lost
        if leads.led_nowhere and not leads.led_somewhere:
            self._reach.on_hollow_hits(asked)

    async def _opened_at_holders(
        self, track: FoundTrack, leads: _Leads, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield the holders of a track that serve it; who names none holds it itself."""
        told_by = leads.told_by
        assert told_by.peer_id is not None, "it has answered"
        named = {holder.peer_id: holder.record for holder in track.holders if holder.record}
        others = named.keys() - {told_by.peer_id}
        for peer_id in named or [told_by.peer_id]:
            if peer_id in opener.tried or leads.are_used_up:
                continue
            opener.tried.add(peer_id)
            peer, opened = None, None
            with leads.followed() if peer_id in others else nullcontext():  # its own silence bounds the other
                peer = await self._reach.holder(named[peer_id], told_by) if peer_id in others else told_by
                if peer is not None:
                    started = trio.current_time()
                    opened = await self._open_at(peer, track.track_id, leads, opener)
            if peer is None:
                leads.led_nowhere = True
            elif opened is not None:
                self._reach.learn([named[peer_id]] if peer_id in others else [], peer)
                self._reach.on_answer(peer, trio.current_time() - started)
                yield peer, opened

    async def _open_at(self, peer: Peer, track_id: bytes, leads: _Leads, opener: Opener) -> Opened | None:
        """Open a track at a peer that is said to hold it; None, and a worse score, if that fails."""
        from lightpeer.core.status import StatusCode

        try:
            return await opener.open_at(peer, track_id)
        except RpcError as error:
            if error.code() == StatusCode.NOT_FOUND:  # one of the two was wrong, or the track has just gone
                logger.info("%s does not serve what %s told: %s", peer.name, leads.told_by.name, error)
                leads.led_nowhere = True
            elif peer is leads.told_by and error.code() in {
                StatusCode.UNAVAILABLE,
                StatusCode.DEADLINE_EXCEEDED,
            }:
                leads.lost = error
                opener.tried.discard(peer.peer_id)  # another address of its may do
            else:
                self._reach.on_error(peer, error)
        except RemoteError as error:
            self._reach.on_error(peer, error)
        return None


def _budget(answered: int, *, found_any: bool) -> Budget:
    """Return how far a search may go when so many peers have answered, and it was not enough."""
    from lightpeer.core.walks import DEFAULT_BUDGET, GREATEST_BUDGET, NO_BUDGET

    if answered == 0:
        return DEFAULT_BUDGET
    return GREATEST_BUDGET if answered == 1 and not found_any else NO_BUDGET
