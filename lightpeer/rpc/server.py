"""The gRPC server on trio: accepts connections, and runs a task for each call.

Handlers, one for each full method path, are as `rpc.handlers` has them. A
connection has a place in the server from its first byte, TLS's handshake included;
who gets one, `core.guard.admission` says; `core.guard.turns` when each is read; and `core.guard.holdings`
who has to go when too much is held in memory.
"""

from __future__ import annotations

import errno
import logging
import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.addresses import network_group, network_of
from lightpeer.core.guard.admission import Admission
from lightpeer.core.guard.fairness import Buckets
from lightpeer.core.guard.holdings import Holdings
from lightpeer.core.guard.turns import Turn, Turns
from lightpeer.core.rpc.frame_gate import ErrorCode, FloodBudget
from lightpeer.core.rpc.framing import is_gzip
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import ServerConnection
from lightpeer.core.rpc.server_call import ServerCall
from lightpeer.core.rpc.status import StatusCode
from lightpeer.net.network import local_address, peer_address
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
from lightpeer.rpc.limits import ServeLimits
from lightpeer.rpc.link import Link
from lightpeer.tasks.supervision import contained

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from lightpeer.net.network import Address


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

logger = logging.getLogger(__name__)

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
"""What each connection may cost, unless its server is told otherwise."""

AGE_JITTER: Final = 0.1
"""Of a connection's age, more or less: gRFC A9 (server-side connection management)."""

ACCEPT_PAUSE_S: Final = 0.1
"""Before accepting again, after the system could not: it is out of descriptors or memory, say."""

WARNINGS_PER_S: Final = 1 / 60
WARNINGS_AT_ONCE: Final = 5

_LISTENER_IS_BROKEN: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})
"""Nobody can connect any more, so that the process had better end and be started again."""


class RpcServer:
    """Serves handlers on listeners until it is drained or cancelled.

    Args:
        handlers: by full method path, "/package.Service/Method".
        limits: what each connection may cost; the defaults are those of `config.ServeLimits`.
        max_connections: for one more, another gives up its place.
        max_connections_per_host: and for one more of a host.
        connections_per_s: of one host; more are closed as they come.
        work_per_s: that a host may cause, as `core.guard.turns` counts it; more of it waits.
        most_held_bytes: in memory, for all connections together.
        most_held_bytes_of_one: and for one of them.
        compression: of replies, unless a handler says otherwise.
        tls: None for cleartext; else a context, as of `net.tls.server_context`, to which ALPN is added.
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
        connections_per_s: float = math.inf,
        work_per_s: float = math.inf,
        most_held_bytes: float = ServeLimits.held_bytes,
        most_held_bytes_of_one: float = ServeLimits.held_bytes_per_connection,
        compression: int | str | None = None,
        tls: ssl.SSLContext | None = None,
        jitter: Callable[[], float] = random.random,
        on_connection: Callable[[str, str], object] = lambda _ours, _theirs: None,
    ) -> None:
        self._handlers = handlers
        self._limits = limits or LIMITS
        self._admission: Admission[_Client] = Admission(
            places=max_connections,
            places_per_network=max_connections_per_host,
            connections_per_s=connections_per_s,
        )
        self._turns = Turns(work_per_s) if work_per_s < math.inf else None
        self._holdings: Holdings[_Client] = Holdings(most_held_bytes, most_held_bytes_of_one)
        self._gzip = is_gzip(compression)
        self._tls = tls
        self._jitter = jitter
        self._on_connection = on_connection
        self._clients: set[_Client] = set()
        self._warnings = Buckets(WARNINGS_PER_S, WARNINGS_AT_ONCE)
        self._unsaid = 0  # warnings
        self._accepting = trio.CancelScope()
        self._connections = trio.CancelScope()
        self._is_draining = False

    @property
    def connection_count(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

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
        for client in list(self._clients):
            client.core.drain(trio.current_time())
            client.flush()

    async def serve_connection(self, stream: trio.abc.Stream) -> None:
        """Serve one client until it or the server is done; closes the stream."""
        client = self._admitted(stream)
        if client is None:
            await trio.aclose_forcefully(stream)
        else:
            await self._serve_client(client, stream)

    async def _serve_client(self, client: _Client, stream: trio.abc.Stream) -> None:
        try:
            if client.is_let_go:  # while its task was to begin
                await trio.aclose_forcefully(stream)
                return
            self._on_connection(local_address(stream)[0], client.peer[0])
            await self._run_calls(client, stream)
        except OSError:  # it is gone, and its address with it
            await trio.aclose_forcefully(stream)
        finally:
            self._clients.discard(client)
            self._admission.leave(client)
            self._holdings.remove(client, client.network)
        self._log_end(client.core, client.peer)

    async def _run_calls(self, client: _Client, stream: trio.abc.Stream) -> None:
        core, peer = client.core, client.peer
        async with trio.open_nursery() as calls:

            def on_event(call: ServerCall) -> None:
                if call.context is not None:
                    call.context.wake()
                elif not call.is_finished and (handler := self._may_begin(call, client)) is not None:
                    call.set_gzip(on=self._gzip)
                    call.context = Context(call, link, peer)
                    calls.start_soon(call.context.run, handler)

            def on_held(held_bytes: int) -> None:
                if client.is_let_go:  # what it still holds goes with it
                    return
                heaviest = self._holdings.update(client, client.network, held_bytes)
                if heaviest is not None:
                    heaviest.let_go("the client makes us hold more than there is room for")

            client.scope = calls.cancel_scope
            pacing = None if self._turns is None else Turn(self._turns, client.network)
            client.link = link = Link(self._secured(stream), core, on_event, on_held=on_held, pacing=pacing)
            self._clients.add(client)
            if self._is_draining:
                core.drain(trio.current_time())
            try:
                await self._shake_hands(link.stream)
                await link.run()
            except (OSError, trio.TooSlowError) as error:
                core.close(why=f"no TLS: {error}")
            finally:
                calls.cancel_scope.cancel()

    def _admitted(self, stream: trio.abc.Stream) -> _Client | None:
        """Give a connection a place, if there is one for it."""
        now = trio.current_time()
        try:
            peer = peer_address(stream)
        except OSError:  # it is gone
            return None
        network = network_of(peer[0])
        client = _Client(peer, network, network_group(peer[0]))
        verdict = self._admission.admit(client, now)
        if verdict.gives_way is not None:
            verdict.gives_way.let_go("another needs its place")
        if not verdict.is_admitted:
            return None
        budget = FloodBudget(self._admission.budget(network))
        client.core = ServerConnection(self._aged(self._limits), now, budget)
        return client

    def _may_begin(self, call: ServerCall, client: _Client) -> MethodHandler | None:
        """Return what answers a call, or refuse it before it costs a task."""
        handler = self._handlers.get(call.path)
        if handler is None:
            client.core.turn_away(call, StatusCode.UNIMPLEMENTED, "there is no such method here")
        return handler

    def _log_end(self, core: ServerConnection, peer: Address) -> None:
        """Say that a connection has ended."""
        text = f"the connection of {peer[0]}:{peer[1]} ended: {core.why_closed}"
        if core.error_code:
            self._warn(text)
        else:
            logger.debug(text)

    def _warn(self, text: str) -> None:
        now = trio.current_time()
        if self._warnings.level(None, now) < 1:
            self._unsaid += 1
            logger.debug(text)
            return
        self._warnings.take(None, 1, now)
        others, self._unsaid = self._unsaid, 0
        logger.warning("%s%s", text, f" ({others} more since such a line)" if others else "")

    def _aged(self, limits: Limits) -> Limits:
        """Spread the ages, so that clients which came together do not all come back together (gRFC A9)."""
        spread = 1 + AGE_JITTER * (2 * self._jitter() - 1)
        return replace(limits, connection_age_s=limits.connection_age_s * spread)

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
                except Exception as error:  # what went wrong with a connection comes here too: accept(2)
                    if isinstance(error, OSError) and error.errno in _LISTENER_IS_BROKEN:
                        raise
                    self._warn(f"cannot accept a connection now: {error}")
                    await trio.sleep(ACCEPT_PAUSE_S)
                    continue
                client = self._admitted(stream)
                if client is not None:
                    nursery.start_soon(contained, "a connection", self._serve_client, client, stream)
                elif isinstance(stream, TcpStream):  # a flood of them costs no task, nor a turn of the loop
                    stream.drop()
                else:
                    await trio.aclose_forcefully(stream)


class _Client:
    """Whose a connection is, and how to end it at once."""

    __slots__ = ("core", "group", "is_let_go", "link", "network", "peer", "scope")

    def __init__(self, peer: Address, network: str, group: str) -> None:
        self.peer = peer
        self.network = network
        self.group = group
        self.core: ServerConnection  # once it has its place
        self.link: Link[ServerCall] | None = None  # once it is served
        self.scope = trio.CancelScope()
        self.is_let_go = False

    @property
    def is_at_work(self) -> bool:
        """Whether it has a call whose seal was opened."""
        return self.core.is_at_work

    @property
    def idle_since_s(self) -> float:
        """When it was at work last, or connected."""
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
