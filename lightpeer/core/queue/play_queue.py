"""The queue of a player: what is due, what follows, and what commands and the ends of tracks make of that.

It only says what is to be played; the player follows, told by `on_change`. So a command may come at any
moment, also while a track is being opened, and several at once add up. What is due is a turn: an entry that
repeats, and so follows itself, is another turn of the same entry, so that it can be opened ahead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lightpeer.core.queue.entries import Entries
from lightpeer.core.queue.modes import Modes
from lightpeer.core.queue.play_order import PlayOrder, Turn, shuffled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from collections.abc import Set as AbstractSet

    from lightpeer.core.queue.play_order import Pick


class PlayQueue:
    """A queue and the place in it where playing is to go on.

    Attributes:
        entries: what is in it.
        turn: what is due; None: nothing, before the beginning and after the end.
        position_s: where in that to go on, in seconds from its start.
        on_change: called when entries or modes have changed.
    """

    def __init__(self, pick: Pick) -> None:
        """Begin empty; `pick` returns a random number from 0 to below its argument."""
        self.entries = Entries()
        self.turn: Turn | None = None
        self.position_s = 0.0
        self._pick = pick
        self._order = PlayOrder(pick)
        self._modes = Modes()
        self.on_change: Callable[[], None] = lambda: None

    # What is in it.

    def add(self, items: Sequence[str], at: int | None = None) -> list[int]:
        """Add items before a place, or at the end; return the ids of the entries.

        Raises:
            UsageError: there is no such place, or the queue is full.
        """
        ids = self.entries.insert(items, at)
        self._order.add(ids, self._current)
        self._changed()
        return ids

    def delete(self, entries: Collection[int]) -> None:
        """Remove entries; if what is due is among them, what follows is due. UsageError: one is not here."""
        gone = frozenset(entries)
        self.entries.check(gone)
        heir = self._heir(gone)
        self.entries.remove(gone)
        self._order.remove(gone)
        if heir != self.turn:
            self._have_due(heir)
        self._changed()

    def _heir(self, gone: AbstractSet[int]) -> Turn | None:
        """Return what is due once some entries are removed."""
        turn = self.turn
        for _ in gone:
            if turn is None or turn.entry not in gone:
                break
            turn = self._order.after(turn, repeats=self._modes.repeat)
        return None if turn is not None and turn.entry in gone else turn

    def clear(self) -> None:
        """Remove all entries."""
        self.delete(self.entries.ids)

    def move(self, entries: Collection[int], to: int) -> None:
        """Move entries, in their order, so that the first of them is at a place.

        Raises:
            UsageError: one of them is not here, or there is no such place.
        """
        self.entries.move(frozenset(entries), to)
        self._changed()

    def shuffle(self, entries: Collection[int] | None = None) -> None:
        """Rearrange entries among their places, or all; what is due becomes the first of them.

        Raises:
            UsageError: one of them is not here.
        """
        chosen = frozenset(self.entries.ids if entries is None else entries)
        self.entries.rearrange(chosen, self._drawn)
        self._changed()

    def _changed(self) -> None:
        self._order.stand(self.entries.ids)
        self.on_change()

    def _drawn(self, ids: list[int]) -> list[int]:
        first = [entry for entry in ids if entry == self._current]
        return first + shuffled([entry for entry in ids if entry != self._current], self._pick)

    # How it is played.

    @property
    def modes(self) -> Modes:
        """How it is played."""
        return self._modes

    @modes.setter
    def modes(self, modes: Modes) -> None:
        before, self._modes = self._modes, modes
        if modes.random != before.random:
            self._order.draw(self.entries.ids, self._current, is_random=modes.random)
        if modes != before:
            self.on_change()

    @property
    def _current(self) -> int | None:
        return self.turn.entry if self.turn is not None else None

    @property
    def number(self) -> int:
        """Which of the entries is due, in the order in which they are played, from 1; 0: none."""
        return self._order.rank(self.turn)[1] + 1 if self.turn is not None else 0

    def following(self, count: int) -> list[Turn]:
        """Return the turns that follow by themselves what is due, at most so many."""
        turns: list[Turn] = []
        turn = None if self._modes.stops else self.turn
        while turn is not None and len(turns) < count:
            turn = self._after(turn)
            if turn is not None:
                turns.append(turn)
        return turns

    def is_followed(self, turn: Turn) -> bool:
        """Return whether another entry follows a turn."""
        if self._modes.stops or turn.entry not in self.entries:
            return False
        after = self._after(turn)
        return after is not None and after.entry != turn.entry

    def _after(self, turn: Turn) -> Turn | None:
        if self._modes.stays:
            return turn._replace(times=turn.times + 1)
        after = self._order.after(turn, repeats=self._modes.repeat)
        is_consumed = bool(self._modes.consume) and after is not None and after.entry == turn.entry
        return None if is_consumed else after

    # Where it is. Each of these returns whether something was left for what is later in the queue.

    def start(self) -> None:
        """Have the first entry due, if nothing is."""
        if self.turn is None and self._order.ids:
            self._have_due(Turn(self._order.ids[0], self._order.lap))

    def seek(self, position_s: float) -> bool:
        """Go on elsewhere in what is due; before its beginning means its beginning."""
        self.position_s = max(0.0, position_s) if self.turn is not None else 0.0
        return False

    def go(self, entry: int, position_s: float = 0.0) -> bool:
        """Go on in an entry, at a position in seconds; raise UsageError if it is not here."""
        self.entries.check({entry})
        self._order.bring(entry, self._current)
        turn = Turn(entry, self._order.lap)
        is_later = self.turn is not None and self._order.rank(turn) > self._order.rank(self.turn)
        self._have_due(self.turn if self.turn is not None and entry == self._current else turn)
        self.seek(position_s)
        return is_later

    def next(self) -> bool:
        """Go on with what follows; after the last, nothing is due."""
        if self.turn is not None:
            left = self.turn
            self._have_due(self._after(left))
            if self._modes.consume:
                self.delete([left.entry])
            self.modes = replace(self._modes, consume=self._modes.consume.after_use)
        return True

    def previous(self) -> bool:
        """Go back to what was before; from the first, to its beginning, or with `repeat` to the last."""
        if self.turn is not None:
            self._have_due(self._order.before(self.turn, repeats=self._modes.repeat))
        return False

    def advance(self) -> bool:
        """Go on at the end of what is due; return whether it is to be played at once."""
        stops = self._modes.stops
        self.next()
        self.modes = self._modes.after_entry()
        return self.turn is not None and not stops

    def _have_due(self, turn: Turn | None) -> None:
        self.turn, self.position_s = turn, 0.0
        if turn is not None:
            self._order.enter(turn)
        elif self._modes.random:  # the next time in another order
            self._order.draw(self.entries.ids, None, is_random=True)
