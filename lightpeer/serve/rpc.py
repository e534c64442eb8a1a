"""The gRPC server on trio: accepts connections, and runs a task for each call.

Handlers, one for each full method path, are as `serve.handlers` has them. A
connection has a place in the server from its first byte, TLS's handshake included;
when places are short, the one that has been idle for longest loses its own.
"""

from __future__ import annotations

import errno
import logging
import math
import random
from dataclasses import replace
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from lightpeer.config import ServeLimits
from lightpeer.core.framing import is_gzip
from lightpeer.core.stream import Limits
from lightpeer.serve.grpc import ServerCall, ServerConnection
from lightpeer.serve.handlers import (
    REQUEST_S,
    Context,
    MethodHandler,
    Requests,
    service_of,
    stream_stream,
    stream_unary,
    unary_stream,
    unary_unary,
)
from lightpeer.wire.link import Link
from lightpeer.wire.network import local_address, peer_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence


__all__ = [
    "LIMITS",
    "REQUEST_S",
    "Context",
    "MethodHandler",
    "Requests",
    "RpcServer",
    "service_of",
    "stream_stream",
    "stream_unary",
    "unary_stream",
    "unary_unary",
]

_log = logging.getLogger(__name__)

LIMITS: Final = Limits(
    stream_window_bytes=ServeLimits.stream_window_bytes,
    connection_window_bytes=ServeLimits.connection_window_bytes,
    concurrent_calls=ServeLimits.calls_per_connection,
    header_list_bytes=ServeLimits.header_list_bytes,
    keepalive_s=ServeLimits.keepalive_s,
    keepalive_timeout_s=ServeLimits.keepalive_timeout_s,
    idle_s=ServeLimits.idle_s,
    handshake_s=ServeLimits.handshake_s,
    connection_age_s=ServeLimits.connection_age_s,
    connection_age_grace_s=ServeLimits.connection_age_grace_s,
)
"""What each connection may cost, unless its server is told otherwise."""

AGE_JITTER: Final = 0.1
"""Of a connection's age, more or less: gRFC A9 (server-side connection management)."""

ACCEPT_PAUSE_S: Final = 0.1
"""Before accepting again when the system is out of descriptors or memory."""

_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


class RpcServer:
    """Serves handlers on listeners until it is drained or cancelled.

    Args:
        handlers: by full method path, "/package.Service/Method".
        limits: what each connection may cost; the defaults are those of `config.ServeLimits`.
        max_connections: for one more, the one that has been idle for longest is closed.
        max_connections_per_host: more are closed as they come.
        compression: of replies, unless a handler says otherwise.
        tls: None for cleartext; else a context, as of `wire.tls.server_context`, to which ALPN is added.
        jitter: gives a random number from 0 to 1.
        on_connection: told our numeric host, and the client's, of each connection that is let in.
    """

    def __init__(
        self,
        handlers: Mapping[str, MethodHandler],
        *,
        limits: Limits | None = None,
        max_connections: int = ServeLimits.connections,
        max_connections_per_host: int = ServeLimits.connections_per_host,
        compression: int | str | None = None,
        tls: ssl.SSLContext | None = None,
        jitter: Callable[[], float] = random.random,
        on_connection: Callable[[str, str], object] = lambda _ours, _theirs: None,
    ) -> None:
        self._handlers = handlers
        self._limits = limits or LIMITS
        self._max_connections = max_connections
        self._max_connections_per_host = max_connections_per_host
        self._gzip = is_gzip(compression)
        self._tls = tls
        self._jitter = jitter
        self._on_connection = on_connection
        self._links: dict[Link[ServerCall], _Client] = {}
        self._accepting = trio.CancelScope()
        self._connections = trio.CancelScope()
        self._is_draining = False

    @property
    def connection_count(self) -> int:
        """How many clients are connected."""
        return len(self._links)

    async def serve(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept and serve until `drain` has come to its end; the listeners are closed then."""
        with self._connections:
            async with trio.open_nursery() as nursery:
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for listener in listeners:
                            acceptors.start_soon(self._accept, listener, nursery)
                        task_status.started()

    def drain(self, grace_s: float = math.inf) -> None:
        """Stop accepting, let the calls that run end within the grace, and then end `serve`."""
        self._is_draining = True
        self._accepting.cancel()
        self._connections.deadline = min(self._connections.deadline, trio.current_time() + grace_s)
        for link in list(self._links):
            _core(link).drain(trio.current_time())
            link.flush()

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        """Serve one client until it or the server is done; closes the stream."""
        try:
            peer, ours = peer_address(stream), local_address(stream)
        except OSError:
            await trio.aclose_forcefully(stream)
            return
        if not self._has_room(peer[0]):
            await trio.aclose_forcefully(stream)
            return
        self._on_connection(ours[0], peer[0])
        core = ServerConnection(self._aged(self._limits), trio.current_time())
        async with trio.open_nursery() as calls:

            def on_event(call: ServerCall) -> None:
                if call.context is not None:
                    call.context.wake()
                elif not call.is_finished:
                    call.set_gzip(on=self._gzip)
                    call.context = Context(call, link, peer)
                    calls.start_soon(call.context.run, self._handlers.get(call.path))

            link = Link(self._secured(stream), core, on_event)
            self._links[link] = _Client(network_of(peer[0]), calls.cancel_scope)
            if self._is_draining:
                core.drain(trio.current_time())
            try:
                await self._shake_hands(link.stream)
                await link.run()
            except (OSError, trio.TooSlowError) as error:
                core.close(why=f"no TLS: {error}")
            finally:
                self._links.pop(link, None)
                calls.cancel_scope.cancel()
        level = logging.WARNING if core.error_code else logging.DEBUG
        _log.log(level, "the connection of %s:%d ended: %s", *peer, core.why_closed)

    def _aged(self, limits: Limits) -> Limits:
        """Spread the ages, so that clients which came together do not all come back together (gRFC A9)."""
        spread = 1 + AGE_JITTER * (2 * self._jitter() - 1)
        return replace(limits, connection_age_s=limits.connection_age_s * spread)

    def _secured(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        if self._tls is None:
            return stream
        from lightpeer.wire.tls import wrap_tls

        return wrap_tls(stream, self._tls)

    async def _shake_hands(self, stream: trio.abc.Stream) -> None:
        if isinstance(stream, trio.SSLStream):
            from lightpeer.wire.tls import shake_hands

            with trio.fail_after(self._limits.handshake_s):
                await shake_hands(stream)

    def _has_room(self, host: str) -> bool:
        """Tell whether a host may connect once more; if it needs another's place, an idle one loses it."""
        network = network_of(host)
        if (
            sum(client.network == network for client in self._links.values())
            >= self._max_connections_per_host
        ):
            return False
        if len(self._links) < self._max_connections:
            return True
        idle = [link for link in self._links if not link.core.active_calls]
        if not idle:
            return False
        self._links.pop(min(idle, key=lambda link: _core(link).idle_since_s)).scope.cancel()
        return True

    async def _accept(
        self,
        listener: trio.abc.Listener[trio.abc.Stream],
        nursery: trio.Nursery,
    ) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in _OUT_OF_RESOURCES:
                        raise
                    _log.warning("cannot accept a connection now: %s", error)
                    await trio.sleep(ACCEPT_PAUSE_S)
                    continue
                nursery.start_soon(self.serve_connection, stream)


class _Client(NamedTuple):
    """Whose a connection is, and how to end it at once."""

    network: str
    scope: trio.CancelScope


def network_of(host: str) -> str:
    """Give what one person has for sure: an IPv4 address, or half of an IPv6 one."""
    return str(IPv6Network((host.partition("%")[0], 64), strict=False)) if ":" in host else host


def _core(link: Link[ServerCall]) -> ServerConnection:
    core = link.core
    assert isinstance(core, ServerConnection)
    return core
