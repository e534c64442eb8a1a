"""Where names lead, and how far in they may."""

from __future__ import annotations

import pytest

from lightpeer.core.addresses import LOOPBACK_SCOPE, PRIVATE_SCOPE
from lightpeer.errors import BadMessageError
from lightpeer.net.names import numeric_untrusted
from lightpeer.testing.network import SimInternet, simulate

NAMES = {
    "far.example": "9.8.7.6",
    "home.example": "192.168.1.9",
    "link.example": "fe80::1",
    "localhost": "127.0.0.1",
    "loop.example": "::1",
    "both.example": ["127.0.0.1", "192.168.1.9", "9.8.7.6"],
}


def leads_to(name: str, scope: int) -> str:
    async def main(net: SimInternet) -> str:
        net.names |= NAMES
        host, port = await numeric_untrusted(net.host("10.9.0.1"), (name, 7), scope)
        assert port == 7
        return host

    return simulate(main)


@pytest.mark.parametrize(
    ("name", "scope", "address"),
    [
        ("far.example", 0, "9.8.7.6"),
        ("home.example", PRIVATE_SCOPE, "192.168.1.9"),
        ("loop.example", LOOPBACK_SCOPE, "::1"),
        ("both.example", 0, "9.8.7.6"),
        ("both.example", PRIVATE_SCOPE, "192.168.1.9"),
        ("localhost", PRIVATE_SCOPE, "127.0.0.1"),  # its record came from there, or would not be held
        ("192.168.1.9", 0, "192.168.1.9"),  # likewise
    ],
)
def test_a_name_leads_as_far_in_as_whoever_told_of_it_is(name: str, scope: int, address: str) -> None:
    assert leads_to(name, scope) == address


@pytest.mark.parametrize(
    ("name", "scope"),
    [("home.example", 0), ("link.example", 0), ("loop.example", 0), ("loop.example", PRIVATE_SCOPE)],
)
def test_and_no_further(name: str, scope: int) -> None:
    with pytest.raises(BadMessageError, match="private network"):
        leads_to(name, scope)
