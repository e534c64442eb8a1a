"""Which clients a server lets in, and who gives up a place to them.

Connections are dear and addresses are not: one host may use 64 of them, one person a whole IPv6 /48. Only
a call whose seal was opened shows that a client is at work; any other call can be kept open for nothing. So
where places are short, those who are idle give way first, and of these the one that has been idle for
longest in the network that has most places, of the group of networks that has most. If all are at work, the
network with most gives up its oldest to one with fewer. One network has a bounded number of places, and
gives its own up to its own: a neighbour behind the same address translation costs nobody else anything.

A network may also connect and send control frames only so often; each of them costs about a millisecond
on a small processor. What it spends stays counted when its connections are cut. How much of what it sends is
read in a second, `turns` says.

Call order: `admit` for each that connects, and let go whom it names; `leave` when a client is gone.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from lightpeer.core.guard.fairness import Buckets
from lightpeer.core.rpc.frame_gate import FloodBudget

if TYPE_CHECKING:
    from collections.abc import Iterable


MAX_NETWORKS: Final = 1024  # whose budgets are remembered: who came least lately gives way


class Client(Protocol):
    """Who has a place.

    Attributes:
        network: what one site is given: an IPv4 address, or an IPv6 /48 (see `addresses.network_of`).
        group: the networks that are likely to be under one control with it.
    """

    network: str
    group: str

    @property
    def is_at_work(self) -> bool:
        """Whether it has a call whose seal was opened."""

    @property
    def idle_since_s(self) -> float:
        """When it was at work last, or connected."""


ClientT = TypeVar("ClientT", bound=Client)


class Placing(NamedTuple, Generic[ClientT]):
    """Whether a client is let in, and who gives way to it."""

    is_admitted: bool
    gives_way: ClientT | None


class Admission(Generic[ClientT]):
    """The places, and what each network has spent."""

    def __init__(self, *, places: int, places_per_network: int, connections_per_s: float) -> None:
        """Begin with all places free.

        Args:
            places: for all clients.
            places_per_network: for those of one network.
            connections_per_s: of one network, which may fill its places twice at once.
        """
        self._places = places
        self._places_per_network = places_per_network
        self._clients: dict[ClientT, None] = {}  # in the order in which they came
        self._connections = Buckets(connections_per_s, 2 * places_per_network)
        self._budgets: dict[str, FloodBudget] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def admit(self, client: ClientT, now: float) -> Placing[ClientT]:
        """Give a client a place if there may be one for it; who gives way has none any more."""
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
        """Take back a client's place, if it still has one."""
        self._clients.pop(client, None)

    def budget(self, network: str) -> FloodBudget:
        """Return what all connections of a network have left for frames that cost us more than them."""
        budget = self._budgets.pop(network, None) or FloodBudget()
        if len(self._budgets) >= MAX_NETWORKS:
            del self._budgets[next(iter(self._budgets))]
        self._budgets[network] = budget
        return budget

    def _find_place(self, neighbours: list[ClientT]) -> ClientT | None:
        """Return who gives way to one more beside its neighbours, if anybody does."""
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
        """Return the oldest client of the network with most places, if these are more than so many."""
        networks = Counter(client.network for client in self._clients)
        network, most = networks.most_common(1)[0]
        return next(c for c in self._clients if c.network == network) if most > least else None
