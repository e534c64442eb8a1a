"""Handlers, which answer calls, and the context that they get.

A handler is an async function of the request and a `Context`. For a method with many requests, it gets
`Requests` to `receive` from or iterate over. For many replies, it sends each with `await
context.write(reply)` and returns None. All messages are bytes. `unary_unary` and its like declare the kind:

    handlers = {"/pkg.Service/Method": unary_unary(method), ...}

A handler is cancelled when nobody waits for its answer any more: the client cancelled, the deadline passed,
or the connection is gone. An `RpcError` from a handler becomes the status of the call. Any other exception
is logged here and becomes INTERNAL, without details for the client.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Never, Self, TypeAlias

import trio

from lightpeer.core.rpc.framing import is_gzip
from lightpeer.core.rpc.status import StatusCode, encode_metadata
from lightpeer.errors import RpcError, UsageError
from lightpeer.rpc.limits import ServeLimits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.core.rpc.server_call import ServerCall
    from lightpeer.core.rpc.status import Metadata, MetadataLike
    from lightpeer.net.network import Address
    from lightpeer.rpc.link import Link

logger = logging.getLogger(__name__)

REQUEST_S: Final = ServeLimits.request_s

ONE_REQUEST: Final = "the method has exactly one request"

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
    """Return the service in a method's full path: "package.Service" for "/package.Service/Method"."""
    return path.split("/")[1]


class Context:
    """A handler's view of its call.

    Args:
        call: the call.
        link: what carries its connection.
        peer: the client's host and port.

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
        """Return the seconds until the deadline, or None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - trio.current_time())

    def set_trailing_metadata(self, metadata: MetadataLike) -> None:
        """Set the metadata that goes with the status."""
        self._trailing = tuple(metadata)

    @property
    def was_compressed(self) -> bool:
        """Whether the latest request was compressed."""
        return self._call.was_compressed

    def set_compression(self, compression: int | str | None) -> None:
        """Choose before the first reply how replies are compressed; off if the client cannot read that.

        Raises:
            UsageError: the compression is not supported.
            StateMisuseError: a reply, or the initial metadata, was sent before.
        """
        self._call.set_gzip(on=is_gzip(compression))

    def disable_next_message_compression(self) -> None:
        """Send the next reply as it is."""
        self._compresses_next = False

    async def send_initial_metadata(self, metadata: MetadataLike) -> None:
        """Send metadata once, ahead of the first reply.

        Raises:
            UsageError: the metadata is invalid.
            StateMisuseError: it was sent before.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._call.send_initial_metadata(encode_metadata(metadata))
        self._link.flush()

    def prove(self) -> None:
        """Note that the caller has proven its identity: its connection keeps its place during the call."""
        self._call.is_proved = True

    async def write(self, reply: bytes) -> None:
        """Queue a reply; wait while the queue is full because the client or the link is slow."""
        self._call.kept_bytes += len(reply)
        try:
            await self.wait_until(lambda: self._call.can_send)
        finally:
            self._call.kept_bytes -= len(reply)
        self.send(reply)
        self._link.wake_writer()

    async def abort(self, code: StatusCode, details: str = "", trailing_metadata: MetadataLike = ()) -> Never:
        """End the call with a status, by raising it.

        Args:
            code: the status.
            details: the status message.
            trailing_metadata: what goes with it.

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
        """Park until a condition of the call holds; the end of the call cancels its handler."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not is_ready():
            await self._changed.park()

    def wake(self) -> None:
        """Let the handler look at the call again, or cancel it."""
        if self._call.is_cancelled:
            self._scope.cancel()
        self._changed.unpark_all()

    async def run(self, handler: MethodHandler) -> None:
        """Run the handler and end the call; never raises for what the handler does."""
        code: int = StatusCode.OK
        details, metadata = "", self._trailing
        with self._scope:
            try:
                await self._answer(handler)
                metadata = self._trailing
            except RpcError as error:
                code, details = error.code(), error.details()
                metadata = error.trailing_metadata() or self._trailing
            except Exception:  # a handler may raise anything; the server goes on
                logger.exception("the handler of %s failed", self.path)
                code, details = StatusCode.INTERNAL, "the handler failed"
        self._finish(code, details, metadata)
        self._link.flush(at_once=True)

    def _finish(self, code: int, details: str, metadata: MetadataLike) -> None:
        """End the call; a status that cannot be sent is a fault of the handler."""
        try:
            self._call.finish(StatusCode(code), details, encode_metadata(metadata))
        except (ValueError, UsageError):
            logger.exception("the status of %s cannot be sent", self.path)
            self._call.finish(StatusCode.INTERNAL, "the handler gave a status that cannot be sent")

    async def _answer(self, handler: MethodHandler) -> None:
        requests = Requests(self, self._call, self._link)
        given = requests if handler.many_requests else await self._only(requests)
        reply = await handler.function(given, self)
        if not handler.many_replies:
            if reply is None:
                raise RpcError(StatusCode.INTERNAL, "the handler gave no reply")
            self.send(reply)

    async def _only(self, requests: Requests) -> bytes:
        if self._call.has_message and self._call.is_remote_ended:  # most calls are whole when they come up
            request = self._call.take()
            if request is not None and not self._call.has_message:
                return request
            self._link.flush()
            raise RpcError(StatusCode.INTERNAL, ONE_REQUEST)
        return await requests.only()


class Requests:
    """The client's messages, to `receive` one by one or iterate over.

    The first has to come within `REQUEST_S`.

    Args:
        context: the handler's.
        call: the call.
        link: what carries its connection.
    """

    def __init__(self, context: Context, call: ServerCall, link: Link[ServerCall]) -> None:
        self._context = context
        self._call = call
        self._link = link
        self._due_s = trio.current_time() + REQUEST_S  # for the first, or for the only one with its end

    async def receive(self) -> bytes | None:
        """Wait for the next request; return None after the last.

        Raises:
            RpcError: DEADLINE_EXCEEDED, because the first did not come in time.
        """
        request = await self._next()
        self._due_s = math.inf
        return request

    async def only(self) -> bytes:
        """Wait for the only request.

        Raises:
            RpcError: INTERNAL, because there was none or more than one; DEADLINE_EXCEEDED, because it did not
                come in time.
        """
        request = await self._next()
        if request is None or await self._next() is not None:
            raise RpcError(StatusCode.INTERNAL, ONE_REQUEST)
        return request

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        request = await self.receive()
        if request is None:
            raise StopAsyncIteration
        return request

    async def _next(self) -> bytes | None:
        with trio.move_on_at(self._due_s) as patience:
            await self._context.wait_until(lambda: self._call.has_message or self._call.is_remote_ended)
        if patience.cancelled_caught:
            raise RpcError(StatusCode.DEADLINE_EXCEEDED, "the request did not come whole in time")
        request = self._call.take()
        self._link.flush()
        await trio.lowlevel.checkpoint_if_cancelled()  # a request that cannot be read has ended the call
        return request
