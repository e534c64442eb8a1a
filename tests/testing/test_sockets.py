"""The sockets of simulated hosts."""

from __future__ import annotations

import errno

import pytest
import trio
import trio.testing

from lightpeer.core.udp.datagram import UDP_HEADER_BYTES
from lightpeer.net.network import MOST_AT_ONCE
from lightpeer.testing.network import simulate
from lightpeer.testing.sockets import LISTEN_BACKLOG, UDP_RECEIVE_QUEUE
from tests.testing.hosts import drain, udp_pair


def test_a_datagram_takes_the_delay_of_both_links_and_names_its_source() -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net, delay_s=0.1)
        await sa.send_to(b"hello", ("10.0.0.2", 5000))
        assert await sb.receive_from() == (b"hello", ("10.0.0.1", sa.local_address[1]))
        assert trio.current_time() == pytest.approx(0.11)

    simulate(main)


def test_the_mutate_hook_changes_and_drops_datagrams() -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net)
        net.mutate = lambda data, source, target: None if data == b"drop" else data.upper()
        for data in (b"drop", b"keep"):
            await sa.send_to(data, ("10.0.0.2", 5000))
        assert await drain(sb) == [b"KEEP"]

    simulate(main)


def test_a_full_socket_drops_and_counts_what_it_has_taken() -> None:
    async def main(net):
        _, b, source, target = await udp_pair(net)
        for _ in range(UDP_RECEIVE_QUEUE + 10):
            await source.send_to(b"12", ("10.0.0.2", 5000))
        await trio.sleep(1)
        assert len(await drain(target)) == UDP_RECEIVE_QUEUE
        assert b.counters.rx_bytes() == UDP_RECEIVE_QUEUE * (2 + UDP_HEADER_BYTES)

    simulate(main)


def test_a_reader_may_wait_until_a_time_and_then_gets_all_that_came() -> None:
    async def main(net):
        _, _, source, target = await udp_pair(net)
        for number in range(MOST_AT_ONCE + 1):
            await source.send_to(bytes([number]), ("10.0.0.2", 5000))
        came = await target.receive_all(not_before=2.0)
        assert trio.current_time() == 2.0
        assert [datagram.data[0] for datagram in came] == list(range(MOST_AT_ONCE))
        assert [datagram.came_at for datagram in came] == pytest.approx([0.02] * MOST_AT_ONCE)
        (last,) = await target.receive_all(not_before=0.0)
        assert last.data[0] == MOST_AT_ONCE

    simulate(main)


def test_a_nat_that_has_forgotten_a_socket_shows_it_at_another_port() -> None:
    async def main(net):
        a, _, source, target = await udp_pair(net)
        await source.send_to(b"", ("10.0.0.2", 5000))
        (_, before) = await target.receive_from()
        a.rebind()
        await source.send_to(b"", ("10.0.0.2", 5000))
        (_, after) = await target.receive_from()
        assert after == (before[0], before[1] + 1)
        await target.send_to(b"to the old port", before)
        await target.send_to(b"to the new port", after)
        assert await drain(source) == [b"to the new port"]

    simulate(main)


def test_a_nat_forgets_sockets_that_are_silent_for_long() -> None:
    """What comes then is lost; what goes out is seen at another port, and answered there."""

    async def main(net):
        a, _, source, target = await udp_pair(net)
        a.nat.forgets_s = 30.0
        seen = []
        for silence_s in (0.0, 29.0, 29.0, 30.5):
            await trio.sleep(silence_s)
            await source.send_to(b"", ("10.0.0.2", 5000))
            seen.append((await target.receive_from())[1])
        assert [port - seen[0][1] for _, port in seen] == [0, 0, 0, 1]
        await trio.sleep(20.0)
        await target.send_to(b"keeps it open", seen[-1])
        await trio.sleep(20.0)
        await target.send_to(b"in time", seen[-1])
        await trio.sleep(31.0)
        await target.send_to(b"too late", seen[-1])
        assert await drain(source) == [b"keeps it open", b"in time"]

    simulate(main)


def test_a_stranded_socket_carries_nothing_either_way_and_a_new_one_does() -> None:
    async def main(net):
        a, _, source, target = await udp_pair(net)
        await source.send_to(b"before", ("10.0.0.2", 5000))
        _, at = await target.receive_from()
        a.strand_udp()
        await source.send_to(b"from it", ("10.0.0.2", 5000))
        await target.send_to(b"to it", at)
        await (await a.open_udp("")).send_to(b"from a new one", ("10.0.0.2", 5000))
        assert await drain(target) == [b"from a new one"]
        assert await drain(source) == []

    simulate(main)


def test_a_full_backlog_refuses_and_a_closed_port_ends_whoever_waits() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        listener = await b.listen_tcp("", 80)
        async with trio.open_nursery() as nursery:
            for _ in range(LISTEN_BACKLOG):
                nursery.start_soon(a.connect_tcp, "10.0.0.2", 80)
        with pytest.raises(OSError, match="cannot connect") as refused:
            await a.connect_tcp("10.0.0.2", 80)
        assert refused.value.errno == errno.ECONNREFUSED
        for _ in range(LISTEN_BACKLOG):
            await listener.accept()

        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await listener.accept()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked()
            await listener.aclose()
        assert b.listeners == {}

    simulate(main)


def test_a_connection_to_a_port_that_was_closed_meanwhile_is_reset() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        listener = await b.listen_tcp("", 80)
        net.call_at(0.03, listener.close)
        client = await a.connect_tcp("10.0.0.2", 80)
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        assert b.connections == {}

    simulate(main)
