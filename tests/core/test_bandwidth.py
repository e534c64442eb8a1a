"""The rate control: its parts on literal times, and the closed loop over a link with a bottleneck.

The margins of the closed loop are what listeners would notice, with room above what
the law does, so that it can be changed; only a law that misbehaves fails.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpeer.core.bandwidth import UNIT_BYTES, Bandwidth, WindowedMinimum
from tests.core.link import Download, Link

MBIT = 1e6
FLOOR = 3 * UNIT_BYTES
INITIAL = 8 * UNIT_BYTES


# The minimum over a window


def test_a_minimum_over_buckets():
    minimum = WindowedMinimum(bucket_s=3.0, buckets=10)
    assert minimum.get(0.0) is None
    for value, now in ((0.5, 0.0), (0.2, 1.0), (0.3, 2.0), (0.4, 4.0)):
        minimum.add(value, now)
    assert minimum.get(4.0) == 0.2
    assert minimum.get(29.9) == 0.2
    assert minimum.get(30.0) == 0.4
    assert minimum.get(33.0) == 0.4, "where all are old, the newest is better than nothing"
    for second in range(100, 200):
        minimum.add(1.0, float(second))
    assert minimum.get(199.0) == 1.0
    assert len(minimum._buckets) == 10


# One controller, step by step


def fed(bandwidth, rounds, *, rtt_s, per_round, start=0.0, lost=0):
    """Let so many units come evenly in each round trip, the window always full; return the time after."""
    now = start
    for _ in range(rounds):
        for _ in range(per_round):
            while bandwidth.budget_bytes(now) >= UNIT_BYTES:
                bandwidth.on_asked(UNIT_BYTES, now)
            now += rtt_s / per_round
            bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, rtt_s, now)
        bandwidth.on_lost(lost * UNIT_BYTES, now)
    return now


def test_before_anything_is_known():
    bandwidth = Bandwidth()
    assert bandwidth.window_bytes(0.0) == bandwidth.budget_bytes(0.0) == INITIAL
    assert bandwidth.rate_bytes_per_s == 0.0
    assert bandwidth.base_rtt_s is None
    assert bandwidth.queue_delay_s == 0.0
    assert bandwidth.queue_delay_p95_s() == 0.0
    assert bandwidth.pace_bytes_per_s() == INITIAL / 0.2


@pytest.mark.parametrize(
    ("remembered", "window"), [(10_000, INITIAL), (100_000, 20_000), (10_000_000, 32 * UNIT_BYTES)]
)
def test_what_is_remembered_sets_the_first_window_and_pace(remembered, window):
    bandwidth = Bandwidth(remembered)
    assert bandwidth.window_bytes(0.0) == pytest.approx(window)
    assert bandwidth.pace_bytes_per_s() == remembered
    assert bandwidth.rate_bytes_per_s == remembered


def test_the_rate_of_another_transport():
    bandwidth = Bandwidth()
    bandwidth.on_streamed(8000, 0.1)
    assert bandwidth.rate_bytes_per_s == 80_000
    bandwidth.on_streamed(16_000, 0.1)
    assert bandwidth.rate_bytes_per_s == 90_000
    bandwidth.on_streamed(1, 0.0)


def test_what_is_outstanding():
    bandwidth = Bandwidth()
    bandwidth.on_asked(4000, 0.0)
    bandwidth.on_lost(1000, 0.0)
    assert bandwidth.budget_bytes(0.0) == INITIAL - 3000
    bandwidth.on_arrived(1000, 1000, 0.1, 0.1)
    bandwidth.on_lost(500, 0.1)
    bandwidth.on_abandoned(1000)
    assert bandwidth.outstanding_bytes == 500
    bandwidth.on_arrived(1000, 0, None, 0.1)
    assert bandwidth.outstanding_bytes == 500, "a second copy was not outstanding"
    for give_up in (bandwidth.on_abandoned, lambda size: bandwidth.on_lost(size, 0.1)):
        give_up(10_000)
        assert bandwidth.outstanding_bytes == 0


def test_round_trips():
    bandwidth = Bandwidth()
    bandwidth.on_asked(INITIAL, 0.0)
    bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, 0.2, 0.2)
    assert (bandwidth.srtt_s, bandwidth.rttvar_s) == (0.2, 0.1)
    bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, 0.28, 0.28)
    assert bandwidth.srtt_s == pytest.approx(0.21)
    assert bandwidth.rttvar_s == pytest.approx(0.095)
    bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, 61.0, 0.29)
    bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, None, 0.29)
    assert bandwidth.srtt_s == pytest.approx(0.21), "no path is that long"
    bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, 0.0, 0.29)
    assert bandwidth.base_rtt_s == 0.0005, "no path is that short"


def test_the_queue_is_the_standing_round_trip_over_the_base():
    bandwidth = Bandwidth()
    bandwidth.on_asked(INITIAL, 0.0)
    for rtt, now in ((0.2, 0.2), (0.3, 0.5), (0.25, 0.55), (0.9, 0.6)):
        bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, rtt, now)
    assert bandwidth.queue_delay_s == pytest.approx(0.05), "a spike does not count"
    assert bandwidth.queue_delay_p95_s() == pytest.approx(0.1)


def test_start_up_grows_by_half_a_round_trip_at_a_time():
    bandwidth = Bandwidth()
    now = fed(bandwidth, 1, rtt_s=0.125, per_round=8)
    assert bandwidth.window_bytes(now) == INITIAL * 1.5
    now = fed(bandwidth, 1, rtt_s=0.125, per_round=16, start=now)
    assert bandwidth.window_bytes(now) == INITIAL * 1.5**2
    assert bandwidth.pace_bytes_per_s() == int(1.5 * INITIAL * 1.5**2 / 0.125)


def test_start_up_ends_when_a_queue_builds():
    bandwidth = Bandwidth()
    now = fed(bandwidth, 1, rtt_s=0.125, per_round=8)
    now = fed(bandwidth, 2, rtt_s=0.15625, per_round=16, start=now)
    assert not bandwidth._startup
    assert bandwidth.window_bytes(now) < INITIAL * 1.5**2, "it did not grow again"


def test_start_up_ends_after_three_flat_rounds():
    bandwidth = Bandwidth()
    now = fed(bandwidth, 4, rtt_s=0.125, per_round=8)  # nothing can come in the first
    assert bandwidth._startup
    fed(bandwidth, 1, rtt_s=0.125, per_round=8, start=now)
    assert not bandwidth._startup
    assert bandwidth.rate_bytes_per_s == pytest.approx(8 * UNIT_BYTES / 0.125)


def test_a_round_that_asked_for_little_says_nothing():
    bandwidth = Bandwidth()
    now = fed(bandwidth, 2, rtt_s=0.125, per_round=8)
    window, rate = bandwidth.window_bytes(now), bandwidth.rate_bytes_per_s
    bandwidth.on_abandoned(bandwidth.outstanding_bytes)
    for _ in range(10):
        bandwidth.on_asked(UNIT_BYTES, now)
        now += 0.125
        bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, 0.125, now)
    assert bandwidth.window_bytes(now) == window
    assert bandwidth.rate_bytes_per_s == rate


def test_a_round_with_a_dead_zone_says_nothing():
    bandwidth = Bandwidth()
    now = fed(bandwidth, 5, rtt_s=0.125, per_round=8)
    window, rate = bandwidth.window_bytes(now), bandwidth.rate_bytes_per_s
    bandwidth.on_asked(8 * UNIT_BYTES, now)
    now += 20.0
    bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, None, now)
    bandwidth.on_lost(7 * UNIT_BYTES, now)
    assert bandwidth.window_bytes(now) == pytest.approx(window, rel=0.2)
    assert bandwidth.rate_bytes_per_s == rate


def test_heavy_loss_falls_back_to_what_was_delivered():
    bandwidth = Bandwidth()
    now = fed(bandwidth, 5, rtt_s=0.125, per_round=8)
    now = fed(bandwidth, 40, rtt_s=0.125, per_round=8, start=now)
    grown = bandwidth.window_bytes(now)
    assert grown > 12 * UNIT_BYTES
    now = fed(bandwidth, 2, rtt_s=0.125, per_round=8, lost=2, start=now)
    assert 7.9 * UNIT_BYTES < bandwidth.window_bytes(now) < 0.75 * grown


def test_some_loss_changes_nothing():
    with_loss, without = Bandwidth(), Bandwidth()
    for bandwidth, lost in ((with_loss, 1), (without, 0)):
        now = fed(bandwidth, 5, rtt_s=0.125, per_round=20)
        fed(bandwidth, 10, rtt_s=0.125, per_round=20, lost=lost, start=now)
    assert with_loss.window_bytes(5.0) == pytest.approx(without.window_bytes(5.0), rel=0.05)


def test_every_ten_seconds_the_queue_is_drained():
    bandwidth = Bandwidth()
    now, drained = 0.0, []
    bandwidth.on_asked(UNIT_BYTES, now)
    for _ in range(250):
        now += 0.1
        bandwidth.on_asked(8 * UNIT_BYTES, now)
        for _ in range(8):
            bandwidth.on_arrived(UNIT_BYTES, UNIT_BYTES, 0.1, now)
        if bandwidth.window_bytes(now) < bandwidth._window:
            assert bandwidth.window_bytes(now) == max(bandwidth._window / 2, FLOOR)
            drained.append(now)
    assert len(drained) == 2
    assert drained[1] - drained[0] == pytest.approx(10.0, abs=0.3)


# The loop over a link


def capacity(link, start, end):
    """What the link can carry of payload, in bit/s."""
    bits = sum(
        rate * max(0.0, min(until, end) - max(since, start))
        for (since, rate), (until, _) in itertools.pairwise([*link.steps, (float("inf"), 0.0)])
    )
    return bits / (end - start) * 1200 / 1257


@pytest.mark.parametrize(
    ("rate", "rtt_s", "loss", "share", "end"),
    [
        (0.4 * MBIT, 0.2, 0.0, 0.0, 15.0),
        (0.4 * MBIT, 0.2, 0.0, 0.25, 15.0),
        (0.4 * MBIT, 0.2, 0.01, 0.25, 15.0),
        (5 * MBIT, 0.1, 0.0, 0.0, 4.0),
        (5 * MBIT, 0.1, 0.0, 0.25, 4.0),
        (5 * MBIT, 0.1, 0.01, 0.25, 4.0),
        (1 * MBIT, 0.4, 0.0, 0.25, 12.0),
        (20 * MBIT, 0.005, 0.0, 0.25, 1.0),
    ],
)
def test_it_fills_the_link_and_not_its_queue(rate, rtt_s, loss, share, end):
    """`share` of the window must be free before more is asked for: unit by unit, or in batches."""
    link = Link([(0, rate)], rtt_s, loss=loss)
    download = Download(link, share=share).run(end)
    assert download.goodput(end / 3, end) >= 0.7 * capacity(link, end / 3, end)
    assert download.queue_s(0, end) < 0.15
    assert min(window for _, window in download.windows) >= FLOOR
    assert download.receiver.duplicates == 0


def test_it_starts_from_nothing():
    link = Link([(0, 1 * MBIT)], 0.2)
    download = Download(link).run(4.0)
    assert download.goodput(0, 2) >= 0.5 * capacity(link, 0, 2)
    assert download.goodput(2, 4) >= 0.8 * capacity(link, 2, 4)


def test_a_memory_starts_it_faster_and_a_wrong_one_does_no_harm():
    link = Link([(0, 4 * MBIT)], 0.3)
    fresh = Download(link).run(2.0)
    knowing = Download(Link([(0, 4 * MBIT)], 0.3), Bandwidth(500_000)).run(2.0)
    assert knowing.goodput(0, 2) > 1.2 * fresh.goodput(0, 2)
    mistaken = Download(Link([(0, 0.2 * MBIT)], 0.3), Bandwidth(500_000)).run(20.0)
    assert mistaken.goodput(0, 20) >= 0.7 * capacity(mistaken.link, 0, 20)
    assert mistaken.queue_s(5, 20) < 0.25


def test_random_loss_of_2_percent_costs_little():
    def goodput(loss):
        return Download(Link([(0, 1 * MBIT)], 0.15, loss=loss)).run(15.0).goodput(2, 15)

    assert goodput(0.02) > 0.85 * goodput(0.0)


def test_jitter_of_a_radio_link_is_not_taken_for_a_queue():
    link = Link([(0, 1 * MBIT)], 0.15, jitter_s=0.05)
    download = Download(link).run(15.0)
    assert download.goodput(3, 15) >= 0.7 * capacity(link, 3, 15)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_it_follows_the_links_rate(factor):
    link = Link([(0, 0.8 * MBIT), (6, factor * 0.8 * MBIT)], 0.15, buffer_s=4)
    download = Download(link).run(12.0)
    assert download.goodput(9, 12) >= 0.75 * capacity(link, 9, 12)
    assert download.queue_s(9, 12) < 0.15
    assert min(window for _, window in download.windows) >= FLOOR


@pytest.mark.parametrize("kept", [True, False], ids=["held by the network", "dropped by it"])
def test_it_goes_on_after_an_outage(kept):
    link = Link([(0, 1 * MBIT), (5, 0), (15, 1 * MBIT)], 0.15)
    download = Download(link).run(5.0)
    if not kept:  # what the network holds now never comes
        download.run(14.9)
        download.drop_in_flight()
    download.run(20.0)
    assert download.goodput(5.5, 14.5) == 0
    assert download.goodput(16, 18) >= 0.6 * capacity(link, 16, 18)
    assert download.goodput(18, 20) >= 0.8 * capacity(link, 18, 20)
    probes = len([t for t in download.pulls if 6 <= t < 15])
    assert probes <= 10


def test_it_goes_on_over_a_longer_route():
    link = Link([(0, 1 * MBIT)], 0.1)
    download = Download(link).run(10.0)
    link.rtt_s = 0.35
    download.run(25.0)
    assert download.goodput(17, 25) >= 0.6 * capacity(link, 17, 25)


def test_a_slow_link_is_not_starved():
    link = Link([(0, 0.04 * MBIT)], 0.2)
    download = Download(link).run(40.0)
    assert download.goodput(10, 40) >= 0.7 * capacity(link, 10, 40)
    assert download.queue_s(0, 40) < 1.5, "units of a quarter second each: a few of them"


@given(
    st.lists(st.sampled_from([0.05, 0.2, 0.6, 1.2]), min_size=1, max_size=4),
    st.sampled_from([0.02, 0.1, 0.4]),
    st.sampled_from([0.0, 0.01, 0.1]),
    st.integers(0, 1 << 16),
)
@settings(max_examples=15)
def test_no_course_of_rates_stops_it(rates, rtt_s, loss, seed):
    steps = [(5.0 * number, rate * MBIT) for number, rate in enumerate(rates)]
    link = Link(steps, rtt_s, loss=loss, seed=seed)
    end = 5.0 * len(rates)
    download = Download(link).run(end)
    assert min(window for _, window in download.windows) >= FLOOR
    assert download.goodput(end - 2.5, end) >= 0.15 * capacity(link, end - 2.5, end)
    assert download.bandwidth.outstanding_bytes == len(download.asked) * UNIT_BYTES
