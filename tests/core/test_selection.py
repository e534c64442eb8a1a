"""Who of several sources is asked, by literal times and what each of them gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lightpeer.core.datagram import MAX_PAYLOAD
from lightpeer.core.selection import (
    AGAIN_S,
    FELL,
    FINISH_S,
    GREW,
    LEAST_BYTES,
    LEAVE_OUT_AGAIN_S,
    LONGEST,
    MEASURE_RTTS,
    SETTLE_RTTS,
    Selection,
)

RTT_S = 0.2
STEP_S = 0.05
LINK = 50_000.0
Gives = Callable[[list[str]], float]


def thin(asked: list[str]) -> float:
    """Each source fills the link alone."""
    return LINK if asked else 0.0


def slow(asked: list[str]) -> float:
    """Each source gives a quarter of the link."""
    return LINK / 4 * len(asked)


class Course:
    """Feeds a selection with what the asked sources give, and notes who they were."""

    def __init__(self, *sources: str) -> None:
        self.selection: Selection[str] = Selection()
        self.now = 0.0
        self.came = 0.0
        self.asked: list[tuple[float, list[str]]] = []
        for source in sources:
            self.selection.on_joined(source)

    def run(self, until: float, gives: Gives) -> list[list[str]]:
        """Go on until then; return who was asked, one change after another."""
        began = len(self.asked)
        while self.now < until:
            before = set(self.selection.asked)
            is_more = self.selection.update(self.now, RTT_S, round(self.came))
            assert is_more == bool(set(self.selection.asked) - before)
            if not self.asked or self.asked[-1][1] != self.selection.asked:
                self.asked.append((self.now, list(self.selection.asked)))
            self.now += STEP_S
            rate = gives(self.selection.asked)
            self.came += rate * STEP_S
            if rate:
                self.selection.on_came(self.now)
        return [asked for _, asked in self.asked[began:]]


def test_one_is_asked_first_and_it_alone_costs_no_timer():
    selection: Selection[str] = Selection()
    assert not selection.update(0.0, RTT_S, 0)
    selection.on_joined("a")
    assert selection.update(0.0, RTT_S, 0)
    assert selection.asked == ["a"]
    selection.on_came(0.2)
    assert selection.due == float("inf")
    selection.on_joined("b")
    assert selection.due == 0.2
    assert not selection.update(0.1, RTT_S, 0), "nothing is due yet"


LOOKS_RTT_S = 0.25  # so that sums of times are exact
MEASURE_S = MEASURE_RTTS * LOOKS_RTT_S
SETTLE_S = SETTLE_RTTS * LOOKS_RTT_S


class Looks:
    """A selection that is looked at whenever it is due, with literal bytes come since the look before."""

    def __init__(self, *sources: str) -> None:
        self.selection: Selection[str] = Selection()
        self.came_bytes = 1000
        for source in sources:
            self.selection.on_joined(source)
        self.selection.update(0.0, LOOKS_RTT_S, 0)
        self.selection.on_came(1.0)

    def look(self, came_bytes: float) -> tuple[list[str], float]:
        """Return who is asked after a look, and in how long the next is due."""
        now = self.selection.due
        assert not self.selection.update(now - 0.001, LOOKS_RTT_S, self.came_bytes), (
            "before it nothing happens"
        )
        self.came_bytes += round(came_bytes)
        self.selection.update(now, LOOKS_RTT_S, self.came_bytes)
        return list(self.selection.asked), self.selection.due - now


def test_what_comes_is_measured_after_it_has_settled():
    looks = Looks("a", "b")
    assert looks.look(0) == (["a"], MEASURE_S)
    assert looks.look(LEAST_BYTES - 1) == (["a"], MEASURE_S / 2), "too few to tell, so a little longer"
    assert looks.look(1) == (["a", "b"], SETTLE_S)
    assert looks.look(500) == (["a", "b"], MEASURE_S), "what comes until then does not count"


def test_few_bytes_are_the_measure_after_some_time():
    looks = Looks("a", "b")
    looks.look(0)
    for _ in range(round(2 * (LONGEST - 1))):
        assert looks.look(MAX_PAYLOAD / 4) == (["a"], MEASURE_S / 2)
    assert looks.look(MAX_PAYLOAD / 4) == (["a", "b"], SETTLE_S)


def test_a_sum_that_grew_enough_at_the_second_measure_is_enough():
    looks = Looks("a", "b")
    looks.look(0)
    looks.look(10_000)
    looks.look(0)
    assert looks.look(10_000 * GREW - 1) == (["a", "b"], MEASURE_S)
    assert looks.selection.tried == ["b"]
    assert looks.look(10_000 * GREW + 1) == (["a", "b"], MEASURE_S)
    assert looks.selection.tried == []


def test_a_sum_that_did_not_grow_settles_without_the_newcomer():
    looks = Looks("a", "b")
    looks.look(0)
    looks.look(10_000)
    looks.look(0)
    looks.look(10_000)
    assert looks.look(10_000) == (["a"], SETTLE_S)
    assert looks.selection.tried == []


@pytest.mark.parametrize(("share", "asked"), [(FELL + 0.001, ["a"]), (FELL - 0.001, ["a", "b"])])
def test_who_is_left_out_has_time_to_finish(share, asked):
    looks = Looks("a", "b")
    for came_bytes in (0, 10_000, 0, 20_000):
        looks.look(came_bytes)
    while looks.selection.asked == ["a", "b"]:
        left, due_s = looks.look(20_000)
    assert (left, due_s) == (["a"], pytest.approx(SETTLE_S + FINISH_S))
    assert looks.look(0)[1] == MEASURE_S
    assert looks.look(20_000 * share)[0] == asked


def test_while_one_fills_the_link_the_next_is_silent_again():
    course = Course("a", "b", "c", "d")
    assert course.run(AGAIN_S, thin) == [["a"], ["a", "b"], ["a"]]
    tried_s = course.asked[2][0] - course.asked[1][0]
    assert tried_s < 1.1
    assert course.run(2 * AGAIN_S, thin) == [["a", "c"], ["a"]], "another"
    assert course.run(3 * AGAIN_S, thin) == [], "and not again so soon"


def test_while_the_sum_grows_as_many_are_added_as_are_asked():
    course = Course("a", "b", "c", "d")
    assert course.run(LEAVE_OUT_AGAIN_S, slow) == [["a"], ["a", "b"], ["a", "b", "c", "d"]]
    assert course.asked[-1][0] < 2.0


def test_one_that_grows_only_at_the_second_look_stays():
    course = Course("a", "b")
    course.run(0.9, slow)
    assert course.selection.tried == ["b"]
    course.run(1.5, lambda _: LINK / 4)
    assert course.selection.tried == ["b"], "the first look is over"
    course.run(5.0, slow)
    assert course.selection.asked == ["a", "b"]
    assert course.selection.tried == []


def test_who_is_no_use_any_more_is_left_out():
    course = Course("a", "b")
    course.run(5.0, slow)
    assert course.run(5.0 + LEAVE_OUT_AGAIN_S, lambda _: LINK / 4) == [["a"]]


def test_who_is_left_out_in_vain_is_asked_again_and_tried_less_often():
    course = Course("a", "b")
    course.run(5.0, slow)
    assert course.run(3 * LEAVE_OUT_AGAIN_S, slow) == [["a"], ["a", "b"]]
    assert course.run(4 * LEAVE_OUT_AGAIN_S, slow) == [["a"], ["a", "b"]]


def test_a_source_that_stalls_is_replaced_at_once():
    course = Course("a", "b", "c")
    course.run(0.1, thin)
    assert course.selection.on_stalled("a", ["a", "b"])
    assert course.selection.asked == ["c"]
    assert not course.selection.on_stalled("c", ["a", "b", "c"]), "by nobody where all stall"
    assert not course.selection.on_stalled("b", ["b"]), "it is not asked"
    assert course.selection.asked == ["c"]


def test_when_it_is_gone_another_is_asked():
    course = Course("a", "b")
    course.run(0.1, thin)
    course.selection.on_left("a")
    course.selection.on_left("a")
    assert course.run(0.2, thin) == [["b"]]


def test_whoever_is_needed_is_asked():
    course = Course("a", "b")
    course.run(0.1, thin)
    course.selection.ask("b")
    course.selection.ask("b")
    assert course.selection.asked == ["a", "b"]


def test_a_try_ends_where_there_is_nothing_to_ask_for():
    course = Course("a", "b")
    course.run(0.6, thin)
    assert course.selection.tried == ["b"]
    course.selection.on_idle()
    assert course.selection.asked == ["a"]
    assert course.selection.due == float("inf")


def test_who_was_tried_may_be_gone_by_then():
    course = Course("a", "b")
    course.run(0.6, thin)
    course.selection.tried.append("c")
    course.selection.on_idle()
    assert course.selection.asked == ["a"]


def test_a_dead_zone_says_nothing_of_anybody():
    course = Course("a", "b")
    course.run(5.0, slow)
    course.run(15.0, lambda _: 0.0)
    assert course.run(LEAVE_OUT_AGAIN_S, slow) == []


@pytest.mark.parametrize(("bytes_per_s", "within_s"), [(30_000, 1.0), (6_000, 2.0), (1_500, 3.0)])
def test_a_slow_source_is_measured_for_longer(bytes_per_s, within_s):
    course = Course("a", "b")
    assert course.run(within_s, lambda asked: bytes_per_s * len(asked)) == [["a"], ["a", "b"]]
