"""The view: the few servers that a server knows. All views together make a random graph.

A view holds servers that introduced themselves, in the order in which they did, and none from hearsay. Each
period a server introduces itself twice: to its oldest neighbour, which thereby leaves the view, and to a
server that this neighbour names, its own oldest. The introduced server enters the view. The named server
leaves the namer's view, once that is well filled. So for each server as many pointers are made as are used
up, each is tried sooner or later, pointers at dead servers vanish, and no server gathers more than others.

This keeps the strengths of Cyclon (Voulgaris, Gavidia, van Steen, "CYCLON: Inexpensive Membership Management
for Unstructured P2P Overlays", 2005): contact with the oldest neighbour, which makes room by being asked, and
nearly equal degrees. But Cyclon swaps records of others, so a peer that answers with accomplices only soon
fills all views. Here each server introduces itself, so liars hold a share that follows from the number of
their introductions: with a fifth of the servers, at the protocol's speed, 29 % of the places. The caller
limits those that rush. The step to the named server mixes the graph, much as the Pointer-Push&Pull operation
of Mahlmann and Schindelhauer does ("Distributed random digraph transformations for peer-to-peer networks",
2006). `bench/README.md` has the figures of both.

Call order, twice a period: `next_introduction`, then `on_answer` if it was accepted; otherwise the server is
forgotten. On the other side: `name_for` a server that introduces itself and wants a name, and `introduce` it,
at once or once its address has been verified. A record is anything with a peer id and an expiry, so a
simulation can use something lighter than a signed one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from lightpeer.core.trust.identity import PeerId
from lightpeer.errors import UsageError

CAPACITY: Final = 37  # with ENOUGH, 32 on average: the graph stays connected when two in three crash
ENOUGH: Final = 28  # from here on pointers are moved, not copied
FEW: Final = 8  # with fewer, a neighbour that answered is worth more than an even graph
GROUP_SHARE: Final = 16  # one network has at most a sixteenth: colluders have fewer networks than ids

Entropy = Callable[[int], bytes]


class Record(Protocol):
    """The part of a peer's record that a view needs."""

    @property
    def peer_id(self) -> PeerId:
        """The subject."""

    @property
    def expires_s(self) -> int:
        """The Unix time in seconds at which it ends."""


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Introduction(Generic[R]):
    """The server to introduce ourselves to, and whether we want it to name another in return."""

    record: R
    wants_name: bool


class View(Generic[R]):
    """At most `capacity` neighbours, oldest first, `own` never among them."""

    __slots__ = ("_capacity", "_enough", "_group_of", "_named", "_own", "_records")

    def __init__(
        self,
        own: PeerId,
        *,
        capacity: int = CAPACITY,
        enough: int = ENOUGH,
        group_of: Callable[[R], Hashable | None] | None = None,
    ) -> None:
        """Make an empty view; raise UsageError unless 1 <= enough <= capacity.

        Args:
            own: our id.
            capacity: the neighbours at most.
            enough: the number of neighbours from which on a server that is named leaves.
            group_of: returns the network of a record, which has at most a sixteenth of a filled view; it
                returns None for a network without this bound.
        """
        if not 1 <= enough <= capacity:
            raise UsageError("a view's `enough` is at least 1, and at most its capacity")
        self._own = own
        self._capacity = capacity
        self._enough = enough
        self._group_of = group_of
        self._records: dict[PeerId, R] = {}
        self._named: R | None = None

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self._records

    @property
    def records(self) -> list[R]:
        """The neighbours' records, the oldest neighbour's first."""
        return list(self._records.values())

    def get(self, peer_id: PeerId) -> R | None:
        """Return a neighbour's record."""
        return self._records.get(peer_id)

    def neighbours(self, n: int, entropy: Entropy) -> list[R]:
        """Return up to `n` neighbours in random order; `entropy` returns random bytes."""
        records = list(self._records.values())
        n = min(n, len(records))
        words = entropy(2 * n)
        for i in range(n):  # the first `n` steps of a Fisher-Yates shuffle
            j = i + int.from_bytes(words[2 * i : 2 * i + 2], "big") % (len(records) - i)
            records[i], records[j] = records[j], records[i]
        return records[:n]

    def add(self, record: R) -> bool:
        """Add a peer that we met ourselves, as at a join; return whether it is in.

        It displaces no other. Only peers that introduce themselves fill a view beyond `enough`.
        """
        if record.peer_id == self._own or (
            record.peer_id not in self._records and len(self._records) >= self._enough
        ):
            return False
        self._records[record.peer_id] = record
        return True

    def remove(self, peer_id: PeerId) -> None:
        """Drop a neighbour."""
        self._records.pop(peer_id, None)

    def expire(self, now: float) -> None:
        """Drop records that have ended; `now` is Unix time in seconds."""
        for peer_id in [r.peer_id for r in self._records.values() if r.expires_s <= now]:
            del self._records[peer_id]

    # Introducing ourselves.

    def next_introduction(self) -> Introduction[R] | None:
        """Return the server to introduce ourselves to: the one named last, else our oldest neighbour.

        That neighbour leaves the view. Return None if there is no server.
        """
        named, self._named = self._named, None
        if named is not None:
            return Introduction(named, wants_name=False)
        if not self._records:
            return None
        return Introduction(self._records.pop(next(iter(self._records))), wants_name=True)

    def on_answer(self, introduction: Introduction[R], named: R | None) -> None:
        """Note that an introduction was accepted, and the server that was named in return, if any."""
        if not introduction.wants_name:
            return
        if len(self._records) < FEW:
            self._records[introduction.record.peer_id] = introduction.record
        if named is not None and named.peer_id != self._own:
            self._named = named

    # Being introduced to.

    def name_for(self, partner: PeerId) -> R | None:
        """Return our oldest neighbour, for `partner` to go to; in a filled view the pointer moves.

        A partner that is our neighbour gets no name, as it was here recently.
        """
        if not self._records or partner in self._records:
            return None
        name = next(iter(self._records.values()))
        if len(self._records) >= self._enough:
            del self._records[name.peer_id]
        return name

    def introduce(self, record: R) -> None:
        """Add a peer by its own record, as it sent it, as the youngest neighbour.

        A peer that is a neighbour already keeps its place, so that it cannot stay by coming again and again.
        """
        if record.peer_id == self._own:
            return
        if record.peer_id not in self._records:
            self._make_room(record)
        self._records[record.peer_id] = record

    def _make_room(self, newcomer: R) -> None:
        """Drop the oldest of the newcomer's network if that has its share, or the oldest of a full view."""
        for peer_id in self._too_many_with(newcomer):
            del self._records[peer_id]
        if len(self._records) >= self._capacity:
            del self._records[next(iter(self._records))]

    def _too_many_with(self, newcomer: R) -> list[PeerId]:
        """Return the peers of its own network that a newcomer displaces: two while that exceeds its share."""
        group = self._group_of(newcomer) if self._group_of else None
        if self._group_of is None or group is None or len(self._records) < self._enough // 2:
            return []
        same = [peer_id for peer_id, record in self._records.items() if self._group_of(record) == group]
        return same[: min(2, max(0, len(same) + 1 - self._capacity // GROUP_SHARE))]
