"""The simulated TCP: what it shares with real ones, since fallback is judged on it."""

from __future__ import annotations

import errno
import math

import pytest
import trio
import trio.testing

from lightpeer.net.network import listener_address, local_address, peer_address
from lightpeer.testing.faults import Faults
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from lightpeer.testing.tcp.receiving import RECEIVE_BUFFER_BYTES
from lightpeer.testing.tcp.sending import MAX_RTO_S, SEND_BUFFER_BYTES
from lightpeer.testing.tcp.stream import SYN_TIMEOUT_S, SimStream
from lightpeer.testing.tcp.window import INITIAL_WINDOW_BYTES
from tests.testing.hosts import tcp_pair

RTT_S = 0.2


async def pair(
    net: SimInternet, rate_bytes_per_s: float = math.inf, **faults: float
) -> tuple[SimStream, SimStream, SimHost, SimHost]:
    """A client and its server, which sends over a link of that rate, with those faults."""
    a, b = net.host("10.0.0.1", down=Link(delay_s=0.0)), net.host("10.0.0.2", down=Link(delay_s=0.0))
    a.up, b.up = Link(delay_s=RTT_S / 2), Link(rate_bytes_per_s, RTT_S / 2, faults=Faults(**faults))
    client, server = await tcp_pair(a, b)
    return client, server, a, b


async def received(stream: SimStream, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        got += await stream.receive_some()
    return bytes(got)


def test_the_first_flight_has_ten_segments_and_each_that_is_acknowledged_adds_one() -> None:
    async def main(net: SimInternet) -> None:
        client, server, _, _ = await pair(net)
        await trio.sleep(1)
        began = trio.current_time()
        await server.send_all(bytes(7 * INITIAL_WINDOW_BYTES))
        for flights in (1, 3, 7):
            await received(client, INITIAL_WINDOW_BYTES * (flights + 1) // 2)
            passed = trio.current_time() - began
            assert passed == pytest.approx(RTT_S / 2 + RTT_S * flights.bit_length() - RTT_S)

    simulate(main)


@pytest.mark.parametrize("loss", [0.02, 0.2])
def test_what_is_lost_is_sent_again_and_comes_in_order(loss: float) -> None:
    async def main(net: SimInternet) -> None:
        client, server, _, b = await pair(net, rate_bytes_per_s=100_000, loss=loss, reorder=0.1)
        payload = b.entropy(200_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send_all, payload)
            assert await received(client, len(payload)) == payload
        assert b.counters.tx_bytes() > len(payload) * (1 + loss)

    simulate(main)


def test_loss_makes_a_sender_slower() -> None:
    def took_s(loss: float) -> float:
        async def main(net: SimInternet) -> float:
            client, server, _, _ = await pair(net, loss=loss)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.send_all, bytes(1_000_000))
                await received(client, 1_000_000)
            return trio.current_time()

        return simulate(main)

    assert took_s(0.02) > 3 * took_s(0.0)


def test_after_an_outage_it_may_hang_for_as_long_again() -> None:
    async def main(net: SimInternet) -> None:
        client, server, a, _ = await pair(net)
        net.partition(a)
        await server.send_all(b"x")
        await trio.sleep(100)
        net.heal()
        healed = trio.current_time()
        assert await client.receive_some() == b"x"
        assert 1 < trio.current_time() - healed < MAX_RTO_S

    simulate(main)


def test_a_quarter_of_an_hour_without_an_answer_breaks_it() -> None:
    async def main(net: SimInternet) -> None:
        _, server, a, _ = await pair(net)
        net.partition(a)
        await server.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError) as caught:
            await server.receive_some()
        assert caught.value.__cause__.errno == errno.ETIMEDOUT
        assert 800 < trio.current_time() < 1500

    simulate(main)


def test_a_sender_is_held_up_by_its_buffer_and_by_the_peers() -> None:
    async def main(net: SimInternet) -> None:
        _, server, a, _ = await pair(net)
        net.partition(a)
        with trio.move_on_after(10) as scope:
            await server.send_all(bytes(10_000_000))
        assert scope.cancelled_caught
        assert server._sender.buffered_bytes == SEND_BUFFER_BYTES
        net.heal()
        with trio.move_on_after(100) as scope:
            await server.wait_send_all_might_not_block()
            await server.send_all(bytes(10_000_000))
        assert scope.cancelled_caught
        (client,) = a.streams
        assert client._receiver.readable_bytes <= RECEIVE_BUFFER_BYTES

    simulate(main)


def test_a_reader_that_comes_late_gets_all_even_if_word_of_its_room_is_lost() -> None:
    async def main(net: SimInternet) -> None:
        client, server, a, b = await pair(net)
        size = 2 * RECEIVE_BUFFER_BYTES
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send_all, bytes(size))
            await trio.sleep(10)
            net.partition_one_way(a, b)
            first = await received(client, RECEIVE_BUFFER_BYTES)
            await trio.sleep(10)
            net.heal(a, b)
            await received(client, size - len(first))

    simulate(main)


def test_a_middlebox_resets_both_ends() -> None:
    async def main(net: SimInternet) -> None:
        client, server, a, b = await pair(net)
        a.reset_tcp()
        for stream in (client, server):
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
        assert (a.connections, b.connections) == ({}, {})

    simulate(main)


def test_a_nat_forgets_a_connection_without_a_word() -> None:
    async def main(net: SimInternet) -> None:
        client, server, a, b = await pair(net)
        a.hang_tcp()
        await client.send_all(b"into the void")
        with trio.move_on_after(60) as scope:
            await server.receive_some()
        assert scope.cancelled_caught
        await tcp_pair(b, a)

    simulate(main)


def test_after_a_restart_at_the_same_address_the_old_connection_is_reset() -> None:
    async def main(net: SimInternet) -> None:
        client, _, _, b = await pair(net)
        b.kill(silently=True)
        net.host("10.0.0.2")
        await client.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()

    simulate(main)


def test_a_syn_is_repeated_and_given_up_after_a_minute() -> None:
    async def main(net: SimInternet) -> None:
        a, b = net.host("10.0.0.1"), net.host("10.0.0.2")
        await b.listen_tcp("", 80)
        net.partition(a)
        with pytest.raises(OSError, match="connect") as caught:
            await a.connect_tcp("10.0.0.2", 80)
        assert caught.value.errno == errno.ETIMEDOUT
        assert trio.current_time() == pytest.approx(SYN_TIMEOUT_S)

        async def heal() -> None:
            await trio.sleep(5)
            net.heal()

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heal)
            await a.connect_tcp("10.0.0.2", 80)
        assert 5 < trio.current_time() - began < 8

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
