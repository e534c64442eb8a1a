"""Peers as services: what we say of ourselves, and what is made of what others say."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from lightpeer.core.lan import services
from lightpeer.core.lan.dns import AAAA, PTR, SRV, TXT, A, Question, Record, Service
from lightpeer.core.lan.services import (
    LONG_S,
    MAX_ADDRESSES,
    MAX_ASKED,
    MAX_FOUND,
    SERVICE,
    Heard,
    IPNetwork,
    Own,
)
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity

ME, OTHER = (Identity(bytes([n]) * 32).peer_id for n in (1, 2))
MINE, THEIRS = Own(ME, None, 1), Own(OTHER, None, 47474)
LINK = (ip_network("192.168.1.0/24"), ip_network("fd00::/64"))
HOST = "192.168.1.7"
FOUND = [(THEIRS.name, [Contact((HOST, 47474), OTHER)])]


def heard_of(*records: Record, networks: tuple[IPNetwork, ...] = LINK) -> Heard:
    heard = Heard(networks, MINE.name)
    heard.hear(records, 0.0)
    return heard


def test_one_response_says_it_all():
    heard = Heard(LINK)
    records = THEIRS.records(HOST)
    assert heard.hear(reversed(records), 0.0) == FOUND
    assert heard.hear(records, 1.0) == [], "nothing new"
    assert not heard.is_incomplete
    assert heard.questions() == [Question(SERVICE, PTR)]


def test_it_may_come_in_parts_which_are_asked_for():
    pointer, service, text, address, _ = THEIRS.records(HOST)
    heard = heard_of(pointer)
    assert heard.is_incomplete
    about = [Question(THEIRS.name, SRV), Question(THEIRS.name, TXT)]
    assert heard.questions()[1:] == about
    assert heard.hear([service], 0.0) == []
    assert heard.questions()[1:] == [*about, Question(THEIRS.target, A)]
    assert (MAX_ASKED, heard.is_incomplete, heard.questions()[1:]) == (2, False, [])
    heard.hear([text], 0.0)
    capitals = address._replace(name=tuple(label.upper() for label in address.name))
    assert heard.hear([capitals], 0.0) == FOUND


def test_where_there_is_no_ipv4_the_other_address_is_asked_for():
    pointer, service, _, address, _ = THEIRS.records("fd00::7")
    assert (address.kind, address.value) == (AAAA, "fd00::7")
    heard = Heard(LINK[1:])
    heard.hear([pointer, service], 0.0)
    assert heard.questions()[-1] == Question(THEIRS.target, AAAA)


@pytest.mark.parametrize(
    ("host", "is_of_it", "may_send"),
    [
        ("192.168.1.9", True, True),
        ("192.168.2.9", False, False),
        ("fd00::9", True, True),
        ("fd00:0:0:1::9", False, False),
        ("fe80::9", False, True),
        ("ff02::fb", False, False),
    ],
)
def test_the_networks_of_the_link_decide(host, is_of_it, may_send):
    heard = Heard(LINK)
    assert (heard.accepts(host), heard.accepts_from(host)) == (is_of_it, may_send)


def test_ourselves_and_other_services_are_passed_over():
    others = [
        Record((b"_ipp", b"_tcp", b"local"), PTR, 9, (b"printer", b"_ipp", b"_tcp", b"local")),
        Record(SERVICE, PTR, 9, (b"printer", b"_ipp", b"_tcp", b"local")),
        Record((b"printer", b"_ipp", b"_tcp", b"local"), SRV, 9, Service(1, (b"h",))),
    ]
    heard = heard_of(*others, *MINE.records(HOST))
    assert not heard.is_incomplete
    assert heard.next_end == float("inf")


def changed(**values: object) -> list[Record]:
    kinds = {"srv": SRV, "txt": TXT, "a": A}
    new = {kinds[name]: value for name, value in values.items()}
    return [r._replace(value=new.get(r.kind, r.value)) for r in THEIRS.records(HOST)]


@pytest.mark.parametrize(
    "records",
    [
        changed(a="8.8.8.8"),
        changed(a="10.0.0.7"),
        changed(a="192.168.2.7"),
        changed(a="169.254.1.7"),
        changed(a="127.0.0.1"),
        changed(a="224.0.0.251"),
        changed(srv=Service(0, THEIRS.target)),
        changed(srv=Service(5, (b"other", b"local"))),
        changed(txt=b""),
        changed(txt=b"\x04id=\xff"),
        changed(txt=b"\x0cid=Lnot-an-id"),
    ],
)
def test_what_makes_no_sense_or_leads_elsewhere_is_no_contact(records):
    assert Heard(LINK).hear(records, 0.0) == []


def test_on_loopback_addresses_of_this_computer_count():
    assert Heard((ip_network("127.0.0.0/8"),)).hear(changed(a="127.0.0.1"), 0.0)[0][1] == [
        Contact(("127.0.0.1", 47474), OTHER)
    ]


def test_tables_are_bounded():
    heard = heard_of()
    for n in range(2 * MAX_FOUND):
        heard.hear([Record(SERVICE, PTR, 9, (b"%d" % n, *SERVICE))], 0.0)
    assert len(heard.questions()) == 1 + 2 * MAX_FOUND
    hosts = [Record(THEIRS.target, AAAA, 9, f"fd00::{n}") for n in range(1, 9)]
    ((_, contacts),) = Heard(LINK).hear([*THEIRS.records(HOST), *hosts], 0.0)
    assert [contact.address[0] for contact in contacts] == [f"fd00::{n}" for n in range(8, 4, -1)]
    assert len(contacts) == MAX_ADDRESSES


def test_invented_instances_make_room_once_they_were_asked_in_vain():
    heard = Heard(LINK)
    for n in range(MAX_FOUND):
        heard.hear([Record(SERVICE, PTR, 9, (b"%d" % n, *SERVICE))], 0.0)
    assert heard.hear(THEIRS.records(HOST), 0.0) == []
    heard.questions()
    heard.questions()
    assert heard.hear(THEIRS.records(HOST), 0.0) == FOUND
    heard.hear([Record(SERVICE, PTR, 9, (b"x", *SERVICE))], 0.0)
    assert len(heard._by_name) == MAX_FOUND
    assert [record.value for record in heard.known(0.0)] == [THEIRS.name], "what was found stays"


def test_addresses_of_other_scopes_take_no_place():
    others = [Record(THEIRS.target, AAAA, 9, f"fe80::{n}") for n in range(1, 9)]
    assert Heard(LINK).hear([*THEIRS.records(HOST), *others], 0.0) == FOUND


def test_many_addresses_of_a_host_that_many_instances_name_cost_little(monkeypatch):
    heard, asked = Heard(LINK), []
    for n in range(MAX_FOUND):
        name = (b"%d" % n, *SERVICE)
        said = [Record(SERVICE, PTR, 9, name), Record(name, SRV, 9, Service(1, THEIRS.target))]
        heard.hear(said, 0.0)
    monkeypatch.setattr(services, "folded", lambda name: asked.append(name) or name)
    heard.hear([Record(THEIRS.target, A, 9, f"192.168.1.{n}") for n in range(1, 129)], 0.0)
    assert len(asked) == MAX_FOUND + 128, "each name once, not each with each"


def test_what_is_known_is_said_until_half_its_time_is_over_and_forgotten_at_the_end():
    heard = heard_of(*THEIRS.records(HOST))
    assert heard.known(1.0) == [Record(SERVICE, PTR, LONG_S - 1, THEIRS.name)]
    assert heard.known(LONG_S / 2) == []
    assert heard.next_end == LONG_S
    assert heard.end(LONG_S - 1) == []
    assert heard.end(LONG_S) == [(THEIRS.name, [])]
    assert heard.next_end == float("inf")


def test_a_goodbye_counts_after_a_second():
    goodbye = [record._replace(ttl_s=0) for record in THEIRS.records(HOST)]
    heard = heard_of(*goodbye)
    assert heard.next_end == float("inf"), "of one that was never heard"
    heard.hear(THEIRS.records(HOST), 1.0)
    assert heard.hear(goodbye, 5.0) == []
    assert heard.next_end == 6.0
    assert heard.end(6.0) == [(THEIRS.name, [])]
