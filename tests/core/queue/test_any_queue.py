"""The queue under any commands, in any order and modes: what always holds, whatever was done to it."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lightpeer.core.queue.modes import Modes, Switch
from lightpeer.core.queue.play_queue import PlayQueue

SWITCHES = st.sampled_from(Switch)
MODES = st.builds(Modes, random=st.booleans(), repeat=st.booleans(), single=SWITCHES, consume=SWITCHES)


class AnyQueue(RuleBasedStateMachine):
    """Commands as players give them; the ends of tracks come between them."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = PlayQueue(Random(1).randrange)
        self.changes = 0
        self.queue.on_change = self.note_change

    def note_change(self) -> None:
        self.changes += 1

    @property
    def ids(self) -> list[int]:
        return list(self.queue.entries.ids)

    def some(self, data: st.DataObject) -> set[int]:
        return data.draw(st.sets(st.sampled_from(self.ids)))

    @rule(data=st.data(), count=st.integers(1, 4))
    def add(self, data: st.DataObject, count: int) -> None:
        at = data.draw(st.none() | st.integers(0, len(self.ids)))
        before = self.ids
        added = self.queue.add(["x"] * count, at)
        place = len(before) if at is None else at
        assert self.ids == before[:place] + added + before[place:]
        assert not set(added) & set(before)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        gone, before, turn = self.some(data), self.ids, self.queue.turn
        self.queue.delete(gone)
        assert self.ids == [entry for entry in before if entry not in gone]
        if turn is not None and turn.entry not in gone:
            assert self.queue.turn == turn, "what plays goes on"

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        moved, before, turn = self.some(data), self.ids, self.queue.turn
        to = data.draw(st.integers(0, len(before) - len(moved)))
        self.queue.move(moved, to)
        assert self.ids[to : to + len(moved)] == [entry for entry in before if entry in moved]
        assert [entry for entry in self.ids if entry not in moved] == [e for e in before if e not in moved]
        assert self.queue.turn == turn

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def shuffle(self, data: st.DataObject) -> None:
        chosen, before, turn = self.some(data), self.ids, self.queue.turn
        self.queue.shuffle(chosen)
        assert sorted(self.ids) == sorted(before)
        kept = [(place, entry) for place, entry in enumerate(before) if entry not in chosen]
        assert all(self.ids[place] == entry for place, entry in kept)
        assert self.queue.turn == turn

    @rule(modes=MODES)
    def choose(self, modes: Modes) -> None:
        before, changes, turn = self.queue.modes, self.changes, self.queue.turn
        self.queue.modes = modes
        assert self.changes - changes == (modes != before), "told of once, and of a change alone"
        assert self.queue.turn == turn

    @rule()
    def start(self) -> None:
        turn = self.queue.turn
        self.queue.start()
        assert self.queue.turn == turn if turn is not None else bool(self.queue.turn) == bool(self.ids)

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), position_s=st.floats(-5.0, 500.0))
    def go(self, data: st.DataObject, position_s: float) -> None:
        entry = data.draw(st.sampled_from(self.ids))
        self.queue.go(entry, position_s)
        assert self.queue.turn is not None
        assert self.queue.turn.entry == entry
        assert self.queue.position_s == max(0.0, position_s)

    @rule()
    def end_of_track(self) -> None:
        """What was said to follow, and may have been opened ahead, is what is due."""
        turn, stops, consume = self.queue.turn, self.queue.modes.stops, self.queue.modes.consume
        expected = self.queue.following(1)
        goes_on = self.queue.advance()
        if turn is None:
            assert not goes_on
            assert self.queue.turn is None
            return
        if not stops:
            assert self.queue.turn == (expected[0] if expected else None)
        assert goes_on == (self.queue.turn is not None and not stops)
        assert not (consume and turn.entry in self.ids), "what was played is gone"
        assert Switch.ONCE not in {self.queue.modes.single, self.queue.modes.consume}

    @rule()
    def next(self) -> None:
        turn, single = self.queue.turn, self.queue.modes.single
        self.queue.next()
        assert self.queue.turn is None or self.queue.turn != turn
        assert self.queue.modes.single == single, "it counts for what ends by itself"

    @rule()
    def previous(self) -> None:
        had_turn = self.queue.turn is not None
        self.queue.previous()
        assert (self.queue.turn is not None) == had_turn
        assert self.queue.position_s == 0.0 or not had_turn

    @invariant()
    def what_is_due_and_what_follows_is_there(self) -> None:
        following = self.queue.following(5)
        turns = following if self.queue.turn is None else [self.queue.turn, *following]
        assert all(turn.entry in self.queue.entries for turn in turns)
        assert len(set(turns)) == len(turns), "no turn is played twice"
        assert following == [] or self.queue.turn is not None

    @invariant()
    def its_number_counts_from_one(self) -> None:
        number = self.queue.number
        assert 1 <= number <= len(self.ids) if self.queue.turn is not None else number == 0


TestAnyQueue = AnyQueue.TestCase
TestAnyQueue.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)


@given(st.integers(1, 12), st.booleans(), st.integers(0, 99), st.data())
def test_each_entry_is_played_once_though_others_are_removed_meanwhile(count, is_random, seed, data) -> None:
    queue = PlayQueue(Random(seed).randrange)
    queue.add(["x"] * count)
    queue.modes = Modes(random=is_random)
    queue.start()
    heard, gone = [], set()
    while queue.turn is not None:
        heard.append(queue.turn.entry)
        others = [entry for entry in queue.entries.ids if entry not in heard]
        removed = data.draw(st.sets(st.sampled_from(others), max_size=2)) if others else set()
        queue.delete(removed)
        gone |= removed
        queue.advance()
    assert Counter(heard) == Counter(set(range(1, count + 1)) - gone)


@given(st.integers(2, 8), st.integers(0, 99))
def test_repeated_at_random_every_lap_has_every_entry_once(count, seed) -> None:
    queue = PlayQueue(Random(seed).randrange)
    queue.add(["x"] * count)
    queue.modes = Modes(random=True, repeat=True)
    queue.start()
    for _ in range(4):
        lap = set()
        for _ in range(count):
            lap.add(queue.turn.entry)
            assert queue.advance()
        assert len(lap) == count
