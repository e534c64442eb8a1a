"""Plain Cyclon, to compare with: enhanced shuffling as Voulgaris, Gavidia and van Steen describe it (2005).

Once a round a server takes its oldest neighbour out of its view and sends it seven others and itself;
the partner sends eight of its own. Either puts what is new to it into free places first, then in place of
what it sent. A pointer's age is counted from the round in which its subject gave it away.
"""

from __future__ import annotations

from itertools import islice

from bench.swarm.population import Swarm

VIEW = 32
SHUFFLE_LENGTH = 8

Pointers = dict[int, int]  # peer to the round in which it was made


class CyclonSwarm(Swarm):
    """Servers that keep Cyclon's views."""

    turns_per_round = 1

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.now = 0
        self.pointers: list[Pointers] = []

    def neighbours(self, number: int) -> list[int]:
        return list(self.pointers[number])

    def join(self, through: int | None, network: int | None = None) -> int:
        self.pointers.append({})
        return super().join(through, network)

    def meet(self, joiner: int, host: int) -> None:
        sample = self.some(self.pointers[host], VIEW // 2 - 1)
        self.pointers[joiner] = {m: made for m, made in sample.items() if m != joiner}
        self.pointers[joiner][host] = self.now

    def round(self) -> None:
        self.now += 1
        super().round()

    def turn(self, number: int) -> None:
        mine = self.pointers[number]
        if not mine:
            return
        partner = min(mine, key=mine.__getitem__)
        del mine[partner]
        if self.alive[partner]:
            sent = self.some(mine, SHUFFLE_LENGTH - 1)
            merge(mine, self.swapped(partner, number, {number: self.now, **sent}), sent, number)

    def swapped(self, host: int, guest: int, received: Pointers) -> Pointers:
        """Let `host` take a shuffle; return what it sends back."""
        theirs = self.pointers[host]
        back = self.some({m: made for m, made in theirs.items() if m != guest}, SHUFFLE_LENGTH)
        merge(theirs, received, back, host)
        return back

    def some(self, pointers: Pointers, count: int) -> Pointers:
        chosen = self.rng.sample(list(pointers), min(count, len(pointers)))
        return {m: pointers[m] for m in chosen}


def merge(pointers: Pointers, received: Pointers, sent: Pointers, own: int) -> None:
    """Put what is new into free places, then in place of what was sent."""
    given = (m for m in sent if m in pointers)
    for m, made in received.items():
        if m == own:
            continue
        if m in pointers:
            pointers[m] = max(made, pointers[m])
            continue
        if len(pointers) >= VIEW:
            for victim in islice(given, 1):
                del pointers[victim]
            if len(pointers) >= VIEW:
                return
        pointers[m] = made
