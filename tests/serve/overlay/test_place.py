"""Where a server is reached."""

from __future__ import annotations

from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.serve.overlay.place import Place


def test_each_known_address_has_the_same_port() -> None:
    place = Place(OwnAddress("203.0.113.7", "2001:db8::7"), 47474)
    assert place.endpoints == [("203.0.113.7", 47474), ("2001:db8::7", 47474)]


def test_a_server_that_knows_no_address_has_no_endpoint_until_it_is_told() -> None:
    address = OwnAddress()
    place = Place(address, 1)
    assert place.endpoints == []
    address.proven("203.0.113.7")
    assert place.endpoints == [("203.0.113.7", 1)]
