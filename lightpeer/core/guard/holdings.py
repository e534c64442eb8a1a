"""What is held in memory for each client of a server, and who has to go when it is too much.

Everything counts that waits for a client or because of it: what it has sent and nobody took, what is to be
sent and it does not take, the calls themselves. No single bound does: small ones would turn honest clients
away, and large ones add up. So there is one for all, and when it is passed, of the network that holds most
the client that holds most is let go. Who fills a server so that others cannot use it fills it for itself:
an honest client holds a few hundred kilobytes, for as long as its link takes to carry them. A client that
holds more than any honest one does is let go at once.

Call order: `update` whenever a client's sum may have changed, and let go whom it names; `remove` when one
is gone.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT", bound=Hashable)


class Holdings(Generic[ClientT]):
    """The sums, by network and client."""

    def __init__(self, most_bytes: float, most_of_one_bytes: float) -> None:
        """Take the bounds, for all clients together and for each."""
        self._most_bytes = most_bytes
        self._most_of_one_bytes = most_of_one_bytes
        self._networks: dict[str, dict[ClientT, int]] = {}
        self._sums: dict[str, int] = {}  # of each network
        self.total_bytes = 0

    def update(self, client: ClientT, network: str, held_bytes: int) -> ClientT | None:
        """Set what a client holds; return whom to let go, who counts no more."""
        clients = self._networks.setdefault(network, {})
        self._add(network, held_bytes - clients.get(client, 0))
        clients[client] = held_bytes
        if held_bytes > self._most_of_one_bytes:
            return self._let_go(client, network)
        if self.total_bytes > self._most_bytes:
            network = max(self._sums, key=self._sums.__getitem__)
            clients = self._networks[network]
            return self._let_go(max(clients, key=clients.__getitem__), network)
        return None

    def remove(self, client: ClientT, network: str) -> None:
        """Forget a client that is gone."""
        clients = self._networks.get(network, {})
        if client in clients:
            self._add(network, -clients.pop(client))
            if not clients:
                del self._networks[network], self._sums[network]

    def _let_go(self, client: ClientT, network: str) -> ClientT:
        self.remove(client, network)
        return client

    def _add(self, network: str, change_bytes: int) -> None:
        self._sums[network] = self._sums.get(network, 0) + change_bytes
        self.total_bytes += change_bytes
