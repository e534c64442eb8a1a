"""A server within a program: it listens for the length of a block, and says nothing unless it is asked to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from lightpeer.core.addresses import format_endpoint
from lightpeer.serve.operator.settings import Operator
from lightpeer.serve.server import Running, serve
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.addresses import Endpoint
    from lightpeer.net.network import Network
    from lightpeer.serve.operator.events import ServerEvent
    from lightpeer.serve.operator.settings import ServeSettings


@asynccontextmanager
async def open_server(
    settings: ServeSettings,
    *,
    network: Network | None = None,
    on_event: Callable[[ServerEvent], object] = lambda _event: None,
) -> AsyncIterator[Server]:
    """Serve for the length of a block, which begins once the server listens, and ends when it has drained.

    Args:
        settings: the music folder, the state directory, and further choices.
        network: None: the system's.
        on_event: called with each event; must not block. Its errors do not end the server, except for an
            error at `Listening`.

    Raises:
        StateError: the state directory, the key, a list or the port cannot be used.
        ConfigError: a line of a list cannot be read.
        UsageError: the music folder, the ladder, a list, or the address to listen on or to announce cannot be
            used.
        MissingLibraryError: nothing is here to serve, and a library is missing without which nothing can be
            imported.
    """
    if network is None:
        from lightpeer.net.system import SystemNetwork

        network = SystemNetwork()
    stop = trio.Event()
    async with open_nursery() as nursery:
        running = await nursery.start(serve, settings, network, stop, Operator(tell=on_event))
        try:
            yield Server(running)
        finally:
            stop.set()


class Server:
    """A server that runs; make it with `open_server`."""

    def __init__(self, running: Running) -> None:
        self._running = running

    @property
    def address(self) -> Endpoint:
        """The host and port that it listens on."""
        return self._running.address

    @property
    def peer_id(self) -> str:
        """Its id."""
        return self._running.peer_id

    @property
    def contact(self) -> str:
        """`ID@HOST:PORT`, as a client's `bootstrap` takes it; of use to others if the host is no wildcard."""
        return f"{self.peer_id}@{format_endpoint(self.address)}"

    async def wait_imported(self) -> None:
        """Wait until the music folders were scanned and all new music is imported."""
        await self._running.imported.wait()
