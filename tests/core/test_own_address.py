from __future__ import annotations

import pytest

from lightpeer.core.own_address import OwnAddress, is_wildcard

PUBLIC, OTHER = "8.8.8.8", "9.9.9.9"
HOME, LOOPBACK = "192.168.1.5", "127.0.0.1"
FAR, FARTHER = "20.0.0.1", "30.0.0.1"


def test_what_the_person_said_is_never_changed() -> None:
    own = OwnAddress(HOME)
    own.reached(PUBLIC, FAR)
    own.proven(PUBLIC)
    assert not own.observed(PUBLIC, FAR)
    assert not own.observed(PUBLIC, FARTHER)
    assert own.host == HOME


@pytest.mark.parametrize(
    ("local", "remote", "host"),
    [
        (LOOPBACK, LOOPBACK, LOOPBACK),
        (HOME, "192.168.1.9", HOME),
        (HOME, LOOPBACK, HOME),
        (HOME, FAR, None),  # through a NAT
        (LOOPBACK, FAR, None),
        (PUBLIC, FAR, PUBLIC),
        ("fe80::1%eth0", "fe80::2%eth0", None),
    ],
)
def test_the_first_contact_shows_an_address(local, remote, host) -> None:
    own = OwnAddress()
    own.reached(local, remote)
    assert own.host == host


def test_an_address_of_a_wider_network_replaces_one_of_a_narrower_and_never_the_reverse() -> None:
    own = OwnAddress()
    for local, remote, host in [
        (LOOPBACK, LOOPBACK, LOOPBACK),
        (HOME, "192.168.1.9", HOME),
        (LOOPBACK, LOOPBACK, HOME),
        (PUBLIC, FAR, PUBLIC),
        (HOME, "192.168.1.9", PUBLIC),
        (OTHER, FAR, PUBLIC),
    ]:
        own.reached(local, remote)
        assert own.host == host


def test_one_peer_decides_nothing_but_gives_reason_for_a_proof() -> None:
    own = OwnAddress()
    assert own.observed(PUBLIC, FAR)
    assert own.observed(PUBLIC, "20.0.7.7")  # the same group
    assert own.host is None
    own.proven(PUBLIC)
    assert own.host == PUBLIC
    assert not own.observed(OTHER, FAR)


def test_two_networks_decide() -> None:
    own = OwnAddress()
    assert own.observed(PUBLIC, FAR)
    assert not own.observed(PUBLIC, FARTHER)
    assert own.host == PUBLIC
    assert not own.observed(OTHER, FAR)
    assert own.host == PUBLIC
    assert not own.observed(OTHER, FARTHER)
    assert own.host == OTHER  # the provider gave us another


def test_two_that_see_us_from_inside_do_not_narrow_a_public_address() -> None:
    own = OwnAddress()
    own.proven(PUBLIC)
    own.observed(HOME, "192.168.1.9")
    own.observed(HOME, "192.168.2.9")
    assert own.host == PUBLIC


@pytest.mark.parametrize("host", [HOME, LOOPBACK, "0.0.0.0", "224.0.0.1", "a b", ""])
def test_an_observed_address_must_make_sense_where_it_comes_from(host) -> None:
    own = OwnAddress()
    assert not own.observed(host, FAR)
    assert not own.observed(host, FARTHER)
    assert own.host is None


@pytest.mark.parametrize(
    ("host", "wildcard"), [("", True), ("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("name", False)]
)
def test_wildcards(host, wildcard) -> None:
    assert is_wildcard(host) is wildcard


def test_a_name_is_nobodys_own_address() -> None:
    own = OwnAddress()
    assert not own.observed("evil.example", FAR)
    assert not own.observed("evil.example", FARTHER)
    own.proven("evil.example")
    own.reached("evil.example", FAR)
    assert own.host is None
