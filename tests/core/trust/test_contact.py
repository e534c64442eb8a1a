"""A peer, as a person names it."""

from __future__ import annotations

import pytest

from lightpeer.core.trust.contact import Contact, parse_contact
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
