"""The channel: gRPC calls to one host and port over TCP, on trio, with grpcio's aio surface.

What generated stub classes and people see is here; the connection beneath, and the
calls that wait for it, are the `Subchannel`'s. A channel lives in a block of its own,
`open_channel`, whose end cancels what is still going on.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self, TypeVar

import trio

from lightpeer.core.rpc.framing import Compression, is_gzip
from lightpeer.core.rpc.limits import Limits
from lightpeer.rpc.call import Call, CallOptions
from lightpeer.rpc.calls import EOF, StreamStreamCall, StreamUnaryCall, UnaryStreamCall, UnaryUnaryCall
from lightpeer.rpc.dial import Dialling
from lightpeer.rpc.method import Method
from lightpeer.rpc.subchannel import CONNECT_TIMEOUT_S, ChannelConnectivity, Subchannel

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable

    from lightpeer.core.rpc.reply_burst import ReplyBurst
    from lightpeer.net.network import Address, Network
    from lightpeer.rpc.call import Deserializer, Serializer

CallT = TypeVar("CallT", bound=Call)

__all__ = [
    "CONNECT_TIMEOUT_S",
    "EOF",
    "Call",
    "Channel",
    "ChannelConnectivity",
    "Compression",
    "Limits",
    "Method",
    "StreamStreamCall",
    "StreamUnaryCall",
    "UnaryStreamCall",
    "UnaryUnaryCall",
    "open_channel",
]


@asynccontextmanager
async def open_channel(
    network: Network,
    host: str,
    port: int,
    *,
    limits: Limits | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    idle_s: float = math.inf,
    compression: int | str | None = None,
    tls: ssl.SSLContext | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> AsyncIterator[Channel]:
    """Open a channel for the length of a block; what is still going on at its end is cancelled.

    Args:
        network: where to connect.
        host: a name, or a numeric address without brackets.
        port: the TCP port.
        limits: what a connection may cost; None takes the defaults.
        connect_timeout_s: for the TCP connection, and the handshake of TLS.
        idle_s: a connection without calls for so long is closed, and made again for the next call.
        compression: of requests, unless a call says otherwise.
        tls: None for cleartext; else a context, as of `net.tls.client_context`, to which ALPN is added.
        meanwhile: called once the first SYN is on its way, to use the time until it is answered.

    Raises:
        UsageError: the compression is not supported.
    """
    failure: BaseException | None = None
    gzip = is_gzip(compression)
    async with trio.open_nursery() as links, trio.open_nursery() as work:
        dialling = Dialling(network, (host, port), tls, connect_timeout_s, meanwhile)
        subchannel = Subchannel(links, work, dialling, limits or Limits(), idle_s=idle_s)
        try:
            yield Channel(subchannel, gzip=gzip)
        except BaseException as error:  # noqa: BLE001 - raised below, so that no nursery wraps it in a group
            failure = error
        subchannel.cancel()
        work.cancel_scope.cancel()
    if failure is not None:
        raise failure


class Channel:
    """Calls to one host and port; made by `open_channel`."""

    def __init__(self, subchannel: Subchannel, *, gzip: bool) -> None:
        self._subchannel = subchannel
        self._gzip = gzip  # whether calls compress their requests unless they say otherwise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def unary_unary(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[UnaryUnaryCall]:
        """Give a method of one request and one reply; `method` is "/package.Service/Method"."""
        return self._method(UnaryUnaryCall, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[UnaryStreamCall]:
        """Give a method of one request and many replies."""
        return self._method(UnaryStreamCall, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[StreamUnaryCall]:
        """Give a method of many requests and one reply."""
        return self._method(StreamUnaryCall, method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[StreamStreamCall]:
        """Give a method of many requests and many replies."""
        return self._method(StreamStreamCall, method, request_serializer, response_deserializer)

    @property
    def local_address(self) -> Address | None:
        """Where the latest connection came from, or None before the first."""
        return self._subchannel.connector.local_address

    @property
    def remote_address(self) -> Address | None:
        """Where the latest connection reached, or None before the first."""
        return self._subchannel.connector.remote_address

    @property
    def burst(self) -> ReplyBurst | None:
        """How the reply to the latest call came; None before the first connection."""
        return self._subchannel.burst

    @property
    def is_alive(self) -> bool:
        """Whether there is a connection that takes calls."""
        return self._subchannel.is_alive

    @property
    def connect_s(self) -> float | None:
        """How long it took to make the latest connection; None before the first."""
        return self._subchannel.connector.connect_s

    @property
    def was_refused(self) -> bool:
        """Whether the latest attempt to connect was answered that nobody listens there."""
        return self._subchannel.connector.was_refused

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more calls at all."""
        return not self._subchannel.takes_calls

    @property
    def is_resting(self) -> bool:
        """Whether the latest connection was left, because nobody used it or by `renew`."""
        return self._subchannel.is_resting

    def get_state(self, try_to_connect: bool = False) -> ChannelConnectivity:
        """Give what the channel is at; with `try_to_connect`, an idle one begins to connect."""
        state = self._subchannel.state
        if try_to_connect and state is ChannelConnectivity.IDLE:
            self._subchannel.connector.run_in_task()
        return state

    async def wait_for_state_change(self, last_observed_state: ChannelConnectivity) -> None:
        """Wait until the channel is at something else."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._subchannel.state is last_observed_state:
            await self._subchannel.changed.park()

    async def channel_ready(self) -> None:
        """Wait until there is a server, however many attempts it takes.

        Raises:
            UsageError: the channel is or becomes closed.
        """
        await self._subchannel.wait_until_ready()

    async def connect(self) -> None:
        """Have a TCP connection, unless there is one, by one attempt; none is made while the backoff lasts.

        Raises:
            RpcError: UNAVAILABLE, with the reason.
        """
        await self._subchannel.connect()

    def also_at(self, addresses: Iterable[Address]) -> None:
        """Note where else the server is, for when it has to be connected to anew."""
        self._subchannel.connector.dialling.others = tuple(addresses)

    def renew(self) -> None:
        """Have the next call make a new connection; calls that go on stay with the present one."""
        self._subchannel.renew()

    async def close(self, grace: float | None = None) -> None:
        """Take no more calls, let those that run end within `grace` seconds, and cancel the others."""
        await self._subchannel.close(grace or 0.0)

    def _method(
        self, kind: type[CallT], path: str, serializer: Serializer, deserializer: Deserializer
    ) -> Method[CallT]:
        options = CallOptions(path, serializer, deserializer, gzip=self._gzip)
        return Method(self._subchannel, kind, options)
