"""The calls of one source: what is asked for on them, and which answers count."""

from __future__ import annotations

import pytest

from lightpeer.core.segments.events import EndCall, StartCall
from lightpeer.core.segments.handle import SourceHandle
from lightpeer.core.segments.object_queue import PATIENCE_S
from lightpeer.core.segments.pull_call import MOST, SLOW_S, PullAhead, PullCall
from tests.core.segments.one_source import TABLE, OneSource


class Calls(OneSource):
    """The calls of a source that is nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.holder = SourceHandle()
        self.call = PullCall(self.shared, self.holder)


@pytest.fixture
def on() -> Calls:
    return Calls()


def test_without_a_call_nothing_is_asked_or_ended(on: Calls) -> None:
    on.wish(0)
    assert on.call.ask(10.0) == []
    assert not on.call.is_answer_due
    assert not on.call.accept((0, 0), 10.0)
    assert not on.call.is_present(0)
    on.call.end()
    assert on.events() == []


def test_the_shell_makes_and_ends_calls_one_at_a_time_by_number(on: Calls) -> None:
    on.call.start()
    assert [on.call.is_present(number) for number in (0, 1, 2)] == [False, True, False]
    on.call.end()
    assert not on.call.is_present(1)
    on.call.end()
    on.call.start(renews=True)
    assert [on.call.is_present(number) for number in (1, 2)] == [False, True]
    assert on.events() == [StartCall(on.holder, 1), EndCall(on.holder), StartCall(on.holder, 2, renews=True)]


def test_it_asks_for_one_then_more_as_long_as_answers_come_soon(on: Calls) -> None:
    on.wish(*range(40))
    on.call.start()
    assert on.call.ask(10.0) == [(0, 0)]
    assert on.call.ask(10.0) == []
    assert on.call.accept((0, 0), 10.5)
    assert on.call.ask(10.5) == [(0, 1), (0, 2)]
    for segment in (1, 2):
        assert on.call.accept((0, segment), 11.0)
    assert len(on.call.ask(11.0)) == MOST
    on.call.end()
    on.call.start()
    assert on.call.ask(11.0) == [(0, 0)], "one, as at first; nothing came that was verified"


def test_what_it_asks_for_is_due_as_late_as_by_udp(on: Calls) -> None:
    on.wish(7, rendition=1)
    on.call.start()
    assert on.call.ask(10.0) == [(1, 7)]
    assert on.scheduler.queue.next_due() == 10.0 + PATIENCE_S
    assert on.scheduler.queue.first_holder() is on.holder


def test_since_when_something_is_due_without_a_break(on: Calls) -> None:
    on.wish(0, 1, 2, 3)
    on.call.start()
    on.call.ask(10.0)
    assert on.call.awaited_at == 10.0
    on.call.accept((0, 0), 11.0)
    assert not on.call.is_answer_due
    assert len(on.call.ask(11.0)) == 2
    on.call.accept((0, 1), 12.0)
    assert on.call.ask(12.0) == [(0, 3)]
    assert (on.call.is_answer_due, on.call.awaited_at) == (True, 11.0)


def test_an_answer_must_be_the_one_that_is_due(on: Calls) -> None:
    on.scheduler.wish(0, 0)
    on.call.start()
    assert on.call.ask(10.0) == [(0, TABLE)]
    assert not on.call.accept((0, 0), 10.5)


def test_the_end_of_a_call_frees_what_was_asked_for_and_takes_back_what_was_not_sent_yet(on: Calls) -> None:
    other = SourceHandle()
    kept = [(other, [(0, 1)]), (on.holder, b"a datagram")]
    on.wish(0)
    on.call.start()
    on.shared.out.extend([kept[0], (on.holder, on.call.ask(10.0)), kept[1]])
    on.call.end()
    assert list(on.shared.out) == kept
    assert not on.call.is_answer_due
    assert on.scheduler.queue.first_holder() is None


# How many segments are under way.


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
