"""The order in which entries are played: as they stand, or drawn at random.

The order of the next lap is drawn when somebody first looks at it, since its first tracks are opened while
the last of this lap play. It then stays: what was opened ahead is what is played.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    Pick: TypeAlias = Callable[[int], int]
    """Returns a random number from 0 to below its argument."""


class Turn(NamedTuple):
    """One playing of an entry, apart from its others.

    Attributes:
        entry: the entry's id.
        lap: how often the queue had begun again by then.
        times: how often the entry had been played in this lap, one time after the other.
    """

    entry: int
    lap: int = 0
    times: int = 0


def shuffled(ids: Iterable[int], pick: Pick) -> list[int]:
    """Return ids in random order, each order as likely as any other (Fisher and Yates)."""
    drawn = list(ids)
    for last in range(len(drawn) - 1, 0, -1):
        other = pick(last + 1)
        drawn[last], drawn[other] = drawn[other], drawn[last]
    return drawn


class PlayOrder:
    """The order of one queue.

    Attributes:
        ids: the entries of this lap, in the order in which they are played.
        lap: how often the queue has begun again.
    """

    def __init__(self, pick: Pick) -> None:
        self.ids: list[int] = []
        self.lap = 0
        self._pick = pick
        self._is_random = False
        self._coming: list[int] | None = None  # the order of the next lap, once it has been looked at

    def draw(self, ids: Sequence[int], first: int | None, *, is_random: bool) -> None:
        """Order all entries anew.

        Args:
            ids: the entries, as they stand.
            first: at random, the one that is to be the first; None: any.
            is_random: whether it is drawn; else it is as they stand.
        """
        self._is_random, self._coming = is_random, None
        self.ids = shuffled(ids, self._pick) if is_random else list(ids)
        if is_random and first is not None:
            self.ids.remove(first)
            self.ids.insert(0, first)

    def stand(self, ids: Sequence[int]) -> None:
        """Note how entries stand now; at random that is no matter."""
        if not self._is_random:
            self.ids, self._coming = list(ids), None

    def add(self, added: Iterable[int], after: int | None) -> None:
        """At random, draw a place for each of some new entries, after the one that is played."""
        if not self._is_random:
            return
        self._coming = None
        begin = 0 if after is None else self.ids.index(after) + 1
        for entry in added:
            self.ids.insert(begin + self._pick(len(self.ids) - begin + 1), entry)

    def remove(self, entries: AbstractSet[int]) -> None:
        """Leave out entries that are removed."""
        self.ids = [entry for entry in self.ids if entry not in entries]
        if self._coming is not None:
            self._coming = [entry for entry in self._coming if entry not in entries]

    def bring(self, entry: int, after: int | None) -> None:
        """At random, have an entry follow another; the others stay in their order."""
        if self._is_random and entry != after:
            self.ids.remove(entry)
            self.ids.insert(0 if after is None else self.ids.index(after) + 1, entry)

    def enter(self, turn: Turn) -> None:
        """Begin the lap that a turn is of."""
        if turn.lap > self.lap:
            self.ids, self._coming, self.lap = self._next_lap(), None, turn.lap

    def rank(self, turn: Turn) -> tuple[int, int]:
        """Return a number for a turn of this lap; a later one's is greater."""
        return turn.lap, self.ids.index(turn.entry)

    def after(self, turn: Turn, *, repeats: bool) -> Turn | None:
        """Return the turn after another; None: it is the last, and nothing repeats."""
        ids = self.ids if turn.lap == self.lap else self._next_lap()
        index = ids.index(turn.entry) + 1
        if index < len(ids):
            return Turn(ids[index], turn.lap)
        return Turn(self._next_lap()[0], turn.lap + 1) if repeats else None

    def before(self, turn: Turn, *, repeats: bool) -> Turn:
        """Return the turn before one of this lap; the first has itself there, or what repeats the last."""
        index = self.ids.index(turn.entry)
        return Turn(self.ids[index - 1 if index or repeats else 0], turn.lap)

    def _next_lap(self) -> list[int]:
        if self._coming is None:
            self._coming = shuffled(self.ids, self._pick) if self._is_random else list(self.ids)
            if self._is_random and self._coming[0] == self.ids[-1]:  # it would be heard twice in a row
                self._coming.append(self._coming.pop(0))
        return self._coming
