"""Several servers on a simulated internet that know each other as a test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import PeerRecord, Role, build_record, parse_record_untrusted
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import Sealer
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.server import Context, unary_stream
from lightpeer.serve.services.search import Search
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet
from tests.pair import PORT, MadeTrack, Serving, serving


@asynccontextmanager
async def swarm(net: SimInternet, *shelves: Sequence[MadeTrack]) -> AsyncIterator[list[Serving]]:
    """Run a server for each list of tracks, at 10.0.0.1 and up; none knows another yet."""
    async with trio.open_nursery() as nursery:

        async def serve(number: int, task_status: trio.TaskStatus) -> None:
            async with serving(
                net.host(f"10.0.{number // 250}.{number % 250}"), shelves[number - 1]
            ) as server:
                task_status.started(server)
                await trio.sleep_forever()

        yield [await nursery.start(serve, number + 1) for number in range(len(shelves))]
        nursery.cancel_scope.cancel()


def introduce(newcomer: Serving, *to: Serving) -> None:
    """Let servers know another one, as if they had met."""
    for server in to:
        record = parse_record_untrusted(newcomer.gossip.own.current(), newcomer.host.unix_time())
        server.gossip.view.add(record)


def record_of(host: SimHost, identity: Identity) -> PeerRecord:
    """The record of a server at a host, which need not be there."""
    now = int(host.unix_time())
    data = build_record(identity, [(host.address, PORT)], Role.SERVES, now, now + 3600)
    return parse_record_untrusted(data, now)


@asynccontextmanager
async def connected(host: SimHost, server: Serving, secret: bytes = b"P" * 32) -> AsyncIterator[Peer]:
    """Connect to a server as a peer of one's own; for calls by hand."""
    async with open_channel(host, *server.address) as channel:
        yield Peer(channel, Sealer(Identity(secret), host), address=server.address)


@dataclass
class Replaced:
    """The Search of a server behind which something else stands."""

    own: Search
    asked: int = 0


def replace_search(
    server: Serving, function: Callable[[Search, bytes, Context], Awaitable[None]]
) -> Replaced:
    """Let a server answer searches by another function, which is given its own Search."""
    (path,) = (path for path in server.rpc._handlers if path.endswith("Index/Search"))
    replaced = Replaced(server.rpc._handlers[path].function.__self__)

    async def search_there(data: bytes, context: Context) -> None:
        replaced.asked += 1
        await function(replaced.own, data, context)

    server.rpc._handlers[path] = unary_stream(search_there)
    return replaced


async def never_end(own: Search, data: bytes, context: Context) -> None:
    """Answer, and keep the call open."""
    await own.search(data, context)
    await trio.sleep_forever()
