"""A run of a plan: real clients and real servers on a simulated internet, and a watch over each client."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import trio

from lightpeer.audio import decoder
from lightpeer.cli.events import fields_of, name_of
from lightpeer.client.client import Client, open_client
from lightpeer.config import Settings
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity
from lightpeer.errors import LightpeerError, OutsideError, RemoteError, leaves_of
from lightpeer.playback.events import NotPlayed, PlayerEvent
from lightpeer.playback.player import Player
from lightpeer.testing.faults import Faults
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import PORT, Serving, made_track, serving
from tests.sim.faults import ear
from tests.sim.faults.lies import SPOIL
from tests.sim.faults.plan import Access, Command, Fault, Plan
from tests.sim.faults.watch import SETTLED_S, Anomaly, Watch
from tests.sim.faults.weather import befalls
from tests.sim.swarm import introduce

NAME = "music.example"
TITLES = ("Alder", "Birch", "Cedar", "Dogwood")
AGAIN_S = 5.0  # until a person tries again
FORGOTTEN_S = 700.0  # until a server has let go of whoever left without a word
UPLINK_FACTOR = 1.5  # of what all phones may want: the one server that is left has to bear them
LAST_COMMAND_S = 30.0  # what a command may add to what is heard, and to the time until it is


@contextmanager
def quiet() -> Iterator[None]:
    """Log nothing for the length of a block."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def run(plan: Plan) -> str:
    """Run a plan; return a digest of all that happened, the same for each run; raise Anomaly."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(decoder, "Decoder", ear.Decoder),
        quiet(),
    ):
        world = World(plan, Path(folder))
        simulate(world.main, plan.seed)
    if world.anomaly is not None:
        raise world.anomaly
    return world.digest.hexdigest()


class World:
    """The hosts of a plan, and what goes on at them."""

    net: SimInternet

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.digest = hashlib.sha256()
        self.anomaly: Anomaly | None = None
        self.tracks = [
            made_track(
                seconds,
                kbps=plan.ladder_kbps,
                title=TITLES[number],
                seed=number,
                header=f"header {number}".encode(),
            )
            for number, seconds in enumerate(plan.tracks_s)
        ]
        self.published = ear.Published(self.tracks)
        self.server_hosts: list[SimHost] = []
        self.phone_hosts: list[SimHost] = []
        self.servers: list[Serving | None] = []
        self._identities: list[Identity] = []
        self._stopping: list[trio.Event] = []
        self._starting: list[trio.Event] = []
        self._addresses = 0
        self._watches: list[Watch] = []
        self._scope = trio.CancelScope()

    async def main(self, net: SimInternet) -> None:
        self.net = net
        ear.Decoder.published = self.published
        net.clock.on_jump = self._step
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    await self._begin(nursery)
                    with trio.move_on_at(self._latest_end()) as limit:
                        await self._listen_all()
                    if limit.cancelled_caught:
                        self._found(Anomaly("the queue does not end"))
                    await self._check_end()
                    nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            found = [error for error in leaves_of(group) if isinstance(error, Anomaly)]
            if not found:
                raise
            self._found(found[0])
        except Anomaly as anomaly:
            self._found(anomaly)

    # Who is there.

    async def _begin(self, nursery: trio.Nursery) -> None:
        for number, server in enumerate(self.plan.servers):
            bears = max(server.access.up_bytes_per_s, UPLINK_FACTOR * self.plan.wanted_bytes_per_s)
            access = replace(server.access, up_bytes_per_s=bears)
            host = self._host(f"10.0.{number}.1", f"2001:db8:{number}::1", access)
            self.server_hosts.append(host)
            self._identities.append(Identity(host.entropy(32)))
            self.servers.append(None)
            self._stopping.append(trio.Event())
            self._starting.append(trio.Event())
            await nursery.start(self._serve, number)
        self.net.names[NAME] = list(self.server_hosts[0].addresses)
        for number, phone in enumerate(self.plan.phones):
            also = f"2001:db8:9{number}::1" if phone.both_families else None
            self.phone_hosts.append(self._host(f"10.9.{number}.1", also, phone.access))
        for fault in self.plan.faults:
            nursery.start_soon(self._befall, fault)

    def _host(self, address: str, also: str | None, access: Access) -> SimHost:
        up, down = (
            Link(rate, access.delay_s, queue_bytes=access.queue_bytes, faults=Faults(loss=access.loss))
            for rate in (access.up_bytes_per_s, access.down_bytes_per_s)
        )
        return self.net.host(address, also=also, up=up, down=down)

    async def _serve(self, number: int, task_status: trio.TaskStatus[None]) -> None:
        """Run a server, and again after each time that it was stopped."""
        planned = self.plan.servers[number]
        held = range(len(self.tracks)) if planned.holds is None else planned.holds
        while True:
            server = serving(
                self.server_hosts[number],
                [self.tracks[track] for track in held],
                cap=planned.cap_bytes_per_s,
                identity=self._identities[number],
            )
            async with server as running:
                self.servers[number] = running
                self._introduce_all()
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await self._stopping[number].wait()
            self.servers[number] = None
            await self._starting[number].wait()
            self.server_hosts[number] = self._restarted(self.server_hosts[number])

    def _restarted(self, host: SimHost) -> SimHost:
        """Return the host of a server that is started again: its address and links, and nothing else."""
        if host.is_suspended:
            host.resume()
        again = self.net.host(host.address, also=host.also, up=host.up, down=host.down)
        again.random = host.random
        again.stood_s = host.stood_s
        again.__dict__["_faults"] = host.__dict__.get("_faults", {})
        again.clock_offset_s = host.clock_offset_s
        return again

    def stop_server(self, number: int, *, silently: bool, new_key: bool) -> None:
        """End a server's process; it may be started again with another key."""
        server = self.servers[number]
        if server is None or self._stopping[number].is_set():
            return
        if server.host.is_suspended:
            server.host.resume()
        server.kill(silently=silently)
        if new_key:
            self._identities[number] = Identity(server.host.entropy(32))
        self._starting[number] = trio.Event()
        self._stopping[number].set()

    def start_server(self, number: int) -> None:
        """Start a server again that was stopped."""
        if self._stopping[number].is_set():
            self._stopping[number] = trio.Event()
            self._starting[number].set()

    def _introduce_all(self) -> None:
        running = [server for server in self.servers if server is not None]
        for server in running:
            introduce(server, *(other for other in running if other is not server))

    def new_address(self, host: SimHost) -> str:
        """Return an address that no host has, of the family of the host's own."""
        self._addresses += 1
        return f"10.77.{self._addresses // 250}.{self._addresses % 250 + 1}"

    async def _befall(self, fault: Fault) -> None:
        await trio.sleep_until(fault.at_s)
        with befalls(self, fault):
            await trio.sleep(fault.for_s)

    # Listening.

    async def _listen_all(self) -> None:
        done: list[trio.Event] = []
        async with trio.open_nursery() as nursery:
            for number, host in enumerate(self.phone_hosts):
                done.append(trio.Event())
                with host.tasks():
                    nursery.start_soon(self._listen, number, done[number])
            for event in done:
                await event.wait()

    async def _listen(self, number: int, done: trio.Event) -> None:
        planned, host = self.plan.phones[number], self.phone_hosts[number]
        settings = Settings(
            state_dir=self.folder / str(number),
            bootstrap=(Contact((NAME, PORT)),),
            transport=planned.transport,  # type: ignore[arg-type]
            bitrate_kbps=planned.bitrate_kbps,
            buffer_bytes=planned.buffer_bytes,
            cache_bytes=0,
        )
        async with open_client(settings, host) as client:
            listener = _Listener(self, number, client, settings)
            self._watches.append(listener.watch)
            await listener.run()
        await trio.sleep(AGAIN_S)
        listener.watch.check_gone()
        done.set()

    def note(self, *what: object) -> None:
        """Note that something happened."""
        self.digest.update(repr((round(self.net.now, 9), *what)).encode())

    @property
    def is_settled(self) -> bool:
        """Whether all has been well for long enough."""
        return self.net.now > self.plan.quiet_at + SETTLED_S

    def _latest_end(self) -> float:
        """Return when everybody must have heard everything."""
        longest = max(sum(self.plan.tracks_s[track] for track in p.queue) for p in self.plan.phones)
        commands = max(len(p.commands) for p in self.plan.phones)
        last = max((c.at_s for p in self.plan.phones for c in p.commands), default=0.0)
        start = max(self.plan.quiet_at + SETTLED_S, last)
        return start + 2 * longest + commands * (LAST_COMMAND_S + max(self.plan.tracks_s)) + 120.0

    # What is found.

    def _step(self) -> None:
        if self.anomaly is None:
            try:
                for watch in self._watches:
                    watch.step()
            except Anomaly as anomaly:
                self._found(anomaly)

    def _found(self, anomaly: Anomaly) -> None:
        if self.anomaly is None:
            self.anomaly = anomaly
            self.anomaly.add_note(f"at {self.net.now:.2f} s of virtual time")
        self._scope.cancel()

    async def _check_end(self) -> None:
        """Check that servers let go of what has left."""
        if self.anomaly is not None:
            return
        await trio.sleep_until(max(self.net.now, self.plan.quiet_at) + FORGOTTEN_S)
        for server in self.servers:
            if server is None:
                continue
            if len(server.streams):
                raise Anomaly(f"{len(server.streams)} streams are left at a server")
            if server.rpc.connection_count:
                raise Anomaly(f"{server.rpc.connection_count} connections are left at a server")


class _Listener:
    """A person with a player."""

    def __init__(self, world: World, number: int, client: Client, settings: Settings) -> None:
        self._world = world
        self._number = number
        self._client = client
        self._plan = world.plan.phones[number]
        self._ear = ear.Ear()
        self._player = Player(client, lambda: self._ear, settings, on_event=self._on_event)
        self._host = world.phone_hosts[number]
        self._stopped = False
        self.watch = Watch(self._host, self._player, self._ear, self._quiet_since)

    def _quiet_since(self) -> float:
        return self._world.plan.quiet_at - self._host.stood_s

    async def run(self) -> None:
        """Hear the queue to its end, whatever happens."""
        items = [self._item(track) for track in self._plan.queue]
        first_s = self._world.plan.tracks_s[self._plan.queue[0]]
        start_s = min(self._plan.start_s, first_s - 1.0)  # behind its end would be wrong input
        async with trio.open_nursery() as nursery:
            for command in self._plan.commands:
                nursery.start_soon(self._obey, command)
            nursery.start_soon(self._unpause)
            while True:
                self._stopped, heard_s = False, self._ear.heard_s
                try:
                    await self._player.play(items, start_s=start_s)
                except (LightpeerError, BaseExceptionGroup) as error:
                    self._on_error(error, heard_any=self._ear.heard_s > heard_s)
                    await trio.sleep(AGAIN_S)
                else:
                    if not self._stopped:
                        break
            nursery.cancel_scope.cancel()
        self._world.note(self._number, "end")

    def _item(self, track: int) -> str:
        made = self._world.tracks[track]
        return made.track.title.lower() if self._plan.by_words else made.track.uri

    async def _obey(self, command: Command) -> None:
        await trio.sleep_until(command.at_s)
        player = self._player
        match command.kind:
            case "pause":
                player.toggle_pause()
            case "seek":
                player.seek_by(command.value)
            case "next":
                player.next()
            case "previous":
                player.previous()
            case "stop":
                self._stopped = True
                player.stop()
                self.watch.on_stopped()
            case "search":
                self.watch.searches += 1
                await self._ask(self._search)
                self.watch.searches -= 1
            case "exchange":
                await self._ask(self._client.peers)

    async def _unpause(self) -> None:
        """Let nothing stay paused for ever: a stop between two presses makes the second one a first."""
        await trio.sleep_until(max((c.at_s for c in self._plan.commands), default=0.0) + AGAIN_S)
        if self._player._engine.sound.paused:
            self._player.toggle_pause()

    async def _search(self) -> None:
        async for _ in self._client.search(TITLES[0].lower()):
            pass

    async def _ask(self, ask: Any) -> None:
        try:
            await ask()
        except LightpeerError as error:
            self._check_kind(error)

    def _on_event(self, event: PlayerEvent) -> None:
        self._world.note(self._number, name_of(event), fields_of(event))
        if isinstance(event, NotPlayed):
            self._check_explained(f"it leaves out a track: {event.message}")

    def _on_error(self, error: BaseException, *, heard_any: bool) -> None:
        for leaf in leaves_of(error):
            if isinstance(leaf, Anomaly) or not isinstance(leaf, LightpeerError):
                raise leaf
            self._check_kind(leaf)
            self._world.note(self._number, type(leaf).__name__, str(leaf))
            if heard_any:
                self._check_explained(f"playing ends: {leaf}")
            elif self._world.is_settled:
                raise Anomaly(f"nothing is played on a healthy network: {leaf}")

    def _check_kind(self, error: LightpeerError) -> None:
        if not isinstance(error, RemoteError | OutsideError):
            raise Anomaly(f"{type(error).__name__}: {error}") from error

    def _check_explained(self, what: str) -> None:
        """Check that somebody lied, or was asked who does not have everything: the rest is weather."""
        plan = self._world.plan
        has_reason = any(f.kind in SPOIL or f.kind == "disk fails" for f in plan.faults) or any(
            server.holds is not None for server in plan.servers
        )
        if self._world.is_settled or not has_reason:
            raise Anomaly(what)
