"""UDP to one address, over sockets that come and go."""

from __future__ import annotations

import pytest
import trio

from lightpeer.wire.path import RENEW_EVERY_S, Path
from tests.sim.network import SimHost, SimInternet, simulate

SERVER = ("10.0.0.1", 5000)


async def echo(host: SimHost, port: int = SERVER[1]) -> None:
    """Answer every datagram from that port."""
    socket = await host.open_udp("", port)
    while True:
        datagram, source = await socket.receive_from()
        await socket.send_to(datagram, source)


class Ends:
    """A path from a phone to an echo, and what came over it."""

    def __init__(self, net: SimInternet, nursery: trio.Nursery) -> None:
        self.phone = net.host("10.0.9.1")
        self.came: list[bytes] = []
        self.path = Path(self.phone, SERVER, nursery, self.take)
        nursery.start_soon(echo, net.host(SERVER[0]))

    async def take(self, datagram: bytes) -> bool:
        self.came.append(datagram)
        return datagram != b"junk"


def over_a_path(act) -> None:
    async def main(net: SimInternet) -> None:
        async with trio.open_nursery() as nursery:
            await act(net, Ends(net, nursery))
            nursery.cancel_scope.cancel()

    simulate(main)


def test_what_comes_from_there_is_handed_on_and_nothing_else():
    async def act(net, ends):
        await ends.path.open()
        await ends.path.send(b"one")
        stranger = await net.host("10.0.0.3").open_udp("", SERVER[1])
        await stranger.send_to(b"false", (ends.phone.address, next(iter(ends.phone.udp))))
        await trio.sleep(1)
        assert ends.came == [b"one"]

    over_a_path(act)


def test_a_new_socket_takes_over_and_the_former_goes_once_something_came():
    async def act(net, ends):
        await ends.path.open()
        first = next(iter(ends.phone.udp))
        await ends.path.send(b"late")
        await ends.path.renew()
        await trio.sleep(1)
        assert ends.came == [b"late"], "what was under way to the former one"
        assert len(ends.phone.udp) == 2
        await ends.path.send(b"junk")
        await trio.sleep(1)
        assert len(ends.phone.udp) == 2, "what is not the other end's proves nothing"
        await ends.path.send(b"two")
        await trio.sleep(1)
        assert len(ends.phone.udp) == 1
        assert first not in ends.phone.udp
        assert ends.came == [b"late", b"junk", b"two"]

    over_a_path(act)


def test_there_are_two_sockets_at_most():
    async def act(net, ends):
        for _ in range(5):
            await ends.path.open()
        assert len(ends.phone.udp) == 2

    over_a_path(act)


def test_a_network_that_refuses_a_datagram_gets_a_new_socket_but_not_for_each():
    async def act(net, ends):
        await ends.path.open()
        await trio.sleep(RENEW_EVERY_S)
        ends.phone.no_route = True
        for _ in range(3):
            await ends.path.send(b"lost")
        assert len(ends.phone.udp) == 2
        ends.phone.no_route = False
        await ends.path.send(b"one")
        await trio.sleep(1)
        assert ends.came == [b"one"]

    over_a_path(act)


def test_without_any_socket_to_be_had_it_goes_on_with_the_old(monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_: object, **__: object) -> None:
        raise OSError("no more sockets")

    async def act(net, ends):
        await ends.path.open()
        monkeypatch.setattr(ends.phone, "open_udp", refuse)
        await ends.path.renew()
        await ends.path.send(b"one")
        await trio.sleep(1)
        assert ends.came == [b"one"]

    over_a_path(act)


def test_a_closed_path_is_silent():
    async def act(net, ends):
        await ends.path.send(b"before it was opened")
        await ends.path.open()
        ends.path.close()
        await ends.path.send(b"one")
        await ends.path.renew()
        await trio.sleep(1)
        assert not ends.came
        assert not ends.phone.udp

    over_a_path(act)
