"""Counts the memory held for each client of a server, and decides which client has to go when it is too much.

All memory that waits for a client counts: data that it sent and nobody took, data that it does not take,
and the calls themselves. A bound for each client alone is not enough: small bounds would turn honest
clients away, and large ones add up. So there is a bound for all. When it is exceeded, the client that holds
most, in the network that holds most, is disconnected: an attacker that fills the server is the first to go.
An honest client holds a few hundred kilobytes, while its link carries them. A client that holds more than
any honest one is disconnected at once.

Call order: `update` when a client's sum may have changed, then disconnect the client that it returns;
`remove` when one is gone.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT", bound=Hashable)


class Holdings(Generic[ClientT]):
    """The memory held, by network and client.

    Args:
        most_bytes: the bound for all clients together.
        most_of_one_bytes: the bound for each client.
    """

    def __init__(self, most_bytes: float, most_of_one_bytes: float) -> None:
        self._most_bytes = most_bytes
        self._most_of_one_bytes = most_of_one_bytes
        self._networks: dict[str, dict[ClientT, int]] = {}
        self._sums: dict[str, int] = {}  # by network
        self.total_bytes = 0

    def update(self, client: ClientT, network: str, held_bytes: int) -> ClientT | None:
        """Set how much a client holds; return the client to disconnect, which counts no more, or None.

        Args:
            client: the client.
            network: its network.
            held_bytes: all that is held for it.
        """
        clients = self._networks.setdefault(network, {})
        self._add(network, held_bytes - clients.get(client, 0))
        clients[client] = held_bytes
        if held_bytes > self._most_of_one_bytes:
            return self._let_go(client, network)
        if self.total_bytes > self._most_bytes:
            return self._let_go_greatest()
        return None

    def remove(self, client: ClientT, network: str) -> None:
        """Forget a client that is gone."""
        clients = self._networks.get(network, {})
        if client in clients:
            self._add(network, -clients.pop(client))
            if not clients:
                del self._networks[network], self._sums[network]

    def _let_go_greatest(self) -> ClientT:
        """Let go the client with the most, in the network with the most."""
        network = max(self._sums, key=self._sums.__getitem__)
        clients = self._networks[network]
        return self._let_go(max(clients, key=clients.__getitem__), network)

    def _let_go(self, client: ClientT, network: str) -> ClientT:
        self.remove(client, network)
        return client

    def _add(self, network: str, change_bytes: int) -> None:
        self._sums[network] = self._sums.get(network, 0) + change_bytes
        self.total_bytes += change_bytes
