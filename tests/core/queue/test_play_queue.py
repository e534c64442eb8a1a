"""The queue: what is due and what follows, whatever is done to it and in whichever modes."""

from __future__ import annotations

import pytest

from lightpeer.core.queue.modes import Modes, Switch
from lightpeer.core.queue.play_order import Turn
from lightpeer.core.queue.play_queue import PlayQueue
from lightpeer.errors import UsageError

ON, ONCE = Switch.ON, Switch.ONCE
PLAIN = Modes()


def queue_of(*items: str, modes: Modes = PLAIN, pick=lambda below: below - 1) -> PlayQueue:
    """A queue whose first entry is due; random draws leave it as it stands unless told otherwise."""
    queue = PlayQueue(pick)
    queue.add(items or ("a", "b", "c", "d"))
    queue.modes = modes
    queue.start()
    return queue


def played(queue: PlayQueue, most: int = 8) -> str:
    """What is heard from now on: a bar is where playing stops."""
    heard = ""
    while queue.turn is not None and len(heard) < most:
        heard += queue.entries.item(queue.turn.entry)
        if not queue.advance():
            heard += "|"
    return heard


def test_it_begins_with_the_first_once():
    queue = PlayQueue(lambda _below: 0)
    queue.start()
    assert (queue.turn, queue.number, queue.following(2)) == (None, 0, [])
    queue.add(["a", "b"])
    assert queue.turn is None
    queue.start()
    queue.next()
    queue.start()
    assert (queue.turn, queue.number) == (Turn(2), 2)


@pytest.mark.parametrize(
    ("modes", "heard"),
    [
        (Modes(), "abcd|"),
        (Modes(repeat=True), "abcdabcd"),
        (Modes(single=ON), "a|b|c|d|"),
        (Modes(single=ONCE), "a|bcd|"),
        (Modes(repeat=True, single=ON), "aaaaaaaa"),
        (Modes(repeat=True, single=ONCE), "aabcdabc"),
        (Modes(consume=ON), "abcd|"),
        (Modes(consume=ON, repeat=True), "abcd|"),
        (Modes(consume=ONCE, repeat=True), "abcdbcdb"),
        (Modes(consume=ON, repeat=True, single=ON), "abcd|"),
        (Modes(random=True), "abcd|"),
    ],
)
def test_what_is_played_in_each_mode(modes, heard):
    assert played(queue_of(modes=modes)) == heard


def test_what_was_consumed_is_gone():
    queue = queue_of(modes=Modes(consume=ON))
    queue.advance()
    queue.next()
    assert queue.entries.ids == [3, 4]
    queue.modes = Modes(consume=ONCE)
    queue.next()
    assert (queue.entries.ids, queue.modes) == ([4], Modes())
    queue.next()
    assert (queue.entries.ids, queue.turn) == ([4], None)


def test_at_random_each_is_played_once_in_each_lap():
    draws = [0, 1, 0, 2, 1, 0, 1, 1, 0]
    queue = queue_of(
        modes=Modes(random=True, repeat=True), pick=lambda below: draws.pop(0) % below if draws else 0
    )
    heard = played(queue, most=16)
    assert [sorted(heard[at : at + 4]) for at in (0, 4, 8, 12)] == [list("abcd")] * 4
    assert len({heard[at : at + 4] for at in (0, 4, 8, 12)}) > 1


def test_after_a_random_end_comes_another_order():
    queue = queue_of("a", "b", "c", modes=Modes(random=True))
    queue._order._pick = queue._pick = lambda _below: 0
    assert played(queue) == "abc|"
    queue.start()
    assert played(queue) == "bca|"


@pytest.mark.parametrize(
    ("modes", "following"),
    [
        (Modes(), [Turn(2), Turn(3)]),
        (Modes(repeat=True), [Turn(2), Turn(3), Turn(4), Turn(1, 1), Turn(2, 1)]),
        (Modes(single=ON), []),
        (Modes(single=ONCE), []),
        (Modes(single=ON, repeat=True), [Turn(1, 0, 1), Turn(1, 0, 2)]),
    ],
)
def test_what_follows_by_itself(modes, following):
    assert queue_of(modes=modes).following(len(following) or 9) == following


def test_what_follows_ends_with_the_queue():
    queue = queue_of("a", "b")
    assert queue.following(9) == [Turn(2)]
    assert queue.is_followed(Turn(1))
    assert not queue.is_followed(Turn(2))
    queue.modes = Modes(single=ON)
    assert not queue.is_followed(Turn(1))
    queue.modes = Modes(single=ON, repeat=True)
    assert not queue.is_followed(Turn(1)), "but itself"


def test_one_that_repeats_alone_is_another_turn_each_time():
    queue = queue_of("a", modes=Modes(repeat=True))
    assert queue.following(2) == [Turn(1, 1), Turn(1, 2)]
    assert not queue.is_followed(Turn(1))
    assert queue.advance()
    assert (queue.turn, queue.following(2)) == (Turn(1, 1), [Turn(1, 2), Turn(1, 3)])


def test_commands_go_to_other_entries():
    queue = queue_of()
    assert queue.next()
    assert queue.turn == Turn(2)
    assert not queue.seek(9.5)
    assert (queue.turn, queue.position_s) == (Turn(2), 9.5)
    queue.seek(-1.0)
    assert queue.position_s == 0.0
    assert queue.go(4, 7.0)
    assert (queue.turn, queue.position_s, queue.number) == (Turn(4), 7.0, 4)
    assert not queue.go(4), "it begins again"
    assert (queue.turn, queue.position_s) == (Turn(4), 0.0)
    assert not queue.go(1)
    assert not queue.previous()
    assert queue.turn == Turn(1)
    queue.modes = Modes(repeat=True)
    queue.previous()
    assert queue.turn == Turn(4)
    queue.next()
    assert queue.turn == Turn(1, 1)


def test_commands_where_nothing_is_due():
    queue = queue_of("a", "b")
    assert queue.next()
    assert queue.next()
    assert (queue.turn, queue.number) == (None, 0)
    assert queue.next()
    assert not queue.previous()
    assert queue.turn is None
    assert not queue.go(2)
    assert queue.turn == Turn(2)
    with pytest.raises(UsageError, match="no entry 7"):
        queue.go(7)


def test_at_random_what_is_chosen_comes_next_and_the_rest_after_it():
    queue = queue_of(modes=Modes(random=True))
    queue.next()
    assert queue.go(4), "whatever its place"
    assert (queue.number, queue.following(9)) == (3, [Turn(3)])
    queue.previous()
    assert queue.turn == Turn(2)
    assert queue.go(1)
    assert queue.following(9) == [Turn(4), Turn(3)]


def test_a_turn_that_repeats_goes_on_as_itself():
    queue = queue_of(modes=Modes(repeat=True, single=ON))
    queue.advance()
    queue.go(1, 3.0)
    assert queue.turn == Turn(1, 0, 1)


def test_random_may_be_switched_while_it_plays():
    queue = queue_of(pick=lambda _below: 0)
    queue.next()
    queue.modes = Modes(random=True)
    assert (queue.turn, queue.number) == (Turn(2), 1)
    assert queue.following(9) == [Turn(3), Turn(4), Turn(1)]
    queue.modes = Modes(random=True, repeat=True)
    assert queue.following(3) == [Turn(3), Turn(4), Turn(1)], "no other mode draws anew"
    queue.modes = Modes()
    assert (queue.number, queue.following(9)) == (2, [Turn(3), Turn(4)])


# Changes while it plays.


def test_what_is_added_is_played_where_it_was_put():
    queue = queue_of()
    assert queue.add(["x"], 1) == [5]
    assert queue.add(["y"], 0) == [6]
    assert queue.add(["z"]) == [7]
    assert queue.number == 2
    assert played(queue) == "axbcdz|"


def test_at_random_what_is_added_is_still_to_come():
    queue = queue_of("a", "b", modes=Modes(random=True))
    queue.next()
    queue.add(["x", "y"], 0)
    assert queue.turn == Turn(2)
    assert sorted(played(queue)) == sorted("bxy|")


@pytest.mark.parametrize(
    ("deleted", "modes", "turn"),
    [
        ([1], Modes(), Turn(2)),
        ([3], Modes(), Turn(2)),
        ([2], Modes(), Turn(3)),
        ([2, 3], Modes(), Turn(4)),
        ([2, 3, 4], Modes(), None),
        ([2, 3, 4], Modes(repeat=True), Turn(1, 1)),
        ([1, 2, 3, 4], Modes(repeat=True), None),
        ([2, 3, 4], Modes(random=True, repeat=True), Turn(1, 1)),
        ([], Modes(), Turn(2)),
    ],
)
def test_where_what_is_due_is_removed_what_follows_is_due(deleted, modes, turn):
    queue = queue_of(modes=modes)
    queue.go(2, 5.0)
    queue.delete(deleted)
    assert queue.turn == turn
    assert queue.position_s == (5.0 if turn == Turn(2) else 0.0)
    assert queue.entries.ids == [entry for entry in (1, 2, 3, 4) if entry not in deleted]


def test_what_is_not_here_is_not_removed():
    queue = queue_of()
    with pytest.raises(UsageError):
        queue.delete([1, 9])
    assert (queue.turn, len(queue.entries)) == (Turn(1), 4)


def test_all_is_removed():
    queue = queue_of()
    queue.clear()
    assert (queue.turn, len(queue.entries)) == (None, 0)
    queue.add(["x"])
    queue.start()
    assert queue.turn == Turn(5)


def test_moving_changes_what_follows_and_not_what_plays():
    queue = queue_of()
    queue.seek(3.0)
    queue.move([4], 0)
    assert (queue.turn, queue.position_s, queue.number) == (Turn(1), 3.0, 2)
    queue.move([1, 4], 1)
    assert queue.entries.ids == [2, 4, 1, 3]
    assert played(queue) == "ac|"


def test_shuffling_puts_what_plays_first():
    queue = queue_of(pick=lambda _below: 0)
    queue.go(3)
    queue.shuffle()
    assert queue.entries.ids == [3, 2, 4, 1]
    queue.shuffle([4, 1])
    assert queue.entries.ids == [3, 2, 1, 4]
    assert queue.following(9) == [Turn(2), Turn(1), Turn(4)]
    queue.modes = Modes(random=True)
    queue.shuffle()
    assert queue.turn == Turn(3)
