"""When to ask again for what a peer is making."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.search.preparing import LONGEST_S, Patience


@pytest.mark.parametrize(
    ("wait_s", "asked_at"),
    [
        (0.0, []),
        (0.5, [0.5]),
        (15.0, [1, 3, 7, 11, 15]),
        (18.0, [1, 3, 7, 11, 15, 18]),
        (-1.0, []),
    ],
)
def test_the_last_question_is_at_the_end_of_patience(wait_s, asked_at) -> None:
    patience, now, asked = Patience(wait_s, 100.0), 100.0, []
    while (again_s := patience.next_s(now)) is not None:
        now += again_s
        asked.append(now - 100.0)
    assert asked == asked_at


def test_the_time_that_a_search_takes_counts() -> None:
    patience = Patience(15.0, 100.0)
    assert patience.next_s(101.0) == 1.0
    assert patience.next_s(114.5) == 0.5
    assert patience.next_s(116.0) is None


def test_who_waits_for_ever_asks_seldom() -> None:
    patience = Patience(math.inf, 0.0)
    assert [patience.next_s(1e6) for _ in range(6)] == [1, 2, LONGEST_S, LONGEST_S, LONGEST_S, LONGEST_S]
