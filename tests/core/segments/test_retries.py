"""When what failed is tried again, and when that is pointless."""

from __future__ import annotations

from lightpeer.core.segments.retries import ANSWERS, AWAY_S, FIRST_S, LONGEST_S, Retries


def test_without_any_answer_it_is_tried_for_ever_less_and_less_often():
    retries = Retries()
    waits = [retries.next_s(0.0, was_answered=False) for _ in range(100)]
    assert waits[:6] == [FIRST_S, 2.0, 4.0, 8.0, LONGEST_S, LONGEST_S]
    assert set(waits[5:]) == {LONGEST_S}


def test_a_few_answers_in_a_row_make_it_pointless():
    retries = Retries()
    assert [retries.next_s(0.0, was_answered=True) for _ in range(ANSWERS)] == [1.0, 2.0, 4.0, None]


def test_an_outage_between_two_answers_makes_them_say_less():
    retries = Retries()
    for _ in range(ANSWERS - 1):
        assert retries.next_s(0.0, was_answered=True) is not None
    assert retries.next_s(0.0, was_answered=False) is not None
    for _ in range(ANSWERS - 1):
        assert retries.next_s(0.0, was_answered=True) is not None
    assert retries.next_s(0.0, was_answered=True) is None


def test_a_try_that_took_long_was_most_of_the_wait():
    retries = Retries()
    waits = [retries.next_s(6.0, was_answered=False) for _ in range(6)]
    assert waits == [FIRST_S] * 3 + [2.0] + [LONGEST_S - 6.0] * 2


def test_holders_that_are_away_are_waited_for_a_while_only():
    retries, waited_s = Retries(), 0.0
    while (again_s := retries.next_s(2.0, was_answered=False, is_away=True)) is not None:
        waited_s += 2.0 + again_s
    assert AWAY_S - 2.0 <= waited_s < AWAY_S + LONGEST_S


def test_an_outage_between_makes_that_begin_anew():
    retries = Retries()
    for _ in range(20):
        assert retries.next_s(AWAY_S / 2, was_answered=False, is_away=True) is not None
        assert retries.next_s(AWAY_S, was_answered=False) is not None
