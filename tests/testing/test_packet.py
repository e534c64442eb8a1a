"""A packet's addresses."""

from __future__ import annotations

import pytest

from lightpeer.testing.packet import IpPacket, family_of, is_loopback


@pytest.mark.parametrize(
    ("address", "family", "is_own"),
    [
        ("10.0.0.1", 4, False),
        ("127.0.0.1", 4, True),
        ("127.8.8.8", 4, True),
        ("::1", 6, True),
        ("2001:db8::1", 6, False),
    ],
)
def test_an_address_has_a_family_and_may_be_loopback(address: str, family: int, is_own: bool) -> None:
    assert family_of(address) == family
    assert is_loopback(address) == is_own


def test_a_packet_does_not_change_on_its_way() -> None:
    packet = IpPacket("a", "10.0.0.1", "10.0.0.2", 36, is_udp=True, deliver=lambda target, is_corrupt: None)
    with pytest.raises(AttributeError):
        packet.target = "10.0.0.3"
