"""Where a server is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.overlay.own_address import OwnAddress


@dataclass(frozen=True, slots=True)
class Place:
    """A server's own addresses, as far as they are known, and the port for RPC at each."""

    address: OwnAddress
    port: int

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where others reach it; none while no address is known."""
        return [(host, self.port) for host in self.address.hosts]
