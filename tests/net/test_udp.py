"""A real UDP socket on loopback: what is here is taken together, and says when it came."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from lightpeer.net.network import MOST_AT_ONCE
from lightpeer.net.system import SystemNetwork
from lightpeer.net.udp import UdpSocket

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell when a datagram came")


def on_loopback(act: Callable[[UdpSocket, UdpSocket, SystemNetwork], Awaitable[None]]) -> None:
    async def main() -> None:
        network = SystemNetwork()
        one, two = await network.open_udp("127.0.0.1"), await network.open_udp("127.0.0.1")
        assert isinstance(one, UdpSocket)
        assert isinstance(two, UdpSocket)
        await act(one, two, network)
        one.close()
        two.close()

    trio.run(main)


def stamped(monkeypatch: pytest.MonkeyPatch, sock: UdpSocket, stamps: list[float | None]) -> None:
    """Give the next datagrams these stamps, in seconds of the wall clock."""
    take = sock._take
    monkeypatch.setattr(sock, "_take", lambda: (*take()[:2], stamps.pop(0)))


def test_all_that_is_here_is_taken_at_once_up_to_a_limit():
    async def act(one, two, network):
        for number in range(MOST_AT_ONCE + 1):
            await two.send_to(bytes([number]), one.local_address)
        came = await one.receive_all(0)
        assert [datagram.data[0] for datagram in came] == list(range(MOST_AT_ONCE))
        assert {datagram.source for datagram in came} == {two.local_address}
        assert network.counters.rx_bytes() == MOST_AT_ONCE * 9
        assert len(await one.receive_all(0)) == 1

    on_loopback(act)


def test_sending_now_waits_for_no_room(monkeypatch):
    async def act(one, two, network):
        assert two.send_now(b"x", one.local_address)
        assert [datagram.data for datagram in await one.receive_all(0)] == [b"x"]
        assert network.counters.tx_bytes() == 9

        class Full:
            def __init__(self, sock):
                self.fileno = sock.fileno

            def sendto(self, *_):
                raise BlockingIOError

        monkeypatch.setattr(two, "_plain", Full(two._plain))
        assert not two.send_now(b"left", one.local_address)
        assert network.counters.tx_bytes() == 9

    on_loopback(act)


def test_it_waits_until_the_time_given_and_then_for_a_datagram():
    async def main():
        one, two = await SystemNetwork().open_udp("127.0.0.1"), await SystemNetwork().open_udp("127.0.0.1")
        await two.send_to(b"early", one.local_address)
        (came,) = await one.receive_all(5.0)
        assert trio.current_time() == 5.0
        assert came.data == b"early"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(two.send_to, b"late", one.local_address)
            assert [datagram.data for datagram in await one.receive_all(6.0)] == [b"late"]
        one.close()
        two.close()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@LINUX
def test_the_kernel_tells_when_a_datagram_came():
    async def act(one, two, _):
        before = time.time()
        await two.send_to(b"x", one.local_address)
        await trio.lowlevel.wait_readable(one._plain)
        _, _, stamp = one._take()
        assert before <= stamp <= time.time()

    on_loopback(act)


def test_times_rise_and_lie_between_the_last_look_and_now_whatever_the_wall_clock_does(monkeypatch):
    async def act(one, two, _):
        await two.send_to(b"", one.local_address)
        await one.receive_all(0)
        wall = time.time()
        stamps = [wall + 3600, wall - 3600, None]
        stamped(monkeypatch, one, stamps)
        for _ in range(3):
            await two.send_to(b"", one.local_address)
        times = [datagram.came_at for datagram in await one.receive_all(0)]
        assert len(times) == 3
        assert times == sorted(times)
        assert times[-1] <= trio.current_time()
        stamps.append(wall - 3600)
        await two.send_to(b"", one.local_address)
        (last,) = await one.receive_all(0)
        assert last.came_at == times[-1]  # when it was seen that there was no more

    on_loopback(act)


def test_an_error_does_not_cost_what_came_before_it(monkeypatch):
    async def act(one, two, _):
        await two.send_to(b"x", one.local_address)
        await trio.lowlevel.wait_readable(one._plain)
        answers = [one._take(), ConnectionRefusedError(), ConnectionRefusedError()]

        def take():
            if isinstance(answer := answers.pop(0), OSError):
                raise answer
            return answer

        monkeypatch.setattr(one, "_take", take)
        came = await one.receive_all(trio.current_time() + 1e-3)
        assert [datagram.data for datagram in came] == [b"x"]
        with pytest.raises(ConnectionRefusedError):
            await one.receive_all(trio.current_time() + 1e-3)

    on_loopback(act)


def test_without_stamps_a_datagram_came_when_it_is_taken(monkeypatch):
    async def act(one, two, _):
        monkeypatch.setattr("lightpeer.net.udp._CONTROL_BYTES", 0)
        await two.send_to(b"x", one.local_address)
        before = trio.current_time()
        (came,) = await one.receive_all(0)
        assert before <= came.came_at <= trio.current_time()

    on_loopback(act)


def test_a_socket_that_is_closed_meanwhile():
    async def act(one, _two, _):
        for at in (0.0, trio.current_time() + 1e-3):
            async with trio.open_nursery() as nursery:
                sock = await SystemNetwork().open_udp("127.0.0.1")

                async def wait(sock=sock, at=at):
                    with pytest.raises(trio.ClosedResourceError):
                        await sock.receive_all(at)

                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                sock.close()

    on_loopback(act)
