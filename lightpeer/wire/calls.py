"""Call objects in the manner of grpcio's aio API, over the sans-I/O client half.

A call begins when it is made, without a task of its own: it waits in its
channel until there is a connection, then lives in the core, and whoever awaits
it parks until the core says that it has changed. Cancelling a task that awaits
a call cancels the call, and so do leaving it as a context manager and dropping
the last reference to it, so nothing of it is left behind on either side.

A serializer of None means that messages are bytes already.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, cast

import trio

from lightpeer.core.status import CallStatus, StatusCode, encode_metadata
from lightpeer.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Generator, Iterable

    from lightpeer.core.grpc import ClientCall, ClientConnection
    from lightpeer.core.status import Metadata, MetadataLike
    from lightpeer.wire.link import Link
    from lightpeer.wire.tcp import Channel

_log = logging.getLogger(__name__)

Serializer: TypeAlias = "Callable[[Any], bytes] | None"
Deserializer: TypeAlias = "Callable[[bytes], Any] | None"
Requests: TypeAlias = "AsyncIterable[Any] | Iterable[Any]"


class _EndOfStream:
    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "EOF"


EOF: Final = _EndOfStream()
"""What `read` gives after the last message; false, as grpcio's."""


class Call:
    """What all four kinds have in common. The accessors wait for what they give, as grpcio's do.

    Args:
        channel: where it is made.
        path: the full method, "/package.Service/Method".
        timeout: seconds until it fails with DEADLINE_EXCEEDED, or None.
        metadata: key and value pairs; bytes for keys that end in "-bin".
        serialize: makes bytes of a request.
        deserialize: makes a reply of bytes.
    """

    expects_one = True

    def __init__(
        self,
        channel: Channel,
        path: str,
        timeout: float | None,
        metadata: MetadataLike,
        serialize: Serializer,
        deserialize: Deserializer,
    ) -> None:
        self._core: ClientCall | None = None  # first: `__del__` looks at it, whatever fails below
        self.path = path
        self._channel = channel
        self.made_s = trio.current_time()
        self._deadline_s = None if timeout is None else self.made_s + timeout
        self._headers = encode_metadata(metadata)
        self._serialize = serialize
        self._deserialize = deserialize
        self._changed = trio.lowlevel.ParkingLot()
        self._link: Link[ClientCall] | None = None
        self._unsent_status: CallStatus | None = None  # of a call that never reached a connection

    # --- the surface ------------------------------------------------------------------------------

    async def code(self) -> StatusCode:
        """Wait for the end of the call; give its status code."""
        return (await self._ended()).code

    async def details(self) -> str:
        """Wait for the end of the call; give its status message."""
        return (await self._ended()).details

    async def trailing_metadata(self) -> Metadata:
        """Wait for the end of the call; give the metadata that came with it."""
        return (await self._ended()).trailing_metadata

    async def initial_metadata(self) -> Metadata:
        """Wait for the server's first word; give the metadata in it (empty if the call ends before)."""
        await self._wait(lambda: self._core is not None and self._core.initial_metadata is not None)
        return (self._core and self._core.initial_metadata) or ()

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._status is not None

    def cancelled(self) -> bool:
        """Whether the call has ended with CANCELLED."""
        return self._status is not None and self._status.code is StatusCode.CANCELLED

    def cancel(self, details: str = "the call was cancelled here") -> bool:
        """End the call now, unless it has ended; the server is told. Gives whether it did."""
        if self.done():
            return False
        if self._core is None:
            self.fail(CallStatus(StatusCode.CANCELLED, details, was_processed=False))
        else:
            self._core.cancel(details)
            self._flush()
        return True

    def time_remaining(self) -> float | None:
        """Give the seconds until the deadline, or None without one."""
        return None if self._deadline_s is None else max(0.0, self._deadline_s - trio.current_time())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def __del__(self) -> None:
        if self._core is not None and not self.done():
            self.cancel("the call was dropped")

    # --- for the channel --------------------------------------------------------------------------

    def begin(self, link: Link[ClientCall], now: float) -> None:
        """Start on a connection (the channel flushes it afterwards)."""
        self._link = link
        self._core = cast("ClientConnection", link.core).start(
            self.path,
            now,
            deadline=self._deadline_s,
            headers=self._headers,
            expects_one=self.expects_one,
        )
        self._core.context = self._changed
        self._changed.unpark_all()

    def fail(self, status: CallStatus) -> None:
        """End without having reached a connection."""
        self._unsent_status = status
        self._channel.forget(self)
        self._changed.unpark_all()

    # --- for the kinds ----------------------------------------------------------------------------

    @property
    def _status(self) -> CallStatus | None:
        return self._unsent_status if self._core is None else self._core.status

    def _flush(self) -> None:
        if self._link is not None:
            self._link.flush()

    async def _wait(self, is_ready: Callable[[], bool]) -> None:
        """Park until something is so or the call has ended; being cancelled here cancels the call."""
        try:
            if self._core is None:
                await self._wait_for_connection()
            await trio.lowlevel.checkpoint_if_cancelled()
            while self._status is None and not is_ready():
                await self._changed.park()
        except trio.Cancelled:
            self.cancel()
            raise

    async def _wait_for_connection(self) -> None:
        deadline_s = float("inf") if self._deadline_s is None else self._deadline_s
        with trio.move_on_at(deadline_s) as scope:
            while self._core is None and self._unsent_status is None:
                await self._changed.park()
        if scope.cancelled_caught:
            self.fail(CallStatus(StatusCode.DEADLINE_EXCEEDED, "the deadline passed without a connection"))

    async def _ended(self) -> CallStatus:
        await self._wait(lambda: False)
        return cast("CallStatus", self._status)

    def _take(self) -> Any:
        """Take a message that is there, or None."""
        message = self._core.take() if self._core is not None else None
        if message is None:
            return None
        self._flush()
        return message if self._deserialize is None else self._deserialize(message)

    def _encode(self, request: Any) -> bytes:
        return request if self._serialize is None else self._serialize(request)


class _OneRequest(Call):
    """The request is given with the call."""

    def __init__(self, *args: Any, request: Any) -> None:
        super().__init__(*args)
        self._request: bytes = self._encode(request)
        self._channel.submit(self)

    def begin(self, link: Link[ClientCall], now: float) -> None:
        super().begin(link, now)
        cast("ClientCall", self._core).send(self._request, end=True)
        self._request = b""


class _ManyRequests(Call):
    """Requests are written one by one, or come from an iterator that the channel reads in a task."""

    def __init__(self, *args: Any, request: Requests | None) -> None:
        super().__init__(*args)
        self._channel.submit(self)
        if request is not None:
            self._channel.spawn(self._feed, request)

    async def write(self, request: Any) -> None:
        """Queue a request; waits while the queue is full because the peer or the link is slow.

        Raises:
            RpcError: the call has ended.
        """
        message = self._encode(request)
        await self._wait(lambda: cast("ClientCall", self._core).can_send)
        if self._status is not None:
            raise self._status.to_error()
        cast("ClientCall", self._core).send(message)
        self._flush()

    async def done_writing(self) -> None:
        """Say that no more requests come."""
        await self._wait(lambda: self._core is not None)
        if self._core is not None:
            self._core.end()
            self._flush()

    async def _feed(self, requests: Requests) -> None:
        try:
            if hasattr(requests, "__aiter__"):
                async for request in requests:
                    await self.write(request)
            else:
                for request in requests:
                    await self.write(request)
            await self.done_writing()
        except RpcError:
            pass  # the call has ended, and says so to whoever awaits it
        except Exception:  # noqa: BLE001 (the caller's own iterator: it may raise anything)
            _log.exception("the requests of %s failed; the call is cancelled", self.path)
            self.cancel("the iterator of requests failed")


class _OneReply(Call):
    """The call is awaited for its reply."""

    _reply: Any = None
    _is_taken = False

    def __await__(self) -> Generator[Any, Any, Any]:
        """Wait for the reply.

        Raises:
            RpcError: the call ended with another status than OK.
        """
        return self._result().__await__()

    async def _result(self) -> Any:
        status = await self._ended()
        if status.code is StatusCode.OK and not self._is_taken:
            self._reply = self._take()
            self._is_taken = True
            status = cast("CallStatus", self._status)  # a reply that does not inflate has changed it
        if status.code is not StatusCode.OK:
            raise status.to_error()
        return self._reply


class _ManyReplies(Call):
    """Replies are read one by one, or iterated over."""

    expects_one = False

    async def read(self) -> Any:
        """Give the next reply, or EOF after the last.

        Raises:
            RpcError: the call ended with another status than OK.
        """
        await self._wait(lambda: self._core is not None and self._core.has_message)
        reply = self._take()
        if reply is not None:
            return reply
        status = cast("CallStatus", self._status)
        if status.code is not StatusCode.OK:
            raise status.to_error()
        return EOF

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        reply = await self.read()
        if reply is EOF:
            raise StopAsyncIteration
        return reply


class UnaryUnaryCall(_OneRequest, _OneReply):
    """One request, one reply."""


class UnaryStreamCall(_OneRequest, _ManyReplies):
    """One request, many replies."""


class StreamUnaryCall(_ManyRequests, _OneReply):
    """Many requests, one reply."""


class StreamStreamCall(_ManyRequests, _ManyReplies):
    """Many requests, many replies."""
