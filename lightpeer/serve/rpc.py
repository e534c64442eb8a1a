"""The gRPC server on trio: accepts connections, and runs a task for each call.

A handler is an async function of the request and a `Context`. Where a method
has many requests, it gets `Requests` to `receive` from or iterate over; where it
has many replies, it sends each with `await context.write(reply)` and returns
None. All messages are bytes. `unary_unary` and its like say which is which:

    handlers = {"/pkg.Service/Method": unary_unary(method), ...}

A handler is cancelled when nobody waits for its answer any more: the client
cancelled, its deadline passed, or its connection is gone. `RpcError` raised in
it becomes the call's status; any other exception is logged here and becomes
INTERNAL, without a word of it to the client.
"""

from __future__ import annotations

import errno
import logging
import math
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Never, Self, TypeAlias

import trio

from lightpeer.config import ServeLimits
from lightpeer.core.framing import is_gzip
from lightpeer.core.status import StatusCode, encode_metadata
from lightpeer.core.stream import Limits
from lightpeer.errors import RpcError
from lightpeer.serve.grpc import ServerCall, ServerConnection
from lightpeer.wire.link import Link
from lightpeer.wire.network import peer_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from lightpeer.core.status import Metadata, MetadataLike
    from lightpeer.wire.network import Address

_log = logging.getLogger(__name__)

LIMITS: Final = Limits(
    receive_message_bytes=ServeLimits.receive_message_bytes,
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

REQUEST_S: Final = ServeLimits.request_s

ACCEPT_PAUSE_S: Final = 0.1
"""Before accepting again when the system is out of descriptors or memory."""

_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

Handler: TypeAlias = "Callable[[Any, Context], Awaitable[bytes | None]]"


@dataclass(frozen=True, slots=True)
class MethodHandler:
    """A handler and the kind of its method."""

    function: Handler
    many_requests: bool
    many_replies: bool


def unary_unary(function: Handler) -> MethodHandler:
    """One request, one reply: `async def f(request: bytes, context) -> bytes`."""
    return MethodHandler(function, many_requests=False, many_replies=False)


def unary_stream(function: Handler) -> MethodHandler:
    """One request, many replies: `async def f(request: bytes, context) -> None`, with `context.write`."""
    return MethodHandler(function, many_requests=False, many_replies=True)


def stream_unary(function: Handler) -> MethodHandler:
    """Many requests, one reply: `async def f(requests: Requests, context) -> bytes`."""
    return MethodHandler(function, many_requests=True, many_replies=False)


def stream_stream(function: Handler) -> MethodHandler:
    """Many requests, many replies: `async def f(requests: Requests, context) -> None`."""
    return MethodHandler(function, many_requests=True, many_replies=True)


def service_of(path: str) -> str:
    """Give the service of a method's full path: "/package.Service/Method" is of "package.Service"."""
    return path.split("/")[1]


class Context:
    """What a handler knows of its call and can do besides answering.

    Attributes:
        peer_address: the client's host and port.
        path: the full method.
        metadata: the client's metadata, in order.
        deadline: when the call ends with DEADLINE_EXCEEDED, in trio's time, or None.
    """

    def __init__(self, call: ServerCall, link: Link[ServerCall], peer: Address) -> None:
        self.peer_address = peer
        self.path = call.path
        self.metadata: Metadata = call.metadata
        self.deadline = call.deadline
        self._call = call
        self._link = link
        self._changed = trio.lowlevel.ParkingLot()
        self._trailing: MetadataLike = ()
        self._compresses_next = True
        self._scope = trio.CancelScope()

    def time_remaining(self) -> float | None:
        """Give the seconds until the deadline, or None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - trio.current_time())

    def set_trailing_metadata(self, metadata: MetadataLike) -> None:
        """Set what goes with the status."""
        self._trailing = tuple(metadata)

    @property
    def was_compressed(self) -> bool:
        """Whether the latest request came compressed."""
        return self._call.was_compressed

    def set_compression(self, compression: int | str | None) -> None:
        """Choose how replies are compressed, where the client reads that; before the first.

        Raises:
            UsageError: the compression is not supported.
            StateMisuseError: a reply, or the initial metadata, was sent before.
        """
        self._call.set_gzip(on=is_gzip(compression))

    def disable_next_message_compression(self) -> None:
        """Send the next reply as it is."""
        self._compresses_next = False

    async def send_initial_metadata(self, metadata: MetadataLike) -> None:
        """Send metadata ahead of the first reply; once only, and before it.

        Raises:
            UsageError: the metadata is invalid.
            StateMisuseError: it was sent before.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._call.send_initial_metadata(encode_metadata(metadata))
        self._link.flush()

    async def write(self, reply: bytes) -> None:
        """Queue a reply; waits while the queue is full because the client or the link is slow."""
        await self.wait_until(lambda: self._call.can_send)
        self.send(reply)
        self._link.flush()

    async def abort(self, code: StatusCode, details: str = "", trailing_metadata: MetadataLike = ()) -> Never:
        """End the call with a status, by raising it.

        Raises:
            RpcError: always.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        raise RpcError(code, details, tuple(trailing_metadata))

    # --- for the server ---------------------------------------------------------------------------

    def send(self, reply: bytes) -> None:
        """Queue a reply."""
        self._call.send(reply, compress=self._compresses_next)
        self._compresses_next = True

    async def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Park until the call has changed to be so; a call that ends cancels its handler."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not is_ready():
            await self._changed.park()

    def wake(self) -> None:
        """Let the handler look at the call again, or stop it."""
        if self._call.is_cancelled:
            self._scope.cancel()
        self._changed.unpark_all()

    async def run(self, handler: MethodHandler | None) -> None:
        """Answer the call; never raises for what the handler does."""
        code, details, headers = StatusCode.OK, "", []
        with self._scope:
            try:
                await self._answer(handler)
                headers = encode_metadata(self._trailing)
            except RpcError as error:
                code, details = StatusCode(error.code()), error.details()
                headers = encode_metadata(error.trailing_metadata() or self._trailing)
            except Exception:  # noqa: BLE001 (a handler may raise anything, and must not end the server)
                _log.exception("the handler of %s failed", self.path)
                code, details = StatusCode.INTERNAL, "the handler failed"
        self._call.finish(code, details, headers)
        self._link.flush()

    async def _answer(self, handler: MethodHandler | None) -> None:
        if handler is None:
            raise RpcError(StatusCode.UNIMPLEMENTED, "there is no such method here")
        requests = Requests(self, self._call, self._link)
        given = requests if handler.many_requests else await self._only(requests)
        reply = await handler.function(given, self)
        if not handler.many_replies:
            if reply is None:
                raise RpcError(StatusCode.INTERNAL, "the handler gave no reply")
            self.send(reply)

    async def _only(self, requests: Requests) -> bytes:
        with trio.move_on_after(REQUEST_S):
            return await requests.only()
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, "the request did not come whole in time")


class Requests:
    """The client's messages, to `receive` one by one or iterate over."""

    def __init__(self, context: Context, call: ServerCall, link: Link[ServerCall]) -> None:
        self._context = context
        self._call = call
        self._link = link

    async def receive(self) -> bytes | None:
        """Wait for the next request; None after the last."""
        await self._context.wait_until(lambda: self._call.has_message or self._call.is_remote_ended)
        request = self._call.take()
        self._link.flush()
        await trio.lowlevel.checkpoint_if_cancelled()  # a request that cannot be read ends the call
        return request

    async def only(self) -> bytes:
        """Wait for the one request of a method that has one.

        Raises:
            RpcError: INTERNAL, there was none or more than one.
        """
        request = await self.receive()
        if request is None or await self.receive() is not None:
            raise RpcError(StatusCode.INTERNAL, "the method has exactly one request")
        return request

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        request = await self.receive()
        if request is None:
            raise StopAsyncIteration
        return request


class RpcServer:
    """Serves handlers on listeners until it is drained or cancelled.

    Args:
        handlers: by full method path, "/package.Service/Method".
        limits: what each connection may cost; the defaults are those of `config.ServeLimits`.
        max_connections: for one more, the one that has been idle for longest is closed.
        max_connections_per_host: more are closed as they come.
        compression: of replies, unless a handler says otherwise.
        tls: None for cleartext; else a context, as of `wire.tls.server_context`, to which ALPN is added.
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
    ) -> None:
        self._handlers = handlers
        self._limits = limits or LIMITS
        self._max_connections = max_connections
        self._max_connections_per_host = max_connections_per_host
        self._gzip = is_gzip(compression)
        self._tls = tls
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
            peer = peer_address(stream)
        except OSError:
            await trio.aclose_forcefully(stream)
            return
        if not self._has_room(peer[0]):
            await trio.aclose_forcefully(stream)
            return
        core = ServerConnection(self._limits, trio.current_time())
        async with trio.open_nursery() as calls:

            def on_event(call: ServerCall) -> None:
                if call.context is not None:
                    call.context.wake()
                elif not call.is_finished:
                    call.set_gzip(on=self._gzip)
                    call.context = Context(call, link, peer)
                    calls.start_soon(call.context.run, self._handlers.get(call.path))

            link = Link(self._secured(stream), core, on_event)
            self._links[link] = _Client(_network(peer[0]), calls.cancel_scope)
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
        network = _network(host)
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


def _network(host: str) -> str:
    """Give what one person has for sure: an IPv4 address, or half of an IPv6 one."""
    return str(IPv6Network((host.partition("%")[0], 64), strict=False)) if ":" in host else host


def _core(link: Link[ServerCall]) -> ServerConnection:
    core = link.core
    assert isinstance(core, ServerConnection)
    return core
