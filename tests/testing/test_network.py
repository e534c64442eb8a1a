from __future__ import annotations

import errno

import pytest
import trio
import trio.testing

from lightpeer.net.network import listener_address, local_address, peer_address
from lightpeer.testing.link import Link
from lightpeer.testing.network import EPOCH_S, SimHost, SimInternet, simulate
from lightpeer.testing.tcp import CONNECT_TIMEOUT_S


async def udp_pair(net: SimInternet, **link):
    """Two hosts with one socket each; the second one's down link as given."""
    a, b = net.host("10.0.0.1"), net.host("10.0.0.2", down=Link(**link))
    return a, b, await a.open_udp(""), await b.open_udp("", 5000)


async def drain(socket) -> list[bytes]:
    """What arrives until nothing has come for ten seconds."""
    got = []
    while True:
        with trio.move_on_after(10) as scope:
            got.append((await socket.receive_from())[0])
        if scope.cancelled_caught:
            return got


async def tcp_pair(a: SimHost, b: SimHost):
    listener = await b.listen_tcp("", 80)
    client = await a.connect_tcp(b.address, 80)
    return client, await listener.accept()


def test_a_datagram_takes_the_delay_of_both_links_and_names_its_source() -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net, delay_s=0.1)
        await sa.send_to(b"hello", ("10.0.0.2", 5000))
        assert await sb.receive_from() == (b"hello", ("10.0.0.1", sa.local_address[1]))
        assert trio.current_time() == pytest.approx(0.11)

    simulate(main)


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


@pytest.mark.parametrize(("field", "low", "high"), [("loss", 60, 140), ("duplicate", 260, 340)])
def test_loss_and_duplication_have_their_rates(field, low, high) -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net, **{field: 0.5})
        for i in range(200):
            await sa.send_to(bytes([i]), ("10.0.0.2", 5000))
            await trio.sleep(0.001)
        assert low < len(await drain(sb)) < high

    simulate(main)


def test_reordered_datagrams_come_late() -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net, reorder=0.2)
        for i in range(100):
            await sa.send_to(bytes([i]), ("10.0.0.2", 5000))
            await trio.sleep(0.001)
        got = await drain(sb)
        assert sorted(got) != got
        assert len(got) == 100

    simulate(main)


def test_a_seed_repeats_a_run_and_another_seed_does_not() -> None:
    def run(seed: int) -> list[object]:
        trace: list[object] = []

        async def main(net):
            _, b, sa, sb = await udp_pair(net, loss=0.3, reorder=0.3, duplicate=0.3)
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


def test_the_mutate_hook_changes_and_drops_datagrams() -> None:
    async def main(net):
        _, _, sa, sb = await udp_pair(net)
        net.mutate = lambda data, source, target: None if data == b"drop" else data.upper()
        for data in (b"drop", b"keep"):
            await sa.send_to(data, ("10.0.0.2", 5000))
        assert await drain(sb) == [b"KEEP"]

    simulate(main)


def test_a_connection_takes_one_round_trip_and_carries_bytes_both_ways() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1", up=Link(delay_s=0.1)), net.host("10.0.0.2")
        listener = await b.listen_tcp("", 0)
        client = await a.connect_tcp("10.0.0.2", listener_address(listener)[1])
        assert trio.current_time() == pytest.approx(0.13)
        server = await listener.accept()
        assert peer_address(server) == local_address(client)
        payload = b.entropy(1_000_000)

        async def send() -> None:
            await server.send_all(payload)
            await server.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            assert b"".join([part async for part in client]) == payload
        await client.send_all(b"still open this way")
        assert await server.receive_some(5) == b"still"
        assert b.counters.tx_bytes() > 1_000_000 < a.counters.rx_bytes()

    simulate(main)


def test_tcp_shares_the_rate_of_the_link() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2", up=Link(rate_bytes_per_s=10_000))
        client, server = await tcp_pair(a, b)
        await server.send_all(bytes(20_000))
        await server.aclose()
        while await client.receive_some():
            pass
        assert 2.0 < trio.current_time() < 2.2

    simulate(main)


def test_a_sender_waits_for_a_reader() -> None:
    async def main(net):
        client, server = await tcp_pair(net.host("10.0.0.1"), net.host("10.0.0.2"))
        with trio.move_on_after(100) as scope:
            await client.send_all(bytes(1_000_000))
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.wait_send_all_might_not_block)
            await server.receive_some(100_000)

    simulate(main)


def test_nobody_listening_refuses_and_a_host_that_is_not_there_times_out() -> None:
    async def main(net):
        a, _ = net.host("10.0.0.1"), net.host("10.0.0.2")
        with pytest.raises(OSError, match="connect") as refused:
            await a.connect_tcp("10.0.0.2", 80)
        assert refused.value.errno == errno.ECONNREFUSED
        with pytest.raises(OSError, match="connect") as gone:
            await a.connect_tcp("10.0.0.3", 80)
        assert gone.value.errno == errno.ETIMEDOUT
        assert trio.current_time() == pytest.approx(CONNECT_TIMEOUT_S + 0.04)
        with pytest.raises(OSError, match="unknown"):
            await a.connect_tcp("nowhere.example", 80)

    simulate(main)


def test_a_killed_host_resets_its_connections_and_refuses_new_ones() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        client, server = await tcp_pair(a, b)
        b.kill()
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await server.receive_some()
        with pytest.raises(OSError, match="connect"):
            await a.connect_tcp("10.0.0.2", 80)
        again = net.host("10.0.0.2")
        await tcp_pair(a, again)

    simulate(main)


def test_a_host_whose_plug_is_pulled_says_nothing() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        client, _ = await tcp_pair(a, b)
        b.kill(silently=True)
        with trio.move_on_after(1000) as scope:
            await client.receive_some()
        assert scope.cancelled_caught

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


def test_a_host_that_moves_keeps_its_udp_and_loses_its_tcp() -> None:
    async def main(net):
        a, b, sa, sb = await udp_pair(net)
        client, server = await tcp_pair(a, b)
        a.move("10.0.0.7")
        await sa.send_to(b"from the new address", ("10.0.0.2", 5000))
        assert (await sb.receive_from())[1][0] == "10.0.0.7"
        await sb.send_to(b"to the old one", ("10.0.0.1", sa.local_address[1]))
        assert await drain(sa) == []
        await client.send_all(b"into the void")
        with trio.move_on_after(1000) as scope:
            await server.receive_some()
        assert scope.cancelled_caught

    simulate(main)


def test_closing_ends_the_peer_and_unread_bytes_reset_it() -> None:
    async def main(net):
        client, server = await tcp_pair(net.host("10.0.0.1"), net.host("10.0.0.2"))
        await client.aclose()
        assert await server.receive_some() == b""
        await server.send_all(b"too late")
        await trio.sleep(1)
        with pytest.raises(trio.BrokenResourceError):
            await server.send_all(b"after the reset")
        with pytest.raises(trio.ClosedResourceError):
            await client.send_all(b"x")

    simulate(main)


def test_a_port_is_taken_once_and_only_on_an_address_of_the_host() -> None:
    async def main(net):
        a = net.host("10.0.0.1")
        socket = await a.open_udp("", 7)
        with pytest.raises(OSError, match="in use"):
            await a.open_udp("", 7)
        with pytest.raises(OSError, match="not an address"):
            await a.listen_tcp("10.0.0.9", 7)
        socket.close()
        with pytest.raises(trio.ClosedResourceError):
            await socket.send_to(b"", ("10.0.0.1", 7))
        with pytest.raises(trio.ClosedResourceError):
            await socket.receive_from()
        await a.open_udp("127.0.0.1", 7)

    simulate(main)


def test_a_host_without_a_route_says_so_at_once() -> None:
    async def main(net):
        a, _, sa, _ = await udp_pair(net)
        a.no_route = True
        with pytest.raises(OSError, match="unreachable"):
            await sa.send_to(b"", ("10.0.0.2", 5000))
        with pytest.raises(OSError, match="unreachable"):
            await a.connect_tcp("10.0.0.2", 80)

    simulate(main)


def test_clocks_follow_virtual_time_and_may_be_wrong() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        b.clock_offset_s = -1e6
        await trio.sleep(5)
        assert a.unix_time() == EPOCH_S + 5
        assert b.unix_time() == EPOCH_S + 5 - 1e6

    simulate(main)


def test_two_tasks_may_not_use_one_stream_at_once() -> None:
    async def main(net):
        client, server = await tcp_pair(net.host("10.0.0.1"), net.host("10.0.0.2"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await client.receive_some()
            await server.send_all(b"x")

    simulate(main)


def test_a_host_may_have_an_address_of_either_family_and_lose_one() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1", also="2001:db8::1"), net.host("10.0.0.2", also="2001:db8::2")
        socket = await b.open_udp("", 5000)
        four, six = [await a.open_udp("", family_of=host) for host in b.addresses]
        with pytest.raises(OSError, match="another family"):
            await four.send_to(b"", ("2001:db8::2", 5000))
        await six.send_to(b"six", ("2001:db8::2", 5000))
        assert await socket.receive_from() == (b"six", ("2001:db8::1", six.local_address[1]))

        client, server = await tcp_pair(a, b)
        assert peer_address(server) == local_address(client) == ("10.0.0.1", local_address(client)[1])
        a.lose("10.0.0.1")
        assert a.addresses == ["2001:db8::1"]
        with pytest.raises(OSError, match="unreachable"):
            await four.send_to(b"four", ("10.0.0.2", 5000))
        with pytest.raises(OSError, match="unreachable"):
            await a.connect_tcp("10.0.0.2", 80)
        await client.send_all(b"into the void")
        await socket.send_to(b"answer", ("10.0.0.1", four.local_address[1]))
        await socket.send_to(b"answer", ("2001:db8::1", six.local_address[1]))
        assert (await six.receive_from())[0] == b"answer"
        with trio.move_on_after(10) as scope:
            await server.receive_some()
        assert scope.cancelled_caught
        assert peer_address(await a.connect_tcp("2001:db8::2", 80)) == ("2001:db8::2", 80)

    simulate(main)


def test_an_address_may_carry_nothing_any_more_without_a_word() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1", also="2001:db8::1"), net.host("10.0.0.2", also="2001:db8::2")
        await b.listen_tcp("", 80)
        a.silence("10.0.0.1")
        sa, sb = await a.open_udp(""), await b.open_udp("", 5000)
        await sa.send_to(b"four", ("10.0.0.2", 5000))
        await sb.send_to(b"four", ("10.0.0.1", sa.local_address[1]))
        await sa.send_to(b"six", ("2001:db8::2", 5000))
        assert await drain(sb) == [b"six"]
        assert await drain(sa) == []
        with trio.move_on_after(CONNECT_TIMEOUT_S - 1) as scope:
            await a.connect_tcp("10.0.0.2", 80)
        assert scope.cancelled_caught

    simulate(main)
