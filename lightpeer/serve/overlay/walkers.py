"""Sends the walkers of a search on to other servers, and brings their findings back.

Each step is a call of its own. Cancelling the search here resets the calls, the servers there reset theirs,
and the walks end all the way down. A server sends its first reply at once. One that does not, cannot be
reached or breaks the protocol is avoided for a while, and its walkers go elsewhere. Connections are kept
while they are used: neighbours change slowly, and a walk that has to connect takes twice as long.
"""

from __future__ import annotations

import logging
import math
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.search.hits import FoundTrack
from lightpeer.core.search.replies import ReplyReader
from lightpeer.core.trust.bounds import MAX_PEERS
from lightpeer.core.trust.contact import Contact
from lightpeer.errors import RemoteError, RpcError
from lightpeer.net.names import numeric_untrusted
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.connections import Connections, Terms
from lightpeer.tasks.nursery import open_nursery
from lightpeer.tasks.supervision import contained

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lightpeer.core.search.walks import Step, Visit
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.serve.access.node import Node

logger = logging.getLogger(__name__)

NEIGHBOURS_ASKED: Final = 64  # the whole view
MAX_CALLS: Final = 512  # for all searches together; further walkers end here
TERMS: Final = Terms(capacity=64, idle_s=60.0, connect_timeout_s=2.0, call_timeout_s=10.0)
"""Twice a view: neighbours come and go while the calls of earlier searches still run."""
NEIGHBOUR_REPLY_S: Final = 2.0  # the first reply needs no walk: a round trip, with some patience
AVOID_S: Final = 60.0  # after a neighbour did not answer
MAX_AVOIDED: Final = 256  # a few views' worth


class News(NamedTuple):
    """The tracks that a neighbour has found."""

    told_by: PeerId
    tracks: list[FoundTrack]


@dataclass(frozen=True, slots=True)
class Errand:
    """A search whose walkers are sent on.

    Others are asked for the full limit, because their tracks may be the same as ours.
    """

    query: str
    limit: int
    query_id: bytes
    visit: Visit[PeerId]
    deadline: float  # in trio's time


class Neighbourhood(Protocol):
    """The part of gossip that walkers need."""

    def neighbours(self, n: int) -> list[PeerRecord]:
        """Return up to `n` in random order."""

    def scope(self, peer_id: PeerId) -> int:
        """Return how narrow a network a name in a peer's record may lead into."""

    def unix_time(self) -> float:
        """Return the time that records are held against."""

    def on_lie(self, peer_id: PeerId) -> None:
        """Note that a peer broke the protocol."""


class Walkers:
    """The walkers that are under way from this server. `run` holds its connections."""

    def __init__(self, node: Node, neighbourhood: Neighbourhood) -> None:
        """Begin without walkers.

        Args:
            node: this server; tracks that its rules deny are not passed on.
            neighbourhood: the servers to walk to; it is told of lies.
        """
        self._access = node.access
        self._identity = node.identity
        self._network = node.network
        self._neighbourhood = neighbourhood
        self._connections: Connections | None = None
        self._avoided: dict[PeerId, float] = {}  # by neighbour, until this time
        self._calls = 0

    async def run(self) -> None:
        """Hold the connections to neighbours; without it no walker leaves."""
        async with trio.open_nursery() as nursery:
            self._connections = Connections(TERMS, self._network, nursery, lambda: self._identity)
            await trio.sleep_forever()

    @asynccontextmanager
    async def sent(self, errand: Errand) -> AsyncIterator[trio.MemoryReceiveChannel[News]]:
        """Send the walkers of a search on; give their findings until all have ended or the block is left.

        An error of the block is raised as it is.
        """
        tell, found = trio.open_memory_channel[News](0)
        async with open_nursery() as nursery:
            async with tell:
                self._spread(errand, errand.visit.budget.walkers, tell, nursery)
            yield found
            nursery.cancel_scope.cancel()

    def _spread(
        self, errand: Errand, walkers: int, tell: trio.MemorySendChannel[News], nursery: trio.Nursery
    ) -> None:
        """Let walkers go to neighbours, as many as there are calls for."""
        if self._connections is None or self._calls >= MAX_CALLS:
            return
        now = trio.current_time()
        known = {
            record.peer_id: record
            for record in self._neighbourhood.neighbours(NEIGHBOURS_ASKED)
            if self._avoided.get(record.peer_id, -math.inf) <= now
        }
        for step in errand.visit.steps(known, walkers):
            walk = (errand, known[step.peer], step, tell.clone(), nursery)
            nursery.start_soon(contained, "a walk", self._walk, *walk)

    async def _walk(
        self,
        errand: Errand,
        neighbour: PeerRecord,
        step: Step[PeerId],
        tell: trio.MemorySendChannel[News],
        nursery: trio.Nursery,
    ) -> None:
        """Send walkers one step; if the neighbour does not answer, they go elsewhere."""
        self._calls += 1
        async with tell:
            try:
                await self._ask(errand, neighbour, step, tell)
            except RemoteError as error:
                self._avoid(neighbour.peer_id, error)
                self._spread(errand, step.budget.walkers, tell, nursery)
            finally:
                self._calls -= 1

    async def _ask(
        self,
        errand: Errand,
        neighbour: PeerRecord,
        step: Step[PeerId],
        tell: trio.MemorySendChannel[News],
    ) -> None:
        """Ask a neighbour to search; raise RemoteError for no answer or an unsound one."""
        assert self._connections is not None
        peer = await self._connections.connect(await self._contact_untrusted(neighbour))
        if peer is None:
            raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "there are too many connections")
        request = pb.SearchRequest(
            query=errand.query,
            query_id=errand.query_id,
            limit=errand.limit,
            walkers=step.budget.walkers,
            hops=step.budget.hops,
            records=MAX_PEERS,  # a holder that may be out of the caller's reach is not passed on
        )
        reader = ReplyReader(errand.query, errand.limit, MAX_PEERS, peer.host)
        timeout_s = max(0.0, errand.deadline - trio.current_time())
        call = peer.search(request, timeout_s=timeout_s, first_reply_s=NEIGHBOUR_REPLY_S)
        async with aclosing(call) as replies:
            try:
                async for reply in replies:
                    found = map(
                        self._passed_on, reader.read_untrusted(reply, self._neighbourhood.unix_time())
                    )
                    await tell.send(News(neighbour.peer_id, [track for track in found if track.holders]))
            except RpcError:
                if not reader.has_begun:  # else its time was over, or a connection was lost on the way
                    raise

    def _passed_on(self, track: FoundTrack) -> FoundTrack:
        """Return a track with the holders that may be passed on; none if the track may not.

        We are left out: we know our own tracks best.
        """
        rules, own = self._access.rules, self._identity.peer_id
        holders = track.holders if rules.serves(track.track_id) else ()
        told = tuple(
            h
            for h in holders
            if h.peer_id != own and (rules.may_know(h.record) if h.record else rules.takes_from(h.peer_id))
        )
        return replace(track, holders=told)

    async def _contact_untrusted(self, neighbour: PeerRecord) -> Contact:
        """Return where a neighbour is; raise RemoteError if its name leads nowhere, or home."""
        scope = self._neighbourhood.scope(neighbour.peer_id)
        try:
            address = await numeric_untrusted(self._network, neighbour.endpoints[0], scope)
        except OSError as error:
            raise RpcError(StatusCode.UNAVAILABLE, str(error)) from error
        return Contact(address, neighbour.peer_id)

    def _avoid(self, peer_id: PeerId, error: RemoteError) -> None:
        """Leave a neighbour alone for a while, unless it is merely busy."""
        logger.info("a walk ended at a neighbour: %s", error)
        if isinstance(error, RpcError) and error.code() == StatusCode.RESOURCE_EXHAUSTED:
            return
        if len(self._avoided) >= MAX_AVOIDED:
            del self._avoided[next(iter(self._avoided))]
        if error.is_lie:
            self._neighbourhood.on_lie(peer_id)
        self._avoided[peer_id] = trio.current_time() + AVOID_S
