"""The connections of one process: shared, bounded, and gone when nobody needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import Identity
from lightpeer.errors import RemoteError, SealError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.connections import Connections, Terms
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import PORT, Serving, serving

PHONE = Identity(b"P" * 32)
ASK = pb.ExchangeRequest(want=1)


def with_connections(
    test: Callable[[Connections, list[Serving]], Awaitable[None]], *, capacity: int = 8, servers: int = 3
) -> None:
    async def main(net: SimInternet) -> None:
        async with trio.open_nursery() as nursery:

            async def serve(number: int, task_status: trio.TaskStatus) -> None:
                async with serving(net.host(f"10.0.0.{number}")) as server:
                    task_status.started(server)
                    await trio.sleep_forever()

            running = [await nursery.start(serve, number) for number in range(1, servers + 1)]
            terms = Terms(capacity, idle_s=10, connect_timeout_s=5, call_timeout_s=10)
            await test(Connections(terms, net.host("10.0.9.1"), nursery, lambda: PHONE), running)
            nursery.cancel_scope.cancel()

    simulate(main)


def contact(server: Serving) -> Contact:
    return Contact(server.address, server.identity.peer_id)


def test_a_connection_is_made_once_and_shared() -> None:
    async def test(connections: Connections, servers: list[Serving]) -> None:
        async def connect() -> None:
            peers.append(await connections.connect(contact(servers[0])))

        peers: list[object] = []
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(connect)
        assert peers[0] is not None
        assert peers == [peers[0]] * 3
        await trio.sleep(1)
        assert servers[0].rpc.connection_count == 1

    with_connections(test)


def test_one_that_is_not_used_rests_and_is_there_again_when_needed() -> None:
    async def test(connections: Connections, servers: list[Serving]) -> None:
        peer = await connections.connect(contact(servers[0]))
        await peer.exchange(ASK)
        await trio.sleep(11)
        assert servers[0].rpc.connection_count == 0
        assert peer.is_alive
        assert peer.is_resting
        assert connections.alive() == [contact(servers[0])]
        assert await connections.connect(contact(servers[0])) is peer
        await peer.exchange(ASK)
        assert servers[0].rpc.connection_count == 1

    with_connections(test)


def test_where_there_are_as_many_as_may_be_the_longest_at_rest_gives_way_and_no_other() -> None:
    async def test(connections: Connections, servers: list[Serving]) -> None:
        first, second = contact(servers[0]), contact(servers[1])
        for each in (first, second):
            assert await connections.connect(each) is not None
        assert await connections.connect(contact(servers[2])) is None
        await trio.sleep(11)
        assert await connections.connect(first) is not None, "asked for again"
        assert await connections.connect(contact(servers[2])) is not None
        assert connections.alive() == [first, contact(servers[2])]

    with_connections(test, capacity=2)


def test_one_that_is_of_no_use_is_dropped() -> None:
    async def test(connections: Connections, servers: list[Serving]) -> None:
        peer = await connections.connect(contact(servers[0]))
        connections.drop(peer)
        await trio.sleep(1)
        assert connections.alive() == []
        assert servers[0].rpc.connection_count == 0

    with_connections(test)


def test_whoever_is_gone_is_forgotten_and_whoever_is_not_there_is_told_of() -> None:
    async def test(connections: Connections, servers: list[Serving]) -> None:
        assert await connections.connect(contact(servers[0])) is not None
        servers[0].kill()
        await trio.sleep(1)
        assert connections.alive() == []
        with pytest.raises(RemoteError):
            await connections.connect(contact(servers[0]))

    with_connections(test)


def test_another_peer_at_the_address_is_not_taken_for_the_one_that_is_meant() -> None:
    async def test(connections: Connections, servers: list[Serving]) -> None:
        peer = await connections.connect(contact(servers[0]))
        await peer.exchange(ASK)
        with pytest.raises(SealError, match="another peer") as error:
            await connections.connect(Contact((servers[0].host.address, PORT), servers[1].identity.peer_id))
        assert error.value.reason == "foreign", "which is nobody's lie: whoever was meant may have moved"
        assert await connections.connect(Contact(servers[0].address)) is peer

    with_connections(test)
