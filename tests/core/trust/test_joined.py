"""The networks that a person has joined, as lines of a file."""

from __future__ import annotations

from lightpeer.core.trust.contact import format_invite
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.core.trust.joined import (
    MAX_JOINED,
    build_joined,
    contacts_in,
    parse_joined,
    with_invite,
    without_invite,
)

ONE, TWO = (PeerId(bytes([n]) * 20) for n in (1, 2))
INVITE = format_invite(ONE, [("192.168.1.2", 47474), ("2001:db8::1", 5)])


def test_the_file_may_be_edited():
    data = b"# friends\n\n  " + build_joined([INVITE]) + b"b:1 # at work\r\n\xff\n"
    assert parse_joined(data) == [INVITE, "b:1", "\ufffd"]
    assert parse_joined(b"") == []
    assert (
        parse_joined(build_joined([f"host{n}" for n in range(2 * MAX_JOINED)]))[-1] == f"host{MAX_JOINED - 1}"
    )


def test_a_line_that_makes_no_sense_harms_no_other():
    contacts, complaints = contacts_in(["a:b", INVITE])
    assert [contact.peer_id for contact in contacts] == [ONE, ONE]
    assert [complaint.partition(",")[0] for complaint in complaints] == ["'a:b' is not HOST:PORT"]


def test_the_latest_is_first_and_one_peer_has_one_invite():
    kept = with_invite(with_invite([INVITE], "a:47474"), "b:47474")
    assert kept == ["b:47474", "a:47474", INVITE]
    moved = format_invite(ONE, [("192.168.1.3", 5)])
    assert with_invite(kept, moved) == [moved, "b:47474", "a:47474"]
    many = [f"host{n}" for n in range(2 * MAX_JOINED)]
    assert with_invite(many, "new") == ["new", *many[: MAX_JOINED - 1]]


def test_one_is_forgotten_by_its_id_or_invite():
    kept = [INVITE, "a:47474", "b:47474"]
    for name in (INVITE, format_peer_id(ONE), f"{format_peer_id(ONE)}@other:1"):
        assert without_invite(kept, name) == ["a:47474", "b:47474"]
    assert without_invite(kept, format_peer_id(TWO)) == kept
    assert without_invite(kept, "b:47474") == [INVITE, "a:47474"]
