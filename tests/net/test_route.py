"""Which interface leads out, as this machine's kernel says it."""

from __future__ import annotations

import ctypes
import socket
import sys

import pytest

from lightpeer.core.budget.profile import WayOut
from lightpeer.net import route
from lightpeer.net.route import way_out
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
