"""A machine that is suspended runs nothing and its clock stands; the others go on."""

from __future__ import annotations

import pytest
import trio

from lightpeer.net.network import Network
from lightpeer.testing.host import EPOCH_S, SimHost
from lightpeer.testing.network import SimInternet, simulate


async def suspended(net: SimInternet, host: SimHost, seconds: float) -> None:
    host.suspend()
    await trio.sleep(seconds)
    host.resume()


def test_its_sleeps_and_deadlines_take_as_much_longer() -> None:
    async def main(net: SimInternet) -> None:
        host = net.host("10.0.0.1")
        woke: list[tuple[float, float, float]] = []

        async def sleep() -> None:
            for _ in range(5):
                with trio.move_on_after(2.0):
                    await trio.sleep_forever()
                woke.append((trio.current_time(), net.now, host.unix_time() - EPOCH_S))

        async with trio.open_nursery() as nursery:
            with host.tasks():
                nursery.start_soon(sleep)
            await trio.sleep(3)
            await suspended(net, host, 100)
        assert woke == [(2, 2, 2), (4, 104, 104), (6, 106, 106), (8, 108, 108), (10, 110, 110)]
        assert trio.current_time() == 110, "this task is no machine's"

    simulate(main)


def test_what_would_run_waits_and_what_is_sent_to_it_is_lost() -> None:
    async def main(net: SimInternet) -> None:
        host, other = net.host("10.0.0.1"), net.host("10.0.0.2")
        socket, sender = await host.open_udp("", 5000), await other.open_udp("")
        heard: list[tuple[bytes, float]] = []
        event = trio.Event()

        async def listen() -> None:
            while True:
                heard.append(((await socket.receive_from())[0], net.now))

        async def wait() -> None:
            await event.wait()
            heard.append((b"event", net.now))

        async with trio.open_nursery() as nursery:
            with host.tasks():
                nursery.start_soon(listen)
                nursery.start_soon(wait)
            await trio.sleep(1)
            host.suspend()
            event.set()
            await sender.send_to(b"lost", ("10.0.0.1", 5000))
            await trio.sleep(9)
            assert heard == []
            host.resume()
            await sender.send_to(b"heard", ("10.0.0.1", 5000))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert heard == [(b"event", 10), (b"heard", pytest.approx(10.02))]

    simulate(main)


def test_its_connections_stand_with_it_and_go_on() -> None:
    async def main(net: SimInternet) -> None:
        host, other = net.host("10.0.0.1"), net.host("10.0.0.2")
        got: list[bytes] = []

        async def serve(network: Network) -> None:
            stream = await (await network.listen_tcp("", 80)).accept()
            while data := await stream.receive_some():
                got.append(data)

        async with trio.open_nursery() as nursery:
            with host.tasks():
                nursery.start_soon(serve, host)
            await trio.sleep(1)
            stream = await other.connect_tcp("10.0.0.1", 80)
            host.suspend()
            await stream.send_all(b"x")
            await trio.sleep(30)
            assert got == []
            host.resume()
            await trio.sleep(60)
            assert got == [b"x"]
            await stream.aclose()

    simulate(main)
