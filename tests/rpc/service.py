"""A server of ours behind a network of memory streams, for tests of the channel and the server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.net.network import Counters
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.server import (
    RpcServer,
    ServerBounds,
    stream_stream,
    stream_unary,
    unary_stream,
    unary_unary,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lightpeer.core.rpc.limits import Limits
    from lightpeer.rpc.channel import Channel
    from lightpeer.rpc.server import Context, Requests


class MemoryStream(trio.abc.Stream):
    """One end of a memory pair, with an address as TCP has."""

    def __init__(self, inner: trio.abc.Stream, port: int) -> None:
        self.inner = inner
        self.peer_address = ("192.0.2.1", port)
        self.local_address = ("192.0.2.2", port)

    async def send_all(self, data: Any) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.inner.aclose()


def stream_pair(make_pair=trio.testing.memory_stream_pair) -> tuple[MemoryStream, MemoryStream]:
    ours, theirs = make_pair()
    return MemoryStream(ours, 1000), MemoryStream(theirs, 2000)


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Gives what is put into it: streams to accept, or exceptions to raise."""

    def __init__(self) -> None:
        self.put, self._get = trio.open_memory_channel[Any](100)
        self.is_closed = False

    async def accept(self) -> trio.abc.Stream:
        item = await self._get.receive()
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self) -> None:
        self.is_closed = True
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """Connects to one listener; `delay_s`, `refuse` and `hang` make that slow, fail, wait."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.listener = MemoryListener()
        self.refuse: OSError | None = None
        self.hang = False
        self.delay_s = 0.0
        self.streams: list[MemoryStream] = []

    def entropy(self, n: int) -> bytes:
        return bytes(n)

    async def connect_tcp(self, host: str, port: int) -> trio.abc.Stream:
        await trio.sleep(self.delay_s)
        if self.hang:
            await trio.sleep_forever()
        if self.refuse is not None:
            raise self.refuse
        ours, theirs = stream_pair()
        self.streams.append(ours)
        await self.listener.put.send(theirs)
        return ours


class Service:
    """Handlers of all four kinds, and what became of them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.written = 0
        self.taken = 0
        self.handlers = {
            "/t/Echo": unary_unary(self.echo),
            "/t/Sleep": unary_unary(self.sleep),
            "/t/Fail": unary_unary(self.fail),
            "/t/Crash": unary_unary(self.crash),
            "/t/Count": unary_stream(self.count),
            "/t/Sum": stream_unary(self.sum),
            "/t/Mirror": stream_stream(self.mirror),
            "/t/Ignore": stream_unary(self.ignore),
            "/t/Large": unary_unary(self.large),
            "/t/Nothing": unary_unary(self.nothing),
        }

    async def echo(self, request: bytes, context: Context) -> bytes:
        context.set_trailing_metadata(context.metadata[-1:])
        return request

    async def sleep(self, request: bytes, context: Context) -> bytes:
        context.prove()
        self.log.append("asleep")
        try:
            await trio.sleep(float(request))
        except trio.Cancelled:
            self.log.append(f"cancelled at {trio.current_time():g}")
            raise
        return b"awake"

    async def fail(self, request: bytes, context: Context) -> bytes:
        await context.send_initial_metadata((("begun", "yes"),))
        await context.abort(StatusCode.NOT_FOUND, "no such thing", (("hint-bin", b"\0\1"),))

    async def crash(self, request: bytes, context: Context) -> bytes:
        raise ValueError("a secret")

    async def nothing(self, request: bytes, context: Context) -> None:
        pass

    async def count(self, request: bytes, context: Context) -> None:
        n, size = (int(word) for word in request.split())
        for _ in range(n):
            await context.write(bytes(size))
            self.written += size

    async def large(self, request: bytes, context: Context) -> bytes:
        return bytes(int(request))

    async def sum(self, requests: Requests, context: Context) -> bytes:
        total = 0
        async for request in requests:
            total += len(request)
            self.taken += 1
        return b"%d" % total

    async def mirror(self, requests: Requests, context: Context) -> None:
        while (request := await requests.receive()) is not None:
            await context.write(request)

    async def ignore(self, requests: Requests, context: Context) -> bytes:
        await trio.sleep(1000)
        return b""


SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
REFUSE = OSError("connection refused")


class Fixture:
    def __init__(self, limits: Limits | None, bounds: ServerBounds) -> None:
        self.network = MemoryNetwork()
        self.service = Service()
        self.server = RpcServer(self.service.handlers, limits=limits, bounds=bounds)
        self.channel: Channel = None  # type: ignore[assignment]

    @property
    def calls_left(self) -> int:
        """How many calls the two sides still know of."""
        links = [*self.channel._subchannel._running, *self.server._intake.clients]
        return sum(link.core.active_calls for link in links)


@asynccontextmanager
async def serving(
    *, limits=None, server_limits=None, max_connections: int = 10, server_options=None, **options: Any
) -> AsyncIterator[Fixture]:
    """Open a channel to a server; both are gone afterwards."""
    bounds = ServerBounds(connections=max_connections, **(server_options or {}))
    fixture = Fixture(server_limits, bounds)
    async with trio.open_nursery() as nursery:
        await nursery.start(_serve, fixture)
        try:
            async with open_channel(fixture.network, "peer", 1, limits=limits, **options) as fixture.channel:
                yield fixture
        finally:
            nursery.cancel_scope.cancel()


async def _serve(fixture: Fixture, task_status=trio.TASK_STATUS_IGNORED) -> None:
    await fixture.server.serve([fixture.network.listener], task_status=task_status)


def run(main: Any) -> None:
    """Run on virtual time; a failure comes out of its nurseries' groups."""
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def bounded() -> None:
        with trio.fail_after(100_000):
            await main()

    try:
        trio.run(bounded, clock=clock)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def code_of(call) -> StatusCode:
    with pytest.raises(RpcError) as caught:
        await call
    return caught.value.code()


class Attempts:
    """Counts the attempts to connect by their time."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.times: list[float] = []
        connect = network.connect_tcp

        async def counted(host, port):
            self.times.append(trio.current_time())
            return await connect(host, port)

        network.connect_tcp = counted
