"""The simulated TCP: what it shares with real ones, since fallback is judged on it."""

from __future__ import annotations

import errno

import pytest
import trio

from lightpeer.testing.link import Link
from lightpeer.testing.network import SimHost, SimInternet, simulate
from lightpeer.testing.tcp import (
    CONNECT_TIMEOUT_S,
    INITIAL_WINDOW_BYTES,
    MAX_RTO_S,
    RECEIVE_BUFFER_BYTES,
    SEND_BUFFER_BYTES,
    SimStream,
)
from tests.testing.test_network import tcp_pair

RTT_S = 0.2


async def pair(net: SimInternet, **link: float) -> tuple[SimStream, SimStream, SimHost, SimHost]:
    """A client and its server, which sends over a link as given."""
    a, b = net.host("10.0.0.1", down=Link(delay_s=0.0)), net.host("10.0.0.2", down=Link(delay_s=0.0))
    a.up, b.up = Link(delay_s=RTT_S / 2), Link(delay_s=RTT_S / 2, **link)
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
        assert server._buffered_bytes == SEND_BUFFER_BYTES
        net.heal()
        with trio.move_on_after(100) as scope:
            await server.wait_send_all_might_not_block()
            await server.send_all(bytes(10_000_000))
        assert scope.cancelled_caught
        (client,) = a.streams
        assert len(client._buffer) <= RECEIVE_BUFFER_BYTES

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
        assert trio.current_time() == pytest.approx(CONNECT_TIMEOUT_S)

        async def heal() -> None:
            await trio.sleep(5)
            net.heal()

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heal)
            await a.connect_tcp("10.0.0.2", 80)
        assert 5 < trio.current_time() - began < 8

    simulate(main)
