"""Searches: at one good peer, which has the query carried on to others (`core/search/walks.py`).

Another peer is asked when one says nothing, and with a greater budget when nothing was found
(`asking.py`). A search for what is about to be played carries an Open, so that the first audio
comes with the hits: one round trip once the connection stands. When the asked peer does not hold the track
itself, it is opened at a holder that the hit names (`holders.py`). Which of the tracks that words
find is played, is decided in `core/search/choice.py`. Who else holds a track is found by searching for its
uri.

Holders are remembered once they have served us, and not because hits name them: whom those
name is up to whoever answers, who may name accomplices alone, as often as we search. Who knows
hardly anybody has the asked peer tell of a few instead, after the hits or the first sound.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.asking import Turn, Turns
from lightpeer.client.budget import budget_for
from lightpeer.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import Findings, FoundTrack
    from lightpeer.core.search.walks import Budget
    from lightpeer.core.udp.opening import Opened
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer

FIRST_REPLY_S: Final = 5.0  # the asked peer answers at once; this is 16 kB at 30 kbit/s
PATIENCE_S: Final = 2.0  # for more, once there is something to show: walks take about one
ANSWER_S: Final = 10.0  # from its first reply on, that is waited for more: 16 kB at 13 kbit/s
QUERY_ID_BYTES: Final = 8
RECORDS_TO_SHOW: Final = 1  # the asked peer's own; hits need none


class Searcher:
    """Searches at the peers within reach."""

    def __init__(self, reach: Reach, entropy: Callable[[int], bytes]) -> None:
        """Take whom to ask, and entropy for the ids of queries and for what is left to chance."""
        self._reach = reach
        self.entropy = entropy
        self._first_to_answer: Peer | None = None

    async def find(self, query: str, limit: int, most_asked: int) -> Findings:
        """Return what is found; raise NoPeerError if nobody could be asked.

        Args:
            query: words, or the uri of a track.
            limit: how many tracks are wanted.
            most_asked: how many peers may answer that they found nothing.
        """
        from lightpeer.core.search.hits import Findings

        findings = Findings(query, limit)

        async def ask(turn: Turn) -> None:
            budget = budget_for(turns.answered, found_any=False)
            await self._collect(turn, query, limit, budget, findings)

        turns = Turns(self._reach, ask)
        await turns.run(lambda: bool(findings.tracks) or turns.answered >= most_asked)
        if not findings.tracks and (not turns.answered or turns.setbacks.was_refused):
            raise self._reach.nobody(turns.setbacks)
        return findings

    async def know_others(self, after_s: float = 0) -> None:
        """See to it that we know others than who answered first."""
        await trio.sleep(after_s)
        if self._first_to_answer is not None:
            await self._reach.find_spares(self._first_to_answer)

    async def _collect(self, turn: Turn, query: str, limit: int, budget: Budget, findings: Findings) -> None:
        """Search at a peer until there is enough, or nothing more within our patience."""
        with trio.CancelScope() as patience:
            async with aclosing(self.replies(turn, query, limit, budget, RECORDS_TO_SHOW)) as replies:
                async for tracks, _ in replies:
                    for track in tracks:
                        findings.add(track)
                    if findings.missing <= 0:
                        return
                    if findings.tracks:
                        patience.deadline = min(patience.deadline, trio.current_time() + PATIENCE_S)

    async def replies(
        self,
        turn: Turn,
        query: str,
        limit: int,
        budget: Budget,
        records: int,
        wanted: pb.OpenRequest | None = None,
    ) -> AsyncGenerator[tuple[list[FoundTrack], pb.SearchReply], None]:
        """Yield the hits of one reply after another, and the reply; raise RemoteError if it is not sound.

        An answer that drags on is taken for over, and whoever gave it is scored down.

        Args:
            turn: of whoever is asked.
            query: words, or the uri of a track.
            limit: how many tracks are wanted, or holders.
            budget: how far the query may go.
            records: how many records of holders may come.
            wanted: what is to be opened of the best hit.
        """
        from lightpeer.core.search.hits import ReplyReader
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        peer = turn.peer
        request = pb.SearchRequest(
            query=query,
            limit=limit,
            walkers=budget.walkers,
            hops=budget.hops,
            query_id=self.entropy(QUERY_ID_BYTES),
            records=records,
            open=wanted,
        )
        reader = ReplyReader(query, limit, records, peer.host)
        started = trio.current_time()
        left_s = math.inf
        async with aclosing(peer.search(request, first_reply_s=FIRST_REPLY_S)) as replies:
            while True:
                waits_from_s = trio.current_time()
                with trio.move_on_after(max(0.0, left_s)) as patience:
                    reply = await anext(replies, None)
                if patience.cancelled_caught:
                    self._reach.on_error(peer, _no_end())
                    return
                if reply is None:
                    return
                is_first = not reader.has_begun
                tracks = reader.read_untrusted(reply, self._reach.record_time(peer))
                if is_first:
                    turn.on_answer()
                    self._reach.learn((r for r in reader.records if r.peer_id == peer.peer_id), peer)
                    self._reach.on_answer(peer, trio.current_time() - started)
                    self._first_to_answer = self._first_to_answer or peer
                    left_s = ANSWER_S
                else:  # what whoever reads this does meanwhile is not the peer's time
                    left_s -= trio.current_time() - waits_from_s
                yield tracks, reply

    async def best(self, query: str, opener: Opener) -> tuple[Peer, Opened] | None:
        """Return the best of what words find, opened at one of its holders; raise if nobody answers."""
        from lightpeer.client.choosing import Chooser

        return await Chooser(self, self._reach, query, opener).run()

    async def opened(
        self, query: str, limit: int, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield those who serve the track of a uri, each once, as they are found; raise if nobody answers.

        Nobody is asked, and nothing opened, while what was found has not been taken.
        """
        from lightpeer.client.gathering import Gatherer

        give, found = trio.open_memory_channel[tuple["Peer", "Opened"]](0)
        gatherer = Gatherer(self, self._reach, query, limit, opener, give)
        self._reach.nursery.start_soon(gatherer.run)
        try:
            gatherer.want()
            async for source in found:
                yield source
                gatherer.want()
        finally:
            gatherer.scope.cancel()
        if gatherer.failure is not None:
            raise gatherer.failure


def _no_end() -> RpcError:
    from lightpeer.core.rpc.status import StatusCode

    return RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer did not come to the end of its answer")
