"""The simulated internet: seeds, blocked UDP, partitions."""

from __future__ import annotations

import trio
import trio.testing

from lightpeer.testing.faults import Faults
from lightpeer.testing.network import simulate
from tests.testing.hosts import drain, tcp_pair, udp_pair


def test_a_seed_repeats_a_run_and_another_seed_does_not() -> None:
    def run(seed: int) -> list[object]:
        trace: list[object] = []

        async def main(net):
            _, b, sa, sb = await udp_pair(net, faults=Faults(loss=0.3, reorder=0.3, duplicate=0.3))
            client, server = await tcp_pair(b, net.hosts["10.0.0.1"])
            async with trio.open_nursery() as nursery:
                for i in range(50):
                    nursery.start_soon(sa.send_to, bytes([i]), ("10.0.0.2", 5000))
                    nursery.start_soon(trio.sleep, 0.001)
                nursery.start_soon(client.send_all, b.entropy(5000))
            trace.extend(await drain(sb))
            trace.append((await server.receive_some(), client.local_address))

        simulate(main, seed)
        return trace

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_udp_can_be_blocked_everywhere_and_let_through_for_a_pair() -> None:
    async def main(net):
        a, b, sa, sb = await udp_pair(net)
        client, server = await tcp_pair(a, b)
        net.block_udp()
        await sa.send_to(b"1", ("10.0.0.2", 5000))
        net.block_udp(False, a, b)
        await sa.send_to(b"2", ("10.0.0.2", 5000))
        net.block_udp(True, b)
        await sa.send_to(b"3", ("10.0.0.2", 5000))
        await client.send_all(b"tcp")
        assert await drain(sb) == [b"2"]
        assert await server.receive_some() == b"tcp"

    simulate(main)


def test_a_partition_loses_what_is_sent_and_tcp_sends_it_again() -> None:
    async def main(net):
        a, b, sa, sb = await udp_pair(net)
        client, server = await tcp_pair(a, b)
        net.partition(a, b)
        await sa.send_to(b"lost", ("10.0.0.2", 5000))
        await client.send_all(b"late ")
        await client.send_all(b"but in order")
        assert await drain(sb) == []
        net.heal()
        got = b""
        while len(got) < 17:
            got += await server.receive_some()
        assert got == b"late but in order"

    simulate(main)


def test_a_partition_may_close_one_way_and_is_healed_for_its_pair_alone() -> None:
    async def main(net):
        a, b, sa, sb = await udp_pair(net)
        c = net.host("10.0.0.3")
        net.partition_one_way(a, b)
        net.partition(b, c)
        await sa.send_to(b"1", ("10.0.0.2", 5000))
        await sb.send_to(b"2", ("10.0.0.1", sa.local_address[1]))
        assert (await drain(sb), await drain(sa)) == ([], [b"2"])
        net.heal(b, c)
        await sa.send_to(b"3", ("10.0.0.2", 5000))
        assert await drain(sb) == []
        net.heal(a, b)
        await sa.send_to(b"4", ("10.0.0.2", 5000))
        assert await drain(sb) == [b"4"]

    simulate(main)


def test_what_is_under_way_to_a_host_that_left_or_stands_still_is_lost() -> None:
    async def main(net):
        _, b, sa, sb = await udp_pair(net, delay_s=1.0)
        await sa.send_to(b"1", ("10.0.0.2", 5000))
        net.call_at(0.5, b.suspend)
        net.call_at(1.5, b.resume)
        await trio.sleep(2)
        await sa.send_to(b"2", ("10.0.0.2", 5000))
        net.call_at(2.5, lambda: b.move("10.0.0.7"))
        await trio.sleep(2)
        await sa.send_to(b"3", ("10.0.0.7", 5000))
        assert await drain(sb) == [b"3"]

    simulate(main)


def test_the_result_of_main_is_that_of_the_run() -> None:
    async def main(net):
        await trio.sleep(3600)
        return net.now, net.seed

    assert simulate(main, seed=9) == (3600.0, 9)
