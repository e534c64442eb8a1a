"""Peers on the local network: sockets on this computer's loopback, and what is made of their failures."""

from __future__ import annotations

import errno
import socket
import sys
from ipaddress import ip_network

import pytest
import trio
import trio.testing

from lightpeer.core.lan.services import Own
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity
from lightpeer.net import lan as lan_module
from lightpeer.net.found import Lan
from lightpeer.net.lan import LOOK_AGAIN_S, LOOPBACK, on_lan
from lightpeer.net.network import Counters
from lightpeer.net.route import Interface

HOST = LOOPBACK.host
ME, OTHER = (Own(Identity(bytes([n]) * 32).peer_id, HOST, 1000 + n) for n in (1, 2))


WLAN = Interface("wlan0", 2, "192.168.1.2", (ip_network("192.168.1.0/24"),))
ETHERNET = Interface("eth0", 3, "192.168.2.2", (ip_network("192.168.2.0/24"),))


def on_loopback() -> list[Interface]:
    return [LOOPBACK]


def carries_multicast() -> bool:
    """Whether this computer's loopback does: some containers' do not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HOST))
            sock.sendto(b"", ("224.0.0.251", 9))
        except OSError:
            return False
    return sys.platform == "linux"


multicast = pytest.mark.skipif(not carries_multicast(), reason="the loopback carries no multicast")


async def found(lan: Lan, count: int) -> list[Contact]:
    with trio.fail_after(30):
        while len(lan.contacts) != count:
            await lan.changed.wait()
    return lan.contacts


@multicast
def test_two_servers_and_a_client_find_each_other_and_part() -> None:
    async def main() -> None:
        counters = Counters()
        async with on_lan(ME, interfaces=on_loopback) as mine:
            async with on_lan(OTHER, interfaces=on_loopback) as others:
                assert await found(mine, 1) == [Contact((HOST, OTHER.port), OTHER.peer_id)]
                assert await found(others, 1) == [Contact((HOST, ME.port), ME.peer_id)]
                async with on_lan(None, counters, interfaces=on_loopback) as looking:
                    assert len(await found(looking, 2)) == 2
            assert await found(mine, 0) == []
        assert counters.rx_bytes() > 0 < counters.tx_bytes()

    trio.run(main)


def test_without_a_network_nobody_is_looked_for() -> None:
    async def main() -> None:
        async with on_lan(interfaces=list) as lan:
            assert (lan.is_looking, lan.contacts) == (False, [])

    trio.run(main)


def test_a_network_that_refuses_is_no_error(monkeypatch, caplog) -> None:
    caplog.set_level("INFO")

    class Refusing(socket.socket):
        def bind(self, _address: object) -> None:
            raise OSError(errno.ENODEV, "no such device")

    async def main() -> None:
        monkeypatch.setattr(lan_module.socket, "socket", Refusing)
        async with on_lan(interfaces=on_loopback) as lan:
            assert not lan.is_looking

    trio.run(main)
    assert "cannot look at the local network by lo: [Errno 19] no such device" in caplog.text


class Wire:
    """Stands for the sockets: what is sent goes to every other one."""

    def __init__(self, *_: object) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False
        self.failure: OSError | None = None
        self._wake = trio.Event()

    def send_now(self, data: bytes, _place: object) -> bool:
        self.sent.append(data)
        if self.failure is not None:
            raise self.failure
        return True

    async def receive_all(self, _not_before: float) -> list[object]:
        await self._wake.wait()
        assert self.failure is not None
        raise self.failure

    def fail(self, failure: OSError) -> None:
        self.failure = failure
        self._wake.set()

    def close(self) -> None:
        self.is_closed = True


def test_a_server_follows_its_interfaces_as_they_come_and_go(monkeypatch, caplog) -> None:
    caplog.set_level("INFO")
    wires: dict[str, Wire] = {}
    there: list[Interface] = []
    one, two = WLAN, ETHERNET

    def wire(interface: Interface, _counters: object) -> Wire:
        return wires.setdefault(interface.name, Wire())

    async def main() -> None:
        monkeypatch.setattr(lan_module, "_open", lambda interface: interface)
        monkeypatch.setattr(lan_module, "UdpSocket", wire)
        own = ME._replace(host=None)
        async with on_lan(own, interfaces=lambda: there) as lan:
            assert not lan.is_looking
            there.append(one)
            await trio.sleep(LOOK_AGAIN_S + 3)
            assert lan.is_looking
            assert b"192.168.1.2" not in wires["wlan0"].sent[0]
            assert socket.inet_aton(one.host) in wires["wlan0"].sent[0]
            there[:] = [two]
            await trio.sleep(LOOK_AGAIN_S)
            assert wires["wlan0"].is_closed
            assert not wires["eth0"].is_closed
            wires.pop("eth0").fail(OSError(errno.ENETDOWN, "network is down"))
            await trio.sleep(LOOK_AGAIN_S)
            assert not wires["eth0"].is_closed, "a new one, for it is back"

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert wires["eth0"].is_closed
    assert "by eth0 any more" in caplog.text


def test_a_server_at_one_address_is_found_there_alone(monkeypatch) -> None:
    opened: list[Interface] = []
    there = [WLAN, ETHERNET]

    async def main() -> None:
        monkeypatch.setattr(lan_module, "_open", opened.append)
        monkeypatch.setattr(lan_module, "UdpSocket", Wire)
        async with on_lan(ME._replace(host="192.168.2.2"), interfaces=lambda: there):
            pass

    trio.run(main)
    assert opened == there[1:]
