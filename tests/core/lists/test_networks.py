from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightpeer.core.lists.networks import NetworkSet, network_key


def networks(*texts: str) -> NetworkSet:
    made = NetworkSet()
    made.update(map(network_key, texts))
    for _ in made.flushing():
        pass
    return made


@pytest.mark.parametrize(
    ("host", "is_in"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("10.1.2.3", True),  # in the wider one, past the narrower
        ("9.255.255.255", False),
        ("11.0.0.0", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:a00:1", True),
        ("::10.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db8::1%eth0", True),
        ("2001:db9::1", False),
        ("::", False),
        ("music.example.org", False),
        ("", False),
    ],
)
def test_an_address_is_looked_up_among_networks(host: str, is_in: bool) -> None:
    made = networks("10.0.0.0/8", "10.1.0.0/24", "10.1.2.0/31", "192.0.2.7", "2001:db8::/32")
    assert (host in made) is is_in
    assert len(made) == 5


def test_one_network_may_hold_every_address_of_its_kind() -> None:
    assert "192.0.2.1" in networks("0.0.0.0/0")
    assert "::ffff:192.0.2.1" in networks("0.0.0.0/0")
    assert "2001:db8::1" not in networks("0.0.0.0/0")
    assert "2001:db8::1" in networks("::/0")
    assert "192.0.2.1" not in networks("::/0")
    assert "::ffff:192.0.2.1" not in networks("::/0")
    assert "192.0.2.1" not in networks()


@pytest.mark.parametrize(
    ("network", "host", "is_in"),
    [
        ("::ffff:192.0.2.0/120", "192.0.2.1", True),
        ("::ffff:192.0.2.0/120", "::ffff:c000:201", True),
        ("::ffff:192.0.2.0/120", "192.0.3.1", False),
        ("::ffff:0:0/96", "192.0.2.1", True),
        ("::ffff:0:0/96", "::fffe:c000:201", False),
        ("::fffe:0:0/95", "192.0.2.1", False),  # not of them alone
        ("::fffe:0:0/95", "::fffe:c000:201", True),
        ("::/96", "192.0.2.1", False),
        ("::/96", "::192.0.2.1", True),
        ("192.0.2.0/24", "::ffff:192.0.2.1", True),
        ("192.0.2.0/24", "::192.0.2.1", False),
    ],
)
def test_ipv4_addresses_as_ipv6_has_them_are_ipv4_addresses(network: str, host: str, is_in: bool) -> None:
    assert (host in networks(network)) is is_in


@pytest.mark.parametrize("seed", range(8))
def test_networks_hold_what_each_of_them_holds(seed: int) -> None:
    random = Random(seed)
    form = ("10.0.{}.{}/{}", "2001:db8::{:x}{:02x}/{}")[seed % 2]
    bits = (32, 128)[seed % 2]

    def some_host() -> tuple[int, int]:
        return random.randrange(5), random.randrange(256)

    some = [
        ip_network(form.format(*some_host(), random.randint(bits - 12, bits)), strict=False)
        for _ in range(random.randint(1, 12))
    ]
    made = networks(*map(str, some))
    for _ in range(300):
        host = form.format(*some_host(), bits).partition("/")[0]
        assert (host in made) == any(ip_address(host) in network for network in some), (some, host)


# How they are written.

GROUP = st.one_of(
    st.integers(0, 0xFFFF).map("{:x}".format), st.sampled_from(["", "0000", "00001", "+1", "g", "1 "])
)
OCTET = st.one_of(st.integers(0, 300).map(str), st.sampled_from(["", "01", " 1", "1_0", "-0", "٣"]))
LENGTH = st.one_of(
    st.none(), st.integers(0, 130).map(str), st.sampled_from(["", "08", "-1", "255.255.0.0", "x", "1/1"])
)
HOST = st.one_of(
    st.ip_addresses().map(str),
    st.lists(OCTET, min_size=3, max_size=5).map(".".join),
    st.lists(GROUP, min_size=2, max_size=9).map(":".join),
    st.text("0123456789abcdef:./%", max_size=20),
)


@given(HOST, LENGTH)
@example("1:2:3:4:5:6:7::", None)
@example("1:2:3:4:5:6:7:8::", None)
@example("::", "0")
@example("1:::2", None)
@example("0:0:0:00001:00001:00001:00001", None)  # as many digits as an address
@example("1::2::3", None)
@example("::192.0.2.1", "128")
@example("fe80::1%eth0", "64")
@example("1:2:3:4:5:6:7:8", "129")
def test_what_is_a_network_is_as_the_library_says(host: str, length: str | None) -> None:
    text = host if length is None else f"{host}/{length}"
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - whatever its words
            network_key(text)
        return
    key = network_key(text)
    if isinstance(network, IPv6Network) and len(key) == 5:
        mapped = network.network_address.ipv4_mapped
        assert mapped is not None
        network = IPv4Network((mapped, network.prefixlen - 96))
    assert key == network.network_address.packed + bytes([network.prefixlen])
