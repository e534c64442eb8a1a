"""The gRPC server on trio: accepts connections, and runs a task for each call.

Handlers, one for each full method path, are made by `rpc.handlers`. Which clients are served, and what they
may cost, is the `intake`'s. A fault in one connection or handler ends that alone.
"""

from __future__ import annotations

import errno
import logging
import math
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.rpc.framing import is_gzip
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.net.network import local_address
from lightpeer.net.system import TcpStream
from lightpeer.rpc.handlers import (
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
from lightpeer.rpc.intake import Intake, ServerBounds
from lightpeer.rpc.limits import ServeLimits
from lightpeer.rpc.link import Hooks, Link
from lightpeer.rpc.rare_log import RareLog
from lightpeer.tasks.supervision import contained

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from lightpeer.core.rpc.server import ServerConnection
    from lightpeer.core.rpc.server_call import ServerCall
    from lightpeer.net.network import Address
    from lightpeer.rpc.intake import Client


__all__ = [
    "LIMITS",
    "REQUEST_S",
    "Context",
    "MethodHandler",
    "Requests",
    "RpcServer",
    "ServerBounds",
    "service_of",
    "stream_stream",
    "stream_unary",
    "unary_stream",
    "unary_unary",
]

logger = logging.getLogger(__name__)

_BOUNDS: Final = ServerBounds()

LIMITS: Final = Limits(
    stream_window_bytes=ServeLimits.stream_window_bytes,
    connection_window_bytes=ServeLimits.connection_window_bytes,
    connection_send_bytes=ServeLimits.connection_send_bytes,
    concurrent_calls=ServeLimits.calls_per_connection,
    header_list_bytes=ServeLimits.header_list_bytes,
    keepalive_s=ServeLimits.keepalive_s,
    keepalive_timeout_s=ServeLimits.keepalive_timeout_s,
    idle_s=ServeLimits.idle_s,
    handshake_s=ServeLimits.handshake_s,
    connection_age_s=ServeLimits.connection_age_s,
    connection_age_grace_s=ServeLimits.connection_age_grace_s,
)
"""What each connection may cost by default."""

AGE_JITTER: Final = 0.1
"""How far a connection's age varies, as a fraction: gRFC A9 (server-side connection management)."""

ACCEPT_PAUSE_S: Final = 0.1
"""The pause after a failure to accept, for example because descriptors or memory ran out."""

_LISTENER_IS_BROKEN: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
"""Errors after which nobody can connect any more, so the server ends."""


class RpcServer:
    """Serves handlers on listeners until it is drained or cancelled.

    Args:
        handlers: by full method path, "/package.Service/Method".
        limits: what each connection may cost; None is `LIMITS`.
        bounds: what all connections together, and those of one host, may cost.
        compression: of replies, unless a handler says otherwise.
        tls: a context, for example from `net.tls.server_context`, to which ALPN is added; None is cleartext.

    Attributes:
        on_connection: called with our numeric host and the client's for each connection that is let in.

    Raises:
        UsageError: the compression is not supported.
    """

    def __init__(
        self,
        handlers: Mapping[str, MethodHandler],
        *,
        limits: Limits | None = None,
        bounds: ServerBounds = _BOUNDS,
        compression: int | str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.on_connection: Callable[[str, str], object] = lambda _ours, _theirs: None
        self._handlers = handlers
        self._limits = limits or LIMITS
        self._gzip = is_gzip(compression)
        self._tls = tls
        self._intake = Intake(bounds)
        self._log = RareLog(logger)
        self._ended_log = RareLog(logger, logging.INFO)  # strangers cause these at will
        self._jitter: Callable[[], float] = random.random
        self._accepting = trio.CancelScope()
        self._connections = trio.CancelScope()
        self._is_draining = False

    @property
    def connection_count(self) -> int:
        """How many clients are connected."""
        return len(self._intake.clients)

    async def serve(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept and serve until `drain` is complete, then close the listeners."""
        with self._connections:
            async with trio.open_nursery() as nursery:
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for listener in listeners:
                            acceptors.start_soon(self._accept, listener, nursery)
                        task_status.started()

    def drain(self, grace_s: float = math.inf) -> None:
        """Stop accepting, give running calls `grace_s` seconds to end, and then end `serve`."""
        self._is_draining = True
        self._accepting.cancel()
        self._connections.deadline = min(self._connections.deadline, trio.current_time() + grace_s)
        for client in list(self._intake.clients):
            client.core.drain(trio.current_time())
            client.flush()

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        """Serve one client until it or the server is done, and close the stream."""
        client = self._admitted(stream)
        if client is None:
            await trio.aclose_forcefully(stream)
        else:
            await self._serve_client(client, stream)

    async def _serve_client(self, client: Client, stream: trio.abc.Stream) -> None:
        try:
            if client.is_let_go:  # before its task began
                await trio.aclose_forcefully(stream)
                return
            self.on_connection(local_address(stream)[0], client.peer[0])
            await self._run_calls(client, stream)
        except OSError:  # the client is gone, so it has no address
            await trio.aclose_forcefully(stream)
        finally:
            self._intake.leave(client)
        self._log_end(client.core, client.peer)

    async def _run_calls(self, client: Client, stream: trio.abc.Stream) -> None:
        core, peer = client.core, client.peer
        async with trio.open_nursery() as calls:

            def on_event(call: ServerCall) -> None:
                if call.context is not None:
                    call.context.wake()
                elif not call.is_finished and (handler := self._may_begin(call, client)) is not None:
                    call.set_gzip(on=self._gzip)
                    call.context = Context(call, link, peer)
                    calls.start_soon(call.context.run, handler)

            client.scope = calls.cancel_scope
            hooks = Hooks(on_event, on_held=partial(self._intake.hold, client))
            client.link = link = Link(self._secured(stream), core, hooks, self._intake.pacing(client))
            self._intake.clients.add(client)
            if self._is_draining:
                core.drain(trio.current_time())
            try:
                await self._shake_hands(link.stream)
                await link.run()
            except (OSError, trio.TooSlowError) as error:
                core.close(why=f"no TLS: {error}")
            finally:
                calls.cancel_scope.cancel()

    def _admitted(self, stream: trio.abc.Stream) -> Client | None:
        """Give a connection a place, if there is one for it."""
        return self._intake.admit(stream, self._aged)

    def _may_begin(self, call: ServerCall, client: Client) -> MethodHandler | None:
        """Return the handler of a call, or refuse the call before it costs a task."""
        handler = self._handlers.get(call.path)
        if handler is None:
            client.core.turn_away(call, StatusCode.UNIMPLEMENTED, "there is no such method here")
        return handler

    def _log_end(self, core: ServerConnection, peer: Address) -> None:
        """Log the end of a connection."""
        text = f"the connection of {peer[0]}:{peer[1]} ended: {core.why_closed}"
        if core.error_code:
            self._ended_log.write(text)
        else:
            logger.debug(text)

    def _aged(self) -> Limits:
        """Return the limits with a random age, so that clients which came together do not return together."""
        spread = 1 + AGE_JITTER * (2 * self._jitter() - 1)
        return replace(self._limits, connection_age_s=self._limits.connection_age_s * spread)

    def _secured(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        if self._tls is None:
            return stream
        from lightpeer.net.tls import wrap_tls

        return wrap_tls(stream, self._tls)

    async def _shake_hands(self, stream: trio.abc.Stream) -> None:
        if isinstance(stream, trio.SSLStream):
            from lightpeer.net.tls import shake_hands

            with trio.fail_after(self._limits.handshake_s):
                await shake_hands(stream)

    async def _accept(
        self,
        listener: trio.abc.Listener[trio.abc.Stream],
        nursery: trio.Nursery,
    ) -> None:
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except Exception as error:  # errors of the new connection come here too: accept(2)
                    if isinstance(error, OSError) and error.errno in _LISTENER_IS_BROKEN:
                        raise
                    self._log.write(f"cannot accept a connection now: {error}")
                    await trio.sleep(ACCEPT_PAUSE_S)
                    continue
                client = self._admitted(stream)
                if client is not None:
                    nursery.start_soon(contained, "a connection", self._serve_client, client, stream)
                elif isinstance(stream, TcpStream):  # so a flood costs neither a task nor a turn of the loop
                    stream.drop()
                else:
                    await trio.aclose_forcefully(stream)
