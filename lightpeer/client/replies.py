"""Asks one peer a query, and reads what it answers: what every search consists of, whatever it is for.

A peer answers at once with what it holds itself, and then with what others found. Each reply is checked
before it is believed (`core/search/hits.py`), and the whole answer has its time.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.trust.bounds import QUERY_ID_BYTES
from lightpeer.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.client.asking import Turn
    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import FoundTrack
    from lightpeer.core.search.walks import Budget
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.peering.peer import Peer

FIRST_REPLY_S: Final = 5.0  # the asked peer answers at once; this is 16 kB at 30 kbit/s
ANSWER_S: Final = 10.0  # from its first reply on, that is waited for more: 16 kB at 13 kbit/s


class Asker:
    """Asks peers, one at a time."""

    def __init__(self, reach: Reach, entropy: Callable[[int], bytes]) -> None:
        """Take who learns what peers are worth, and entropy for the ids of queries."""
        self._reach = reach
        self.entropy = entropy
        self.first_to_answer: Peer | None = None

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
        from lightpeer.core.search.replies import ReplyReader
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
                    self.first_to_answer = self.first_to_answer or peer
                    left_s = ANSWER_S
                else:  # what whoever reads this does meanwhile is not the peer's time
                    left_s -= trio.current_time() - waits_from_s
                yield tracks, reply


def _no_end() -> RpcError:
    from lightpeer.core.rpc.status import StatusCode

    return RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer did not come to the end of its answer")
