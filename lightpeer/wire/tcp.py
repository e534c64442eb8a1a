"""The channel: gRPC calls to one host and port over TCP, on trio, with grpcio's aio surface.

A channel connects when its first call is made and again when a call is made
after a connection was lost. Connecting and each connection are one task in the
channel's nursery; calls that are made meanwhile wait in the channel. h2 is
imported while the TCP handshake is in flight, since on a small machine that
import takes longer than the round trip.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import trio

from lightpeer.core.status import CallStatus, StatusCode
from lightpeer.core.stream import Limits
from lightpeer.errors import UsageError
from lightpeer.wire.calls import (
    EOF,
    Call,
    Deserializer,
    Serializer,
    StreamStreamCall,
    StreamUnaryCall,
    UnaryStreamCall,
    UnaryUnaryCall,
)
from lightpeer.wire.network import peer_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from lightpeer.core.grpc import ClientCall, ClientConnection
    from lightpeer.core.status import MetadataLike
    from lightpeer.wire.link import Link
    from lightpeer.wire.network import Address, Network

__all__ = [
    "EOF",
    "Call",
    "Channel",
    "Limits",
    "Method",
    "StreamStreamCall",
    "StreamUnaryCall",
    "UnaryStreamCall",
    "UnaryUnaryCall",
    "open_channel",
]

CONNECT_TIMEOUT_S: Final = 20.0
"""gRPC's minimum connect timeout (connection-backoff.md)."""

GOODBYE_S: Final = 1.0
"""How long a closing channel may take to tell the server; it takes no time unless the link is stuck."""

_CLOSED = "the channel was closed"
_TICKS_UNTIL_SYN: Final = 8
"""Scheduler turns that trio takes from `open_tcp_stream` to the first SYN, and a few to spare."""

CallT = TypeVar("CallT", bound=Call)


@asynccontextmanager
async def open_channel(
    network: Network,
    host: str,
    port: int,
    *,
    limits: Limits | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    meanwhile: Callable[[], object] = lambda: None,
) -> AsyncIterator[Channel]:
    """Open a channel for the length of a block; what is still going on at its end is cancelled.

    Args:
        network: where to connect.
        host: a name, or a numeric address without brackets.
        port: the TCP port.
        limits: what a connection may cost; None takes the defaults.
        connect_timeout_s: for the TCP connection.
        meanwhile: called once the first SYN is on its way, to use the time until it is answered.
    """
    failure: BaseException | None = None
    async with trio.open_nursery() as links, trio.open_nursery() as work:
        channel = Channel(
            links, work, network, (host, port), limits or Limits(), connect_timeout_s, meanwhile
        )
        try:
            yield channel
        except BaseException as error:  # noqa: BLE001 (raised below, so that no nursery wraps it in a group)
            failure = error
        channel.close()
        work.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Method(Generic[CallT]):
    """A method of a service; call it to make a call. What `Channel.unary_unary` and its like give."""

    def __init__(
        self,
        channel: Channel,
        kind: type[CallT],
        path: str,
        request_serializer: Serializer,
        response_deserializer: Deserializer,
    ) -> None:
        self._channel = channel
        self._kind: Callable[..., CallT] = kind
        self._path = path
        self._serializers = request_serializer, response_deserializer

    def __call__(
        self,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
    ) -> CallT:
        """Begin a call.

        Args:
            request: the request; for a method of many, an iterable of them, or None to `write` them.
            timeout: seconds until the call fails with DEADLINE_EXCEEDED.
            metadata: key and value pairs; bytes for keys that end in "-bin".

        Raises:
            UsageError: the metadata is invalid, or the channel is closed.
        """
        return self._kind(
            self._channel, self._path, timeout, metadata or (), *self._serializers, request=request
        )


class Channel:
    """Calls to one host and port; made by `open_channel`.

    Attributes:
        remote_address: where the latest connection reached, or None before the first.
    """

    def __init__(
        self,
        links: trio.Nursery,
        work: trio.Nursery,
        network: Network,
        target: Address,
        limits: Limits,
        connect_timeout_s: float,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self._links = links  # connections, which get a moment to say goodbye
        self._work = work  # everything else, which ends with the channel
        self._network = network
        self._target = target
        self._limits = limits
        self._connect_timeout_s = connect_timeout_s
        self._meanwhile = meanwhile
        self._link: Link[ClientCall] | None = None  # the latest
        # It, and those that finish after a GOAWAY; each in a shielded scope, to say goodbye in.
        self._running: dict[Link[ClientCall], trio.CancelScope] = {}
        self._pending: dict[Call, None] = {}  # until there is a connection; bounded by `queued_calls`
        self._attempt: trio.Event | None = None  # set when the connecting under way has ended
        self._failure: CallStatus | None = None  # of the latest attempt
        self._is_closed = False
        self.remote_address: Address | None = None

    # --- the surface ------------------------------------------------------------------------------

    def unary_unary(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[UnaryUnaryCall]:
        """Give a method of one request and one reply; `method` is "/package.Service/Method"."""
        return Method(self, UnaryUnaryCall, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[UnaryStreamCall]:
        """Give a method of one request and many replies."""
        return Method(self, UnaryStreamCall, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[StreamUnaryCall]:
        """Give a method of many requests and one reply."""
        return Method(self, StreamUnaryCall, method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[StreamStreamCall]:
        """Give a method of many requests and many replies."""
        return Method(self, StreamStreamCall, method, request_serializer, response_deserializer)

    @property
    def is_alive(self) -> bool:
        """Whether there is a connection that takes calls."""
        return self._usable_link() is not None

    async def connect(self) -> None:
        """Connect now, unless there is a connection.

        Raises:
            RpcError: UNAVAILABLE, with the reason.
        """
        if self.is_alive:
            await trio.lowlevel.checkpoint()
            return
        await self._connect_in_task().wait()
        if self._failure is not None:
            raise self._failure.to_error()

    def close(self) -> None:
        """Cancel every call and say goodbye; the channel takes no more calls."""
        self._is_closed = True
        for call in list(self._pending):
            call.cancel(_CLOSED)
        for link, scope in self._running.items():
            scope.deadline = trio.current_time() + GOODBYE_S
            core = cast("ClientConnection", link.core)
            core.cancel_all(_CLOSED)
            core.close()
            link.flush()

    # --- for its calls ----------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        """Begin a call, now or once there is a connection.

        Raises:
            UsageError: the channel is closed.
        """
        if self._is_closed:
            raise UsageError("the channel is closed; open another one")
        link = self._usable_link()
        if link is not None:
            call.begin(link, call.made_s)
            link.flush()
        elif len(self._pending) < self._limits.queued_calls:
            self._pending[call] = None
            self._connect_in_task()
        else:
            call.fail(CallStatus(StatusCode.RESOURCE_EXHAUSTED, "too many calls wait for a connection"))

    def forget(self, call: Call) -> None:
        """Drop a call that has ended before there was a connection."""
        self._pending.pop(call, None)

    def spawn(self, function: Callable[[Any], Awaitable[None]], argument: Any) -> None:
        """Run a call's own task until the channel closes."""
        self._work.start_soon(function, argument)

    # --- connecting -------------------------------------------------------------------------------

    def _usable_link(self) -> Link[ClientCall] | None:
        return self._link if self._link is not None and self._link.core.takes_calls else None

    def _connect_in_task(self) -> trio.Event:
        if self._attempt is None:
            self._attempt = trio.Event()
            self._work.start_soon(self._connect)
        return self._attempt

    async def _connect(self) -> None:
        """Make one attempt, and begin or fail the calls that wait for it."""
        self._work.start_soon(_import_grpc, self._meanwhile)
        self._failure = None
        try:
            with trio.fail_after(self._connect_timeout_s):
                stream = await self._network.connect_tcp(*self._target)
        except (OSError, trio.TooSlowError) as error:
            self._fail(error)
        else:
            self._adopt(stream)
        finally:
            if self._attempt is not None:
                self._attempt.set()
                self._attempt = None

    def _fail(self, error: Exception) -> None:
        reason = "it did not answer in time" if isinstance(error, trio.TooSlowError) else str(error)
        details = f"cannot connect to {_show(self._target)}: {reason}"
        self._failure = CallStatus(StatusCode.UNAVAILABLE, details, was_processed=False)
        for call in list(self._pending):
            call.fail(self._failure)

    def _adopt(self, stream: trio.abc.Stream) -> None:
        from lightpeer.core.grpc import ClientConnection
        from lightpeer.wire.link import Link

        self.remote_address = peer_address(stream)
        now = trio.current_time()
        self._link = Link(stream, ClientConnection(_show(self._target), self._limits, now), _wake)
        self._links.start_soon(self._run, self._link)
        for call in list(self._pending):
            call.begin(self._link, now)
        self._pending.clear()
        self._link.flush()

    async def _run(self, link: Link[ClientCall]) -> None:
        with trio.CancelScope(shield=True) as scope:
            self._running[link] = scope
            if self._is_closed:
                scope.deadline = trio.current_time() + GOODBYE_S
            try:
                await link.run()
            finally:
                del self._running[link]


def _wake(call: ClientCall) -> None:
    if call.context is not None:
        call.context.unpark_all()


def _show(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _import_grpc(meanwhile: Callable[[], object]) -> None:
    """Import what a connection needs, once the first SYN is on its way."""
    for _ in range(_TICKS_UNTIL_SYN):
        await trio.lowlevel.checkpoint()
    meanwhile()
    import_module("lightpeer.core.grpc")
