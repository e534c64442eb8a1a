"""Search on k random walks: what one server does with a query that comes by.

A query starts with a budget of walkers and hops. Each server that it visits answers
from its own index and sends the walkers on, one hop poorer, so that a query makes at
most walkers times hops visits, however the network looks. Its neighbours share the
walkers evenly: a light client asks one server, from which they fan out over two hops,
so that no server has to make many calls for one query. Walks need a tiny part of the
messages of flooding, and many short ones find a thing sooner than a long one (Lv, Cao,
Cohen, Li and Shenker, "Search and Replication in Unstructured Peer-to-Peer Networks",
ICS 2002; Gkantsidis, Mihail and Saberi, "Random walks in peer-to-peer networks:
Algorithms and evaluation", Performance Evaluation 63, 2006).

Loops are suppressed as in Lv et al.'s "state keeping": a server remembers, by the
query's id and its words and for a while, whom it had the query from and whom it sent it
to; by its words too, so that nobody can use up an id with another query. Walkers
that come a second time get no second answer; they go on as one, to a neighbour that the
query has not been exchanged with; where there is none, they end. So a small network is
not asked to and fro.

Call order: `visit` for each query that comes; its `steps` for where the walkers go, and
`steps` again with those of a step that failed. Neighbours are given in random order;
anything that can be in a set will do for a peer.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

P = TypeVar("P", bound=Hashable)

MAX_WALKERS: Final = 64
MAX_HOPS: Final = 16  # with as many walkers, 1024 visits: what one query may cost the network
MAX_FAN_OUT: Final = 16  # calls that one visit makes, each with its seals: the rest fan out a hop later
MAX_QUERIES: Final = 4096  # remembered: 1.4 MB for what walks leave, 10 MB if each was exchanged with many
MAX_EXCHANGED: Final = 64  # peers remembered for a query: with as many, no walker goes on from here
REMEMBER_S: Final = 60.0  # several times what a search may take

_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Budget:
    """What a query may still cost: `walkers` that go `hops` further each."""

    walkers: int
    hops: int

    @property
    def visits(self) -> int:
        """How many servers it reaches at most."""
        return self.walkers * self.hops

    def clamped(self) -> Budget:
        """Return what a server grants of it, whatever was asked."""
        return Budget(min(self.walkers, MAX_WALKERS), min(self.hops, MAX_HOPS))


DEFAULT_BUDGET: Final = Budget(walkers=32, hops=12)
"""16 visits, then 32 a hop, 368 in all: what one peer in a hundred has is found with about 97 %."""

GREATEST_BUDGET: Final = Budget(MAX_WALKERS, MAX_HOPS)
"""For what an ordinary search did not find."""

NO_BUDGET: Final = Budget(walkers=0, hops=0)
"""Ask this server and nobody else."""


def budget_for(answered: int, *, found_any: bool) -> Budget:
    """Return how far a light client's next query may go: further once, where an ordinary one found nothing.

    Args:
        answered: how many peers have answered, and it was not enough.
        found_any: whether they found anything.
    """
    if answered == 0:
        return DEFAULT_BUDGET
    return GREATEST_BUDGET if answered == 1 and not found_any else NO_BUDGET


@dataclass(frozen=True, slots=True)
class Step(Generic[P]):
    """Where some of the walkers go next, and what they have left there."""

    peer: P
    budget: Budget


class Visit(Generic[P]):
    """One query at one server, from one peer."""

    __slots__ = ("_exchanged", "budget", "is_first")

    def __init__(self, budget: Budget, exchanged: set[P], *, is_first: bool) -> None:
        self.budget = budget
        self.is_first = is_first
        """Whether it is to be answered here: the query was not here before."""
        self._exchanged = exchanged

    def steps(self, neighbours: Iterable[P], walkers: int | None = None) -> list[Step[P]]:
        """Share out walkers to neighbours that the query was not exchanged with yet.

        Args:
            neighbours: whom they may go to, in random order.
            walkers: how many; all of the budget's unless some come back from a step that failed.
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
    """The queries that have visited one server lately."""

    __slots__ = ("_queries",)

    def __init__(self) -> None:
        self._queries: dict[
            bytes, tuple[float, set[P]]
        ] = {}  # when it first came, and whom it was exchanged with

    def __len__(self) -> int:
        return len(self._queries)

    def visit(self, query_id: bytes, query: str, came_from: P, budget: Budget, now: float) -> Visit[P]:
        """Note that a query has come.

        Args:
            query_id: what tells it from all others; without one it is answered, and goes no further.
            query: what it asks.
            came_from: who sent it.
            budget: as it was sent; what is granted is the visit's.
            now: seconds.
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
