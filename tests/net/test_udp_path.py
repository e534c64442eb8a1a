"""UDP to one address, over sockets that come and go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from lightpeer.net.network import Datagram
from lightpeer.net.udp_path import RENEW_EVERY_S, Path
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet, simulate

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
        self.came_at: list[float] = []
        self.taken_at: list[float] = []
        self.path = Path(self.phone, [SERVER], nursery, self.take)
        nursery.start_soon(echo, net.host(SERVER[0]))

    async def take(self, datagrams: Sequence[Datagram]) -> bool:
        came = [datagram.data for datagram in datagrams]
        self.came += came
        self.came_at += [datagram.came_at for datagram in datagrams]
        self.taken_at.append(trio.current_time())
        return came != [b"junk"]


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


def test_what_comes_during_a_rest_is_taken_together_and_says_when_it_came():
    async def act(net, ends):
        await ends.path.open()
        ends.path.rest_until = trio.current_time() + 1.0
        for word in (b"one", b"two"):
            await ends.path.send(word)
            await trio.sleep(0.25)
        assert ends.came == []
        await trio.sleep(1)
        assert ends.came == [b"one", b"two"]
        assert ends.came_at == pytest.approx([0.04, 0.29])
        assert ends.taken_at == [1.0]
        await ends.path.send(b"three")
        await trio.sleep(0.1)
        assert ends.came[2:] == [b"three"]

    over_a_path(act)


def test_a_new_socket_takes_over_and_the_former_goes_once_something_came():
    async def act(net, ends):
        await ends.path.open()
        first = next(iter(ends.phone.udp))
        await ends.path.send(b"late")
        await ends.path.rebind()
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


def test_a_socket_that_is_not_to_be_heard_any_more_goes_at_once():
    async def act(net, ends):
        await ends.path.open()
        first = next(iter(ends.phone.udp))
        await ends.path.send(b"late")
        await ends.path.rebind(keep_former=False)
        assert first not in ends.phone.udp
        await trio.sleep(1)
        assert ends.came == []
        await ends.path.send(b"two")
        await trio.sleep(1)
        assert ends.came == [b"two"]

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
        for keep_former in (True, False):
            await ends.path.rebind(keep_former=keep_former)
            await ends.path.send(b"one")
            await trio.sleep(1)
        assert ends.came == [b"one", b"one"]

    over_a_path(act)


OTHER = ("2001:db8::1", SERVER[1])  # of the server, in the other family
PHONE = "10.0.9.2", "2001:db8:9::2"


class BothEnds:
    """A path from a phone with two addresses to an echo that has two as well."""

    def __init__(self, net: SimInternet, nursery: trio.Nursery) -> None:
        self.phone = net.host(PHONE[0], also=PHONE[1])
        self.heard: list[tuple[bytes, str]] = []  # at the echo, and from where
        self.came: list[bytes] = []
        self.path = Path(self.phone, [SERVER, OTHER], nursery, self.take)
        nursery.start_soon(self.echo, net.host(SERVER[0], also=OTHER[0]))

    async def echo(self, host: SimHost) -> None:
        socket = await host.open_udp("", SERVER[1])
        while True:
            datagram, source = await socket.receive_from()
            self.heard.append((datagram, source[0]))
            await socket.send_to(datagram, source)

    async def take(self, datagrams: Sequence[Datagram]) -> bool:
        self.came += [datagram.data for datagram in datagrams]
        return True

    async def say(self, datagram: bytes) -> list[str]:
        """Send a datagram; return the addresses that it was heard from."""
        await self.path.send(datagram)
        await trio.sleep(1)
        return [source for heard, source in self.heard if heard == datagram]


def between_both(act) -> None:
    async def main(net: SimInternet) -> None:
        async with trio.open_nursery() as nursery:
            await act(net, BothEnds(net, nursery))
            nursery.cancel_scope.cancel()

    simulate(main)


def test_where_a_family_has_gone_the_datagram_that_shows_it_goes_by_the_other():
    async def act(net, ends):
        await ends.path.open()
        assert await ends.say(b"one") == [PHONE[0]]
        ends.phone.lose(PHONE[0])
        assert await ends.say(b"two") == [PHONE[1]]
        assert ends.path.address == OTHER
        assert len(ends.phone.udp) == 1, "that of the other family is of no use any more"
        assert await ends.say(b"three") == [PHONE[1]]
        assert ends.came == [b"one", b"two", b"three"]

    between_both(act)


def test_a_path_that_is_bound_anew_asks_by_both_families_until_one_answers():
    async def act(net, ends):
        await ends.path.open()
        assert await ends.say(b"one") == [PHONE[0]]
        ends.phone.silence(PHONE[0])
        assert await ends.say(b"lost") == []
        await ends.path.rebind()
        assert await ends.say(b"two") == [PHONE[1]]
        assert len(ends.phone.udp) == 1
        await ends.path.rebind()
        ends.phone.silenced = {PHONE[1]}
        assert await ends.say(b"three") == [PHONE[0]], "and back"
        await ends.path.rebind()
        ends.phone.silenced = set()
        assert sorted(await ends.say(b"four")) == sorted(PHONE)
        assert len(ends.phone.udp) == 1
        assert len(await ends.say(b"five")) == 1

    between_both(act)


def test_a_machine_of_one_family_goes_on_with_that(monkeypatch: pytest.MonkeyPatch):
    async def act(net, ends):
        open_udp = ends.phone.open_udp

        async def without_ipv6(host: str, port: int = 0, *, family_of: str):
            if ":" in family_of:
                raise OSError("address family not supported")
            return await open_udp(host, port, family_of=family_of)

        monkeypatch.setattr(ends.phone, "open_udp", without_ipv6)
        await ends.path.open()
        await ends.path.rebind()
        assert await ends.say(b"one") == [PHONE[0]]

    between_both(act)


def test_there_are_two_sockets_of_each_family_at_most():
    async def act(net, ends):
        for _ in range(5):
            await ends.path.rebind()
        assert len(ends.phone.udp) == 4
        ends.path.close()
        assert not ends.phone.udp

    between_both(act)


def test_a_closed_path_is_silent():
    async def act(net, ends):
        await ends.path.send(b"before it was opened")
        await ends.path.open()
        ends.path.close()
        await ends.path.send(b"one")
        await ends.path.rebind()
        await trio.sleep(1)
        assert not ends.came
        assert not ends.phone.udp

    over_a_path(act)
