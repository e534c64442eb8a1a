"""How fast the downlink was, network by network, so that the next stream need not find out again.

A network is known by what is cheap to see: the prefix that our own address has in it (/24
of IPv4, /64 of IPv6). Many homes share one; that costs no more than any other wrong
start, which the rate control has to bear anyway.

The file is a line for each network: its prefix, bytes a second, Unix time.
"""

from __future__ import annotations

import math
from ipaddress import ip_network
from typing import Final

from lightpeer.errors import BadMessageError

MAX_NETWORKS: Final = 16  # home, work, a few friends, and what a radio network gives in a week
FORGET_S: Final = 30 * 86_400.0  # older than that says nothing about a network
MIN_BYTES_PER_S: Final = 100.0  # less is a dead zone, more than the other no link of today
MAX_BYTES_PER_S: Final = 1e9

_HEAD: Final = "lightpeer downlinks 1"


class Downlinks:
    """The rates of the networks that were used lately."""

    def __init__(self) -> None:
        self._rates: dict[str, tuple[float, float]] = {}  # bytes a second, Unix time; the latest at the end

    def __len__(self) -> int:
        return len(self._rates)

    def rate_bytes_per_s(self, network: str, now: float) -> float:
        """Return what a network gave, 0 if that is not known or too long ago; `now` is Unix time."""
        rate, noted_s = self._rates.get(network, (0.0, -math.inf))
        return rate if now - noted_s < FORGET_S else 0.0

    def note(self, network: str, bytes_per_s: float, now: float) -> None:
        """Remember what a network gave; the network that was used least lately makes room."""
        self._rates.pop(network, None)
        self._rates[network] = (min(max(bytes_per_s, MIN_BYTES_PER_S), MAX_BYTES_PER_S), now)
        if len(self._rates) > MAX_NETWORKS:
            del self._rates[next(iter(self._rates))]

    def to_bytes(self) -> bytes:
        """Return the file."""
        lines = [f"{network} {rate:.0f} {noted_s:.0f}" for network, (rate, noted_s) in self._rates.items()]
        return "\n".join([_HEAD, *lines, ""]).encode()

    @classmethod
    def from_bytes_untrusted(cls, data: bytes) -> Downlinks:
        """Return what `to_bytes` wrote; raise BadMessageError if it is not whole."""
        downlinks = cls()
        try:
            head, *lines, end = data.decode("ascii").split("\n")
            for line in lines:
                network, rate, noted_s = line.split(" ")
                entry = float(rate), float(noted_s)
                if not _is_sound(entry):
                    raise BadMessageError("the remembered downlinks have impossible numbers")
                downlinks.note(str(ip_network(network)), *entry)
        except ValueError as error:
            raise BadMessageError("the remembered downlinks are corrupt") from error
        if head != _HEAD or end:
            raise BadMessageError("the remembered downlinks are corrupt, or of another version")
        return downlinks


def _is_sound(entry: tuple[float, float]) -> bool:
    return all(math.isfinite(number) and number >= 0 for number in entry)
