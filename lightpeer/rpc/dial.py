"""Connects a channel to its server: TCP, then TLS if wanted, with imports during the wait."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.net.network import local_address, peer_address
from lightpeer.tasks.racing import first_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from lightpeer.net.network import Address, Network

HEAD_START_S: Final = 0.25
"""Between the starts to two addresses, in seconds (RFC 8305 section 5)."""

_TICKS_UNTIL_SYN: Final = 8
"""Turns of trio's scheduler from `open_tcp_stream` to the first SYN, and a few to spare."""


class Dialling:
    """How to reach the server; `open_channel` explains the arguments.

    Attributes:
        others: other addresses of the server.
    """

    def __init__(
        self,
        network: Network,
        target: Address,
        tls: ssl.SSLContext | None,
        connect_timeout_s: float,
        meanwhile: Callable[[], object],
    ) -> None:
        self.network = network
        self.target = target
        self.tls = tls
        self.connect_timeout_s = connect_timeout_s
        self.meanwhile = meanwhile
        self.others: tuple[Address, ...] = ()

    async def dial(self) -> tuple[trio.abc.Stream, Address, Address]:
        """Connect; return the stream for HTTP/2, the address that it reached, and its own address.

        Raises:
            OSError: it cannot.
        """
        stream = await self._connect()
        addresses = peer_address(stream), local_address(stream)
        if self.tls is None:
            return stream, *addresses
        from lightpeer.net.tls import shake_hands, wrap_tls

        secured = wrap_tls(stream, self.tls, server_hostname=self.target[0])
        await shake_hands(secured)
        return secured, *addresses

    async def _connect(self) -> trio.abc.Stream:
        targets = dict.fromkeys([self.target, *self.others])
        if len(targets) == 1:
            return await self.network.connect_tcp(*self.target)
        return await self._race(targets)

    async def _race(self, targets: Iterable[Address]) -> trio.abc.Stream:
        failures: list[OSError] = []

        async def attempt(address: Address) -> trio.abc.Stream | None:
            try:
                return await self.network.connect_tcp(*address)
            except OSError as error:
                failures.append(error)
                return None

        streams = await first_of([partial(attempt, address) for address in targets], HEAD_START_S)
        for late in streams[1:]:
            await trio.aclose_forcefully(late)
        if not streams:
            raise failures[0]
        return streams[0]

    def __str__(self) -> str:
        host, port = self.target
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def use_the_wait(self) -> None:
        """Import what a connection needs, once the first SYN is sent."""
        for _ in range(_TICKS_UNTIL_SYN):
            await trio.lowlevel.checkpoint()
        self.meanwhile()
        import_module("lightpeer.core.rpc.client")
