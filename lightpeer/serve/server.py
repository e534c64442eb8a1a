"""A serving peer: the library behind the services, the UDP streams, and its place in the network.

It serves what is already imported from the start, while a worker thread brings the
library up to date. It calls itself ready once that is done, or after a few seconds,
so that a small folder is whole when the first client comes and a big one keeps
nobody waiting. To stop, it drains: no new connections, a few seconds for the calls
that run, and the import ends after the second of sound that it is at.

Each part is a task of its own that no other's failure ends (`supervision.py`). Only whom this process
belongs to ends it: by a signal, or by not reading that it listens.
"""

from __future__ import annotations

import errno
import logging
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.config import Settings
from lightpeer.core.addresses import (
    LOOPBACK_SCOPE,
    Endpoint,
    format_endpoint,
    is_name,
    is_wildcard,
    scope_of,
)
from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import format_peer_id
from lightpeer.errors import LightpeerError, StateError
from lightpeer.net.lan import Lan, Own
from lightpeer.net.network import listener_address
from lightpeer.rpc.health import Health
from lightpeer.rpc.limits import ServeLimits
from lightpeer.rpc.reflection import Reflection
from lightpeer.rpc.server import LIMITS, RpcServer, ServerBounds, service_of
from lightpeer.serve.access.access import Access, Lists, drop_withdrawn, keep_to
from lightpeer.serve.importing.finder import require_folder
from lightpeer.serve.importing.scan import MIRRORED, ImportReport, mend, mirror_root, scan
from lightpeer.serve.library.descriptors import shares
from lightpeer.serve.library.library import Library
from lightpeer.serve.operator.events import LibraryTrouble, Listening, Mended, Mirrored, RoleChanged, Trouble
from lightpeer.serve.operator.settings import Operator
from lightpeer.serve.overlay.gossip import Gossip
from lightpeer.serve.sending.stream_table import StreamTable
from lightpeer.serve.sending.uplink import Uplink
from lightpeer.serve.services.role import ServingRole, guarded
from lightpeer.serve.services.streams import Services
from lightpeer.state.files import load_or_create_identity
from lightpeer.state.peers import RememberedPeers
from lightpeer.tasks.nursery import open_nursery
from lightpeer.tasks.supervision import contained, kept_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from lightpeer.net.network import Address, Network
    from lightpeer.serve.operator.settings import ServeSettings

logger = logging.getLogger(__name__)

PEERS_REMEMBERED: Final = 1024  # about a megabyte; the sample that one reply gives is 15
MIRROR_ASKS: Final = 4  # neighbours, besides the bootstrap peers
READY_AFTER_S: Final = 5.0
MEND_S: Final = 10.0  # after which is looked whether tracks were found damaged: they are imported again
FETCH_AGAIN_S: Final = 600.0  # after which is looked whether mirrored tracks were
DRAIN_S: Final = 5.0
NOBODY: Final = Operator()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens, as it tells whoever started it. `imported` is set once the import is over."""

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
        settings: what the operator has chosen.
        network: where to listen.
        stop: set to have the server drain and end.
        operator: who is told, and interferes.
        task_status: told once it listens.

    Raises:
        StateError: the music folder, the state directory, the key, a list or the port cannot be used.
        ConfigError: a line of a list cannot be read.
        UsageError: the ladder, a list or the address to announce cannot be used.
    """
    for folder in (settings.music_dir, *settings.more_music_dirs):
        require_folder(folder)
    server = _Server(settings, network, operator)
    try:
        await server.run(stop, task_status)
    finally:
        server.close()


class _Server:
    """The parts of one server, and the tasks that they run in."""

    def __init__(self, settings: ServeSettings, network: Network, operator: Operator) -> None:
        """Open what is kept in the state directory, at last the library: `close` closes it."""
        self._settings = settings
        self._network = network
        self._operator = operator
        self._tell = operator.tell
        state_dir = settings.state_dir
        self._identity = load_or_create_identity(state_dir, network.entropy)
        self._access = Access(self._identity.peer_id)
        self._lists = Lists(
            self._access,
            state_dir,
            allow=settings.allow,
            deny=settings.deny,
            warn=lambda text: operator.tell(Trouble(text)),
        )
        cap = settings.max_upload_bytes_per_s
        self._uplink = None if cap is None else Uplink(cap)
        self._streams = StreamTable(network, self._identity, uplink=self._uplink, access=self._access)
        self._scanned = trio.Event()
        self._stop_scan = threading.Event()
        self._lan = Lan(is_looking=False)
        self._library = Library(state_dir, settings.music_dir, settings.ladder_kbps)

    def close(self) -> None:
        """Close the library."""
        self._library.close()

    async def run(self, stop: trio.Event, task_status: trio.TaskStatus[Running]) -> None:
        await drop_withdrawn(self._lists, self._library, self._tell)
        listener = await self._listen()
        address = listener_address(listener)
        async with open_nursery() as nursery:
            peers = RememberedPeers(
                self._settings.state_dir, PEERS_REMEMBERED, nursery, own=self._identity.peer_id
            )
            kept = (self._lists, self._library, self._streams, self._tell, self._operator.hangups)
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
        services = self._services(gossip)
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
        rpc.on_connection = gossip.own.place.reached
        if self._uplink is not None:
            nursery.start_soon(kept_up, "sharing the uplink", self._uplink.run)
        nursery.start_soon(kept_up, "the streams", self._streams.run)
        nursery.start_soon(kept_up, "the searches of others", services.run)
        nursery.start_soon(contained, "the import", self._scan)
        nursery.start_soon(kept_up, "mending tracks", self._mend)
        nursery.start_soon(kept_up, "mirroring", self._mirror, gossip)
        nursery.start_soon(kept_up, "gossip", self._gossip_on, gossip, listener_address(listener))
        if (toggles := self._operator.toggles) is not None:
            nursery.start_soon(kept_up, "the switch", self._switch, ServingRole(gossip, health), toggles)
        async with trio.open_nursery() as serving:
            await serving.start(rpc.serve, [listener])
            address, peer_id = listener_address(listener), format_peer_id(self._identity.peer_id)
            task_status.started(Running(address, peer_id, self._scanned))
            nursery.start_soon(self._tell_when_ready, address, peer_id)
            await stop.wait()
            self._stop_scan.set()
            health.stop()
            rpc.drain(DRAIN_S)

    async def _gossip_on(self, gossip: Gossip, listening: Address) -> None:
        """Gossip with whom we were pointed to, and whom the local network has if we listen there."""
        host, port = listening
        if not self._settings.lan or scope_of(host) == LOOPBACK_SCOPE:
            await gossip.run(lambda: self._settings.bootstrap)
            return
        own = Own(self._identity.peer_id, None if is_wildcard(host) else host, port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kept_up, "the local network", self._look_around, gossip, own)
            await gossip.run(lambda: [*self._settings.bootstrap, *self._lan.contacts])

    async def _look_around(self, gossip: Gossip, own: Own) -> None:
        """Be found on the local network, and join through whom it has."""
        async with self._network.lan(own) as self._lan:
            while True:
                await self._lan.changed.wait()
                gossip.join_soon()

    async def _switch(self, role: ServingRole, toggles: AsyncIterable[object]) -> None:
        telling = trio.CancelScope()
        async with open_nursery() as nursery:
            async for _ in toggles:
                telling.cancel()  # it is no longer true
                role.toggle()
                self._tell(RoleChanged(role.is_on))
                telling = trio.CancelScope()
                nursery.start_soon(contained, "telling the neighbours", role.tell_neighbours, telling)

    async def _listen(self) -> trio.abc.Listener[trio.abc.Stream]:
        host, port = self._settings.listen
        try:
            listener = await self._network.listen_tcp(host, port)
            await self._streams.bind(*listener_address(listener)[:2])  # one port to open in a firewall
        except OSError as error:
            raise _listen_error((host, port), error) from error
        return listener

    def _gossip(self, listening: Address, peers: RememberedPeers) -> Gossip:
        announced = self._settings.announce or ([] if is_wildcard(listening[0]) else [listening])
        return Gossip(
            network=self._network,
            identity=self._identity,
            place=OwnAddress(*(host for host, _ in announced)),
            port=announced[0][1] if announced else listening[1],
            peers=peers.cache,
            on_change=peers.note_change,
            period_s=self._settings.gossip_s,
            access=self._access,
        )

    def _services(self, gossip: Gossip) -> Services:
        return Services(
            identity=self._identity,
            network=self._network,
            library=self._library,
            index=self._library,
            streams=self._streams,
            uplink=self._uplink,
            gossip=gossip,
            access=self._access,
        )

    async def _mirror(self, gossip: Gossip) -> None:
        await self._scanned.wait()  # it would drop what is mirrored meanwhile
        if not self._settings.mirror:
            return
        from lightpeer.serve.mirror import Mirror  # brings the client with it

        def contacts() -> list[Contact]:
            known = [
                Contact(record.endpoints[0], record.peer_id)
                for record in gossip.neighbours(MIRROR_ASKS)
                if not is_name(record.endpoints[0][0])  # a client follows what it is given wherever it leads
            ]
            return [*self._settings.bootstrap, *known]

        client = Settings(state_dir=self._settings.state_dir)
        wanted = self._settings.mirror

        def warn(text: str) -> None:
            self._tell(Trouble(text))

        mirror = Mirror(self._library, self._network, client, wanted, contacts, warn, self._access)
        is_missing = True
        while True:
            if is_missing:
                await mirror.run(lambda track: self._tell(Mirrored(track.uri, track.title)))
            await trio.sleep(FETCH_AGAIN_S)
            damaged = await trio.to_thread.run_sync(self._library.damaged_files)
            is_missing = any(path.startswith(MIRRORED) for path in damaged)

    async def _mend(self) -> None:
        """Import again what is found damaged; where that fails it is begun anew, with all that was found."""
        await self._scanned.wait()  # which has done so with what was damaged before
        mended = 0
        while True:
            await trio.sleep(MEND_S)
            if (found := self._library.found_damaged) == mended:
                continue
            report = await trio.to_thread.run_sync(mend, self._library, self._stop_scan.is_set)
            mended = found
            self._tell_notes(report)
            if report.imported:
                self._tell(Mended(report.imported))

    async def _scan(self) -> None:
        """Bring the library up to date; without that, what it has is served all the same."""
        progress = self._operator.progress
        mirrored = [mirror_root(entry) for entry in self._settings.mirror]
        try:
            look = partial(scan, follow_links=self._settings.follow_links)
            report = await trio.to_thread.run_sync(
                look,
                self._library,
                progress or _draw_nothing,
                self._stop_scan.is_set,
                mirrored,
                self._settings.more_music_dirs,
            )
            self._tell_imported(report, await trio.to_thread.run_sync(self._library.count_tracks))
        except (LightpeerError, OSError) as error:
            self._tell(LibraryTrouble(str(error)))
        finally:
            if progress is not None:
                progress.close()
            self._scanned.set()

    async def _tell_when_ready(self, address: Endpoint, peer_id: str) -> None:
        with trio.move_on_after(READY_AFTER_S):
            await self._scanned.wait()
        self._tell(Listening(address, peer_id))

    def _tell_notes(self, report: ImportReport) -> None:
        for note in report.notes():
            self._tell(LibraryTrouble(note))

    def _tell_imported(self, report: ImportReport, tracks: int) -> None:
        self._tell_notes(report)
        if report.stopped:
            return
        logger.info("%d tracks; %d files imported, %d as before", tracks, report.imported, report.unchanged)


def _draw_nothing(_done: int, _total: int, _name: str) -> None:
    pass


def _listen_error(address: Address, error: OSError) -> StateError:
    where = format_endpoint(address)
    match error.errno:
        case errno.EADDRINUSE:
            text = f"{where} is in use: stop what listens there, or choose another with --listen"
        case errno.EACCES:
            text = f"{where} needs more rights: choose a port above 1023 with --listen"
        case _:
            text = f"cannot listen on {where} ({error.strerror or error}): choose another with --listen"
    return StateError(where, text)
