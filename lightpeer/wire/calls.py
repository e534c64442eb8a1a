"""Call objects in the manner of grpcio's aio API, over the sans-I/O client half.

A call begins when it is made, without a task of its own: it waits in its
channel until there is a connection, then lives in the core, and whoever awaits
it parks until the core says that it has changed. Cancelling a task that awaits
a call cancels the call, and so do leaving it as a context manager and dropping
the last reference to it, so nothing of it is left behind on either side.

A call keeps what it has sent until the server's first word. When the server has
certainly not seen the call (a GOAWAY below it, a refused stream), it begins anew
by itself: once, or as often as need be while it never came to a stream.

A serializer of None means that messages are bytes already.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, cast

import trio

from lightpeer.core.status import CallStatus, StatusCode
from lightpeer.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Generator, Sequence

    from lightpeer.core.grpc import ClientCall, ClientConnection
    from lightpeer.core.status import Metadata, RawHeader
    from lightpeer.wire.link import Link
    from lightpeer.wire.tcp import Channel

_log = logging.getLogger(__name__)

Serializer: TypeAlias = "Callable[[Any], bytes] | None"
Deserializer: TypeAlias = "Callable[[bytes], Any] | None"
Requests: TypeAlias = "AsyncIterable[Any] | Iterable[Any]"

KEPT_REQUESTS_BYTES: Final = 256 * 1024
"""What a call of many requests keeps to begin anew with: as much as a server's window commonly takes."""


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
        timeout_s: until it fails with DEADLINE_EXCEEDED, or None.
        headers: the metadata, as `encode_metadata` gives it.
        wait_for_ready: whether to wait for a server instead of failing while there is none.
        gzip: whether requests are compressed.
        serialize: makes bytes of a request.
        deserialize: makes a reply of bytes.
    """

    expects_one = True

    def __init__(
        self,
        channel: Channel,
        path: str,
        timeout_s: float | None,
        headers: Sequence[RawHeader],
        wait_for_ready: bool,
        gzip: bool,
        serialize: Serializer,
        deserialize: Deserializer,
    ) -> None:
        self._core: ClientCall | None = None  # first: `__del__` looks at it, whatever fails below
        self.path = path
        self._channel = channel
        self.made_s = trio.current_time()
        self.deadline_s = math.inf if timeout_s is None else self.made_s + timeout_s
        self.wait_for_ready = wait_for_ready
        self._headers = headers
        self._gzip = gzip
        self._serialize = serialize
        self._deserialize = deserialize
        self._changed = trio.lowlevel.ParkingLot()
        self._link: Link[ClientCall] | None = None
        self._unsent_status: CallStatus | None = None  # of a call that never reached a connection
        self._sent: list[tuple[bytes, bool]] | None = []  # messages to begin anew with; None: cannot any more
        self._is_done_writing = False
        self._has_begun_anew = False
        self._callbacks: list[Callable[[Any], object]] | None = []  # None once they were called

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
        return self._initial_metadata

    async def debug_error_string(self) -> str:
        """Wait for the end of the call; give all of its status as one line for a log."""
        return (await self._ended()).to_error(self._initial_metadata).debug_error_string()

    async def wait_for_connection(self) -> None:
        """Wait until the call has a connection.

        Raises:
            RpcError: it ended without one.
        """
        await self._wait(lambda: self._core is not None)
        if self._core is None:
            raise self._error()

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
        return None if self.deadline_s == math.inf else max(0.0, self.deadline_s - trio.current_time())

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Have `callback(call)` called when the call ends, or now if it has; it must not block."""
        if self._callbacks is None:
            callback(self)
        else:
            self._callbacks.append(callback)

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
        core = self._core = cast("ClientConnection", link.core).start(
            self.path,
            now,
            deadline=None if self.deadline_s == math.inf else self.deadline_s,
            headers=self._headers,
            expects_one=self.expects_one,
            gzip=self._gzip,
        )
        core.context = weakref.ref(self)  # so that a call that is dropped goes
        for message, compress in self._sent or ():
            core.send(message, compress=compress)
        if self._is_done_writing:
            core.end()
        self._changed.unpark_all()

    def on_change(self) -> None:
        """Look at what has become of the call on its connection."""
        core = cast("ClientCall", self._core)
        if core.status is None:
            if core.initial_metadata is not None:
                self._sent = None
        elif self._may_begin_anew(core.status):
            self._begin_anew()
        else:
            self._on_end()
        self._changed.unpark_all()

    def fail(self, status: CallStatus) -> None:
        """End without having reached a connection."""
        self._core = None
        self._unsent_status = status
        self._channel.forget(self)
        self._on_end()
        self._changed.unpark_all()

    def expire(self) -> None:
        """End because the deadline has passed without a connection."""
        self.fail(CallStatus(StatusCode.DEADLINE_EXCEEDED, "the deadline passed without a connection"))

    def _may_begin_anew(self, status: CallStatus) -> bool:
        was_refused = not status.was_processed and self._sent is not None and self._channel.takes_calls
        return was_refused and not (self._has_begun_anew and cast("ClientCall", self._core).stream_id)

    def _begin_anew(self) -> None:
        self._has_begun_anew = self._has_begun_anew or cast("ClientCall", self._core).stream_id > 0
        self._core = self._link = None
        self._channel.submit(self, trio.current_time())

    def _on_end(self) -> None:
        """Let go of what a call in progress needs."""
        self._sent = None
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback(self)
            except Exception:  # noqa: BLE001 (the caller's own function: it may raise anything)
                _log.exception("a callback at the end of %s failed", self.path)

    # --- for the kinds ----------------------------------------------------------------------------

    @property
    def _status(self) -> CallStatus | None:
        return self._unsent_status if self._core is None else self._core.status

    @property
    def _initial_metadata(self) -> Metadata:
        return (self._core and self._core.initial_metadata) or ()

    def _error(self) -> RpcError:
        return cast("CallStatus", self._status).to_error(self._initial_metadata)

    def _flush(self) -> None:
        if self._link is not None:
            self._link.flush()

    async def _wait(self, is_ready: Callable[[], bool]) -> None:
        """Park until something is so or the call has ended; being cancelled here cancels the call."""
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            while self._status is None and not is_ready():
                if self._core is None:
                    await self._wait_for_begin()
                else:
                    await self._changed.park()
        except trio.Cancelled:
            self.cancel()
            raise

    async def _wait_for_begin(self) -> None:
        with trio.move_on_at(self.deadline_s) as scope:
            await self._changed.park()
        if scope.cancelled_caught and self._core is None:
            self.expire()

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
        self._sent = [(self._encode(request), True)]
        self._is_done_writing = True
        self._channel.submit(self, self.made_s)


class _ManyRequests(Call):
    """Requests are written one by one, or come from an iterator that the channel reads in a task."""

    def __init__(self, *args: Any, request: Requests | None) -> None:
        super().__init__(*args)
        self._kept_bytes = 0
        self._feeding = trio.CancelScope()
        self._channel.submit(self, self.made_s)
        if request is not None:
            self._channel.spawn(self._feed, request)

    async def write(self, request: Any, *, compress: bool = True) -> None:
        """Queue a request; waits while the queue is full because the peer or the link is slow.

        Args:
            request: the request.
            compress: False sends this one as it is, in a call that compresses.

        Raises:
            RpcError: the call has ended.
        """
        message = self._encode(request)
        await self._wait(lambda: self._core is not None and self._core.can_send)
        if self._status is not None:
            raise self._error()
        cast("ClientCall", self._core).send(message, compress=compress)
        self._keep(message, compress)
        self._flush()

    async def done_writing(self) -> None:
        """Say that no more requests come."""
        await self._wait(lambda: self._core is not None)
        self._is_done_writing = True
        if self._core is not None:
            self._core.end()
            self._flush()

    def _keep(self, message: bytes, compress: bool) -> None:
        if self._sent is None:
            return
        self._kept_bytes += len(message)
        if self._kept_bytes > KEPT_REQUESTS_BYTES:
            self._sent = None
        else:
            self._sent.append((message, compress))

    def _on_end(self) -> None:
        super()._on_end()
        self._feeding.cancel()

    async def _write_all(self, requests: Requests) -> None:
        if isinstance(requests, Iterable):
            for request in requests:
                await self.write(request)
        elif isinstance(requests, AsyncGenerator):
            async with aclosing(requests):  # what it holds is let go when the call ends
                async for request in requests:
                    await self.write(request)
        else:
            async for request in requests:
                await self.write(request)

    async def _feed(self, requests: Requests) -> None:
        with self._feeding:
            try:
                await self._write_all(requests)
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
            raise self._error()
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
        if cast("CallStatus", self._status).code is not StatusCode.OK:
            raise self._error()
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
