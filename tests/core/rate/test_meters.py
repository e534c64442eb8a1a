"""Round trips and delivery rates on literal times."""

from __future__ import annotations

import pytest

from lightpeer.core.rate.meters import DeliveryRate, PathDelay, WindowedMinimum
from lightpeer.core.udp.datagram import Unit
from lightpeer.core.udp.events import UnitArrived
from lightpeer.core.udp.round_trip import SmoothedRtt


def test_a_minimum_over_buckets():
    minimum = WindowedMinimum(bucket_s=3.0, buckets=10)
    assert minimum.get(0.0) is None
    for value, now in ((0.5, 0.0), (0.2, 1.0), (0.3, 2.0), (0.4, 4.0)):
        minimum.add(value, now)
    assert minimum.get(4.0) == 0.2
    assert minimum.get(29.9) == 0.2
    assert minimum.get(30.0) == 0.4
    assert minimum.get(33.0) == 0.4, "where all are old, the newest is better than nothing"
    minimum.add(0.6, 34.0)
    assert minimum.get(90.0) == 0.6
    for second in range(100, 200):
        minimum.add(1.0, float(second))
    assert minimum.get(199.0) == 1.0
    assert len(minimum._buckets) == 10


def test_a_minimum_that_was_told_is_found_anew_when_it_may_have_changed():
    minimum = WindowedMinimum(bucket_s=3.0, buckets=10)
    minimum.add(0.3, 0.0)
    assert minimum.get(0.0) == 0.3
    minimum.add(0.2, 1.0)
    assert minimum.get(1.0) == 0.2, "another sample in the same bucket"
    minimum.add(0.1, 3.0)
    assert minimum.get(2.0) == 0.1, "a new bucket, whatever the time of the question"
    minimum.add(0.4, 33.0)
    assert minimum.get(30.0) == 0.1
    assert minimum.get(33.0) == 0.4, "nothing came, but time went by"


def test_after_a_restart_only_what_was_requested_since_gives_a_round_trip():
    rtt = SmoothedRtt()
    delay = PathDelay(rtt)

    def came(rtt_s: float, pulled_at: float) -> None:
        rtt.add(rtt_s)
        delay.add([UnitArrived(Unit(0, 0, 0), bytes(1000), rtt_s, True, pulled_at, pulled_at + rtt_s)])

    came(9.0, 1.0)
    came(12.0, 8.0)
    assert (delay.base_s, delay.queue_s) == (9.0, 3.0)
    delay.restart(20.0)
    came(8.0, 13.0)
    assert (delay.base_s, delay.standing_s, delay.queue_s) == (None, None, 0.0)
    came(1.25, 20.0)
    assert (delay.base_s, delay.standing_s, delay.queue_s) == (1.25, 1.25, 0.0)


class Path:
    """The delay of a path, and the mean of its round trips as a receiver keeps it."""

    def __init__(self) -> None:
        self.rtt = SmoothedRtt()
        self.delay = PathDelay(self.rtt)

    def add(self, rtt_s: float | None, now: float, size: int = 1200) -> None:
        self.together((rtt_s, now, size))

    def together(self, *units: tuple[float | None, float, int]) -> None:
        """Let units come in one wake-up, each with its round trip, time and size."""
        for rtt_s, _, _ in units:
            if rtt_s is not None:
                self.rtt.add(rtt_s)
        self.delay.add(
            [UnitArrived(Unit(0, 0, 0), bytes(size), rtt_s, True, None, now) for rtt_s, now, size in units]
        )


@pytest.fixture
def path() -> Path:
    return Path()


def test_before_the_first_round_trip_nothing_is_known(path):
    path.add(None, 1.0)
    assert (path.delay.base_s, path.delay.standing_s, path.delay.queue_s) == (None, None, 0.0)


def test_units_that_come_together_count_each(path):
    path.together(
        (0.2, 0.2, 1200), (0.3, 0.5, 1200), (None, 0.52, 1200), (0.25, 0.55, 1200), (0.9, 0.6, 1200)
    )
    assert (path.delay.base_s, path.delay.standing_s) == (0.2, 0.25)


def test_a_small_unit_is_faster_on_a_slow_link_and_no_measure_of_the_path(path):
    for number in range(4):
        path.add(0.4, 0.1 * number)
    path.add(0.3, 0.4, 840)
    assert path.delay.base_s == 0.4
    for _ in range(8):
        path.add(0.3, 0.4, 840)
    assert path.delay.base_s == 0.3, "all are as small"


@pytest.mark.parametrize(("size", "base_s"), [(869, 0.3), (868, 0.4)])
def test_small_is_less_than_three_quarters_of_what_is_usual_with_it(path, size, base_s):
    path.add(0.4, 0.0)
    path.add(0.3, 0.1, size)
    assert path.delay.base_s == base_s


def test_a_first_unit_is_as_usual_however_small(path):
    path.add(0.3, 1.0, 100)
    assert path.delay.base_s == 0.3


def test_the_queue_is_the_standing_round_trip_over_the_base(path):
    for rtt, now in ((0.2, 0.2), (0.3, 0.5), (0.25, 0.55), (0.9, 0.6)):
        path.add(rtt, now)
    assert path.delay.queue_s == pytest.approx(0.05), "a spike does not count"


def test_the_queue_follows_each_change_of_the_base(path):
    path.delay.begin(0.1, 0.0)
    assert path.delay.queue_s == 0.0, "before any round trip nothing stands"
    path.add(0.3, 1.0)
    assert path.delay.queue_s == pytest.approx(0.2)
    path.delay.begin(0.25, 40.0)
    assert path.delay.queue_s == pytest.approx(0.05)
    path.delay.forget_base(40.0)
    assert path.delay.queue_s == 0.0


def test_after_a_fade_a_short_round_trip_counts_at_once(path):
    for now in range(1, 20):
        path.add(3.0, float(now))
    path.add(0.2, 19.4)
    path.add(0.2, 19.5)
    assert path.delay.standing_s == 0.2


def test_the_base_can_be_forgotten(path):
    path.delay.forget_base(0.0)
    assert path.delay.base_s is None
    path.add(0.1, 0.0)
    path.add(0.4, 1.0)
    assert path.delay.queue_s == pytest.approx(0.3)
    path.delay.forget_base(1.0)
    assert path.delay.queue_s == 0.0


ROUND_S = 0.125


def rounds(meter: DeliveryRate, *sizes: int, start: float = 0.0, full: bool = True) -> float:
    """Let so much come in each round, and return the last time."""
    for number, size in enumerate(sizes, 1):
        meter.round_full = full
        rate = meter.add(size, 0, start + number * ROUND_S, ROUND_S)
        if rate is not None:
            meter.take(rate)
    return start + len(sizes) * ROUND_S


def test_the_rate_is_the_greatest_of_three_rounds():
    meter = DeliveryRate()
    assert meter.bytes_per_s == meter.mean_bytes_per_s == 0.0
    meter.begin(0.0)
    now = rounds(meter, 900)
    assert meter.bytes_per_s == 0.0, "nothing can come for most of the first"
    now = rounds(meter, 1000, 400, start=now)
    assert meter.bytes_per_s == 8000
    assert meter.mean_bytes_per_s == 5600
    rounds(meter, 400, 400, start=now)
    assert meter.bytes_per_s == 3200


def test_what_was_begun_by_an_arrival_begins_there():
    meter = DeliveryRate()
    assert meter.add(500, 0, 1.0, ROUND_S) is None
    assert meter.add(500, 0, 1.125, ROUND_S) is None, "the first round"
    meter.round_full = True
    assert meter.add(500, 0, 1.1875, ROUND_S) is None, "not over yet"
    assert meter.add(500, 0, 1.25, ROUND_S) == 8000


def test_a_round_that_asked_for_little_says_nothing_unless_more_came():
    meter = DeliveryRate()
    meter.begin(0.0)
    now = rounds(meter, 0, 1000)
    now = rounds(meter, 500, start=now, full=False)
    assert meter.mean_bytes_per_s == 8000
    rounds(meter, 2000, start=now, full=False)
    assert meter.bytes_per_s == 16_000


@pytest.mark.parametrize(("length_s", "rate"), [(1.0, 500.0), (1.2, 500 / 1.2), (1.25, None), (20.0, None)])
def test_a_round_with_a_dead_zone_says_nothing(length_s, rate):
    """One that is a second longer than two round trips."""
    meter = DeliveryRate()
    meter.begin(0.0)
    now = rounds(meter, 0, 1000)
    meter.round_full = True
    assert meter.add(500, 0, now + length_s, ROUND_S) == (rate and pytest.approx(rate))


@pytest.mark.parametrize(("lost", "rate"), [(0, 7200), (50, 7600), (300, 7920)])
def test_loss_up_to_a_tenth_does_not_lower_the_rate(lost, rate):
    meter = DeliveryRate()
    meter.begin(0.0)
    now = rounds(meter, 0)
    meter.round_full = True
    assert meter.add(0, lost, now, ROUND_S) is None
    assert meter.add(900, 0, now + ROUND_S, ROUND_S) == pytest.approx(rate)


def test_a_round_that_is_left_out_is_followed_by_one_that_counts():
    meter = DeliveryRate()
    meter.begin(0.0)
    assert meter.add(5000, 500, 0.125, 0.25) is None
    meter.round_full = True
    meter.restart(0.125)
    assert meter.add(1000, 0, 0.25, 0.25) is None
    assert meter.add(1000, 0, 0.375, 0.25) == 8000
    meter.take(16_000)
    meter.round_full = True
    meter.restart(0.5)
    assert meter.add(2000, 0, 0.75, 0.25) is None, "too little was asked for, so it tells nothing"


def test_rates_that_were_too_high_can_be_forgotten():
    meter = DeliveryRate()
    meter.take(10_000)
    meter.take(2_000, forget=True)
    assert meter.bytes_per_s == 2_000
