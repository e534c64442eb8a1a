"""A serving peer: the library behind the services, the UDP streams, and its place in the network.

It serves the imported tracks from the start, while a worker thread brings the library up to date. It reports
that it listens once that is done, or after a few seconds: a small folder is complete when the first client
comes, and a big one delays no client. To stop, it drains: no new connections, a few seconds for running
calls, and the import ends after the present second of sound.

Each part is a task of its own, and the failure of one ends no other (`supervision.py`). Only the owner of the
process ends it: by a signal, or by closing the output that reports that it listens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.config import Settings
from lightpeer.core.addresses import (
    LOOPBACK_SCOPE,
    Endpoint,
    is_name,
    is_wildcard,
    scope_of,
)
from lightpeer.core.lan.services import Own
from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import format_peer_id
from lightpeer.net.found import Lan
from lightpeer.net.network import listener_address
from lightpeer.rpc.health import Health
from lightpeer.rpc.limits import ServeLimits
from lightpeer.rpc.reflection import Reflection
from lightpeer.rpc.server import LIMITS, RpcServer, ServerBounds, service_of
from lightpeer.serve.access.access import Access, Lists, drop_withdrawn, keep_to
from lightpeer.serve.access.node import Node
from lightpeer.serve.importing.finder import require_folder
from lightpeer.serve.importing.upkeep import Upkeep
from lightpeer.serve.library.descriptors import shares
from lightpeer.serve.library.library import Library, has_library
from lightpeer.serve.operator.events import Listening, RoleChanged, Trouble
from lightpeer.serve.operator.listening import listen_error
from lightpeer.serve.operator.settings import Operator
from lightpeer.serve.overlay.gossip import Gossip
from lightpeer.serve.overlay.place import Place
from lightpeer.serve.overlay.welcome import Welcome
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.sending.uplink import Uplink
from lightpeer.serve.services.role import ServingRole, guarded
from lightpeer.serve.services.streams import Services
from lightpeer.state.files import load_or_create_identity
from lightpeer.state.peers import RememberedPeers
from lightpeer.tasks.nursery import open_nursery
from lightpeer.tasks.supervision import contained, kept_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Sequence
    from pathlib import Path

    from lightpeer.net.network import Address, Network
    from lightpeer.serve.operator.settings import ServeSettings

PEERS_REMEMBERED: Final = 1024  # about a megabyte; a reply holds a sample of 15
MIRROR_ASKS: Final = 4  # neighbours, besides the bootstrap peers
READY_AFTER_S: Final = 5.0
DRAIN_S: Final = 5.0
NOBODY: Final = Operator()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens. `imported` is set once the import is over."""

    address: Endpoint
    peer_id: str
    imported: trio.Event


async def serve(
    settings: ServeSettings,
    network: Network,
    stop: trio.Event,
    operator: Operator = NOBODY,
    *,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop` is set.

    Args:
        settings: the operator's choices.
        network: where to listen.
        stop: when it is set, the server drains and ends.
        operator: is told of events, and gives signals.
        task_status: told once it listens.

    Raises:
        StateError: the state directory, the key, a list or the port cannot be used.
        ConfigError: a line of a list cannot be read.
        UsageError: the music folder, the ladder, a list, or the address to listen on or to announce cannot be
            used.
        MissingLibraryError: nothing is here to serve, and a library is missing without which nothing can be
            imported.
    """
    folders = (settings.music_dir, *settings.more_music_dirs)
    if not has_library(settings.state_dir):
        for folder in folders:
            require_folder(folder)
    server = _Server(settings, network, operator)
    try:
        server.require_music(folders)
        await server.run(stop, task_status)
    finally:
        server.close()


class _Server:
    """The parts of one server, and the tasks that they run in."""

    def __init__(self, settings: ServeSettings, network: Network, operator: Operator) -> None:
        """Open the files of the state directory, the library last; `close` closes it."""
        self._settings = settings
        self._network = network
        self._operator = operator
        self._tell = operator.tell
        state_dir = settings.state_dir
        identity = load_or_create_identity(state_dir, network.entropy)
        self._node = Node(identity, network, Access(identity.peer_id))
        self._lists = Lists(
            self._node.access,
            state_dir,
            allow=settings.allow,
            deny=settings.deny,
            warn=lambda text: operator.tell(Trouble(text)),
        )
        cap = settings.max_upload_bytes_per_s
        self._uplink = None if cap is None else Uplink(cap)
        self._streams = StreamTable(self._node, uplink=self._uplink)
        self._lan = Lan(is_looking=False)
        self._library = Library(
            state_dir, settings.music_dir, settings.ladder_kbps, cache_bytes=settings.cache_bytes
        )
        self._upkeep = Upkeep(self._library, settings, operator)

    def require_music(self, folders: Sequence[Path]) -> None:
        """Raise UsageError for a folder that is not there, unless music of it is kept: its disk is away.

        MissingLibraryError: there is none to serve, and none can come.
        """
        for folder in folders:
            if not self._library.has_files_below(folder):
                require_folder(folder)
        self._upkeep.require_use()

    def close(self) -> None:
        """Close the library."""
        self._library.close()

    async def run(self, stop: trio.Event, task_status: trio.TaskStatus[Running]) -> None:
        await drop_withdrawn(self._lists, self._library, self._tell)
        listener = await self._listen()
        address = listener_address(listener)
        async with open_nursery() as nursery:
            peers = RememberedPeers(
                self._settings.state_dir, PEERS_REMEMBERED, nursery, own=self._node.peer_id
            )
            kept = (self._lists, self._library, self._streams, self._tell, self._noted_hangups())
            nursery.start_soon(kept_up, "keeping to the lists", keep_to, *kept)
            try:
                gossip = self._gossip(address, peers)
                await self._serve(nursery, gossip, listener, stop, task_status)
            finally:
                peers.save()
            nursery.cancel_scope.cancel()

    async def _serve(
        self,
        nursery: trio.Nursery,
        gossip: Gossip,
        listener: trio.abc.Listener[trio.abc.Stream],
        stop: trio.Event,
        task_status: trio.TaskStatus[Running],
    ) -> None:
        services = Services(self._node, self._library, self._streams, gossip)
        handlers = guarded(services.handlers(), gossip)
        health = Health(service_of(path) for path in handlers)
        handlers |= health.handlers()
        handlers |= Reflection(service_of(path) for path in handlers).handlers()
        rpc = RpcServer(
            handlers,
            limits=replace(LIMITS, receive_message_bytes=ServeLimits.request_bytes),
            bounds=ServerBounds(
                connections=shares().connections,
                connections_per_s=ServeLimits.connections_per_s,
                work_per_s=ServeLimits.work_per_s,
            ),
        )
        welcome = Welcome(self._node, gossip.own.place, self._tell)
        rpc.on_connection = welcome.on_connection
        if self._uplink is not None:
            nursery.start_soon(kept_up, "sharing the uplink", self._uplink.run)
        nursery.start_soon(kept_up, "the streams", self._streams.run)
        nursery.start_soon(kept_up, "the searches of others", services.run)
        for name, task in self._upkeep.tasks():
            nursery.start_soon(kept_up, name, task)
        nursery.start_soon(kept_up, "mirroring", self._mirror, gossip)
        nursery.start_soon(kept_up, "gossip", self._gossip_on, gossip, listener_address(listener))
        if (toggles := self._operator.toggles) is not None:
            nursery.start_soon(kept_up, "the switch", self._switch, ServingRole(gossip, health), toggles)
        async with trio.open_nursery() as serving:
            await serving.start(rpc.serve, [listener])
            address, peer_id = listener_address(listener), format_peer_id(self._node.peer_id)
            task_status.started(Running(address, peer_id, self._upkeep.scanned))
            nursery.start_soon(self._tell_when_ready, address, peer_id, welcome)
            await stop.wait()
            self._upkeep.stop()
            health.stop()
            rpc.drain(DRAIN_S)

    async def _gossip_on(self, gossip: Gossip, listening: Address) -> None:
        """Gossip with the bootstrap peers, and with the local network's if we listen there."""
        host, port = listening
        if not self._settings.lan or scope_of(host) == LOOPBACK_SCOPE:
            await gossip.run(lambda: self._settings.bootstrap)
            return
        own = Own(self._node.peer_id, None if is_wildcard(host) else host, port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept_up, "the local network", self._look_around, gossip, own)
            await gossip.run(lambda: [*self._settings.bootstrap, *self._lan.contacts])

    async def _look_around(self, gossip: Gossip, own: Own) -> None:
        """Announce the server on the local network, and join through the peers there."""
        async with self._network.lan(own) as self._lan:
            while True:
                await self._lan.changed.wait()
                gossip.join_soon()

    async def _switch(self, role: ServingRole, toggles: AsyncIterable[object]) -> None:
        telling = trio.CancelScope()
        async with open_nursery() as nursery:
            async for _ in toggles:
                telling.cancel()  # the old role is no longer true
                role.toggle()
                self._tell(RoleChanged(role.is_on))
                telling = trio.CancelScope()
                nursery.start_soon(contained, "telling the neighbours", role.tell_neighbours, telling)

    def _noted_hangups(self) -> AsyncIterable[object] | None:
        """Return the hangups for the lists, each of which has the music folders scanned too."""
        hangups = self._operator.hangups
        if hangups is None:
            return None
        return _Heard(hangups, lambda: self._upkeep.look_again(at_all=True))

    async def _listen(self) -> trio.abc.Listener[trio.abc.Stream]:
        host, port = self._settings.listen
        try:
            listener = await self._network.listen_tcp(host, port)
            await self._streams.bind(*listener_address(listener)[:2])  # one port to open in a firewall
        except OSError as error:
            raise listen_error((host, port), error) from error
        return listener

    def _gossip(self, listening: Address, peers: RememberedPeers) -> Gossip:
        announced = self._settings.announce or ([] if is_wildcard(listening[0]) else [listening])
        address = OwnAddress(*(host for host, _ in announced))
        return Gossip(
            self._node,
            Place(address, announced[0][1] if announced else listening[1]),
            peers.cache,
            period_s=self._settings.gossip_s,
            on_change=peers.note_change,
        )

    async def _mirror(self, gossip: Gossip) -> None:
        await self._upkeep.scanned.wait()  # a scan would drop tracks that are mirrored meanwhile
        if not self._settings.mirror:
            return
        from lightpeer.serve.mirror import Mirror  # imports the client

        def contacts() -> list[Contact]:
            known = [
                Contact(record.endpoints[0], record.peer_id)
                for record in gossip.neighbours(MIRROR_ASKS)
                if not is_name(record.endpoints[0][0])  # a client would follow a name anywhere
            ]
            return [*self._settings.bootstrap, *known]

        client = Settings(state_dir=self._settings.state_dir, lan=False)  # the server looks there itself
        await Mirror(self._library, self._node, client, self._settings.mirror, contacts).keep(self._tell)

    async def _tell_when_ready(self, address: Endpoint, peer_id: str, welcome: Welcome) -> None:
        with trio.move_on_after(READY_AFTER_S):
            await self._upkeep.scanned.wait()
        self._tell(Listening(address, peer_id))
        self._upkeep.announced.set()
        await welcome.run(address[0])


class _Heard:
    """Items that another gets, each of which calls a function first."""

    def __init__(self, items: AsyncIterable[object], on_item: Callable[[], object]) -> None:
        self._items = aiter(items)
        self._on_item = on_item

    def __aiter__(self) -> _Heard:
        return self

    async def __anext__(self) -> object:
        item = await anext(self._items)
        self._on_item()
        return item
