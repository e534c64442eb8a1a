from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

import pytest

from lightpeer.core import packed
from lightpeer.core.packed import NetworkSet, PackedSet


def packed_set(*strings: bytes, size: int = 2) -> PackedSet:
    made = PackedSet(size)
    for string in strings:
        made.add(string)
    made.flush()
    return made


def networks(*texts: str) -> NetworkSet:
    made = NetworkSet()
    for text in texts:
        made.add(ip_network(text))
    made.flush()
    return made


def test_an_empty_set_holds_nothing() -> None:
    empty = packed_set()
    assert len(empty) == 0
    assert list(empty) == []
    assert b"aa" not in empty
    assert b"" not in empty
    assert empty.floor(b"aa") is None


def test_a_set_gives_what_was_added_once_and_rising() -> None:
    made = packed_set(b"cc", b"aa", b"cc", b"bb")
    assert list(made) == [b"aa", b"bb", b"cc"]
    assert len(made) == 3
    assert b"bb" in made
    assert b"b" not in made
    assert b"bbb" not in made
    assert b"ab" not in made


@pytest.mark.parametrize(
    ("string", "floor"), [(b"a`", None), (b"aa", b"aa"), (b"ab", b"aa"), (b"cc", b"cc"), (b"zz", b"cc")]
)
def test_the_greatest_that_is_not_above(string: bytes, floor: bytes | None) -> None:
    assert packed_set(b"aa", b"bb", b"cc").floor(string) == floor


def test_what_was_added_is_found_once_it_is_merged_in(monkeypatch) -> None:
    monkeypatch.setattr(packed, "BATCH", 3)
    made = PackedSet(2)
    for string in (b"aa", b"bb"):
        made.add(string)
    assert b"aa" not in made
    made.add(b"cc")
    assert b"aa" in made


@pytest.mark.parametrize("seed", range(8))
def test_batches_in_any_order_make_the_set_that_python_makes(seed: int, monkeypatch) -> None:
    random = Random(seed)
    monkeypatch.setattr(packed, "BLOCK", random.randint(1, 9))
    monkeypatch.setattr(packed, "BATCH", random.randint(1, 60))
    strings = [bytes([random.randrange(40), random.randrange(3)]) for _ in range(150)]
    made = packed_set(*strings)
    assert list(made) == sorted(set(strings))
    assert all(len(block) <= 2 * packed.BLOCK for block in made._blocks)
    for value in range(0, 1 << 16, 7):
        string = value.to_bytes(2, "big")
        below = [known for known in strings if known <= string]
        assert made.floor(string) == max(below, default=None)
        assert (string in made) == (string in strings)


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
    some = [
        ip_network(
            (f"10.0.{random.randrange(4)}.{random.randrange(256)}", random.randint(20, 32)), strict=False
        )
        for _ in range(random.randint(1, 12))
    ]
    made = networks(*map(str, some))
    for _ in range(300):
        host = f"10.0.{random.randrange(5)}.{random.randrange(256)}"
        assert (host in made) == any(ip_address(host) in network for network in some), (some, host)
