"""The simulated link: what its changes do to packets that are already on their way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from lightpeer.testing.faults import Faults
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.testing.hosts import udp_pair


def arrivals(change: Callable[[Link], object], at_s: float, count: int = 4, **faults: float) -> list[float]:
    """When datagrams of 1000 bytes arrive that are sent at once, if something changes at a time."""
    times: list[float] = []

    async def main(net: SimInternet) -> None:
        a = net.host("10.0.0.1", up=Link(1000, 0.0, faults=Faults(**faults)))
        b = net.host("10.0.0.2", down=Link(delay_s=0.0))
        source, target = await a.open_udp(""), await b.open_udp("", 5000)
        for _ in range(count):
            await source.send_to(bytes(992), ("10.0.0.2", 5000))
        net.call_at(at_s, lambda: change(a.up))
        with trio.move_on_after(100):
            while True:
                await target.receive_from()
                times.append(trio.current_time())

    simulate(main)
    return times


def set_rate(rate: float) -> Callable[[Link], object]:
    return lambda link: setattr(link, "rate_bytes_per_s", rate)


def test_a_new_rate_counts_for_what_waits() -> None:
    assert arrivals(set_rate(1000), 0.5) == pytest.approx([1, 2, 3, 4])
    assert arrivals(set_rate(2000), 1.5) == pytest.approx([1, 1.75, 2.25, 2.75])
    assert arrivals(set_rate(500), 1.5) == pytest.approx([1, 2.5, 4.5, 6.5])


def test_a_dead_zone_holds_what_waits_and_lets_it_go_in_order() -> None:
    def stall(link: Link) -> None:
        link.stalled_until = 10.0

    assert arrivals(stall, 1.5) == pytest.approx([1, 10.5, 11.5, 12.5])


def test_what_is_lost_does_not_come_when_the_rate_rises() -> None:
    assert arrivals(set_rate(2000), 0.5, loss=1.0, loss_run=1.0) == []


def test_what_waits_is_dropped_when_the_network_is_left() -> None:
    assert arrivals(lambda link: link.flush(), 1.5) == pytest.approx([1])


def test_a_rate_paces_and_a_full_queue_drops() -> None:
    async def main(net):
        _, b, sa, sb = await udp_pair(net, rate_bytes_per_s=1000, queue_bytes=3000, delay_s=0)
        for i in range(10):
            await sa.send_to(bytes([i]) * 992, ("10.0.0.2", 5000))
        times = []
        for _ in range(3):
            await sb.receive_from()
            times.append(trio.current_time() - 0.01)
        assert times == pytest.approx([1, 2, 3])
        assert b.down.dropped == 7

    simulate(main)


@pytest.mark.parametrize(
    ("faults", "count"),
    [({"mtu_bytes": 999}, 0), ({"mtu_bytes": 1000}, 4), ({"police_bytes_per_s": 3000}, 3)],
)
def test_faults_drop_before_the_queue(faults: dict[str, float], count: int) -> None:
    assert arrivals(lambda _: None, 0, **faults) == pytest.approx([1.0, 2.0, 3.0, 4.0][:count])


def test_a_link_may_know_its_rate_for_all_times() -> None:
    class Known(Link):
        def sent_at(self, start_s: float, size: int) -> float:
            return max(start_s, 5.0) + size / 1000

    async def main(net: SimInternet) -> None:
        a, b = net.host("10.0.0.1", up=Known(delay_s=0.0)), net.host("10.0.0.2", down=Link(delay_s=0.0))
        source, target = await a.open_udp(""), await b.open_udp("", 5000)
        for due_s in (6.0, 7.0):
            await source.send_to(bytes(992), ("10.0.0.2", 5000))
            assert a.up.queue_s == pytest.approx(due_s)
        for due_s in (6.0, 7.0):
            await target.receive_from()
            assert trio.current_time() == pytest.approx(due_s)

    simulate(main)


def test_a_link_tells_how_long_its_queue_is() -> None:
    async def main(net: SimInternet) -> None:
        a = net.host("10.0.0.1", up=Link(1000, 0.0))
        net.host("10.0.0.2")
        source = await a.open_udp("")
        assert a.up.queue_s == 0.0
        for _ in range(3):
            await source.send_to(bytes(992), ("10.0.0.2", 5000))
        assert a.up.queue_s == pytest.approx(3.0)
        await trio.sleep(1.5)
        assert a.up.queue_s == pytest.approx(1.5)
        await trio.sleep(2)
        assert a.up.queue_s == 0.0

    simulate(main)


def test_a_rate_that_changes_on_an_idle_link_counts_from_the_next_packet() -> None:
    async def main(net: SimInternet) -> None:
        a, b = net.host("10.0.0.1", up=Link(1000, 0.0)), net.host("10.0.0.2", down=Link(delay_s=0.0))
        a.up.rate_bytes_per_s = 500
        source, target = await a.open_udp(""), await b.open_udp("", 5000)
        await source.send_to(bytes(992), ("10.0.0.2", 5000))
        await target.receive_from()
        assert trio.current_time() == pytest.approx(2.0)
        a.up.rate_bytes_per_s = 2000
        await source.send_to(bytes(992), ("10.0.0.2", 5000))
        await target.receive_from()
        assert trio.current_time() == pytest.approx(2.5)

    simulate(main)
