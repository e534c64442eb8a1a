"""Many servers on virtual rounds, each with the real view (`lightpeer/core/overlay/view.py`), at every size.

A round is the servers' period: each has two turns in it, in random order, and in a turn it introduces
itself to whom its view says. Only the calls between servers are left out: a dead server does not answer,
everybody else does at once. Any hashable will do as a peer's id, so ids are numbers here.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Self

from lightpeer.core.overlay.view import View
from lightpeer.serve.overlay.gossip import ACCEPTED_IN_ALL

SAMPLE = 15  # records that a joiner gets, as from Discovery.Exchange
BOOTSTRAPS = 3
GROWTH_ROUNDS = 20
SERVERS_PER_NETWORK = 4  # on the average, at random


@dataclass(frozen=True, slots=True)
class Server:
    """What a view holds of a server."""

    peer_id: int
    network: int | None = None
    expires_s: ClassVar[float] = math.inf


def network_of(server: Server) -> int | None:
    """Return the network group; a function with a name, so that swarms can be copied."""
    return server.network


class Swarm:
    """Servers by their numbers. Numbers are never used again."""

    turns_per_round = 2

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.servers: list[Server] = []
        self.views: list[View[Server]] = []
        self.alive: list[bool] = []
        self.joined: Counter[int] = Counter()  # through whom, in this round
        self.rejoin = False  # whether a server that lost everybody goes to a bootstrap peer again

    @classmethod
    def grown(cls, peers: int, seed: int) -> Self:
        """Return a swarm that grew evenly over 20 rounds through the same three bootstrap peers."""
        swarm = cls(seed)
        networks = max(1, peers // SERVERS_PER_NETWORK)
        for n in range(peers):
            swarm.join(swarm.rng.randrange(min(n, BOOTSTRAPS)) if n else None, swarm.rng.randrange(networks))
            if (n + 1) * GROWTH_ROUNDS // peers > n * GROWTH_ROUNDS // peers:
                swarm.round()
        return swarm

    def copy(self) -> Self:
        """Return the same swarm again, which will go on in the same way."""
        return pickle.loads(pickle.dumps(self, pickle.HIGHEST_PROTOCOL))

    def living(self) -> list[int]:
        """Return the numbers of those alive."""
        return [n for n, alive in enumerate(self.alive) if alive]

    def links(self) -> dict[int, list[int]]:
        """Return for each living server its living neighbours."""
        alive = self.alive
        return {n: [m for m in self.neighbours(n) if alive[m]] for n in self.living()}

    def neighbours(self, number: int) -> list[int]:
        """Return whom a server's view holds, dead or alive."""
        return [server.peer_id for server in self.views[number].records]

    def stale_links(self) -> int:
        """Return how many neighbours of the living are dead."""
        return sum(not self.alive[m] for n in self.living() for m in self.neighbours(n))

    def join(self, through: int | None, network: int | None = None) -> int:
        """Add a server that knows one other; return its number."""
        number = len(self.servers)
        self.servers.append(Server(number, network))
        self.views.append(self._new_view(number))
        self.alive.append(True)
        if through is not None:
            self.meet(number, through)
        return number

    def crash(self, numbers: list[int]) -> None:
        """End servers without a word."""
        for number in numbers:
            self.alive[number] = False

    def round(self) -> None:
        """Let a period pass."""
        self.joined.clear()
        for _ in range(self.turns_per_round):
            order = self.living()
            self.rng.shuffle(order)
            for number in order:
                self.turn(number)

    def turn(self, number: int) -> None:
        """Let one server introduce itself to its next contact."""
        view = self.views[number]
        introduction = view.next_introduction()
        if introduction is None:
            if self.rejoin:
                self.meet(number, self.rng.choice(self.living()))
        elif self.alive[partner := introduction.record.peer_id]:
            named = self.introduced(partner, number, wants_name=introduction.wants_name)
            view.on_answer(introduction, named)

    def introduced(self, host: int, guest: int, *, wants_name: bool) -> Server | None:
        """Let `host` be told of `guest`; return whom it names."""
        view = self.views[host]
        named = view.name_for(guest) if wants_name else None
        view.introduce(self.servers[guest])
        return named

    def meet(self, joiner: int, host: int) -> None:
        """Let a server join through another one: it takes over those of a sample that it can reach.

        It introduces itself there as well, and is taken in as far as others are.
        """
        sample = self.views[host].neighbours(SAMPLE, self.rng.randbytes)
        if self.joined[host] < ACCEPTED_IN_ALL:
            self.joined[host] += 1
            self.views[host].introduce(self.servers[joiner])
        for server in (self.servers[host], *sample):
            if self.alive[server.peer_id]:
                self.views[joiner].add(server)

    def _new_view(self, number: int) -> View[Server]:
        return View(number, group_of=network_of)
