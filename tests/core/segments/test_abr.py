"""Which rendition comes next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.segments.abr import Ladder

BITRATES = (24_000, 48_000, 96_000)


def rate(kbps):
    """A measured rate that carries so many kbit/s with the room to spare that the rule wants."""
    return kbps * 1000 / 8 / 0.7 * 1.0001


@pytest.mark.parametrize(
    ("rate_bytes_per_s", "first"),
    [(0, 1), (rate(20), 0), (rate(24), 0), (rate(47), 0), (rate(48), 1), (rate(95), 1), (rate(500), 2)],
)
def test_the_first_rendition(rate_bytes_per_s, first):
    ladder = Ladder(BITRATES)
    assert ladder.current is None
    assert ladder.choose(rate_bytes_per_s, 0.0) == ladder.current == first
    assert ladder.switches == 0


def test_a_link_that_carries_nothing_gets_the_lowest():
    assert Ladder((64_000, 96_000)).first(1.0) == 0


@pytest.mark.parametrize(
    ("measured_kbps", "buffer_s", "chosen"),
    [
        (96, 8.0, 2),  # up: the link carries it and the buffer is filled
        (96, 7.9, 1),
        (95, 30.0, 1),
        (48, 30.0, 1),
        (30, 3.9, 0),  # down: the link does not carry it and the buffer runs low
        (30, 4.0, 1),
        (5, 0.0, 0),
    ],
)
def test_up_and_down(measured_kbps, buffer_s, chosen):
    ladder = Ladder(BITRATES)
    ladder.first(rate(48))
    assert ladder.choose(rate(measured_kbps), buffer_s) == ladder.current == chosen
    assert ladder.switches == (chosen != 1)


def test_up_is_one_step_at_a_time_and_down_is_not():
    ladder = Ladder(BITRATES)
    ladder.first(rate(24))
    assert [ladder.choose(rate(500), 20.0) for _ in range(3)] == [1, 2, 2]
    assert ladder.choose(rate(24), 1.0) == 0
    assert ladder.switches == 3


@pytest.mark.parametrize(("kbps", "fixed"), [(96, 2), (95, 1), (48, 1), (10, 0), (1000, 2)])
def test_a_fixed_bitrate(kbps, fixed):
    ladder = Ladder(BITRATES, kbps)
    assert ladder.current == ladder.first(0.0) == fixed
    assert ladder.choose(1.0, 0.0) == ladder.choose(1e9, 60.0) == fixed
    assert not ladder.begin_with(1 - min(fixed, 1))
    assert ladder.begin_with(fixed)
    assert ladder.current == fixed
    assert ladder.switches == 0


def test_it_goes_on_from_what_the_server_began_with():
    ladder = Ladder(BITRATES)
    assert ladder.begin_with(0)
    assert ladder.choose(rate(500), 1.0) == 0
    assert ladder.choose(rate(500), 10.0) == 1


@given(
    st.lists(st.integers(6_000, 512_000), min_size=1, max_size=8).map(sorted),
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 60)), max_size=20),
)
def test_the_choice_is_always_a_rendition(bitrates, steps):
    ladder = Ladder(bitrates)
    for rate_bytes_per_s, buffer_s in steps:
        assert 0 <= ladder.choose(rate_bytes_per_s, buffer_s) < len(bitrates)


def test_a_rendition_is_pinned_by_the_bitrate_that_is_shown():
    assert Ladder((24_000, 48_400), fixed_kbps=48).current == 1, "as a server has it"


# What a data budget allows.


def test_the_top_bounds_every_choice_and_may_change():
    ladder = Ladder(BITRATES)
    ladder.top_kbps = 48
    assert ladder.choose(rate(500), 0.0) == 1
    assert [ladder.choose(rate(500), 30.0) for _ in range(3)] == [1, 1, 1]
    ladder.top_kbps = 1
    assert ladder.choose(rate(500), 30.0) == 0, "at once, and the lowest if all are above it"
    ladder.top_kbps = None
    assert [ladder.choose(rate(500), 30.0) for _ in range(3)] == [1, 2, 2]
    assert ladder.switches == 3


def test_the_top_bounds_a_pinned_rendition_as_long_as_it_holds():
    ladder = Ladder(BITRATES, 96)
    ladder.top_kbps = 24
    assert ladder.choose(0.0, 0.0) == 0
    assert ladder.choose(rate(500), 30.0) == 0
    ladder.top_kbps = None
    assert ladder.choose(rate(20), 0.0) == 2


def test_what_a_server_sends_above_the_top_is_not_begun_with():
    ladder = Ladder(BITRATES)
    ladder.top_kbps = 47
    assert not ladder.begin_with(1)
    assert ladder.begin_with(0)
    assert ladder.choose(0.0, 0.0) == 0
