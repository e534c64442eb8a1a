"""What a probe shows, by literal times of what comes beside it."""

from __future__ import annotations

import pytest

from lightpeer.core.sources.probe import CLEARLY, FULL, GROWN, LENGTH, LONG_S, MOST_TIMES, WORTH, Probe

BEFORE = 10_240.0  # bytes a second
UNIT = 1280  # one comes every eighth of a second, so that sums of times are exact


def over(probe: Probe[str], more: float, *, at: float = 0.0, answer_s: float = 0.125) -> None:
    """Probe "b" once with a unit, of which that share comes on top."""
    probe.on_came("a", UNIT, at)
    probe.on_asked("b", UNIT, at)
    assert not probe.on_came("b", UNIT, at + answer_s)
    length_s = LENGTH * UNIT / BEFORE
    came = BEFORE * max(length_s, answer_s) + more * UNIT - UNIT
    assert probe.on_came("a", round(came), at + max(length_s, answer_s))


def test_who_is_probed_is_asked_once() -> None:
    probe = Probe(["b"], BEFORE)
    assert probe.may_ask("b")
    probe.on_asked("a", UNIT, 0.0)
    assert probe.may_ask("a"), "it is not probed"
    probe.on_asked("b", UNIT, 0.0)
    assert not probe.may_ask("b")
    assert probe.asked_bytes == UNIT
    probe.repeat()
    assert probe.may_ask("b")
    assert probe.asked_bytes == 0


def test_it_is_over_when_all_have_answered_and_the_others_have_come_for_a_while() -> None:
    probe = Probe(["b", "c"], BEFORE)
    probe.on_asked("b", UNIT, 0.0)
    assert not probe.on_came("a", UNIT, 0.125), "before any answer"
    assert not probe.on_came("b", UNIT, 0.25)
    assert not probe.on_came("a", UNIT, 0.375), "the other was not asked yet"
    probe.on_asked("c", UNIT, 0.375)
    assert not probe.on_came("a", 5 * UNIT, 0.5), "it has not answered"
    assert not probe.on_came("c", UNIT, 0.5)
    assert not probe.on_came("a", UNIT, 0.62), "four times as much is to be expected since 0.125"
    assert not probe.is_over
    assert probe.on_came("a", UNIT, 0.625)
    assert probe.is_over


def test_what_came_is_counted_from_the_arrival_before() -> None:
    probe = Probe(["b"], BEFORE)
    probe.on_asked("b", UNIT, 0.0)
    probe.on_came("a", 7 * UNIT, 0.125)
    probe.on_came("b", UNIT, 0.2)
    probe.on_came("a", UNIT, 0.25)
    probe.on_came("a", UNIT, 0.375)
    assert probe.on_top == 1.0, "two units were to come in that time, and three came"


def test_without_an_arrival_before_it_is_counted_from_the_answer() -> None:
    probe = Probe(["b"], BEFORE)
    probe.on_asked("b", UNIT, 0.0)
    probe.on_came("b", UNIT, 0.125)
    probe.on_came("a", 2 * UNIT, 0.375)
    assert probe.on_top == 1.0


@pytest.mark.parametrize(
    ("on_top", "is_clear"), [(FULL, True), (FULL + 0.01, False), (GROWN - 0.01, False), (GROWN, True)]
)
def test_twice_tells_unless_it_is_in_between(on_top: float, is_clear: bool) -> None:
    probe = Probe(["b"], BEFORE)
    over(probe, on_top)
    assert probe.on_top == pytest.approx(on_top, abs=0.001)
    assert not probe.is_clear, "a unit may have been lost"
    probe.repeat()
    assert not probe.is_over
    over(probe, on_top, at=9.0)
    assert probe.is_clear == is_clear
    assert probe.is_full == (on_top <= FULL)
    assert probe.has_grown(0.125) == (on_top >= GROWN)


def test_the_last_time_tells_in_any_case() -> None:
    probe = Probe(["b"], BEFORE)
    between = (FULL + GROWN) / 2
    over(probe, between)
    for time in range(1, MOST_TIMES):
        assert not probe.is_clear
        probe.repeat()
        over(probe, between, at=10.0 * time)
    assert probe.is_clear
    assert not probe.is_full
    assert not probe.has_grown(0.125)


@pytest.mark.parametrize(("on_top", "is_clear"), [(CLEARLY + 0.01, True), (CLEARLY - 0.01, False)])
def test_once_tells_that_the_sum_has_clearly_grown(on_top: float, is_clear: bool) -> None:
    probe = Probe(["b"], BEFORE)
    over(probe, on_top)
    assert probe.is_clear == is_clear


def test_a_short_time_tells_nothing_once() -> None:
    probe = Probe(["b"], 2 * BEFORE)
    probe.on_asked("b", UNIT, 0.0)
    probe.on_came("a", UNIT, 0.0)
    probe.on_came("b", UNIT, 0.05)
    assert probe.on_came("a", 2 * UNIT, LONG_S - 0.01)
    assert probe.on_top > 0
    assert not probe.is_clear


def test_before_any_answer_it_shows_nothing() -> None:
    probe = Probe(["b"], BEFORE)
    assert probe.on_top == 0
    assert not probe.is_full
    assert not probe.has_grown(0.125)


def test_one_that_answers_slowly_is_not_worth_it() -> None:
    worth_s = UNIT / (WORTH * BEFORE)
    for longer_s, has_grown in ((worth_s - 0.01, True), (worth_s + 0.01, False)):
        probe = Probe(["b"], BEFORE)
        over(probe, 1.0, answer_s=0.25 + longer_s)
        assert probe.has_grown(0.25) == has_grown
        assert not probe.is_full
