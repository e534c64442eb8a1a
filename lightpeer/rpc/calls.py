"""The four kinds of calls, after grpcio's aio API; `rpc.call` has their common part.

Each combines a way to send requests with a way to get replies. A single request goes out with its call.
Many are written one by one, or come from an iterator that a task of the channel reads. A single reply is
awaited; many are read or iterated over.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Never, Self, TypeAlias, cast

import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError, StateMisuseError
from lightpeer.rpc.call import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Generator

    from lightpeer.core.rpc.client_call import ClientCall
    from lightpeer.core.rpc.status import CallStatus
    from lightpeer.rpc.call import CallOptions
    from lightpeer.rpc.subchannel import Subchannel

logger = logging.getLogger(__name__)

Requests: TypeAlias = "AsyncIterable[Any] | Iterable[Any]"


class _EndOfStream:
    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "EOF"


EOF: Final = _EndOfStream()
"""What `read` returns after the last message; it is false, like grpcio's."""


class _OneRequest(Call):
    """The request goes out with the call."""

    def __init__(self, channel: Subchannel, options: CallOptions, request: Any) -> None:
        super().__init__(channel, options)
        self._retry.keep_only(self._encode(request))
        self._is_done_writing = True
        self._channel.submit(self, self.made_s)


class _ManyRequests(Call):
    """Requests are written one by one, or come from an iterator that the channel reads in a task."""

    def __init__(self, channel: Subchannel, options: CallOptions, request: Requests | None) -> None:
        self._feeding = trio.CancelScope()  # first, because `__del__` uses it even if the rest fails
        super().__init__(channel, options)
        self._channel.submit(self, self.made_s)
        if request is not None:
            self._channel.spawn(_feed, (weakref.ref(self), self._feeding, request))

    def __del__(self) -> None:
        super().__del__()
        self._feeding.cancel()

    async def write(self, request: Any, *, compress: bool = True) -> None:
        """Queue a request; wait while the queue is full because the peer or the link is slow.

        Args:
            request: the request.
            compress: False sends this request as it is in a call that compresses.

        Raises:
            RpcError: the call has ended with another status than OK.
            StateMisuseError: the call has ended with OK.
        """
        message = self._encode(request)
        await self._wait(lambda: self._core is not None and self._core.can_send)
        if self._status is not None:
            self._raise_ended(self._status)
        cast("ClientCall", self._core).send(message, compress=compress)
        self._retry.keep(message, compress=compress)
        self._flush()

    def _raise_ended(self, status: CallStatus) -> Never:
        if status.code is StatusCode.OK:
            raise StateMisuseError("the server has ended this call; open another one to write more")
        raise self._error()

    async def done_writing(self) -> None:
        """Tell the server that no more requests will come."""
        await self._wait(lambda: self._core is not None)
        self._is_done_writing = True
        if self._core is not None:
            self._core.end()
            self._flush()

    def _on_end(self) -> None:
        super()._on_end()
        self._feeding.cancel()


async def _feed(feed: tuple[weakref.ref[_ManyRequests], trio.CancelScope, Requests]) -> None:
    """Write the requests of an iterator, without keeping the call alive while the iterator waits."""
    reference, scope, requests = feed
    with scope:
        try:
            await _write_all(reference, requests)
            if (call := reference()) is not None:
                await call.done_writing()
        except RpcError:
            pass  # the call has ended, and tells the task that awaits it
        except Exception:  # the caller's iterator may raise anything
            if (call := reference()) is not None:
                logger.exception("the requests of %s failed; the call is cancelled", call.path)
                call.cancel("the iterator of requests failed")


async def _write_all(reference: weakref.ref[_ManyRequests], requests: Requests) -> None:
    if isinstance(requests, Iterable):
        for request in requests:
            await _write(reference, request)
    elif isinstance(requests, AsyncGenerator):
        async with aclosing(requests):  # so that it cleans up when the call ends
            async for request in requests:
                await _write(reference, request)
    else:
        async for request in requests:
            await _write(reference, request)


async def _write(reference: weakref.ref[_ManyRequests], request: Any) -> None:
    if (call := reference()) is not None:
        await call.write(request)


class _OneReply(Call):
    """The call is awaited for its reply."""

    _reply: Any = None
    _unreadable: Exception | None = None  # raised by the deserializer
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
            self._is_taken = True
            try:
                self._reply = self._take()
            except Exception as error:  # noqa: BLE001 - a deserializer may raise anything; it is raised below
                self._unreadable = error
            status = cast("CallStatus", self._status)  # a reply that does not inflate changes it
        if status.code is not StatusCode.OK:
            raise self._error()
        if self._unreadable is not None:
            raise self._unreadable
        return self._reply


class _ManyReplies(Call):
    """Replies are read one by one, or iterated over."""

    expects_one = False

    async def read(self) -> Any:
        """Return the next reply, or EOF after the last.

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
