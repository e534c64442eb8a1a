"""Insurance first, quality second: decisions in plain situations, and what holds in all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.plan.insurance import INSURED_S, MOST_INSURED_S, NEAR_S, InsuranceFirst
from lightpeer.core.plan.view import Decision, Drop, View, Want
from tests.core.plan.seen import FAST, HIGH, LOW, MIDDLE, SIZES_BYTES, of, seen

MUCH = 2 * int(MOST_INSURED_S)  # seconds: insured against anything


def decide(view: View) -> Decision:
    return InsuranceFirst().decide(view)


# The insurance.


def test_over_an_unknown_link_it_begins_with_the_lowest() -> None:
    assert decide(seen()) == Want(LOW, 0)


def test_over_a_link_that_hardly_carries_the_greatest_the_lowest_comes_first() -> None:
    assert decide(seen(rate=13_000.0)) == Want(LOW, 0)
    assert decide(seen(of(LOW, 0, 20), rate=13_000.0)) == Want(LOW, 20)


def test_over_a_fast_link_the_greatest_comes_as_soon() -> None:
    assert decide(seen(rate=FAST)) == Want(HIGH, 0)


def test_a_link_that_was_fast_and_is_not_is_not_trusted() -> None:
    view = seen(of(LOW, 0, 20), rate=FAST)
    view.rates.note(0.0, 200.0, fetching=True)  # nothing for more than a minute
    assert decide(view) == Want(LOW, 20)


def test_a_thin_link_is_insured_for_longer() -> None:
    here = of(LOW, 0, int(INSURED_S) + 5)
    fast, thin = seen(here, rate=15_000.0, waste_share=0.0), seen(here, rate=5_000.0, waste_share=0.0)
    assert decide(thin) == Want(LOW, len(here))
    assert decide(fast) == Want(HIGH, len(here))


def test_the_rest_of_a_track_may_take_as_long_as_what_is_here_lasts() -> None:
    view = seen(of(LOW, 0, 40), rate=1_500.0, count=45)
    assert decide(view) == Want(MIDDLE, 40), "5 segments in 22 s, and 40 s are here"


# Quality.


def test_beyond_the_insurance_it_is_the_greatest_that_the_link_sustains() -> None:
    view = seen(of(HIGH, 0, 200), rate=6_800.0)
    assert decide(view) == Want(MIDDLE, view.end)


def test_what_is_ahead_may_pay_for_more_than_the_link_carries() -> None:
    view = seen(of(HIGH, 0, 5 * MUCH), rate=7_500.0, count=10_000)
    assert decide(view) == Want(HIGH, view.end)


def test_a_link_that_carries_a_little_less_loses_little_of_much() -> None:
    """Over the next two minutes, that is; a tenth less than the greatest costs twelve seconds of them."""
    insured = seen(of(HIGH, 0, 150), rate=0.95 * SIZES_BYTES[HIGH], waste_share=0.0)
    assert decide(insured) == Want(HIGH, insured.end)


def test_a_listener_may_want_no_more() -> None:
    assert decide(seen(of(MIDDLE, 0, MUCH), rate=FAST, best=MIDDLE)) == Want(MIDDLE, MUCH)


# Replacing.


def test_what_is_low_is_replaced_before_more_is_fetched_but_not_what_is_heard_at_once() -> None:
    view = seen(of(LOW, 0, MUCH), rate=FAST)
    wanted = decide(view)
    assert isinstance(wanted, Want)
    assert wanted.rendition == HIGH
    assert NEAR_S - 1 <= wanted.segment <= NEAR_S + 1
    view.before_s = 3.0
    assert decide(view) == Want(HIGH, wanted.segment - 3), "what the sink has is heard before"
    view.before_s = 100.0
    assert decide(view) == Want(HIGH, 0)


def test_one_is_replaced_once() -> None:
    view = seen(of(LOW, 0, MUCH), of(HIGH, 0, 30), rate=FAST)
    assert decide(view) == Want(HIGH, 30)


def test_what_comes_slowly_replaces_what_is_heard_later() -> None:
    near = seen(of(LOW, 0, MUCH), rate=FAST, best=MIDDLE)
    far = seen(of(LOW, 0, MUCH), rate=1_000.0, best=MIDDLE, count=MUCH)
    first, later = decide(near), decide(far)
    assert isinstance(first, Want)
    assert isinstance(later, Want)
    assert later.segment > first.segment


def test_no_more_is_wasted_than_the_listener_pays_for() -> None:
    view = seen(of(LOW, 0, MUCH), rate=FAST, wasted_bytes=10**9)
    assert decide(view) == Want(HIGH, MUCH)
    assert decide(seen(of(LOW, 0, MUCH), rate=FAST, waste_share=0.0)) == Want(HIGH, MUCH)


def test_once_all_is_here_what_is_low_is_replaced_and_then_it_rests() -> None:
    view = seen(of(LOW, 0, 30) | of(HIGH, 30, 60), rate=100_000.0, count=60, fetched_bytes=10**7)
    wanted = decide(view)
    assert isinstance(wanted, Want)
    assert wanted.rendition == HIGH
    assert wanted.segment < 30
    assert decide(seen(of(HIGH, 0, 60), rate=FAST, count=60)) is None


# Taking back.


def test_when_the_insurance_is_lost_what_is_not_asked_for_yet_is_taken_back() -> None:
    view = seen(of(LOW, 0, 10), of(HIGH, 10, 13), rate=9_000.0)
    assert decide(view) == Drop(HIGH, 10)
    view = seen(of(LOW, 0, 10), of(LOW, 10, 13), rate=9_000.0)
    assert decide(view) == Want(LOW, 13), "what is low stays"


def test_what_is_nearly_here_stays() -> None:
    view = seen(of(LOW, 0, 10), {10: HIGH}, rate=9_000.0)
    view.unasked[10] = SIZES_BYTES[LOW] - 1
    assert decide(view) == Want(LOW, 11)


def test_of_a_replacement_all_that_is_not_asked_for_is_too_much() -> None:
    view = seen(of(LOW, 0, 12), {10: HIGH}, rate=9_000.0)
    view.unasked[10] = 1.0
    assert decide(view) == Drop(HIGH, 10)
    view.unasked[10] = 0.0
    assert decide(view) == Want(LOW, 12), "it comes anyway"


# Bounds.


def test_where_there_is_little_room_a_lower_one_is_fetched() -> None:
    here = of(HIGH, 0, MUCH)
    assert decide(seen(here, rate=FAST, room_bytes=7_000.0)) == Want(MIDDLE, MUCH)
    assert decide(seen(here, rate=FAST, room_bytes=2_999.0)) is None


def test_beyond_the_limit_nothing_is_wanted() -> None:
    assert decide(seen(of(HIGH, 0, 5), rate=FAST, limit=5)) is None
    assert decide(seen(of(LOW, 0, 5), rate=9_000.0, limit=5)) is None


@st.composite
def situations(draw: st.DrawFn) -> View:
    count = draw(st.integers(1, 300))
    cursor = draw(st.integers(0, count))
    number = st.integers(cursor, max(cursor, count - 1))
    rendition = st.integers(LOW, HIGH)
    here = draw(st.dictionaries(number, rendition)) if cursor < count else {}
    here |= of(draw(rendition), cursor, draw(st.integers(cursor, count)))
    wished = draw(st.dictionaries(number, rendition, max_size=5)) if cursor < count else {}
    wished = {n: r for n, r in wished.items() if here.get(n, -1) < r}
    view = seen(
        here,
        wished,
        rate=draw(st.sampled_from([0.0, 1.0, 2_000.0, 9_000.0, 50_000.0, FAST])),
        count=count,
        cursor=cursor,
        before_s=draw(st.floats(0.0, 20.0)),
        limit=draw(st.integers(cursor, count)),
        room_bytes=draw(st.floats(-1e4, 3e6)),
        best=draw(rendition),
        waste_share=draw(st.sampled_from([0.0, 0.1, 1.0])),
        wasted_bytes=draw(st.integers(0, 10**6)),
    )
    for segment, size in view.unasked.items():
        view.unasked[segment] = draw(st.sampled_from([0.0, size / 2, size, float("inf")]))
    return view


@given(situations())
def test_what_it_says_can_be_done_and_comes_to_an_end(view: View) -> None:
    for _ in range(2 * (view.count + len(view.wished)) + 10):
        decision = decide(view)
        if decision is None:
            return
        rendition, segment = decision
        if isinstance(decision, Drop):
            assert view.wished.pop(segment) == rendition
            assert view.unasked.pop(segment) > 0
            view.room_bytes += view.size_bytes(rendition)
        else:
            assert rendition <= view.best
            assert view.cursor <= segment <= view.end
            assert segment not in view.wished
            if segment in view.here:
                assert view.here[segment] < rendition
                assert view.may_waste(segment, rendition)
                view.wasted_bytes += round(view.size_bytes(view.here[segment]))
            else:
                assert segment == view.end < view.limit
                assert view.size_bytes(rendition) <= view.room_bytes
            view.wished[segment] = rendition
            view.unasked[segment] = view.size_bytes(rendition)
            view.room_bytes -= view.size_bytes(rendition)
        view.end = view.cursor
        while view.end in view.here or view.end in view.wished:
            view.end += 1
    raise AssertionError("it goes round")
