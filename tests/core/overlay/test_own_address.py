from __future__ import annotations

import pytest

from lightpeer.core.overlay.own_address import OwnAddress

PUBLIC, OTHER = "8.8.8.8", "9.9.9.9"
HOME, LOOPBACK = "192.168.1.5", "127.0.0.1"
FAR, FARTHER, FARTHEST = "20.0.0.1", "30.0.0.1", "40.0.0.1"


def test_what_the_person_said_is_never_changed() -> None:
    own = OwnAddress(HOME)
    own.reached(PUBLIC, FAR)
    own.proven(PUBLIC)
    assert not own.observed(PUBLIC, FAR)
    assert not own.observed(PUBLIC, FARTHER)
    assert own.hosts == (HOME,)


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
        ("fe80::1", "fe80::2", None),
    ],
)
def test_the_first_contact_shows_an_address(local, remote, host) -> None:
    own = OwnAddress()
    own.reached(local, remote)
    assert own.hosts == ((host,) if host else ())


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
        assert own.hosts == (host,)


def test_one_peer_decides_nothing_but_gives_reason_for_a_proof() -> None:
    own = OwnAddress()
    assert own.observed(PUBLIC, FAR)
    assert own.observed(PUBLIC, "20.0.7.7")  # the same group
    assert not own.hosts
    own.proven(PUBLIC)
    assert own.hosts == (PUBLIC,)
    assert not own.observed(OTHER, FAR)


def test_three_networks_decide() -> None:
    own = OwnAddress()
    assert own.observed(PUBLIC, FAR)
    assert own.observed(PUBLIC, FARTHER)
    assert not own.hosts
    assert not own.observed(PUBLIC, FARTHEST)
    assert own.hosts == (PUBLIC,)
    for host in (FAR, FARTHER):
        assert not own.observed(OTHER, host)
        assert own.hosts == (PUBLIC,)
    assert not own.observed(OTHER, FARTHEST)
    assert own.hosts == (OTHER,)  # the provider gave us another


def test_one_that_was_named_and_another_decide() -> None:
    own = OwnAddress()
    assert own.observed(PUBLIC, FAR, is_named=True)
    assert not own.observed(PUBLIC, FARTHER)
    assert own.hosts == (PUBLIC,)


def test_two_that_see_us_from_inside_do_not_narrow_a_public_address() -> None:
    own = OwnAddress()
    own.proven(PUBLIC)
    own.observed(HOME, "192.168.1.9", is_named=True)
    own.observed(HOME, "127.0.0.1", is_named=True)
    assert own.hosts == (PUBLIC,)


@pytest.mark.parametrize("host", [HOME, LOOPBACK, "0.0.0.0", "224.0.0.1", "a b", ""])
def test_an_observed_address_must_make_sense_where_it_comes_from(host) -> None:
    own = OwnAddress()
    assert not own.observed(host, FAR)
    assert not own.observed(host, FARTHER)
    assert not own.hosts


def test_a_name_is_nobodys_own_address() -> None:
    own = OwnAddress()
    assert not own.observed("evil.example", FAR)
    assert not own.observed("evil.example", FARTHER)
    own.proven("evil.example")
    own.reached("evil.example", FAR)
    assert not own.hosts


SIX, SIX_AT_HOME = "2620:fe::9", "fd00::5"


def test_each_family_is_found_out_for_itself_and_ipv4_leads() -> None:
    own = OwnAddress()
    own.proven(SIX)
    own.reached(PUBLIC, FAR)
    assert own.hosts == (PUBLIC, SIX)
    assert not own.observed(OTHER, FAR)
    for source in ("2001:4860::1", "2a02:26f0::1", "2a03::1"):
        assert not own.observed("2a00::1", source)
    assert own.hosts == (PUBLIC, "2a00::1"), "what networks of one family say is nothing to the other"


def test_what_is_announced_is_all_in_the_widest_network() -> None:
    """A record with a narrower address beside it would be refused outside."""
    own = OwnAddress()
    own.reached(HOME, "192.168.1.9")
    own.reached(SIX_AT_HOME, "fd00::9")
    assert own.hosts == (HOME, SIX_AT_HOME)
    own.proven(SIX)
    assert own.hosts == (SIX,)
    own.proven(PUBLIC)
    assert own.hosts == (PUBLIC, SIX)


def test_a_person_may_choose_several() -> None:
    own = OwnAddress("music.example", SIX)
    own.proven(PUBLIC)
    assert own.hosts == ("music.example", SIX)
