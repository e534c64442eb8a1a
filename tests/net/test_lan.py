"""Peers on the local network: what zeroconf gives, and what is made of it."""

from __future__ import annotations

import logging
import socket
import sys
from dataclasses import dataclass, field

import pytest
import trio

from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.net import lan as lan_module
from lightpeer.net.lan import MAX_FOUND, Lan, Own, contacts_untrusted, on_lan

ME, OTHER = Identity(b"\x01" * 32), Identity(b"\x02" * 32)
LOOPBACK = ["127.0.0.1"]


@dataclass
class Info:
    """What zeroconf's ServiceInfo has."""

    addresses: list[str]
    port: int | None = 47474
    properties: dict[bytes, bytes | None] = field(
        default_factory=lambda: {b"id": format_peer_id(OTHER.peer_id).encode()}
    )

    def parsed_addresses(self) -> list[str]:
        return self.addresses


def test_an_address_of_the_network_is_taken() -> None:
    found = contacts_untrusted(Info(["192.168.1.7", "fd00::7"]))
    assert found == [
        Contact(("192.168.1.7", 47474), OTHER.peer_id),
        Contact(("fd00::7", 47474), OTHER.peer_id),
    ]


@pytest.mark.parametrize(
    "info",
    [
        Info([]),
        Info(["8.8.8.8"]),
        Info(["127.0.0.1", "::1"]),
        Info(["0.0.0.0", "224.0.0.251", "fe80::1%3"]),
        Info(["192.168.1.7"], port=0),
        Info(["192.168.1.7"], port=None),
        Info(["192.168.1.7"], port=70000),
        Info(["192.168.1.7"], properties={}),
        Info(["192.168.1.7"], properties={b"id": None}),
        Info(["192.168.1.7"], properties={b"id": b"\xff"}),
        Info(["192.168.1.7"], properties={b"id": b"Lnot-an-id"}),
    ],
)
def test_what_makes_no_sense_or_leads_elsewhere_is_passed_over(info) -> None:
    assert contacts_untrusted(info) == []


def test_addresses_and_peers_are_bounded() -> None:
    assert len(contacts_untrusted(Info([f"192.168.1.{n}" for n in range(1, 100)]))) == 4
    lan = Lan()
    for n in range(2 * MAX_FOUND):
        lan.add(str(n), [Contact(("192.168.1.1", n + 1))])
    assert len(lan.contacts) == MAX_FOUND
    lan.add("0", [Contact(("192.168.1.2", 1))])
    lan.remove("1")
    lan.remove("nobody")
    assert (len(lan.contacts), lan.contacts[0].address[0]) == (MAX_FOUND - 1, "192.168.1.2")


def test_without_the_library_nothing_is_found_in_silence(monkeypatch, caplog) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setattr(lan_module, "find_spec", lambda _: None)

    async def main() -> None:
        async with on_lan(Own(ME.peer_id, None, 1)) as lan:
            assert not lan.is_looking
            assert lan.contacts == []

    trio.run(main)
    assert not caplog.text


def test_a_network_that_refuses_is_no_error(monkeypatch, caplog) -> None:
    caplog.set_level("INFO")
    pytest.importorskip("zeroconf")

    def refuse(*_: object) -> None:
        raise OSError(19, "no such device")

    async def main() -> None:
        monkeypatch.setattr(lan_module, "_open", refuse)
        async with on_lan() as lan:
            while not caplog.text:
                await trio.lowlevel.checkpoint()
            assert lan.contacts == []

    trio.run(main)
    assert "cannot look at the local network" in caplog.text


def test_what_the_library_cannot_send_is_not_shown_to_anybody(monkeypatch, caplog) -> None:
    zeroconf = pytest.importorskip("zeroconf")

    def open_in_vain(_interfaces: object) -> str:
        logging.getLogger("zeroconf").warning("Error with socket 19: network is unreachable")
        return "open"

    monkeypatch.setattr(zeroconf, "Zeroconf", open_in_vain)
    monkeypatch.setattr(zeroconf, "ServiceBrowser", lambda *_, **__: None)
    assert lan_module._open(None, [], object()) == "open"
    assert not caplog.text


def carries_multicast() -> bool:
    """Whether this computer's loopback does: some containers' do not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK[0]))
            sock.sendto(b"", ("224.0.0.251", 9))
        except OSError:
            return False
    return sys.platform == "linux"


@pytest.mark.skipif(not carries_multicast(), reason="the loopback carries no multicast")
def test_two_peers_find_each_other_by_the_real_library_and_part() -> None:
    pytest.importorskip("zeroconf")

    async def found(lan: Lan, count: int) -> list[Contact]:
        with trio.fail_after(30):
            while len(lan.contacts) < count:
                await lan.changed.wait()
        return lan.contacts

    async def main() -> None:
        async with on_lan(Own(ME.peer_id, LOOPBACK[0], 1234), interfaces=LOOPBACK) as mine:
            async with on_lan(Own(OTHER.peer_id, LOOPBACK[0], 1235), interfaces=LOOPBACK) as others:
                assert await found(mine, 1) == [Contact((LOOPBACK[0], 1235), OTHER.peer_id)]
                assert await found(others, 1) == [Contact((LOOPBACK[0], 1234), ME.peer_id)]
                async with on_lan(interfaces=LOOPBACK) as looking:
                    assert len(await found(looking, 2)) == 2
            with trio.fail_after(30):
                while mine.contacts:
                    await mine.changed.wait()

    trio.run(main)
