"""The view: which few servers a server knows, chosen so that all the views make a random graph.

This is Cyclon's enhanced shuffling (Voulgaris, Gavidia, van Steen, "CYCLON: Inexpensive
Membership Management for Unstructured P2P Overlays", 2005): once a period a server takes its
oldest neighbour out of its view and swaps a few records with it, its own among them. So every
pointer is sooner or later tried by somebody, pointers at the dead vanish, and nobody gathers
more of them than others.

Ages are signed. A record's sequence is the Unix time at which its subject signed it, and a
server signs itself a new record for each shuffle that it starts; so a pointer's age is
`now - sequence`, and whoever relays it cannot make it look younger.

Call order, on the starting side: `start_shuffle` names the partner and what to send it besides
our own new record; then `finish_shuffle` with what came back, or `fail_shuffle` if nothing did.
On the answering side: `answer` gives what to send back, `finish_shuffle` takes what came. Between
the two, records may be verified at leisure: several shuffles may be under way, and records that
failed are just left out. Entries need only a peer id, a sequence and an expiry, so that a
simulation can use something lighter than signed records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Final, Generic, Protocol, TypeVar

from lightpeer.core.identity import PeerId
from lightpeer.errors import UsageError

CAPACITY: Final = 32  # log2 of ten thousand, doubled, and some: stays connected when two in three crash
SHUFFLE_LENGTH: Final = 8  # records that go each way, our own among them: 2 to 4 kB

Entropy = Callable[[int], bytes]


class Descriptor(Protocol):
    """What a view needs of a record."""

    @property
    def peer_id(self) -> PeerId:
        """The subject."""

    @property
    def sequence(self) -> int:
        """When the subject signed it, in Unix seconds."""

    @property
    def expires_s(self) -> int:
        """When it ends, in Unix seconds."""


R = TypeVar("R", bound=Descriptor)
_signed_at = attrgetter("sequence")


@dataclass(frozen=True, slots=True)
class Shuffle(Generic[R]):
    """One exchange under way: with whom, and what of our view the partner is given."""

    partner: PeerId
    contact: R | None  # the partner's record, where we chose it
    sent: tuple[R, ...]


class View(Generic[R]):
    """At most `capacity` neighbours, one record each, `own` never among them."""

    def __init__(self, own: PeerId, capacity: int = CAPACITY, shuffle_length: int = SHUFFLE_LENGTH) -> None:
        """Raise UsageError unless 1 <= shuffle_length <= capacity."""
        if not 1 <= shuffle_length <= capacity:
            raise UsageError("a shuffle swaps at least one record and at most the view")
        self._own = own
        self._capacity = capacity
        self._shuffle_length = shuffle_length
        self._records: dict[PeerId, R] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self._records

    @property
    def records(self) -> list[R]:
        """The neighbours' records."""
        return list(self._records.values())

    def get(self, peer_id: PeerId) -> R | None:
        """Return a neighbour's record."""
        return self._records.get(peer_id)

    def neighbours(self, n: int, entropy: Entropy) -> list[R]:
        """Return up to `n` neighbours at random; `entropy` gives that many random bytes."""
        return _pick(list(self._records.values()), n, entropy)

    def add(self, record: R) -> bool:
        """Take in a peer that was met (at a join, when it announced itself), and tell whether it is in.

        A newer record of a neighbour replaces the older; a full view takes in nobody else.
        """
        if record.peer_id == self._own:
            return False
        if not self._renew(record):
            if len(self._records) >= self._capacity:
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

    # Shuffles.

    def start_shuffle(self, entropy: Entropy) -> Shuffle[R] | None:
        """Take the oldest neighbour out and return a shuffle with it; None if there is no neighbour.

        The caller sends its own record, signed anew, ahead of `sent`.
        """
        if not self._records:
            return None
        oldest = min(self._records.values(), key=_signed_at)
        del self._records[oldest.peer_id]
        return Shuffle(oldest.peer_id, oldest, self._some(self._shuffle_length - 1, entropy))

    def answer(self, partner: PeerId, entropy: Entropy) -> Shuffle[R]:
        """Return a shuffle that `partner` started; `sent` is the answer."""
        return Shuffle(partner, None, self._some(self._shuffle_length, entropy, but=partner))

    def finish_shuffle(self, shuffle: Shuffle[R], received: Iterable[R]) -> None:
        """Merge what the partner sent, its own record included: into free places, then in place of `sent`."""
        given = iter([record.peer_id for record in shuffle.sent])
        for record in islice(received, self._shuffle_length):
            if record.peer_id == self._own or self._renew(record):
                continue
            if len(self._records) >= self._capacity and not self._clear_one(given):
                break
            self._records[record.peer_id] = record

    def fail_shuffle(self, shuffle: Shuffle[R]) -> None:
        """Note that the partner did not answer: it stays out, whoever may have named it meanwhile."""
        self._records.pop(shuffle.partner, None)

    def _some(self, n: int, entropy: Entropy, but: PeerId | None = None) -> tuple[R, ...]:
        return tuple(_pick([r for r in self._records.values() if r.peer_id != but], n, entropy))

    def _renew(self, record: R) -> bool:
        """Tell whether the peer is a neighbour already, and keep the younger record."""
        known = self._records.get(record.peer_id)
        if known is None:
            return False
        if record.sequence > known.sequence:
            self._records[record.peer_id] = record
        return True

    def _clear_one(self, given: Iterable[PeerId]) -> bool:
        """Drop the next of those given away that is still here."""
        return any(self._records.pop(peer_id, None) is not None for peer_id in given)


def _pick(records: Sequence[R], n: int, entropy: Entropy) -> list[R]:
    """Return `n` of the records in random order: as much of a Fisher-Yates shuffle as is needed."""
    records = list(records)
    n = min(n, len(records))
    words = entropy(2 * n)
    for i in range(n):
        j = i + int.from_bytes(words[2 * i : 2 * i + 2], "big") % (len(records) - i)
        records[i], records[j] = records[j], records[i]
    return records[:n]
