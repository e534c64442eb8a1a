"""Which interface leads out, as this machine's kernel says it."""

from __future__ import annotations

import ctypes
import socket
import sys
from ipaddress import IPv4Interface, ip_address, ip_network

import pytest

from lightpeer.core.budget.profile import WayOut
from lightpeer.net import route
from lightpeer.net.route import Interface, local_networks, way_out
from lightpeer.net.system import SystemNetwork

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone says it")


@linux
def test_the_interface_with_our_address_is_found(monkeypatch):
    monkeypatch.setitem(route._OUTSIDE, socket.AF_INET, "127.0.0.1")
    assert way_out() == SystemNetwork().way_out() == WayOut("lo", "")


@linux
def test_an_interface_without_ipv4_is_found_by_its_ipv6_address(monkeypatch, tmp_path):
    monkeypatch.setattr(route, "_own_address", {socket.AF_INET: "", socket.AF_INET6: "2001:db8::5"}.get)
    table = tmp_path / "if_inet6"
    table.write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "\n"
        "20010db8000000000000000000000005 04 40 00 80   wwan0\n"
    )
    monkeypatch.setattr(route, "_INET6_FILE", table)
    assert way_out() == WayOut("wwan0", "")
    monkeypatch.setattr(route, "_INET6_FILE", tmp_path / "none")
    assert way_out() == WayOut()


@linux
def test_an_address_that_is_no_interface_s_is_nobody_s():
    assert route._with_ipv4("192.0.2.77") == ""


def test_without_a_route_nothing_is_known(monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(route.socket.socket, "connect", refuse)
    assert way_out() == WayOut()


@linux
def test_what_the_kernel_fills_in_is_the_network_s_name(monkeypatch):
    name = "Café".encode()

    def answer(_number, request):
        interface, address, room, _ = route.struct.unpack("@16sPHH", request)
        assert (interface.rstrip(b"\0"), room) == (b"wlan0", 33)
        ctypes.memmove(address, name, len(name))
        return route.struct.pack("@16sPHH", interface, address, len(name), 1)

    monkeypatch.setattr(route, "_ioctl", answer)
    assert route._ssid("wlan0") == "Café"
    monkeypatch.undo()
    assert route._ssid("lo") == "", "it is no wireless one"


def test_elsewhere_nothing_is_known(monkeypatch):
    monkeypatch.setattr(route.sys, "platform", "darwin")
    assert way_out() == WayOut()


@linux
def test_the_interfaces_of_this_computer_lead_to_networks() -> None:
    for interface in local_networks():
        assert interface.number > 0
        assert ip_address(interface.host) in interface.networks[0]
        assert not interface.networks[0].is_loopback


@linux
def test_an_interface_has_the_networks_of_all_its_addresses_and_one_of_them_is_ours(monkeypatch, tmp_path):
    addresses = {
        "eth0": ["192.168.1.2/22", "10.1.0.2/16"],
        "wlan0": ["169.254.1.2/16"],
        "tun0": ["10.8.0.2/24"],
    }
    known = [(name, IPv4Interface(text)) for name, texts in addresses.items() for text in texts]
    table = tmp_path / "if_inet6"
    table.write_text(
        "fe800000000000000000000000000001 02 40 20 80   eth0\n"  # of the link alone
        "20010db8000000000000000000000005 02 40 00 00   eth0\n"
        "20010db8000000010000000000000007 04 40 00 01   usb0\n"  # temporary
        "20010db8000000010000000000000006 04 40 00 80   usb0\n"
        "20010db8000000020000000000000006 04 40 00 a0   usb0\n"  # deprecated
        "20010db8000000030000000000000006 04 40 00 40   usb1\n"  # tentative: another may have it
    )
    monkeypatch.setattr(route, "_INET6_FILE", table)
    monkeypatch.setattr(route, "_ipv4_addresses", lambda: known)
    monkeypatch.setattr(route, "_flags", lambda name: 0x1011 if name == "tun0" else 0x1003)
    monkeypatch.setattr(route.socket, "if_nametoindex", ["eth0", "wlan0", "tun0", "usb0"].index)
    found = {interface.name: interface for interface in local_networks()}
    assert {name: (one.host, list(map(str, one.networks))) for name, one in found.items()} == {
        "eth0": ("192.168.1.2", ["192.168.0.0/22", "10.1.0.0/16", "2001:db8::/64"]),
        "wlan0": ("169.254.1.2", ["169.254.0.0/16"]),
        "usb0": ("2001:db8:0:1::6", ["2001:db8:0:1::/64"]),
    }
    assert [name for name, interface in found.items() if interface.is_ipv6] == ["usb0"]


@linux
def test_the_kernel_tells_the_prefix_of_each_address(monkeypatch):
    assert ("lo", IPv4Interface("127.0.0.1/8")) in route._ipv4_addresses()
    entry = b"lo".ljust(16, b"\0") + route.struct.pack("@H2x", socket.AF_INET) + socket.inet_aton("127.0.0.1")
    entry = entry.ljust(route._IFREQ_BYTES, b"\0")
    monkeypatch.setattr(route, "_ioctl", lambda *_: b"")
    assert route._ipv4_in(entry) == IPv4Interface("127.0.0.1/32"), "of one that has just gone"


def test_elsewhere_the_system_chooses_the_interface(monkeypatch) -> None:
    monkeypatch.setattr(route.sys, "platform", "darwin")
    monkeypatch.setattr(route, "_own_address", lambda _family: "192.168.1.2")
    assert local_networks() == [Interface("", 0, "192.168.1.2", (ip_network("192.168.1.0/24"),))]
    monkeypatch.setattr(route, "_own_address", lambda _family: "")
    assert local_networks() == []
