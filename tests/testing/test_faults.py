"""The faults of a link, alone and on one."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
import trio
import trio.testing

from lightpeer.testing.faults import Faults
from lightpeer.testing.network import simulate
from tests.testing.hosts import drain, tcp_pair, udp_pair


@pytest.mark.parametrize(("field", "low", "high"), [("loss", 60, 140), ("duplicate", 260, 340)])
def test_loss_and_duplication_have_their_rates(field, low, high) -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net, faults=Faults(**{field: 0.5}))
        for i in range(200):
            await sa.send_to(bytes([i]), ("10.0.0.2", 5000))
            await trio.sleep(0.001)
        assert low < len(await drain(sb)) < high

    simulate(main)


def test_reordered_datagrams_come_late() -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net, faults=Faults(reorder=0.2))
        for i in range(100):
            await sa.send_to(bytes([i]), ("10.0.0.2", 5000))
            await trio.sleep(0.001)
        got = await drain(sb)
        assert sorted(got) != got
        assert len(got) == 100

    simulate(main)


def test_a_run_of_losses_is_as_long_as_asked_and_the_rate_stays() -> None:
    chances, faults = Random(5), Faults(loss=0.1, loss_run=5)
    lost = [faults.loses(chances.random()) for _ in range(100_000)]
    runs = sum(is_lost and not before for before, is_lost in pairwise([False, *lost]))
    assert sum(lost) / len(lost) == pytest.approx(0.1, rel=0.1)
    assert sum(lost) / runs == pytest.approx(5, rel=0.1)


def test_runs_of_one_are_independent_losses() -> None:
    faults = Faults(loss=0.25)
    assert [faults.loses(chance) for chance in (0.0, 0.2, 0.25, 0.9, 0.2)] == [True, True, False, False, True]


def test_the_policer_spares_a_burst_of_a_second_and_tcp() -> None:
    faults = Faults(police_bytes_per_s=1000)
    assert [faults.admits(500, 10.0, is_udp=True) for _ in range(3)] == [True, True, False]
    assert faults.admits(500, 10.0, is_udp=False)
    assert not faults.admits(500, 10.4, is_udp=True)
    assert faults.admits(500, 10.5, is_udp=True)
    assert [faults.admits(500, 60.0, is_udp=True) for _ in range(3)] == [True, True, False]


def test_a_policer_of_nothing_blocks_udp_but_for_empty_datagrams() -> None:
    faults = Faults(police_bytes_per_s=0.0)
    assert not faults.admits(1, 5.0, is_udp=True)
    assert faults.admits(0, 5.0, is_udp=True)


def test_packets_above_the_mtu_vanish_whatever_they_are() -> None:
    faults = Faults(mtu_bytes=1400)
    for is_udp in (False, True):
        assert faults.admits(1400, 0.0, is_udp=is_udp)
        assert not faults.admits(1401, 0.0, is_udp=is_udp)


def test_a_corrupt_datagram_has_one_other_bit_and_the_same_length() -> None:
    async def main(net):
        _, _, source, target = await udp_pair(net, faults=Faults(corrupt=1.0))
        await source.send_to(bytes(100), ("10.0.0.2", 5000))
        await source.send_to(b"", ("10.0.0.2", 5000))
        came = await drain(target)
        assert [len(data) for data in came] == [100, 0]
        assert int.from_bytes(came[0], "big").bit_count() == 1

    simulate(main)


def test_a_corrupt_segment_is_lost_to_tcp_and_sent_again() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        client, server = await tcp_pair(a, b)
        a.up.faults.corrupt = 1.0
        await client.send_all(b"hello")
        await trio.sleep(0.1)
        a.up.faults.corrupt = 0.0
        assert await server.receive_some() == b"hello"
        assert a.counters.tx_bytes() == 2 * b.counters.rx_bytes()

    simulate(main)
