"""One object out of units: what is asked for, here or missing, and whose bytes are taken."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.segments.assembly import Assembly, Outcome
from lightpeer.core.udp.datagram import UnitRange

DATA = random.Random(1).randbytes(2500)
SIZES = [834, 834, 832]


def part(unit: int) -> bytes:
    return DATA[unit * 834 : (unit + 1) * 834]


def made() -> Assembly:
    return Assembly((0, 7), len(DATA))


def ranges(*firsts_and_counts: tuple[int, int]) -> list[tuple[UnitRange, list[int]]]:
    return [(UnitRange(0, 7, first, n), SIZES[first : first + n]) for first, n in firsts_and_counts]


def test_units_are_laid_out_evenly_and_all_are_missing_at_first() -> None:
    item = made()
    assert item.unit_sizes == SIZES
    assert item.missing == [0, 1, 2]
    assert Assembly((0, 0), 5).unit_sizes == [5]
    assert (item.source, item.due_s, item.was_hedged, item.is_suspect) == (None, math.inf, False, False)


def test_a_budget_is_kept_to() -> None:
    item = made()
    assert item.ask_within(833) == ([], 0.0)
    assert item.ask_within(1700.0) == (ranges((0, 2)), 32.0)
    assert item.missing == [2]
    assert item.ask_within(832) == (ranges((2, 1)), 0.0)
    assert item.ask_within(9e9) == ([], 9e9), "all was asked for"


def test_a_gap_makes_two_ranges_and_a_smaller_unit_may_fit_where_another_did_not() -> None:
    item = made()
    item.put("a", 1, part(1))
    assert item.ask_within(9e9)[0] == ranges((0, 1), (2, 1))
    item.release()
    assert item.ask_within(834 + 832) == (ranges((0, 1), (2, 1)), 0)
    item.release()
    assert item.ask_within(834 + 831) == (ranges((0, 1)), 0.0), "the second does not fit"


def test_units_asked_for_or_not_make_it_complete() -> None:
    item = made()
    item.ask_within(834)
    assert item.put("a", 0, part(0)) is Outcome.PART
    assert item.put("b", 2, part(2)) is Outcome.PART, "nobody asked"
    assert item.missing == [1]
    assert item.put("a", 0, part(0)) is Outcome.UNWANTED
    assert item.put("a", 3, part(0)) is Outcome.UNWANTED, "there is no fourth"
    assert item.put("a", 1, part(2)) is Outcome.WRONG_SIZE
    assert item.put("a", 1, part(1)) is Outcome.COMPLETE
    assert item.data() == DATA
    assert item.givers == {"a", "b"}


def test_the_whole_stands_in_for_units() -> None:
    item = made()
    item.put("a", 0, part(0))
    assert item.put_whole("b", DATA) == 834
    assert item.data() == DATA
    assert item.givers == {"b"}


def test_all_may_be_asked_for_though_some_are_here() -> None:
    item = made()
    item.put("a", 0, part(0))
    item.ask_whole()
    assert item.missing == []
    item.on_lost(0)
    assert item.missing == [], "it is here"
    item.on_lost(1)
    item.on_lost(1)
    item.on_lost(9)
    assert item.missing == [1]


def test_what_is_released_or_shared_is_missing_again() -> None:
    item = made()
    item.hand_to("a", 3.0)
    item.ask_within(9e9)
    item.put("a", 0, part(0))
    item.release()
    assert (item.source, item.missing) == (None, [1, 2])
    item.hand_to("b", 5.0)
    item.ask_within(834)
    assert item.hedge() == 834
    assert (item.source, item.missing, item.was_hedged) == (None, [1, 2], True)


def test_false_bytes_of_one_source_make_no_suspect() -> None:
    item = made()
    item.hand_to("a", 3.0)
    item.put("a", 0, part(0))
    assert item.fail() == {"a"}
    assert (item.source, item.missing, item.is_suspect) == (None, [0, 1, 2], False)


def test_of_a_suspect_only_one_sources_units_are_taken() -> None:
    item = made()
    item.put("a", 0, part(0))
    item.put("b", 1, part(1))
    assert item.fail() == {"a", "b"}
    assert item.is_suspect
    item.hand_to("a", 3.0)
    assert item.put("b", 1, part(1)) is Outcome.UNWANTED
    assert item.put("a", 0, part(0)) is Outcome.PART
    item.release()
    item.hand_to("a", 4.0)
    assert item.missing == [1, 2], "its own unit stays"
    item.release()
    item.hand_to("b", 5.0)
    assert item.missing == [0, 1, 2], "another's does not"
    assert item.givers == set()


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "whole", "put", "lost", "release", "fail"]), st.integers(0, 5))
    )
)
def test_each_unit_is_asked_for_here_or_missing(steps: list[tuple[str, int]]) -> None:
    item = made()
    for what, number in steps:
        match what:
            case "ask":
                item.ask_within(number * 500.0)
            case "whole":
                item.ask_whole()
            case "put":
                item.put("a", number, part(number))
            case "lost":
                item.on_lost(number)
            case "release":
                item.release()
            case _:
                item.fail()
        rest = set(range(3)) - item.asked - item.parts.keys()
        assert item.missing == sorted(rest)
