"""Remote controls: their connections, each a core (`core/mpd/connection.py`) between a reader and a writer.

The reader carries out commands, and waits for searches, while the writer sends: so a client that reads slowly
holds up nobody, itself apart. Strangers on the internet are sent away at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import trio

from lightpeer.core.addresses import scope_of
from lightpeer.core.mpd.commands import carry_out, query_for
from lightpeer.core.mpd.connection import Connection
from lightpeer.core.mpd.speaker import Session
from lightpeer.errors import CommandError
from lightpeer.net.network import peer_address
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.core.mpd.speaker import Speaker
    from lightpeer.core.mpd.wire import Command
    from lightpeer.speaker.searching import Searches

MAX_CONNECTIONS: Final = 64  # clients have three each
LINGER_S: Final = 5.0  # for what a client is still to be sent once its connection has ended
_Stream = TypeVar("_Stream", bound=trio.abc.Stream)
_CHUNK_BYTES: Final = 16_384


class Remotes:
    """The remote controls of one speaker."""

    def __init__(self, speaker: Speaker, searches: Searches, unix_time: Callable[[], float]) -> None:
        """Serve nobody yet.

        Args:
            speaker: what commands work on.
            searches: searches the network for them.
            unix_time: returns the time in seconds since 1970.
        """
        self._speaker = speaker
        self._searches = searches
        self._unix_time = unix_time
        self._all: set[_Remote] = set()

    def notify(self, subsystem: str) -> None:
        """Tell all of a change."""
        for remote in self._all:
            remote.notify(subsystem)

    async def listen(self, listener: trio.abc.Listener[trio.abc.Stream]) -> None:
        """Serve whoever connects from near enough."""
        await self._accept(listener, self._may_come)

    async def listen_near(self, listener: trio.SocketListener) -> None:
        """Serve programs of this machine."""
        await self._accept(listener, lambda _stream: True)

    async def _accept(
        self, listener: trio.abc.Listener[_Stream], may_come: Callable[[trio.abc.Stream], bool]
    ) -> None:
        async with listener, open_nursery() as nursery:
            while True:
                stream = await listener.accept()
                if len(self._all) < MAX_CONNECTIONS and may_come(stream):
                    self._admit(stream, nursery)
                else:
                    await trio.aclose_forcefully(stream)

    def _may_come(self, stream: trio.abc.Stream) -> bool:
        """Return whether a client is near enough, or there is a password that it must say."""
        return bool(self._speaker.password) or scope_of(peer_address(stream)[0]) != 0

    def _admit(self, stream: trio.abc.Stream, nursery: trio.Nursery) -> None:
        remote = _Remote(stream, Session(is_admitted=not self._speaker.password))
        self._all.add(remote)
        nursery.start_soon(self._serve, remote)

    async def _serve(self, remote: _Remote) -> None:
        try:
            await remote.run(self._carry_out)
        finally:
            self._all.discard(remote)
            await trio.aclose_forcefully(remote.stream)

    async def _carry_out(self, remote: _Remote, command: Command) -> None:
        """Carry out one command, after a search if it needs one, and answer it."""
        words = query_for(self._speaker, remote.session, command, self._unix_time())
        if words:
            await self._searches.ask(words)
        try:
            lines = carry_out(self._speaker, remote.session, command, self._unix_time())
        except CommandError as error:
            remote.connection.refuse(error)
        else:
            remote.connection.answer(lines)


class _Remote:
    """One client.

    Attributes:
        connection: the core.
        session: what the client has chosen.
        stream: the way to it.
    """

    def __init__(self, stream: trio.abc.Stream, session: Session) -> None:
        self.connection = Connection(trio.current_time())
        self.session = session
        self.stream = stream
        self._reading = trio.CancelScope()
        self._has_output = trio.Event()

    def notify(self, subsystem: str) -> None:
        """Tell the client of a change, if it waits for one."""
        self.connection.notify(subsystem, trio.current_time())
        self._reading.deadline = self.connection.deadline_s
        self._has_output.set()

    async def run(self, carry_out: Callable[[_Remote, Command], Awaitable[None]]) -> None:
        """Serve the client until it leaves, or breaks the protocol; `carry_out` answers a command."""
        async with open_nursery() as nursery:
            nursery.start_soon(self._write)
            while self.connection.wants_data:
                await self._read()
                while (command := self.connection.next_command()) is not None:
                    await carry_out(self, command)
                    self._has_output.set()
                self._has_output.set()
            nursery.cancel_scope.deadline = trio.current_time() + LINGER_S

    async def _read(self) -> None:
        with trio.CancelScope(deadline=self.connection.deadline_s) as self._reading:
            try:
                data = await self.stream.receive_some(_CHUNK_BYTES)
            except trio.BrokenResourceError:
                data = b""
            self.connection.receive(data, trio.current_time())
        self.connection.handle_timeout(trio.current_time())

    async def _write(self) -> None:
        try:
            while data := await self._output():
                await self.stream.send_all(data)
        except trio.BrokenResourceError:
            self.connection.close()
            self._reading.cancel()

    async def _output(self) -> bytes:
        """Return what is to be sent, once there is something; nothing once there will be nothing."""
        while not (data := self.connection.data_to_send()) and not self.connection.is_closed:
            await self._has_output.wait()
            self._has_output = trio.Event()
        return data
