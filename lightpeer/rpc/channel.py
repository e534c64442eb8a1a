"""The channel: gRPC calls to one host and port over TCP, on trio, with grpcio's aio API.

This is the part that generated stub classes and people use; `Subchannel` has the connection and the calls
that wait for it. A channel lives in a block, `open_channel`, whose end cancels the calls that still run.
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
    """Open a channel for the length of a block; calls that still run at its end are cancelled.

    Args:
        network: where to connect.
        host: a name, or a numeric address without brackets.
        port: the TCP port.
        limits: what a connection may cost; None is the default `Limits`.
        connect_timeout_s: seconds for TCP and the handshake of TLS.
        idle_s: seconds without calls after which a connection is closed, until the next call.
        compression: of requests, unless a call says otherwise.
        tls: a context, for example from `net.tls.client_context`, to which ALPN is added; None is cleartext.
        meanwhile: called once the first SYN is sent, to use the time until it is answered.

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
        self._gzip = gzip  # whether requests are compressed, unless a call says otherwise

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
        """Return a method of one request and one reply, for stub classes and people to call.

        Args:
            method: the full method, "/package.Service/Method".
            request_serializer: turns a request into bytes; None if it is bytes.
            response_deserializer: turns bytes into a reply; None leaves them.
        """
        return self._method(UnaryUnaryCall, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[UnaryStreamCall]:
        """Return a method of one request and many replies, for stub classes and people to call.

        Args:
            method: the full method, "/package.Service/Method".
            request_serializer: turns a request into bytes; None if it is bytes.
            response_deserializer: turns bytes into a reply; None leaves them.
        """
        return self._method(UnaryStreamCall, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[StreamUnaryCall]:
        """Return a method of many requests and one reply, for stub classes and people to call.

        Args:
            method: the full method, "/package.Service/Method".
            request_serializer: turns a request into bytes; None if it is bytes.
            response_deserializer: turns bytes into a reply; None leaves them.
        """
        return self._method(StreamUnaryCall, method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Serializer = None,
        response_deserializer: Deserializer = None,
        *,
        _registered_method: bool | None = False,
    ) -> Method[StreamStreamCall]:
        """Return a method of many requests and many replies, for stub classes and people to call.

        Args:
            method: the full method, "/package.Service/Method".
            request_serializer: turns a request into bytes; None if it is bytes.
            response_deserializer: turns bytes into a reply; None leaves them.
        """
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
        """How the reply to the latest call arrived; None before the first connection."""
        return self._subchannel.burst

    @property
    def is_alive(self) -> bool:
        """Whether there is a connection that takes calls."""
        return self._subchannel.is_alive

    @property
    def connect_s(self) -> float | None:
        """How many seconds the latest connection took to make; None before the first."""
        return self._subchannel.connector.connect_s

    @property
    def was_refused(self) -> bool:
        """Whether the latest attempt to connect was refused: nobody listens there."""
        return self._subchannel.connector.was_refused

    @property
    def is_closed(self) -> bool:
        """Whether the channel takes no more calls."""
        return not self._subchannel.takes_calls

    @property
    def is_resting(self) -> bool:
        """Whether the latest connection was closed by `renew` or because it was idle."""
        return self._subchannel.is_resting

    def get_state(self, try_to_connect: bool = False) -> ChannelConnectivity:
        """Return the state of the channel; with `try_to_connect`, an idle one begins to connect."""
        state = self._subchannel.state
        if try_to_connect and state is ChannelConnectivity.IDLE:
            self._subchannel.connector.run_in_task()
        return state

    async def wait_for_state_change(self, last_observed_state: ChannelConnectivity) -> None:
        """Wait until the channel is in another state."""
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
        """Make one attempt at a TCP connection, unless there is one or the backoff lasts.

        Raises:
            RpcError: UNAVAILABLE, with the reason.
        """
        await self._subchannel.connect()

    def also_at(self, addresses: Iterable[Address]) -> None:
        """Note other addresses of the server, for the next connection."""
        self._subchannel.connector.dialling.others = tuple(addresses)

    def renew(self) -> None:
        """Have the next call make a new connection; running calls stay on the present one."""
        self._subchannel.renew()

    async def close(self, grace: float | None = None) -> None:
        """Take no more calls, give running ones `grace` seconds to end, and cancel the others."""
        await self._subchannel.close(grace or 0.0)

    def _method(
        self, kind: type[CallT], path: str, serializer: Serializer, deserializer: Deserializer
    ) -> Method[CallT]:
        options = CallOptions(path, serializer, deserializer, gzip=self._gzip)
        return Method(self._subchannel, kind, options)
