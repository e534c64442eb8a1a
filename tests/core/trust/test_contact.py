"""A peer, as a person names it."""

from __future__ import annotations

import pytest

from lightpeer.core.trust.contact import (
    MAX_INVITED,
    Contact,
    format_invite,
    parse_contact,
    parse_contacts,
    split_contacts,
)
from lightpeer.core.trust.identity import PeerId, format_peer_id

THEM = PeerId(bytes(range(20)))


def test_a_contact_is_an_address_with_an_id_or_without():
    assert parse_contact("a") == Contact(("a", 47474))
    assert parse_contact(f" {format_peer_id(THEM)}@[::1]:5 ") == Contact(("::1", 5), THEM)


@pytest.mark.parametrize(
    ("text", "says"),
    [("@a", "where"), ("x@a", "where"), (f"{format_peer_id(THEM)}@a:x", "music.example.org")],
)
def test_what_is_none(text, says):
    with pytest.raises(ValueError, match=says):
        parse_contact(text)


NAME = format_peer_id(THEM)
NEAR, FAR = ("192.168.1.2", 47474), ("2001:db8::1", 5)


def test_an_invite_has_several_addresses_of_one_peer():
    invite = format_invite(THEM, [NEAR, FAR])
    assert invite == f"loudp2p:{NAME}@192.168.1.2:47474,[2001:db8::1]:5"
    assert parse_contacts(f" {invite} ") == [Contact(NEAR, THEM), Contact(FAR, THEM)]
    assert parse_contacts(f"loudp2p://{NAME}@a.example/") == [Contact(("a.example", 47474), THEM)]
    assert parse_contacts("a:1") == [Contact(("a", 1))]
    assert len(parse_contacts(format_invite(THEM, [NEAR] * 9))) == MAX_INVITED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("loudp2p:", "an invite"),
        (f"loudp2p:{NAME}", "an invite"),
        (f"loudp2p:{NAME}@" + "a:1," * MAX_INVITED, "at most 4 addresses"),
        (f"loudp2p:{NAME}@a:1,", "HOST:PORT"),
        ("loudp2p:x@a:1", "'x' is not a peer id"),
    ],
)
def test_what_is_no_invite(text, says):
    with pytest.raises(ValueError, match=says):
        parse_contacts(text)


def test_in_a_list_the_commas_of_an_invite_are_its_own():
    invite = format_invite(THEM, [NEAR, FAR])
    assert split_contacts(f"a:1, {invite},loudp2p:{NAME}@c,x@d, e, ,") == [
        "a:1",
        f" {invite}",
        f"loudp2p:{NAME}@c",
        "x@d",
        " e",
    ]
