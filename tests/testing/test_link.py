"""The simulated link: what its changes do to packets that are already on their way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate


def arrivals(change: Callable[[Link], object], at_s: float, count: int = 4, **link: float) -> list[float]:
    """When datagrams of 1000 bytes arrive that are sent at once, if something changes at a time."""
    times: list[float] = []

    async def main(net: SimInternet) -> None:
        a = net.host("10.0.0.1", up=Link(1000, 0.0, **link))
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


def test_a_packet_above_the_mtu_vanishes() -> None:
    assert arrivals(lambda _: None, 0, mtu_bytes=999) == []
    assert len(arrivals(lambda _: None, 0, mtu_bytes=1000)) == 4


def test_a_policer_lets_a_second_of_its_rate_pass() -> None:
    assert len(arrivals(lambda _: None, 0, count=10, police_bytes_per_s=3000)) == 3
