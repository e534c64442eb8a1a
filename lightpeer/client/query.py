"""Asks one peer a query, and reads its answer: the step that every search consists of.

A peer answers at once with the tracks that it holds itself, then with those that others found. Each reply is
checked before it is believed (`core/search/replies.py`), and the whole answer has a bounded time.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from lightpeer.core.trust.bounds import MAX_QUERY_CHARS, QUERY_ID_BYTES
from lightpeer.errors import RpcError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.client.asking import Inquiry
    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import FoundTrack
    from lightpeer.core.search.replies import ReplyReader
    from lightpeer.core.search.walks import Budget
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.peering.peer import Peer

FIRST_REPLY_S: Final = 5.0  # the asked peer answers at once; this is 16 kB at 30 kbit/s
ANSWER_S: Final = 10.0  # for further replies, from the first on: 16 kB at 13 kbit/s
RECORDS_TO_OPEN: Final = 5  # the asked peer's own, and of as many holders as a stream may turn to


def check_length(query: str) -> None:
    """Raise UsageError for a query that no peer would take."""
    if len(query) > MAX_QUERY_CHARS:
        raise UsageError(
            f"the query is too long: give {MAX_QUERY_CHARS} characters at most, not {len(query)}"
        )


class Query(NamedTuple):
    """The question to a peer.

    Attributes:
        text: words, or the uri of a track.
        limit: how many tracks are wanted, or holders of the one track.
        budget: how far the query may go.
        records: how many records of holders may come.
        wanted: the Open to be made of the best hit, if any.
    """

    text: str
    limit: int
    budget: Budget
    records: int
    wanted: pb.OpenRequest | None = None

    def request(self, query_id: bytes) -> pb.SearchRequest:
        """Return the message that asks it."""
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        return pb.SearchRequest(
            query=self.text,
            limit=self.limit,
            walkers=self.budget.walkers,
            hops=self.budget.hops,
            query_id=query_id,
            records=self.records,
            open=self.wanted,
        )


class Asker:
    """Asks peers, one at a time.

    Attributes:
        entropy: gives random bytes.
        first_to_answer: the first peer of all that answered.
    """

    def __init__(self, reach: Reach, entropy: Callable[[int], bytes]) -> None:
        """Ask nobody yet; `reach` learns what peers are worth, `entropy` gives the ids of queries."""
        self._reach = reach
        self.entropy = entropy
        self.first_to_answer: Peer | None = None

    async def replies(
        self, inquiry: Inquiry, query: Query
    ) -> AsyncGenerator[tuple[list[FoundTrack], pb.SearchReply], None]:
        """Yield the hits of one reply after another, and the reply.

        An answer that drags on is taken for complete, and its peer is scored down.

        Raises:
            RemoteError: the peer failed, or a reply is not sound.
        """
        from lightpeer.core.search.replies import ReplyReader

        peer = inquiry.peer
        reader = ReplyReader(query.text, query.limit, query.records, peer.host)
        request = query.request(self.entropy(QUERY_ID_BYTES))
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
                tracks = reader.read_untrusted(reply, self._reach.scores.record_time(peer))
                if is_first:
                    self._on_first_reply(inquiry, reader, trio.current_time() - started)
                    left_s = ANSWER_S
                else:  # the time that our caller takes between two replies is not the peer's
                    left_s -= trio.current_time() - waits_from_s
                yield tracks, reply

    def _on_first_reply(self, inquiry: Inquiry, reader: ReplyReader, took_s: float) -> None:
        peer, scores = inquiry.peer, self._reach.scores
        inquiry.on_answer()
        scores.learn((record for record in reader.records if record.peer_id == peer.peer_id), peer)
        scores.on_answer(peer, took_s)
        self.first_to_answer = self.first_to_answer or peer


def _no_end() -> RpcError:
    from lightpeer.core.rpc.status import StatusCode

    return RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer did not come to the end of its answer")
