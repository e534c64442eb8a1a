"""Decides which clients a server admits, and which others give up their places.

Connections are scarce and addresses are not: one host may use 64 connections, and one person a whole IPv6
/48. Only a call whose seal was opened shows that a client is at work; any other call can be kept open for
nothing. So when places run out, idle clients give way first: the longest idle one, in the network with most
places, in the group of networks with most. If all are at work, the network with most places gives up its
oldest to one with fewer. Each network has a bounded number of places, and beyond that gives up its own, so
a neighbour behind the same address translation costs nobody else anything.

A network may also connect and send control frames only so often, since each costs about a millisecond on a
small processor. Its spending stays counted when its connections are cut. `turns` decides how much of its
data is read.

Call order: `admit` for each new connection, then disconnect the client that gives way; `leave` when a
client is gone.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from lightpeer.core.guard.fairness import Buckets
from lightpeer.core.rpc.frame_gate import FloodBudget

if TYPE_CHECKING:
    from collections.abc import Iterable


MAX_NETWORKS: Final = 1024  # whose budgets are remembered; the least recent is forgotten


class Client(Protocol):
    """A client with a place.

    Attributes:
        network: the addresses of one site: an IPv4 address, or an IPv6 /48 (see `addresses.network_of`).
        group: the networks that are probably under the same control.
    """

    network: str
    group: str

    @property
    def is_at_work(self) -> bool:
        """Whether it has a call whose seal was opened."""

    @property
    def idle_since_s(self) -> float:
        """When it was last at work, or connected, as a monotonic time in seconds."""


ClientT = TypeVar("ClientT", bound=Client)


class Placing(NamedTuple, Generic[ClientT]):
    """Whether a client is admitted, and which other gives way to it."""

    is_admitted: bool
    gives_way: ClientT | None


class Admission(Generic[ClientT]):
    """The places, and what each network has spent.

    Args:
        places: for all clients.
        places_per_network: for the clients of one network.
        connections_per_s: of one network, beside a burst that fills its places twice.
    """

    def __init__(self, *, places: int, places_per_network: int, connections_per_s: float) -> None:
        self._places = places
        self._places_per_network = places_per_network
        self._clients: dict[ClientT, None] = {}  # in the order of their arrival
        self._connections = Buckets(connections_per_s, 2 * places_per_network)
        self._budgets: dict[str, FloodBudget] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def admit(self, client: ClientT, now: float) -> Placing[ClientT]:
        """Give a client a place, if one is free or another client gives way, which then has none."""
        network = client.network
        if self._connections.level(network, now) < 1 or self.budget(network).is_used_up(now):
            return Placing(is_admitted=False, gives_way=None)
        self._connections.take(network, 1, now)
        neighbours = [other for other in self._clients if other.network == network]
        is_short = len(neighbours) >= self._places_per_network or len(self._clients) >= self._places
        gives_way = self._find_place(neighbours) if is_short else None
        if is_short and gives_way is None:
            return Placing(is_admitted=False, gives_way=None)
        if gives_way is not None:
            self.leave(gives_way)
        self._clients[client] = None
        return Placing(is_admitted=True, gives_way=gives_way)

    def leave(self, client: ClientT) -> None:
        """Free a client's place, if it has one."""
        self._clients.pop(client, None)

    def budget(self, network: str) -> FloodBudget:
        """Return the flood budget that all connections of a network share."""
        budget = self._budgets.pop(network, None) or FloodBudget()
        if len(self._budgets) >= MAX_NETWORKS:
            del self._budgets[next(iter(self._budgets))]
        self._budgets[network] = budget
        return budget

    def _find_place(self, neighbours: list[ClientT]) -> ClientT | None:
        """Return the client that gives way to a newcomer with these neighbours, or None."""
        if len(neighbours) >= self._places_per_network:
            return self._longest_idle(neighbours)
        return self._longest_idle(self._clients) or self._oldest_of_most(len(neighbours) + 1)

    def _longest_idle(self, clients: Iterable[ClientT]) -> ClientT | None:
        groups = Counter(client.group for client in self._clients)
        networks = Counter(client.network for client in self._clients)
        return min(
            (client for client in clients if not client.is_at_work),
            key=lambda client: (-groups[client.group], -networks[client.network], client.idle_since_s),
            default=None,
        )

    def _oldest_of_most(self, least: int) -> ClientT | None:
        """Return the oldest client of the network with most places, if it has more than `least`."""
        networks = Counter(client.network for client in self._clients)
        network, most = networks.most_common(1)[0]
        return next(c for c in self._clients if c.network == network) if most > least else None
