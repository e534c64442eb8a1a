"""How many segments are under way on a call."""

from __future__ import annotations

from lightpeer.core.sources.pull_ahead import MOST, SLOW_S, PullAhead


def answered(ahead: PullAhead, now: float, after_s: float) -> float:
    """Ask for all that may be, and let the first answer come."""
    ahead.on_asked(ahead.free, now)
    ahead.on_answer(now + after_s)
    return now + after_s


def test_it_begins_with_one_and_doubles_while_answers_come_soon():
    ahead, seen = PullAhead(), []
    for _ in range(5):
        seen.append((ahead.segments, ahead.free))
        ahead.on_asked(ahead.free, 0.0)
        assert ahead.free == 0
        ahead.on_answer(SLOW_S)
    assert seen == [(1, 1), (2, 2), (4, 3), (8, 5), (MOST, 1)]


def test_where_answers_come_late_few_are_under_way_and_never_less_than_two():
    ahead, now = PullAhead(), 0.0
    for _ in range(4):
        now = answered(ahead, now, 0.1)
    assert ahead.segments == MOST
    seen = []
    for _ in range(4):
        now = answered(ahead, now, SLOW_S + 0.1)
        seen.append(ahead.segments)
    assert seen == [4, 2, 2, 2]
    assert ahead.free == 0, "what was asked for before is waited for"


def test_a_first_answer_that_is_late_leaves_one():
    ahead = PullAhead()
    answered(ahead, 0.0, 2 * SLOW_S)
    assert ahead.segments == 1
    answered(ahead, 10.0, 0.1)
    assert ahead.segments == 2
