"""The common part of the four kinds of calls, over the sans-I/O client half.

A call begins when it is made, without a task of its own. It waits in its channel for a connection, then
lives in the core; a task that awaits it parks until the core reports a change. Cancelling that task cancels
the call. So does leaving the call as a context manager, or dropping the last reference to it. Nothing of it
remains on either side.

A call that its server has certainly not seen begins anew by itself (`core.rpc.retry`).

Without a serializer, messages are bytes.
"""

from __future__ import annotations

import logging
import math
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeAlias, cast

import trio

from lightpeer.core.rpc.retry import TransparentRetry
from lightpeer.core.rpc.status import CallStatus, StatusCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from lightpeer.core.rpc.client import ClientConnection
    from lightpeer.core.rpc.client_call import ClientCall
    from lightpeer.core.rpc.status import Metadata, RawHeader
    from lightpeer.errors import RpcError
    from lightpeer.rpc.link import Link

logger = logging.getLogger(__name__)

Serializer: TypeAlias = "Callable[[Any], bytes] | None"
Deserializer: TypeAlias = "Callable[[bytes], Any] | None"


class CallQueue(Protocol):
    """What a call needs of its channel."""

    @property
    def takes_calls(self) -> bool:
        """Whether calls can be submitted."""

    def submit(self, call: Call, now: float) -> None:
        """Begin a call, now or once there is a connection, or fail it."""

    def forget(self, call: Call) -> None:
        """Drop a call that has ended before there was a connection."""

    def spawn(self, function: Callable[[Any], Awaitable[None]], argument: Any) -> None:
        """Run a call's own task until the channel closes."""


class CallOptions(NamedTuple):
    """How a call is made.

    Attributes:
        path: the full method, "/package.Service/Method".
        serialize: turns a request into bytes, or None.
        deserialize: turns bytes into a reply, or None.
        timeout_s: seconds until it fails with DEADLINE_EXCEEDED, or None.
        headers: the metadata, from `encode_metadata`.
        wait_for_ready: whether to wait for a server instead of failing while there is none.
        gzip: whether requests are compressed.
    """

    path: str
    serialize: Serializer
    deserialize: Deserializer
    timeout_s: float | None = None
    headers: Sequence[RawHeader] = ()
    wait_for_ready: bool = False
    gzip: bool = False


class Call:
    """The common part of the four kinds. Like grpcio's, its accessors wait for the values that they return.

    Args:
        channel: the channel.
        options: how the call is made.
    """

    expects_one = True

    def __init__(self, channel: CallQueue, options: CallOptions) -> None:
        self._core: ClientCall | None = None  # first, because `__del__` uses it even if the rest fails
        self.path = options.path
        self._channel = channel
        self.made_s = trio.current_time()
        self.deadline_s = math.inf if options.timeout_s is None else self.made_s + options.timeout_s
        self.wait_for_ready = options.wait_for_ready
        self._headers = options.headers
        self._gzip = options.gzip
        self._serialize = options.serialize
        self._deserialize = options.deserialize
        self._changed = trio.lowlevel.ParkingLot()
        self._link: Link[ClientCall] | None = None
        self._unsent_status: CallStatus | None = None  # if it never reached a connection
        self._retry = TransparentRetry()
        self._is_done_writing = False
        self._callbacks: list[Callable[[Any], object]] | None = []  # None once they have been called

    # --- the surface ------------------------------------------------------------------------------

    async def code(self) -> StatusCode:
        """Wait for the end of the call; return its status code."""
        return (await self._ended()).code

    async def details(self) -> str:
        """Wait for the end of the call; return its status message."""
        return (await self._ended()).details

    async def trailing_metadata(self) -> Metadata:
        """Wait for the end of the call; return the metadata that came with it."""
        return (await self._ended()).trailing_metadata

    async def initial_metadata(self) -> Metadata:
        """Wait for the server's first word; return its metadata, which is empty if the call ends before."""
        await self._wait(lambda: self._core is not None and self._core.initial_metadata is not None)
        return self._initial_metadata

    async def debug_error_string(self) -> str:
        """Wait for the end of the call; return its whole status as one line for a log."""
        return (await self._ended()).to_error(self._initial_metadata).debug_error_string()

    async def wait_for_connection(self) -> None:
        """Wait until the call has a connection.

        Raises:
            RpcError: it ended without one.
        """
        await self._wait(lambda: self._core is not None)
        if self._core is None:
            raise self._error()

    @property
    def heard_s(self) -> float:
        """When bytes last came over the call's connection, or the call was made, in trio's time."""
        return self.made_s if self._link is None else max(self.made_s, self._link.core.heard_s)

    def take_silence_s(self) -> float:
        """Return the longest time without a byte on the call's connection since this was last asked."""
        if self._link is None:
            return 0.0
        silence_s, self._link.core.longest_silence_s = self._link.core.longest_silence_s, 0.0
        return silence_s

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._status is not None

    def cancelled(self) -> bool:
        """Whether the call has ended with CANCELLED."""
        return self._status is not None and self._status.code is StatusCode.CANCELLED

    def cancel(self, details: str = "the call was cancelled here") -> bool:
        """End the call now, unless it has ended, and tell the server. Return whether this ended it."""
        if self.done():
            return False
        if self._core is None:
            self.fail(CallStatus(StatusCode.CANCELLED, details, was_processed=False))
        else:
            self._core.cancel(details)
            self._flush()
        return True

    def time_remaining(self) -> float | None:
        """Return the seconds until the deadline, or None without one."""
        return None if self.deadline_s == math.inf else max(0.0, self.deadline_s - trio.current_time())

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call `callback(call)` when the call ends, or now if it has ended; it must not block."""
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
        """Start on a connection; the channel flushes it afterwards."""
        from lightpeer.core.rpc.client_call import CallTerms

        self._link = link
        deadline_s = None if self.deadline_s == math.inf else self.deadline_s
        terms = CallTerms(deadline_s, self._headers, self.expects_one, self._gzip)
        core = self._core = cast("ClientConnection", link.core).start(self.path, now, terms)
        core.context = weakref.ref(self)  # weak, so that dropping a call ends it
        for message, compress in self._retry.sent:
            core.send(message, compress=compress)
        if self._is_done_writing:
            core.end()
        self._changed.unpark_all()

    def on_change(self) -> None:
        """Handle a change of the call on its connection."""
        core = cast("ClientCall", self._core)
        if core.status is None:
            if core.initial_metadata is not None:
                self._retry.commit()
        elif self._channel.takes_calls and self._retry.take(core.status, has_stream=core.stream_id > 0):
            self._core = self._link = None
            self._channel.submit(self, trio.current_time())
        else:
            self._on_end()
        self._changed.unpark_all()

    def fail(self, status: CallStatus) -> None:
        """End without a connection."""
        self._core = None
        self._unsent_status = status
        self._channel.forget(self)
        self._on_end()
        self._changed.unpark_all()

    def expire(self) -> None:
        """End because the deadline passed without a connection."""
        self.fail(CallStatus(StatusCode.DEADLINE_EXCEEDED, "the deadline passed without a connection"))

    def _on_end(self) -> None:
        """Release what only a running call needs, and run the callbacks."""
        self._retry.commit()
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback(self)
            except Exception:  # the caller's function may raise anything
                logger.exception("a callback at the end of %s failed", self.path)

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
        """Park until a condition holds or the call has ended; being cancelled here cancels the call."""
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
        """Remove and return a message that is there, or return None."""
        message = self._core.take() if self._core is not None else None
        if message is None:
            return None
        if self._status is None:  # an ended call has no window to return
            self._flush()
        return message if self._deserialize is None else self._deserialize(message)

    def _encode(self, request: Any) -> bytes:
        return request if self._serialize is None else self._serialize(request)
