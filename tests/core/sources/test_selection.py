"""Who of several sources is asked, by literal times and what each of them gives."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.sources.probe import MOST_TIMES
from lightpeer.core.sources.selection import (
    AGAIN_S,
    FELL,
    LEAVE_OUT_AGAIN_S,
    PROBE_RTTS,
    Selection,
)
from lightpeer.core.sources.throughput import (
    FULL_AGAIN_S,
    LEAST_BYTES,
    LEAST_MEASURE_S,
    LONGEST,
    MAX_AGAIN_S,
    OTHER,
)

RTT_S = 0.25
UNIT = 1200
LINK = 60  # units a second


class Course:
    """Sources that give units evenly, each so many a second, through a link of so many; step by step."""

    def __init__(self, gives: float, *sources: str, link: float = LINK) -> None:
        self.selection: Selection[str] = Selection()
        self.now = 0.0
        self.gives: dict[str, float] = {}
        self.link = link
        self.probes: dict[str, tuple[float, int]] = {}  # when the answer is there
        self.owed: dict[str, float] = {}
        self.asked: list[list[str]] = []
        self.debts: list[int] = []
        self.answers = True
        for source in sources:
            self.join(source, gives)

    def join(self, source: str, gives: float) -> None:
        self.gives[source] = gives
        self.selection.on_joined(source)

    def run(self, until: float) -> list[list[str]]:
        """Go on until then; return who was asked besides those probed, one change after another."""
        began = len(self.asked)
        while self.now < until:
            self._step()
            selection = self.selection
            asked = [source for source in selection.asked if source not in selection.tried]
            if not self.asked or self.asked[-1] != asked:
                self.asked.append(asked)
        return self.asked[began:]

    def _step(self) -> None:
        selection = self.selection
        selection.update(self.now, RTT_S)
        if debt_bytes := selection.take_debt():
            self.debts.append(debt_bytes)
        for source in selection.tried:
            assert selection.probe is not None
            if selection.probe.may_ask(source):
                selection.probe.on_asked(source, UNIT, self.now)
                self.probes[source] = self.now + RTT_S, UNIT
        self.now += 1 / 64
        self._probed()
        sure = [source for source in selection.asked if source not in selection.tried]
        in_sum = sum(self.gives[source] for source in sure)
        for source in sure:
            share = min(1.0, self.link / in_sum) if in_sum else 0.0
            self.owed[source] = self.owed.get(source, 0.0) + self.gives[source] * share / 64
            while self.owed[source] >= 1:
                self.owed[source] -= 1
                selection.on_came(source, [(UNIT, self.now)])

    def _sure(self) -> set[str]:
        return set(self.selection.asked) - set(self.selection.tried)

    def _probed(self) -> None:
        for source, (at, size) in list(self.probes.items()):
            if self.now >= at and self.answers and source in self.selection.tried:
                del self.probes[source]
                is_over = self.selection.on_came(source, [(size, self.now)])
                assert is_over == (self.selection.due == self.now)
                sure = [one for one in self.selection.asked if one not in self.selection.tried]
                room = self.link - sum(self.gives[one] for one in sure)
                if room < 1:  # the others give way
                    self.owed[sure[0]] = self.owed.get(sure[0], 0.0) - 1


def thin(*sources: str) -> Course:
    """Each source fills the link alone."""
    return Course(LINK, *sources)


def slow(*sources: str) -> Course:
    """Each source gives a quarter of the link."""
    return Course(LINK / 4, *sources)


def test_one_is_asked_first_and_it_alone_costs_no_timer() -> None:
    selection: Selection[str] = Selection()
    selection.update(0.0, RTT_S)
    assert (selection.asked, selection.due) == ([], math.inf)
    selection.on_joined("a")
    selection.update(0.0, RTT_S)
    assert selection.asked == ["a"]
    assert not selection.on_came("a", [(UNIT, 0.25)])
    assert selection.due == math.inf
    selection.on_joined("b")
    assert selection.due == 0.25
    assert not selection.on_came("a", [(UNIT, 0.5)])
    selection.update(0.125, RTT_S)
    assert selection.due == 0.25, "nothing is due yet"
    selection.update(0.5, RTT_S)
    assert (selection.asked, selection.due) == (["a"], 0.5 + LEAST_MEASURE_S / 2), "nothing is measured yet"


def test_a_measure_goes_from_one_arrival_to_another_and_takes_some_bytes() -> None:
    selection: Selection[str] = Selection()
    selection.on_joined("a")
    selection.on_joined("b")
    selection.update(0.0, RTT_S)
    assert selection.on_came("a", [(9 * UNIT, 1.0)]), "what is due is nearer"
    selection.on_came("a", [(LEAST_BYTES - 1, 1.25)])
    selection.update(1.25, RTT_S)
    assert selection.probe is None, "not long enough"
    selection.on_came("a", [(0, 1.5)])
    selection.update(1.5, RTT_S)
    assert selection.probe is None, "not enough"
    selection.on_came("a", [(1, 2.0)])
    selection.update(2.0, RTT_S)
    assert selection.probe is not None
    assert selection.probe.before_bytes_per_s == LEAST_BYTES
    assert selection.due == 2.0 + PROBE_RTTS * RTT_S + LEAST_MEASURE_S
    assert not selection.on_came("b", [(UNIT, 2.1)]), "it was not asked"


def test_few_bytes_are_the_measure_after_some_time_and_more_of_late_is_what_comes() -> None:
    selection: Selection[str] = Selection()
    selection.on_joined("a")
    selection.on_joined("b")
    selection.update(0.0, 0.25)
    assert LONGEST * LEAST_MEASURE_S == 1.2
    for at in (1.0, 1.5, 2.0, 2.25):
        selection.on_came("a", [(UNIT, at)])
    selection.on_came("a", [(2 * UNIT, 2.5)])
    selection.update(2.5, 0.25)
    assert selection.probe is not None
    assert selection.probe.before_bytes_per_s == 2 * UNIT / 0.25


def test_while_one_fills_the_link_the_next_is_silent_again() -> None:
    course = thin("a", "b", "c", "d")
    assert course.run(AGAIN_S) == [["a"]]
    assert course.debts == [UNIT, UNIT], "what it brought of a full link"
    assert course.selection.tried == ()
    assert course.run(2 * AGAIN_S) == []
    assert course.debts == [UNIT, UNIT], "no other would add anything"
    course.run(FULL_AGAIN_S + 5.0)
    assert len(course.debts) == 4, "another, after a long time"
    course.run(2 * FULL_AGAIN_S)
    assert len(course.debts) == 4, "and not again so soon"


@pytest.mark.parametrize("times", [1.1 * OTHER, 0.9 / OTHER])
def test_on_another_link_another_is_probed(times: float) -> None:
    course = thin("a", "b", "c")
    course.run(AGAIN_S)
    course.link *= times
    for source in course.gives:
        course.gives[source] *= times
    course.run(AGAIN_S + 15.0)
    assert len(course.debts) == 4


def test_while_the_sum_grows_as_many_are_added_as_are_asked() -> None:
    course = slow("a", "b", "c", "d")
    assert course.run(LEAVE_OUT_AGAIN_S / 2) == [["a"], ["a", "b"], ["a", "b", "c", "d"]]
    assert course.debts == []


def test_until_a_greater_sum_is_measured_it_is_guessed() -> None:
    course = slow("a", "b")
    course.run(2.0)
    while len(course.selection.asked) < 2 or course.selection.tried:
        course.run(course.now + 1 / 64)
    course.join("c", LINK / 4)
    course.run(course.now + 0.1)
    assert course.selection.probe is not None
    assert course.selection.probe.before_bytes_per_s == pytest.approx(2 * LINK / 4 * UNIT, rel=0.1)


def test_a_guess_that_shows_nothing_is_measured() -> None:
    course = slow("a", "b", "c")
    course.link = LINK / 2
    assert course.run(12.0) == [["a"], ["a", "b"]]
    assert course.selection.wants_more(course.now) == (len(course.debts) < 2)
    assert course.selection._throughput.is_full(course.now), "the second time it is known"


def test_one_that_is_slow_is_no_use_and_the_next_is_tried_later() -> None:
    course = Course(LINK / 4, "a")
    course.join("b", 1)
    course.run(0.5)
    course.answers = False
    assert course.run(5.0) == []
    assert course.selection.tried == ()
    course.answers = True
    course.gives["b"] = LINK / 4
    course.probes.clear()
    assert course.run(AGAIN_S) == []
    assert course.run(2 * AGAIN_S) == [["a", "b"]]


def test_what_is_not_clear_is_probed_no_more_than_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightpeer.core.sources.probe.GROWN", 2.0)
    course = slow("a", "b")
    course.run(AGAIN_S)
    assert course.selection.tried == ()
    assert course.selection.asked == ["a"]
    assert len(course.debts) == 0
    assert not course.selection._throughput.is_full(course.now)
    assert MOST_TIMES == 4


def test_who_is_no_use_any_more_is_left_out() -> None:
    course = slow("a", "b")
    course.run(5.0)
    course.link = LINK / 4
    assert course.run(5.0 + LEAVE_OUT_AGAIN_S) == [["a"]]
    assert course.run(course.now + AGAIN_S / 2) == []


def test_who_is_left_out_in_vain_is_asked_again_and_tried_less_often() -> None:
    course = slow("a", "b")
    course.run(5.0)
    assert course.run(3 * LEAVE_OUT_AGAIN_S) == [["a"], ["a", "b"]]
    assert course.run(4 * LEAVE_OUT_AGAIN_S) == [["a"], ["a", "b"]]


def without_b() -> Course:
    """Bring two that are slow to where the second is left out, to see whether it is missed."""
    course = slow("a", "b")
    course.run(LEAVE_OUT_AGAIN_S)
    while course.selection._left_out is None:
        course.run(course.now + 1 / 64)
    return course


@pytest.mark.parametrize(("share", "asked"), [(FELL + 0.04, ["a"]), (FELL - 0.04, ["a", "b"])])
def test_whether_one_was_missed(share: float, asked: list[str]) -> None:
    course = without_b()
    course.gives["a"] = LINK / 2 * share
    course.run(course.now + 3.0)
    assert course.selection.asked == asked


def test_a_source_that_stalls_is_replaced_at_once() -> None:
    course = thin("a", "b", "c")
    course.run(0.1)
    course.selection.on_stalled("a", ["a", "b"])
    assert course.selection.asked == ["c"]
    course.selection.on_stalled("c", ["a", "b", "c"])
    assert course.selection.asked == ["c"], "by nobody where all stall"
    course.selection.on_stalled("b", ["b"])
    assert course.selection.asked == ["c"], "the other was not asked"


def probing(*sources: str) -> Course:
    """Return a course that is in the middle of a probe."""
    course = thin(*sources)
    while not course.selection.tried:
        course.run(course.now + 1 / 64)
    return course


def test_where_one_that_fills_the_link_stalls_a_probe_ends() -> None:
    course = probing("a", "b", "c")
    course.selection.on_stalled("a", ["a"])
    assert course.selection.asked == ["c"]
    assert course.selection.tried == ()


def test_where_one_that_is_probed_leaves_the_probe_ends() -> None:
    course = probing("a", "b", "c")
    course.selection.on_left("b")
    assert course.selection.asked == ["a"]
    assert course.selection.tried == ()
    course.selection.on_left("c")
    assert course.selection.due == math.inf


def test_where_all_others_leave_those_probed_are_asked() -> None:
    course = probing("a", "b")
    course.selection.on_left("a")
    assert course.selection.asked == ["b"]
    assert course.selection.tried == ()


def test_when_it_is_gone_another_is_asked() -> None:
    course = thin("a", "b")
    course.run(0.1)
    course.selection.on_left("a")
    course.selection.on_left("a")
    assert course.run(0.2) == [["b"]]


def test_whoever_is_needed_is_asked() -> None:
    course = thin("a", "b")
    course.run(0.1)
    course.selection.ask("b")
    course.selection.ask("b")
    assert course.selection.asked == ["a", "b"]
    assert course.selection.probe is None, "which would say who is asked"


def test_a_probe_ends_where_there_is_nothing_to_ask_for() -> None:
    course = probing("a", "b")
    course.selection.on_idle()
    assert course.selection.asked == ["a"]
    assert course.selection.due == math.inf


def test_who_is_probed_may_be_asked_no_more_by_then() -> None:
    course = probing("a", "b")
    course.selection.asked.remove("b")
    course.selection.on_idle()
    assert course.selection.asked == ["a"]


def test_one_left_out_that_is_gone_is_not_asked_again() -> None:
    course = without_b()
    course.selection.on_left("b")
    course.selection.on_idle()
    assert course.selection.asked == ["a"]


def test_one_left_out_that_takes_the_place_of_one_that_stalls_is_asked_once() -> None:
    course = without_b()
    course.selection.on_stalled("a", ["a"])
    assert course.selection.asked == ["b"]
    course.selection.on_left("b")
    assert course.selection.asked == []


def test_a_dead_zone_says_nothing_of_anybody() -> None:
    course = slow("a", "b")
    course.run(5.0)
    course.gives = dict.fromkeys(course.gives, 0.0)
    course.run(15.0)
    assert course.selection.due == math.inf
    course.gives = dict.fromkeys(course.gives, LINK / 4)
    assert course.run(LEAVE_OUT_AGAIN_S) == []


def test_whether_further_sources_are_wanted() -> None:
    course = thin("a")
    course.run(2.0)
    assert course.selection.wants_more(course.now), "one is no choice"
    course.join("b", LINK)
    assert not course.selection.wants_more(course.now), "it is to be probed"
    course.run(2.5)
    assert course.selection.tried == ["b"]
    assert not course.selection.wants_more(course.now)
    course.run(5.0)
    assert not course.selection.wants_more(course.now), "the link is full"
    course.selection.on_idle()
    assert not course.selection.wants_more(course.now), "and nothing came that told of another"
    assert course.selection.wants_more(course.now + MAX_AGAIN_S)
    growing = slow("a", "b")
    growing.run(5.0)
    assert growing.selection.wants_more(growing.now), "the sum has grown"


def test_while_the_sum_grows_more_are_wanted_whoever_is_being_probed() -> None:
    course = slow("a", "b", "c", "d", "e")
    while course._sure() != {"a", "b"}:
        course.run(course.now + 1 / 64)
    assert course.selection.tried
    assert course.selection.wants_more(course.now)


def test_one_that_was_never_probed_is_the_next() -> None:
    course = thin("a", "b")
    course.run(AGAIN_S)
    course.join("c", LINK)
    course.join("d", LINK)
    assert course.selection._roster.silent == ["c", "d", "b"]


def test_what_comes_together_counts_as_what_comes_one_by_one() -> None:
    one, many = Selection[str](), Selection[str]()
    for selection in (one, many):
        selection.on_joined("a")
        selection.on_joined("b")
        selection.update(0.0, RTT_S)
    arrivals = [(UNIT, 1.0 + number / 8) for number in range(9)]
    assert [one.on_came("a", [arrival]) for arrival in arrivals] == [True] + [False] * 8
    assert many.on_came("a", arrivals), "the first made it nearer"
    assert one.due == many.due == 1.0
    assert not many.on_came("a", [(UNIT, 2.125), (UNIT, 2.25)])
    one.on_came("a", [(UNIT, 2.125)])
    one.on_came("a", [(UNIT, 2.25)])
    for selection in (one, many):
        selection.update(2.25, RTT_S)
        assert selection.probe is not None
        selection.probe.on_asked("b", UNIT, 2.25)
        assert not selection.on_came("b", [(UNIT, 2.5)])
    assert one.probe is not None
    assert many.probe is not None
    rest = [(UNIT, 2.5 + number / 8) for number in range(1, 4)]
    assert [one.on_came("a", [arrival]) for arrival in rest][-1]
    assert many.on_came("a", rest)
    assert one.due == many.due == rest[-1][1]
    assert one.probe.on_top == many.probe.on_top
