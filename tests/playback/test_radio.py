"""The radio model, beside what its parameters say by hand."""

from __future__ import annotations

import pytest

from lightpeer.net.network import Counters
from lightpeer.playback.radio import LTE, UMTS, Radio, RadioMeter, RadioModel, Usage

FIELDS = ["radio_on_share_3g", "joules_per_h_3g", "radio_on_share_lte", "joules_per_h_lte"]


def spent(model: RadioModel, packets: list[tuple[float, int, bool]], until_s: float) -> Usage:
    radio = Radio(model)
    for at_s, size, is_down in packets:
        radio.on_packet(at_s, size, is_down=is_down)
    return radio.usage(until_s)


def burst(at_s: float, length_s: float) -> list[tuple[float, int, bool]]:
    """A packet each 100 ms."""
    return [(at_s + n / 10, 1400, True) for n in range(round(length_s * 10) + 1)]


def test_nothing_is_spent_without_a_packet() -> None:
    assert spent(UMTS, [], 3600.0) == (0.0, 0.0)
    assert Usage(0.0, 0.0).on_share(0.0) == Usage(0.0, 0.0).joules_per_h(0.0) == 0.0


def test_one_packet_costs_a_promotion_and_both_tails() -> None:
    used = spent(UMTS, [(0.0, 1400, True)], 100.0)
    assert used.on_s == pytest.approx(2.0 + 4.0 + 10.0)
    assert used.joules == pytest.approx(2.0 * 0.30 + 4.0 * 0.60 + 10.0 * 0.38)


@pytest.mark.parametrize(
    ("until_s", "on_s", "joules"), [(0.0, 2.0, 0.6), (3.0, 5.0, 2.4), (9.0, 11.0, 0.6 + 2.4 + 5 * 0.38)]
)
def test_the_tail_is_spent_as_time_passes(until_s: float, on_s: float, joules: float) -> None:
    used = spent(UMTS, [(0.0, 1400, True)], until_s)
    assert used == pytest.approx((on_s, joules))


def test_a_trickle_never_lets_the_radio_sleep() -> None:
    used = spent(UMTS, burst(0.0, 3600.0), 3600.0)
    assert used.on_share(3600.0) == 1.0
    assert used.joules_per_h(3600.0) == pytest.approx(0.60 * 3600, rel=1e-3)


@pytest.mark.parametrize(
    ("every_s", "length_s", "share", "of_a_trickle"), [(25, 1.2, 0.69, 0.50), (240, 11.5, 0.115, 0.095)]
)
def test_bursts_of_48_kbit_s_at_a_megabit(
    every_s: int, length_s: float, share: float, of_a_trickle: float
) -> None:
    count = 20
    packets = [packet for n in range(count) for packet in burst(n * every_s, length_s)]
    used = spent(UMTS, packets, count * every_s)
    assert used.on_share(count * every_s) == pytest.approx(share, rel=0.01)
    assert used.joules_per_h(count * every_s) == pytest.approx(of_a_trickle * 0.60 * 3600, rel=0.02)


@pytest.mark.parametrize(
    ("size", "is_down", "stays"),
    [(475, True, True), (476, True, False), (543, False, True), (544, False, False)],
)
def test_few_bytes_do_not_leave_the_lower_state(size: int, is_down: bool, stays: bool) -> None:
    used = spent(UMTS, [(0.0, 1400, True), (6.0, size, is_down)], 100.0)
    before = 2.0 * 0.30 + 4.0 * 0.60
    if stays:  # its timer begins anew
        assert used == pytest.approx((2 + 4 + 2 + 10, before + 12 * 0.38))
    else:  # the end of the two seconds there was the way up
        assert used == pytest.approx(
            (2 + 4 + 2 + 4 + 10, before + 0.5 * 0.38 + 1.5 * 0.49 + 4 * 0.60 + 10 * 0.38)
        )


def test_small_packets_in_a_row_fill_the_radio_s_buffer() -> None:
    apart = [(0.0, 1400, True), *((5.0 + 1.5 * n, 300, True) for n in range(4))]
    assert spent(UMTS, apart, 100.0).on_s == pytest.approx(2 + 4 + 1 + 4.5 + 10)
    together = [(0.0, 1400, True), (5.0, 300, True), (5.5, 300, True)]
    assert spent(UMTS, together, 100.0).on_s == pytest.approx(2 + 4 + 1.5 + 4 + 10)
    both_ways = [(0.0, 1400, True), (5.0, 300, True), (5.5, 300, False)]
    assert spent(UMTS, both_ways, 100.0).on_s == pytest.approx(2 + 4 + 1.5 + 10)


def test_a_promotion_takes_no_more_of_the_time_before_than_there_was() -> None:
    used = spent(UMTS, [(0.0, 1400, True), (14.5, 1400, True)], 100.0)  # idle for half a second
    assert used.on_s == pytest.approx(2 + 14 + 0.5 + 14)
    assert used.joules == pytest.approx(2 * (0.6 + 2.4 + 3.8))


def test_lte_wakes_sooner_and_pays_for_bytes() -> None:
    used = spent(LTE, [(0.0, 1_000_000, True)], 100.0)
    assert used.on_s == pytest.approx(0.2601 + 11.576)
    assert used.joules == pytest.approx(
        0.2601 * 1.2107 + 0.1 * 1.28804 + 11.476 * 1.06 + 8 * 0.05197, rel=1e-6
    )
    again = spent(LTE, [(0.0, 100, False), (5.0, 100, False)], 100.0)
    assert again.on_s == pytest.approx(0.2601 + 5.0 + 11.576)


def test_time_that_goes_back_costs_nothing() -> None:
    assert spent(UMTS, [(5.0, 1400, True), (4.0, 1400, True)], 5.0).on_s == pytest.approx(2.0)


def test_a_meter_hears_all_traffic_of_a_network() -> None:
    at = [100.0]
    counters = Counters()
    meter = RadioMeter(counters, lambda: at[0])
    assert meter.report() == dict.fromkeys(FIELDS, 0.0)
    counters.add(tx=60)
    at[0] = 101.0
    counters.add(rx=1400)
    at[0] = 200.0
    told = meter.report()
    assert list(told) == FIELDS
    assert told["radio_on_share_3g"] == pytest.approx((2 + 1 + 14) / 100)
    assert told["joules_per_h_3g"] == pytest.approx((0.6 + 5 * 0.6 + 3.8) * 36, abs=0.1)
    assert told["radio_on_share_lte"] == pytest.approx((0.2601 + 1 + 11.576) / 100, abs=1e-4)
    assert told["joules_per_h_lte"] > told["joules_per_h_3g"]
