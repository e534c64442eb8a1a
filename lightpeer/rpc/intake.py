"""Decides which clients a server serves, within bounds on what they may cost it.

A connection has a place from its first byte, TLS's handshake included. `core.guard.admission` decides who
gets one, `core.guard.turns` when each client is read, and `core.guard.holdings` who has to go when too much
is held in memory. Each network has one flood budget for all its connections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from lightpeer.core.addresses import network_group, network_of
from lightpeer.core.guard.admission import Admission
from lightpeer.core.guard.holdings import Holdings
from lightpeer.core.guard.turns import Turn, Turns
from lightpeer.core.rpc.frame_gate import ErrorCode, FloodBudget
from lightpeer.core.rpc.server import ServerConnection
from lightpeer.net.network import peer_address
from lightpeer.rpc.limits import ServeLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.rpc.limits import Limits
    from lightpeer.core.rpc.server_call import ServerCall
    from lightpeer.net.network import Address
    from lightpeer.rpc.link import Link


@dataclass(frozen=True, slots=True)
class ServerBounds:
    """What the clients of a server may cost it; "host" stands for an IPv4 address or an IPv6 /48.

    Attributes:
        connections: at most; for one more, another gives up its place.
        connections_per_host: of these, for one host.
        connections_per_s: new ones of one host; more are closed as they come.
        work_per_s: of one host, in frames as `core.guard.turns` counts them; more waits.
        held_bytes: in memory, for all connections together.
        held_bytes_per_connection: of these, for one connection.
    """

    connections: int = ServeLimits.connections
    connections_per_host: int = ServeLimits.connections_per_host
    connections_per_s: float = math.inf
    work_per_s: float = math.inf
    held_bytes: float = ServeLimits.held_bytes
    held_bytes_per_connection: float = ServeLimits.held_bytes_per_connection


class Client:
    """A client with a place, and how to end its connection at once.

    Attributes:
        link: what carries the connection, once it is served.
        scope: the tasks of its calls.
        is_let_go: whether it has to go.
    """

    __slots__ = ("core", "group", "is_let_go", "link", "network", "peer", "scope")

    def __init__(self, peer: Address) -> None:
        self.peer = peer
        self.network = network_of(peer[0])
        self.group = network_group(peer[0])
        self.core: ServerConnection  # once it has its place
        self.link: Link[ServerCall] | None = None
        self.scope = trio.CancelScope()
        self.is_let_go = False

    @property
    def is_at_work(self) -> bool:
        """Whether it has a call whose seal was opened."""
        return self.core.is_at_work

    @property
    def idle_since_s(self) -> float:
        """When it was last at work, or connected."""
        return self.core.idle_since_s

    def let_go(self, why: str) -> None:
        """End the connection; what was to be sent is dropped."""
        self.is_let_go = True
        self.core.close(ErrorCode.ENHANCE_YOUR_CALM, why)
        self.flush(at_once=True)
        self.scope.cancel()

    def flush(self, *, at_once: bool = False) -> None:
        """Pass on what was done to its core, as `Link.flush` does."""
        if self.link is not None:
            self.link.flush(at_once=at_once)


class Intake:
    """The clients of one server.

    Args:
        bounds: what they may cost.

    Attributes:
        clients: those that are being served.
    """

    def __init__(self, bounds: ServerBounds) -> None:
        self.clients: set[Client] = set()
        self._admission: Admission[Client] = Admission(
            places=bounds.connections,
            places_per_network=bounds.connections_per_host,
            connections_per_s=bounds.connections_per_s,
        )
        self._turns = Turns(bounds.work_per_s) if bounds.work_per_s < math.inf else None
        self._holdings: Holdings[Client] = Holdings(bounds.held_bytes, bounds.held_bytes_per_connection)

    def admit(self, stream: trio.abc.Stream, limits: Callable[[], Limits]) -> Client | None:
        """Give a connection a place, if there is one; another client may have to give way.

        Args:
            stream: the connection.
            limits: called for what the connection may cost.
        """
        now = trio.current_time()
        try:
            client = Client(peer_address(stream))
        except OSError:  # the client is gone
            return None
        placing = self._admission.admit(client, now)
        if placing.gives_way is not None:
            placing.gives_way.let_go("another needs its place")
        if not placing.is_admitted:
            return None
        budget = FloodBudget(self._admission.budget(client.network))
        client.core = ServerConnection(limits(), now, budget)
        return client

    def leave(self, client: Client) -> None:
        """Free the place of a client that is gone."""
        self.clients.discard(client)
        self._admission.leave(client)
        self._holdings.remove(client, client.network)

    def hold(self, client: Client, held_bytes: int) -> None:
        """Note how much is held in memory for a client; let go of the one with most if it is too much."""
        if client.is_let_go:  # its memory is about to be freed
            return
        heaviest = self._holdings.update(client, client.network, held_bytes)
        if heaviest is not None:
            heaviest.let_go("the client makes us hold more than there is room for")

    def pacing(self, client: Client) -> Turn | None:
        """Return when a client is read, or None where there is no bound on that."""
        return None if self._turns is None else Turn(self._turns, client.network)
