"""The real network, over loopback."""

from __future__ import annotations

import errno
import socket
import sys
from collections import Counter

import pytest
import trio
import trio.testing

from lightpeer.errors import Unreached
from lightpeer.net import system as system_module
from lightpeer.net.network import Counters, listener_address, local_address, peer_address
from lightpeer.net.reasons import unreached_by
from lightpeer.net.system import ACCEPTS_AT_ONCE, SystemNetwork, TcpStream


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


async def connected(network: SystemNetwork):
    listener = await network.listen_tcp("127.0.0.1", 0)
    client = await network.connect_tcp(*listener_address(listener))
    server = await listener.accept()
    return listener, client, server


def test_tcp_ends_know_their_addresses():
    async def main():
        listener, client, server = await connected(SystemNetwork())
        async with listener, client, server:
            assert listener_address(listener)[0] == "127.0.0.1"
            assert listener_address(listener)[1] > 0
            assert peer_address(client) == local_address(server) == listener_address(listener)
            assert peer_address(server) == local_address(client)

    trio.run(main)


def test_trios_own_streams_know_their_addresses_too():
    async def main():
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        client = await trio.open_tcp_stream(*listener_address(listener))
        async with listener, client:
            assert peer_address(client) == listener_address(listener)
            assert local_address(client)[0] == "127.0.0.1"

    trio.run(main)


def test_tcp_carries_bytes_and_their_end():
    async def main():
        listener, client, server = await connected(SystemNetwork())
        async with listener, client, server:
            await client.wait_send_all_might_not_block()
            await client.send_all(b"hello")
            await client.send_eof()
            assert await server.receive_some() == b"hello"
            assert await server.receive_some() == b""

    trio.run(main)


def test_what_a_socket_does_not_take_now_is_left_to_send_later():
    async def main():
        listener, client, server = await connected(SystemNetwork())
        async with listener, client, server:
            data = bytes(range(256)) * 65536  # 16 MiB: more than a socket's buffer holds
            sent = client.send_now(data)
            assert 0 < sent < len(data)
            assert client.send_now(data) < len(data)

    trio.run(main)


def test_a_closed_socket_and_one_that_is_no_file_take_nothing_now(monkeypatch):
    async def main():
        listener, client, server = await connected(SystemNetwork())
        async with listener, client, server:
            await client.aclose()
            assert client.send_now(b"data") == 0
            monkeypatch.setattr(system_module.os, "name", "nt")
            assert server.send_now(b"data") == 0
            monkeypatch.undo()

    trio.run(main)


@pytest.mark.parametrize("from_the_kernel", [True, False])
def test_tcp_is_counted_with_its_headers_open_and_closed(monkeypatch, from_the_kernel):
    if not from_the_kernel:
        monkeypatch.setattr(system_module.sys, "platform", "plan9")

    async def main():
        network = SystemNetwork()
        listener, client, server = await connected(network)
        await client.send_all(bytes(10_000))
        received = 0
        while received < 10_000:
            received += len(await server.receive_some())
        for _ in range(2):
            assert 10_000 + 32 <= network.counters.rx_bytes() <= 10_000 + 100 * 32
            assert 10_000 + 32 <= network.counters.tx_bytes() <= 10_000 + 100 * 32
            for stream in (client, server, listener):
                await stream.aclose()
        assert not network.counters._open

    trio.run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the segment counts in this form")
def test_a_kernel_that_tells_too_little_is_estimated(monkeypatch):
    monkeypatch.setattr(system_module, "_TCP_INFO_BYTES", 104)

    async def main():
        network = SystemNetwork()
        listener, client, server = await connected(network)
        async with listener, client, server:
            await client.send_all(bytes(1449))
            assert network.counters.tx_bytes() == 1449 + 2 * 32

    trio.run(main)


def test_a_listener_passes_over_what_has_already_gone(monkeypatch):
    async def main():
        network = SystemNetwork()
        async with await network.listen_tcp("127.0.0.1", 0) as listener:
            gone = await network.connect_tcp(*listener_address(listener))
            client = await network.connect_tcp(*listener_address(listener))
            fails = [OSError("not connected")]

            def wrap(stream, counters):
                if fails:
                    raise fails.pop()
                return TcpStream(stream, counters)

            monkeypatch.setattr("lightpeer.net.system.TcpStream", wrap)
            server = await listener.accept()
            assert peer_address(server) == local_address(client)
            assert await gone.receive_some() == b""
            for stream in (gone, client, server):
                await stream.aclose()

    trio.run(main)


def test_connections_that_wait_are_taken_together_up_to_a_bound():
    class Passes(trio.abc.Instrument):
        number = 0

        def before_io_wait(self, timeout):
            self.number += 1

    async def main():
        network = SystemNetwork()
        async with await network.listen_tcp("127.0.0.1", 0) as listener, trio.open_nursery() as nursery:
            accepted, taken, passes = [], Counter(), Passes()

            async def accept():
                while True:
                    accepted.append(await listener.accept())
                    taken[passes.number] += 1

            clients = [await network.connect_tcp(*listener_address(listener)) for _ in range(40)]
            trio.lowlevel.add_instrument(passes)
            nursery.start_soon(accept)
            while len(accepted) < len(clients):
                await trio.lowlevel.checkpoint()
            assert sorted(taken.values()) == [40 - ACCEPTS_AT_ONCE, ACCEPTS_AT_ONCE]
            for stream in accepted:
                stream.drop()
            for client in clients:
                assert await client.receive_some() == b""
                await client.aclose()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_udp_carries_datagrams_and_counts_them():
    async def main():
        network = SystemNetwork()
        one, two = await network.open_udp("127.0.0.1"), await network.open_udp("", family_of="127.0.0.1")
        await two.send_to(b"hi", one.local_address)
        data, source = await one.receive_from()
        assert data == b"hi"
        assert source == ("127.0.0.1", two.local_address[1])
        assert network.counters.tx_bytes() == network.counters.rx_bytes() == 2 + 8
        await two.send_to(bytes(3000), one.local_address)
        assert len((await one.receive_from())[0]) == 2048
        one.close()
        two.close()

    trio.run(main)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_udp_takes_the_family_of_the_hint():
    async def main():
        network = SystemNetwork()
        one, two = await network.open_udp("::1"), await network.open_udp("", family_of="::1")
        await two.send_to(b"hi", one.local_address)
        assert (await one.receive_from())[1] == ("::1", two.local_address[1])
        one.close()
        two.close()

    trio.run(main)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_the_ipv6_wildcard_takes_in_both_families_on_one_port():
    """Both are named as they are elsewhere: a path token is made of the address, and records are."""

    async def main():
        network = SystemNetwork()
        listener = await network.listen_tcp("::", 0)
        port = listener_address(listener)[1]
        udp = await network.open_udp("::", port)
        async with listener:
            for host in ("127.0.0.1", "::1"):
                client = await network.connect_tcp(host, port)
                server = await listener.accept()
                assert local_address(server) == (host, port)
                assert peer_address(server) == local_address(client)
                await client.aclose()
                await server.aclose()
                sender = await network.open_udp("", family_of=host)
                await sender.send_to(b"there", (host, port))
                data, source = await udp.receive_from()
                assert (data, source) == (b"there", (host, sender.local_address[1]))
                await udp.send_to(b"and back", source)
                assert await sender.receive_from() == (b"and back", (host, port))
                udp.send_now(b"at once", source)
                assert await sender.receive_from() == (b"at once", (host, port))
                sender.close()
        udp.close()

    trio.run(main)


def test_closing_a_udp_socket_wakes_who_waits_on_it():
    async def main():
        sock = await SystemNetwork().open_udp("127.0.0.1")
        async with trio.open_nursery() as nursery:

            async def wait():
                with pytest.raises(trio.ClosedResourceError):
                    await sock.receive_from()

            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            sock.close()
        with pytest.raises(trio.ClosedResourceError):
            await sock.send_to(b"", ("127.0.0.1", 9))

    trio.run(main)


def test_an_address_that_is_taken_or_not_ours_is_an_oserror():
    async def main():
        network = SystemNetwork()
        async with await network.listen_tcp("127.0.0.1", 0) as listener:
            with pytest.raises(OSError, match="in use"):
                await network.listen_tcp(*listener_address(listener))
        with pytest.raises(OSError, match=r".+"):
            await network.connect_tcp(*listener_address(listener))
        with pytest.raises(OSError, match=r".+"):
            await network.open_udp("192.0.2.1")

    trio.run(main)


def test_a_name_leads_to_its_addresses_and_an_address_to_itself():
    async def main():
        network = SystemNetwork()
        assert await network.resolve("127.0.0.1") == ["127.0.0.1"]
        assert await network.resolve("::1") == ["::1"]
        assert set(await network.resolve("localhost")) <= {"127.0.0.1", "::1"}
        with pytest.raises(socket.gaierror):
            await network.resolve("nowhere.invalid")

    trio.run(main)


def test_time_and_entropy_are_real():
    network = SystemNetwork()
    assert network.unix_time() > 1_700_000_000
    assert len(network.entropy(16)) == 16
    assert network.entropy(16) != network.entropy(16)


def test_counters_add_up_and_forget_only_what_they_knew():
    counters = Counters()
    counters.add(rx=1)
    counters.add(tx=2)

    def read():
        return 10, 20

    counters.retire(read)
    counters.track(read)
    assert (counters.rx_bytes(), counters.tx_bytes()) == (11, 22)
    counters.retire(read)
    counters.retire(read)
    assert (counters.rx_bytes(), counters.tx_bytes()) == (11, 22)


def test_counters_tell_of_traffic_as_it_passes_and_of_none_twice():
    told = []

    async def main():
        network = SystemNetwork()
        network.counters.on_traffic = lambda rx, tx: told.append((rx, tx))
        listener, client, server = await connected(network)
        async with listener, client, server:
            await client.send_all(b"four")
            assert await server.receive_some() == b"four"
            sent = server.send_now(b"three")
            assert len(await client.receive_some()) == 5
        assert sent in {0, 5}
        network.counters.add(rx=7)

    trio.run(main)
    assert told == [(0, 4), (4, 0), (0, 5), (5, 0), (7, 0)]


class Addresses(trio.abc.HostnameResolver):
    """Resolves any name to an IPv6 and an IPv4 address, in this order."""

    async def getaddrinfo(self, host, port, *_):
        await trio.lowlevel.checkpoint()
        rest = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET6, *rest, ("2001:db8::1", port, 0, 0)),
            (socket.AF_INET, *rest, ("127.0.0.1", port)),
        ]

    async def getnameinfo(self, sockaddr, flags):
        raise AssertionError


class Sockets(trio.abc.SocketFactory):
    """Sockets of which those for IPv6 do nothing but what `connect` is told to do; notes who tried when."""

    def __init__(self, connect_ipv6) -> None:
        self.connect_ipv6 = connect_ipv6
        self.tried: list[tuple[int, float]] = []
        self.made: list[trio.socket.SocketType] = []

    def socket(self, family, kind, proto):
        sock = trio.socket.from_stdlib_socket(socket.socket(socket.AF_INET, kind, proto))
        self.made.append(sock)
        connect = self.connect_ipv6 if family == socket.AF_INET6 else sock.connect

        async def noted(address):
            self.tried.append((family, trio.current_time()))
            await connect(address)

        sock.connect = noted
        return sock


async def _never(_):
    await trio.sleep_forever()


async def _refused(_):
    await trio.lowlevel.checkpoint()
    raise ConnectionRefusedError


@pytest.mark.parametrize(("connect_ipv6", "second_at_s"), [(_never, 0.25), (_refused, 0.0)])
def test_an_address_that_does_not_answer_delays_the_next_by_a_quarter_of_a_second(connect_ipv6, second_at_s):
    async def main():
        network, sockets = SystemNetwork(), Sockets(connect_ipv6)
        listener = await network.listen_tcp("127.0.0.1", 0)
        trio.socket.set_custom_hostname_resolver(Addresses())
        trio.socket.set_custom_socket_factory(sockets)
        async with listener:
            client = await network.connect_tcp("two.example", listener_address(listener)[1])
            async with client:
                assert peer_address(client) == listener_address(listener)
        assert sockets.tried == [(socket.AF_INET6, 0.0), (socket.AF_INET, second_at_s)]
        assert all(sock.fileno() < 0 for sock in sockets.made), "what lost the race is closed"

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_traffic_wakes_who_waits_for_it():
    async def main():
        network = SystemNetwork()
        listener, client, server = await connected(network)
        udp = await network.open_udp("127.0.0.1")

        async def wakes(act):
            before = network.counters.total_bytes()
            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(network.counters.wait_beyond, before)
                    nursery.start_soon(network.counters.wait_beyond, before)
                    await trio.testing.wait_all_tasks_blocked()
                    await act()
            await network.counters.wait_beyond(before)  # what has come is not waited for

        async def send_now():
            assert client.send_now(b"y") == 1

        async with listener, client, server:
            before = network.counters.total_bytes()
            await wakes(lambda: client.send_all(b"x"))
            await wakes(send_now)
            await wakes(lambda: udp.send_to(b"z", udp.local_address))
            await wakes(udp.receive_from)
            assert network.counters.total_bytes() > before
        udp.close()

    trio.run(main)


@pytest.mark.parametrize("host", ["a..example", "x" * 64 + ".example", "."])
def test_what_can_be_no_name_is_a_name_that_is_not_found(host):
    async def main():
        network = SystemNetwork()
        for attempt in (network.resolve(host), network.connect_tcp(host, 1), network.listen_tcp(host, 0)):
            with pytest.raises(OSError) as caught:  # noqa: PT011 - its kind is looked at
                await attempt
            assert unreached_by(caught.value) is Unreached.NO_NAME

    trio.run(main)


def test_where_there_is_no_ipv6_all_addresses_are_those_of_ipv4(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    with monkeypatch.context() as patched:
        patched.setattr(system_module.socket, "socket", refuse)
        assert not system_module._has_ipv6()

    async def main():
        monkeypatch.setattr(system_module, "_has_ipv6", lambda: False)
        async with await SystemNetwork().listen_tcp("::", 0) as listener:
            assert listener_address(listener)[0] == "0.0.0.0"

    trio.run(main)
