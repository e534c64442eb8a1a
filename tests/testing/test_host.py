"""A simulated host: its addresses, ports and clock, and how it fails."""

from __future__ import annotations

import errno

import pytest
import trio
import trio.testing

from lightpeer.core.lan.services import Own
from lightpeer.core.trust.contact import Contact
from lightpeer.net.network import local_address, peer_address
from lightpeer.testing.host import EPOCH_S, HANGING_NAME_S
from lightpeer.testing.link import Link
from lightpeer.testing.network import simulate
from lightpeer.testing.tcp.stream import SYN_TIMEOUT_S
from tests.testing.hosts import drain, tcp_pair, udp_pair


def test_nobody_listening_refuses_and_a_host_that_is_not_there_times_out() -> None:
    async def main(net):
        a, _ = net.host("10.0.0.1"), net.host("10.0.0.2")
        with pytest.raises(OSError, match="connect") as refused:
            await a.connect_tcp("10.0.0.2", 80)
        assert refused.value.errno == errno.ECONNREFUSED
        with pytest.raises(OSError, match="connect") as gone:
            await a.connect_tcp("10.0.0.3", 80)
        assert gone.value.errno == errno.ETIMEDOUT
        assert trio.current_time() == pytest.approx(SYN_TIMEOUT_S + 0.04)
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
        with trio.move_on_after(SYN_TIMEOUT_S - 1) as scope:
            await a.connect_tcp("10.0.0.2", 80)
        assert scope.cancelled_caught

    simulate(main)


def test_a_host_gets_an_address_back_and_no_address_is_given_twice() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1", also="2001:db8::1"), net.host("10.0.0.2")
        socket = await b.open_udp("", 5000)
        a.lose("10.0.0.1")
        a.gain("10.0.0.1")
        source = await a.open_udp("")
        await source.send_to(b"back", ("10.0.0.2", 5000))
        assert await socket.receive_from() == (b"back", ("10.0.0.1", source.local_address[1]))
        with pytest.raises(AssertionError, match="taken"):
            b.move("10.0.0.1")
        with pytest.raises(AssertionError, match="taken"):
            net.host("10.0.0.1")

    simulate(main)


def test_a_resolver_fails_at_once_or_after_half_a_minute() -> None:
    async def main(net):
        a, _ = net.host("10.0.0.1"), net.host("10.0.0.2")
        net.names["peer.example"] = ["10.0.0.2", "10.0.0.3"]
        assert await a.resolve("peer.example") == ["10.0.0.2", "10.0.0.3"]
        assert await a.resolve("10.0.0.9") == ["10.0.0.9"]
        with pytest.raises(OSError, match="unknown"):
            await a.resolve("nobody.example")
        a.names_fail = True
        with pytest.raises(OSError, match="temporary"):
            await a.resolve("peer.example")
        assert trio.current_time() == 0.0
        a.names_fail, a.names_hang = False, True
        with pytest.raises(OSError, match="temporary"):
            await a.connect_tcp("peer.example", 80)
        assert trio.current_time() == HANGING_NAME_S
        assert await a.resolve("10.0.0.2") == ["10.0.0.2"], "an address needs no resolver"

    simulate(main)


def test_hosts_find_each_other_on_the_local_network() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        peer_id = bytes(32)
        async with a.lan(Own(peer_id, None, 7000)), b.lan() as seen:
            assert seen.contacts == [Contact(("10.0.0.1", 7000), peer_id)]

    simulate(main)


def test_entropy_is_of_the_seed_and_the_address() -> None:
    async def main(net):
        return [net.host(f"10.0.0.{n}").entropy(16) for n in (1, 2)]

    first, again, other = simulate(main, 1), simulate(main, 1), simulate(main, 2)
    assert first == again
    assert len({*first, *other}) == 4


def test_a_connection_that_is_given_up_leaves_nothing() -> None:
    async def main(net):
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        await b.listen_tcp("", 80)
        with trio.move_on_after(0.01) as scope:
            await a.connect_tcp("10.0.0.2", 80)
        assert scope.cancelled_caught
        await trio.sleep(1)
        assert (a.connections, b.connections) == ({}, {})

    simulate(main)


def test_a_host_reaches_itself_by_loopback_without_its_links() -> None:
    async def main(net):
        a = net.host("10.0.0.1", up=Link(1.0, 9.0), down=Link(1.0, 9.0))
        target, source = await a.open_udp("127.0.0.1", 5000), await a.open_udp("")
        await source.send_to(b"to myself", ("127.0.0.1", 5000))
        assert await target.receive_from() == (b"to myself", ("10.0.0.1", source.local_address[1]))
        assert trio.current_time() == 0.0

    simulate(main)
