"""A server as all its parts know it: its key, its network and its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightpeer.serve.access.access import Access

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import Identity, PeerId
    from lightpeer.net.network import Network


@dataclass(frozen=True, slots=True)
class Node:
    """One server on its network.

    Attributes:
        identity: its key, which seals and signs.
        network: sockets, clock and entropy.
        access: the rules on listeners and on tracks.
    """

    identity: Identity
    network: Network
    access: Access

    @classmethod
    def open_to_all(cls, identity: Identity, network: Network) -> Node:
        """Return a node that serves everybody."""
        return cls(identity, network, Access(identity.peer_id))

    @property
    def peer_id(self) -> PeerId:
        """Its id."""
        return self.identity.peer_id
