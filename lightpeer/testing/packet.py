"""A packet of the simulated internet, as a host hands it over, and the addresses that it goes by."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from lightpeer.core import addresses

H = TypeVar("H")


@dataclass(frozen=True, slots=True)
class IpPacket(Generic[H]):
    """A packet of UDP or TCP.

    Attributes:
        sender: the host that sends it.
        source: the address that it leaves from, one of the sender's.
        target: the address that it goes to.
        size: bytes, with the header of UDP or TCP.
        is_udp: False for TCP.
        deliver: called on arrival, with the host there and whether a bit was flipped on the way.
    """

    sender: H
    source: str
    target: str
    size: int
    is_udp: bool
    deliver: Callable[[H, bool], None]


family_of = functools.cache(addresses.family_of)


@functools.cache
def is_loopback(address: str) -> bool:
    """Return whether an address means the host itself."""
    return addresses.scope_of(address) == addresses.LOOPBACK_SCOPE
