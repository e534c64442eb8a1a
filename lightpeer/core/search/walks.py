"""Search on k random walks: one server's part in a query.

A query starts with a budget of walkers and hops. Each server that it visits answers from its own index and
sends the walkers on with one hop less, so a query makes at most walkers times hops visits, whatever the
network's shape. The neighbours share the walkers evenly: a light client asks one server, from which they fan
out over two hops, so that no server has to make many calls for one query. Walks need a tiny part of the
messages of flooding, and many short ones find a track sooner than a long one (Lv, Cao, Cohen, Li and Shenker,
"Search and Replication in Unstructured Peer-to-Peer Networks", ICS 2002; Gkantsidis, Mihail and Saberi,
"Random walks in peer-to-peer networks: Algorithms and evaluation", Performance Evaluation 63, 2006).

Loops are suppressed as in Lv et al.'s "state keeping": for a while, a server remembers the peers that a query
came from and went to. The key is the query's id and its words, so that an id cannot be used up by another
query. Walkers that arrive a second time get no second answer. They go on as one, to a neighbour that the
query has not been exchanged with, or end if there is none. So a query does not go back and forth in a small
network.

Call order: `visit` for each query that arrives, then its `steps` for where the walkers go, and `steps` again
with the walkers of a step that failed. Neighbours are passed in random order; a peer is anything hashable.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

P = TypeVar("P", bound=Hashable)

MAX_WALKERS: Final = 64
MAX_HOPS: Final = 16  # with as many walkers, 1024 visits: the most that one query may cost the network
MAX_FAN_OUT: Final = 16  # calls of one visit, each with its seals; further walkers fan out a hop later
MAX_QUERIES: Final = 4096  # remembered: usually 1.4 MB, 10 MB if each was exchanged with many peers
MAX_EXCHANGED: Final = 64  # peers remembered for a query; with as many, no walker goes on from here
REMEMBER_S: Final = 60.0  # several times the longest search

_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Budget:
    """The rest of a query's cost: `walkers` that each go `hops` further."""

    walkers: int
    hops: int

    @property
    def visits(self) -> int:
        """How many servers it visits at most."""
        return self.walkers * self.hops

    def clamped(self) -> Budget:
        """Return the part of it that a server grants."""
        return Budget(min(self.walkers, MAX_WALKERS), min(self.hops, MAX_HOPS))


DEFAULT_BUDGET: Final = Budget(walkers=32, hops=12)
"""16 visits, then 32 a hop, 368 in all: finds a track that one peer in a hundred has with about 97 %."""

GREATEST_BUDGET: Final = Budget(MAX_WALKERS, MAX_HOPS)
"""For a track that an ordinary search did not find."""

NO_BUDGET: Final = Budget(walkers=0, hops=0)
"""Ask this server and no other."""


def budget_for(answered: int, *, found_any: bool) -> Budget:
    """Return the budget of a light client's next query: a greater one once, if an ordinary one found nothing.

    Args:
        answered: how many peers have answered so far, without finding enough.
        found_any: whether they found anything.
    """
    if answered == 0:
        return DEFAULT_BUDGET
    return GREATEST_BUDGET if answered == 1 and not found_any else NO_BUDGET


@dataclass(frozen=True, slots=True)
class Step(Generic[P]):
    """The next peer of some walkers, and their budget there."""

    peer: P
    budget: Budget


class Visit(Generic[P]):
    """One query at one server, from one peer.

    Attributes:
        budget: as it was granted.
        is_first: whether the query is to be answered here, as it was not here before.
    """

    __slots__ = ("_exchanged", "budget", "is_first")

    def __init__(self, budget: Budget, exchanged: set[P], *, is_first: bool) -> None:
        self.budget = budget
        self.is_first = is_first
        self._exchanged = exchanged

    def steps(self, neighbours: Iterable[P], walkers: int | None = None) -> list[Step[P]]:
        """Share out walkers among neighbours that the query has not been exchanged with.

        Args:
            neighbours: the neighbours, in random order.
            walkers: how many; None: all of the budget. After a step that failed, its walkers.
        """
        walkers = self.budget.walkers if walkers is None else walkers
        if not self.budget.hops or not walkers:
            return []
        room = min(walkers, MAX_FAN_OUT, MAX_EXCHANGED - len(self._exchanged))
        chosen: list[P] = []
        for peer in neighbours:
            if len(chosen) >= room:
                break
            if peer not in self._exchanged:
                self._exchanged.add(peer)
                chosen.append(peer)
        each, more = divmod(walkers, len(chosen) or 1)
        hops = self.budget.hops - 1
        return [Step(peer, Budget(each + (i < more), hops)) for i, peer in enumerate(chosen)]


class Walks(Generic[P]):
    """The queries that have visited one server recently."""

    __slots__ = ("_queries",)

    def __init__(self) -> None:
        self._queries: dict[
            bytes, tuple[float, set[P]]
        ] = {}  # the time of its first visit, and the peers that it was exchanged with

    def __len__(self) -> int:
        return len(self._queries)

    def visit(self, query_id: bytes, query: str, came_from: P, budget: Budget, now: float) -> Visit[P]:
        """Note that a query has arrived.

        Args:
            query_id: unique to the query; without one it is answered, and goes no further.
            query: its words, or the uri of a track.
            came_from: the peer that sent it.
            budget: as it was sent; the visit has the granted one.
            now: the time in seconds.
        """
        if not query_id:
            return Visit(NO_BUDGET, set(), is_first=True)
        self._forget(now)
        key = blake2b(query_id + query.encode(), digest_size=_KEY_BYTES).digest()
        known = self._queries.get(key)
        if known is None:
            if len(self._queries) >= MAX_QUERIES:
                del self._queries[next(iter(self._queries))]
            known = self._queries[key] = (now, set())
            is_first = True
        else:
            is_first = False
        exchanged = known[1]
        if len(exchanged) < MAX_EXCHANGED:
            exchanged.add(came_from)
        granted = budget.clamped()
        if not is_first:
            granted = Budget(min(1, granted.walkers), granted.hops)
        return Visit(granted, exchanged, is_first=is_first)

    def _forget(self, now: float) -> None:
        while self._queries:
            oldest = next(iter(self._queries))
            if now < self._queries[oldest][0] + REMEMBER_S:
                return
            del self._queries[oldest]
