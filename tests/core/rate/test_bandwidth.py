"""The downlink over all flows: what it gives in sum, newcomers, drains."""

from __future__ import annotations

import pytest

from lightpeer.core.rate.bandwidth import DRAIN_EVERY_S, Bandwidth
from lightpeer.core.rate.flow import FIRST_PACE_RTT_S, INITIAL_UNITS, NEWCOMER_UNITS, UNIT_BYTES, Flow
from lightpeer.core.rate.pacing import TARGET_S
from lightpeer.core.rpc.reply_burst import ReplyBurst
from lightpeer.core.udp.datagram import Unit
from lightpeer.core.udp.events import UnitArrived, UnitsLost


def asked(bandwidth: Bandwidth, flow: Flow, now: float) -> None:
    """Do as a receiver that asks for a unit."""
    flow.gauge.outstanding_bytes += UNIT_BYTES
    bandwidth.on_asked(flow, UNIT_BYTES, now)


def fed(bandwidth: Bandwidth, *flows: Flow, until: float, start: float = 0.0, rtt_s: float = 0.125) -> float:
    """Let eight units come from each flow in each round trip, every window full; return the time after."""
    now = start
    while now < until:
        for flow in flows:
            while flow.budget_bytes() >= UNIT_BYTES:
                asked(bandwidth, flow, now)
                flow.pace_bytes_per_s(now)
        now += rtt_s / 8
        for flow in flows:
            flow.gauge.outstanding_bytes -= UNIT_BYTES
            arrived(bandwidth, flow, rtt_s, now)
    return now


def arrived(bandwidth: Bandwidth, flow: Flow, rtt_s: float | None, *times: float) -> None:
    """Let units come at these times in one wake-up."""
    if rtt_s is not None:
        for _ in times:
            flow.gauge.rtt.add(rtt_s)
    units = [UnitArrived(Unit(0, 0, 0), bytes(UNIT_BYTES), rtt_s, True, None, now) for now in times]
    bandwidth.on_arrived(flow, units)


def test_before_anything_is_known():
    bandwidth = Bandwidth()
    assert bandwidth.rate_bytes_per_s == 0.0
    assert bandwidth.srtt_s is None
    assert bandwidth.queue_delay_p95_s() == 0.0
    assert bandwidth.window_bytes() == bandwidth.outstanding_bytes == 0
    bandwidth.keep_up(1000)  # of nobody
    flow = bandwidth.open_flow()
    bandwidth.on_lost(flow, UnitsLost((Unit(0, 0, 1),), 1200, 0.0))
    arrived(bandwidth, flow, None, 0.0)
    assert bandwidth.rate_bytes_per_s == 0.0


def test_what_is_remembered_starts_the_first_flow():
    bandwidth = Bandwidth(120_000)
    assert bandwidth.rate_bytes_per_s == 120_000
    assert bandwidth.measured_bytes_per_s == 0, "nothing yet"
    assert bandwidth.open_flow().window_bytes() == 20 * UNIT_BYTES


def test_how_the_first_reply_came_starts_the_first_flow():
    reply = ReplyBurst(0.0)
    for number in range(5):
        reply.add(1448, 0.3 + 0.01448 * number)
    bandwidth = Bandwidth(20_000, reply)
    assert bandwidth.rate_bytes_per_s == pytest.approx(100_000)
    flow = bandwidth.open_flow()
    assert flow.window_bytes() == pytest.approx((0.3 + 2 * TARGET_S) * 100_000 + 5 * UNIT_BYTES)
    assert flow.rate_bytes_per_s == pytest.approx(100_000)
    assert flow.pace_bytes_per_s(0.4) == pytest.approx(100_000, rel=0.15), "at that rate, and not in a burst"
    assert bandwidth.open_flow().window_bytes() == NEWCOMER_UNITS * UNIT_BYTES


def test_a_reply_that_told_nothing_leaves_what_is_remembered():
    assert Bandwidth(20_000, ReplyBurst(0.0)).rate_bytes_per_s == 20_000


def test_the_rate_of_another_transport():
    bandwidth = Bandwidth()
    bandwidth.on_streamed(20_000, 1.0, 1.25)
    assert bandwidth.rate_bytes_per_s == 0.0, "too short to tell"
    bandwidth.on_streamed(20_000, 1.0, 1.5)
    assert bandwidth.rate_bytes_per_s == pytest.approx(80_000)
    bandwidth.on_streamed(20_000, 1.0, 1.5)
    bandwidth.on_streamed(20_000, 1.0, 2.5)
    assert bandwidth.rate_bytes_per_s == pytest.approx(40_000)
    bandwidth.on_streamed(30_000, 9.0, 10.0)
    assert bandwidth.rate_bytes_per_s == pytest.approx(30_000), "nothing was awaited before"


def test_where_udp_ceases_the_rate_is_that_of_what_goes_on():
    bandwidth = Bandwidth()
    fed(bandwidth, bandwidth.open_flow(), until=2.0)
    bandwidth.on_streamed(10_000, 2.0, 3.0)
    assert bandwidth.rate_bytes_per_s == pytest.approx(10_000)


def test_the_rate_is_that_of_all_flows():
    bandwidth = Bandwidth()
    first, second = bandwidth.open_flow(), bandwidth.open_flow()
    assert first.window_bytes() == INITIAL_UNITS * UNIT_BYTES
    assert second.window_bytes() == NEWCOMER_UNITS * UNIT_BYTES
    fed(bandwidth, first, second, until=2.0)
    one = 8 * UNIT_BYTES / 0.125
    assert first.rate_bytes_per_s == pytest.approx(one, rel=0.05)
    assert bandwidth.rate_bytes_per_s == pytest.approx(2 * one, rel=0.05)
    assert bandwidth.srtt_s == pytest.approx(0.125)
    assert bandwidth.window_bytes() == first.window_bytes() + second.window_bytes()
    assert bandwidth.outstanding_bytes == first.gauge.outstanding_bytes + second.gauge.outstanding_bytes


def test_what_the_link_gave_outlives_its_flows():
    bandwidth = Bandwidth()
    flow = bandwidth.open_flow()
    fed(bandwidth, flow, until=2.0)
    bandwidth.close_flow(flow)
    bandwidth.close_flow(flow)
    assert bandwidth.rate_bytes_per_s == pytest.approx(8 * UNIT_BYTES / 0.125, rel=0.05)
    assert bandwidth.window_bytes() == 0


def test_what_is_asked_of_a_source_that_is_probed_makes_no_longer_queue():
    bandwidth = Bandwidth()
    first, second = bandwidth.open_flow(), bandwidth.open_flow()
    bandwidth.limit(second, beside=1)
    assert second.window_bytes() == UNIT_BYTES, "before anything is known"
    fed(bandwidth, first, until=2.0)
    bandwidth.limit(second, beside=3)
    rate = bandwidth.rate_bytes_per_s
    assert second.window_bytes() == 3 * UNIT_BYTES, "one for each of the others"
    assert second.pace_bytes_per_s(2.0) == int(rate / 2)
    bandwidth.limit(second, beside=1)
    assert second.window_bytes() == pytest.approx(rate * TARGET_S)
    bandwidth.limit(second, beside=0)
    assert second.window_bytes() == NEWCOMER_UNITS * UNIT_BYTES
    assert second.pace_bytes_per_s(2.0) == NEWCOMER_UNITS * UNIT_BYTES / FIRST_PACE_RTT_S


def test_the_floor_is_shared():
    bandwidth = Bandwidth()
    flows = [bandwidth.open_flow() for _ in range(3)]
    bandwidth.keep_up(9000)
    assert [flow.floor_bytes_per_s for flow in flows] == [3000] * 3
    assert bandwidth.kept_up_bytes_per_s == 9000
    bandwidth.close_flow(flows.pop())
    assert bandwidth.kept_up_bytes_per_s is None, "each has another share now"
    bandwidth.keep_up(9000)
    assert [flow.floor_bytes_per_s for flow in flows] == [4500] * 2
    flows.append(bandwidth.open_flow())
    bandwidth.keep_up(9000)
    assert [flow.floor_bytes_per_s for flow in flows] == [3000] * 3
    bandwidth.keep_up(0)
    assert [flow.floor_bytes_per_s for flow in flows] == [0] * 3


def test_units_of_one_wake_up_end_a_round_where_it_ends():
    bandwidth = Bandwidth()
    flow = bandwidth.open_flow()
    now = fed(bandwidth, flow, until=2.0)
    bandwidth.on_streamed(10_000, now - 1.0, now)
    assert bandwidth.rate_bytes_per_s == pytest.approx(10_000)
    started_at = bandwidth._delivery.started_at
    bandwidth._delivery.round_full = True
    times = [started_at + 0.125 * share for share in (0.25, 0.5, 0.75, 1.01, 1.25)]
    samples = len(bandwidth._queue_samples)
    before_bytes = bandwidth._delivery._bytes
    arrived(bandwidth, flow, 0.125, *times)
    assert bandwidth.rate_bytes_per_s == pytest.approx((before_bytes + 4 * UNIT_BYTES) / (1.01 * 0.125))
    assert bandwidth._delivery.started_at == pytest.approx(times[3])
    assert bandwidth._delivery._bytes == UNIT_BYTES
    assert len(bandwidth._queue_samples) == samples + 5


def test_all_flows_drain_together_now_and_then(monkeypatch):
    drains = []
    monkeypatch.setattr(Flow, "drain", lambda _flow, queue, now: drains.append((round(now, 1), queue)))
    bandwidth = Bandwidth()
    first = bandwidth.open_flow()
    now = fed(bandwidth, first, until=0.5)
    assert not drains
    second = bandwidth.open_flow()
    now = fed(bandwidth, first, second, until=5.0, start=now)
    assert len(drains) == 2, "once the newcomer has met the queue"
    assert drains[0][0] == pytest.approx(1.0, abs=0.1)
    fed(bandwidth, first, second, until=1.2 + 2 * DRAIN_EVERY_S, start=now)
    assert len(drains) == 6


def test_a_second_ask_of_a_newcomer_does_not_put_the_drain_off():
    bandwidth = Bandwidth()
    now = fed(bandwidth, bandwidth.open_flow(), until=0.5)
    newcomer = bandwidth.open_flow()
    assert bandwidth.rate_bytes_per_s
    asked(bandwidth, newcomer, now)
    due = bandwidth._drain_at
    asked(bandwidth, newcomer, now + 0.3)
    assert bandwidth._drain_at == due


def test_a_percentile_of_the_queue():
    bandwidth = Bandwidth()
    flow = bandwidth.open_flow()
    now = fed(bandwidth, flow, until=1.0)
    fed(bandwidth, flow, until=3.0, start=now, rtt_s=0.225)
    assert bandwidth.queue_delay_p95_s() == pytest.approx(0.1)


def test_a_link_that_is_back_gives_at_least_what_a_flow_tells():
    bandwidth = Bandwidth()
    flow = bandwidth.open_flow()
    now = fed(bandwidth, flow, until=60.0, rtt_s=16.0)
    assert bandwidth.rate_bytes_per_s == pytest.approx(600)
    target_s = flow._pacing.target_s
    arrived(bandwidth, flow, 16.0, now + 0.1, now + 0.2, now + 0.3)
    assert flow.is_back
    assert bandwidth.rate_bytes_per_s == flow.rate_bytes_per_s == pytest.approx(12_000, rel=0.01)
    assert flow._pacing.target_s < target_s / 10
