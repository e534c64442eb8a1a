"""When a call hangs, and when another one is made, on literal times."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.sources.call_watch import (
    CALL_AGAIN_S,
    DOUBT_LOST,
    HUNG_AFTER_S,
    HUNG_FIRST_S,
    HUNG_SILENCES,
    MAX_CALL_AGAIN_S,
    MOST_DOUBT,
    CallWatch,
)
from lightpeer.core.sources.path_state import ROUND_TRIPS, PathState


def calling(*, gives: bool = True, rtt_s: float = 0.0) -> CallWatch:
    """A call that has delivered once, at 10."""
    watch = CallWatch(PathState(rtt_s=rtt_s))
    watch.begin()
    if gives:
        watch.on_due(10.0)
        watch.on_chunk(10.0, 0.0, is_more_due=False)
    return watch


def test_without_an_answer_due_nothing_hangs() -> None:
    watch = calling()
    assert watch.has_given
    assert watch.is_resting
    assert watch.hung_at() == math.inf
    assert watch.silent_s(99.0) == 0.0
    watch.on_due(20.0)
    watch.on_due(21.0)
    assert not watch.is_resting
    assert watch.silent_s(23.0) == 3.0, "since the first of them"


def test_the_first_answer_may_take_longer() -> None:
    watch = calling(gives=False)
    assert not watch.has_given
    watch.on_due(20.0)
    assert watch.hung_at() == 20.0 + HUNG_FIRST_S


@pytest.mark.parametrize(
    ("rtt_s", "silence_s", "patience_s"),
    [(0.1, 0.1, HUNG_AFTER_S), (1.0, 0.1, ROUND_TRIPS * 1.0), (0.1, 1.0, HUNG_SILENCES * 1.0)],
)
def test_the_patience_is_as_long_as_answers_take(rtt_s: float, silence_s: float, patience_s: float) -> None:
    watch = calling(rtt_s=rtt_s)
    watch.on_due(20.0)
    watch.on_chunk(22.0, silence_s, is_more_due=True)
    assert watch.hung_at() == pytest.approx(22.0 + patience_s)


def test_a_byte_is_a_sign_of_life() -> None:
    path = PathState()
    watch = CallWatch(path)
    watch.begin()
    watch.on_due(20.0)
    path.heard_at = 23.0
    assert watch.hung_at() == 23.0 + HUNG_FIRST_S
    assert watch.silent_s(24.0) == 1.0


def test_a_second_connection_that_hangs_too_is_the_end_of_the_call() -> None:
    watch = calling()
    watch.on_due(20.0)
    assert watch.on_hung(), "another connection is worth it"
    assert watch.is_hung
    assert watch.is_resting
    watch.on_reconnected()
    assert not watch.is_hung
    watch.on_due(22.0)
    assert not watch.on_hung()
    assert not watch.is_hung
    watch.on_due(30.0)
    watch.on_chunk(30.0, 0.0, is_more_due=False)
    assert watch.on_hung(), "after an answer it is again"
    watch.on_chunk(31.0, 0.0, is_more_due=False)
    assert not watch.is_hung, "it came after all"


def test_each_connection_given_up_doubles_the_patience_and_answers_take_it_back() -> None:
    watch, patience = calling(), []
    for _ in range(5):
        watch.on_due(20.0)
        patience.append(watch.hung_at() - 20.0)
        watch.on_hung()
    assert patience == [HUNG_AFTER_S * times for times in (1.0, 2.0, 4.0, MOST_DOUBT, MOST_DOUBT)]
    watch.on_due(20.0)
    watch.on_chunk(20.0, 0.0, is_more_due=True)
    assert watch.hung_at() == pytest.approx(20.0 + DOUBT_LOST * MOST_DOUBT * HUNG_AFTER_S)


def test_calls_that_fail_are_made_less_and_less_often() -> None:
    watch, waits = calling(gives=False), []
    assert watch.may_begin_at == 0.0
    for _ in range(5):
        watch.on_failed(100.0)
        waits.append(watch.may_begin_at - 100.0)
    assert waits == [CALL_AGAIN_S, 4.0, 8.0, MAX_CALL_AGAIN_S, MAX_CALL_AGAIN_S]
    watch.on_udp()
    watch.on_failed(100.0)
    assert watch.may_begin_at == 100.0 + CALL_AGAIN_S, "UDP had passed in between"
    watch.on_chunk(100.0, 0.0, is_more_due=False)
    watch.on_failed(100.0)
    assert watch.may_begin_at == 100.0 + CALL_AGAIN_S, "the call had delivered"


def test_a_new_call_has_given_nothing_yet() -> None:
    watch = calling()
    watch.on_due(20.0)
    watch.begin()
    assert not watch.has_given
    assert watch.is_resting
