"""Servers without music on a simulated internet: their gossip is real, and so are all calls among them."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import PeerRecord, parse_record_untrusted
from lightpeer.rpc.server import RpcServer
from lightpeer.serve.access import node as access_node
from lightpeer.serve.overlay.gossip import Gossip
from lightpeer.serve.overlay.place import Place
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.services.streams import Services
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet
from tests.serve.tracks import MemoryLibrary

PORT = 47474


def identity(n: int) -> Identity:
    return Identity((1000 + n).to_bytes(32, "big"))


@dataclass
class Node:
    """One server; `known` outlives a restart, as its file does."""

    net: SimInternet
    host: SimHost
    identity: Identity
    gossip: Gossip
    contacts: list[Contact] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def contact(self) -> Contact:
        return Contact((self.host.address, PORT))

    @property
    def record(self) -> PeerRecord:
        data = self.gossip.own.current()
        assert data is not None
        return parse_record_untrusted(data, self.host.unix_time())

    @property
    def neighbours(self) -> set[bytes]:
        return {record.peer_id for record in self.gossip.view.records}

    def kill(self) -> None:
        self.scope.cancel()
        self.host.kill()

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer calls, without gossip of its own."""
        await self._run(task_status, gossips=False)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer calls, and gossip."""
        await self._run(task_status, gossips=True)

    async def _run(self, task_status: trio.TaskStatus[None], *, gossips: bool) -> None:
        library = MemoryLibrary()
        own = access_node.Node.open_to_all(self.identity, self.host)
        services = Services(own, library, StreamTable(own), self.gossip)
        rpc = RpcServer(services.handlers())
        rpc.on_connection = self.gossip.own.place.address.reached
        listener = await self.host.listen_tcp("", PORT)
        with self.scope:
            async with trio.open_nursery() as nursery:
                if gossips:
                    nursery.start_soon(self.gossip.run, lambda: self.contacts)
                await rpc.serve([listener], task_status=task_status)


def node(
    net: SimInternet, n: int, *contacts: Contact, address: str = "", place: str | None = "", key: int = 0
) -> Node:
    """A server at 20+n.0.0.1, each in a network of its own, that knows its address."""
    host = net.host(address or f"{20 + n}.0.0.1")
    who = identity(key or n)
    address = OwnAddress(*filter(None, [host.address if place == "" else place]))
    own = access_node.Node.open_to_all(who, host)
    gossip = Gossip(own, Place(address, PORT), PeerCache(256, own=who.peer_id))
    return Node(net, host, who, gossip, list(contacts))
