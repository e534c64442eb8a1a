from __future__ import annotations

import pytest
import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.rpc.handlers import unary_unary
from lightpeer.rpc.health import Health
from lightpeer.serve.services.role import SWITCHED_SERVICES, ServingRole, guarded
from lightpeer.testing.network import simulate
from tests.serve.servers import Node, node

INDEX, DISCOVERY = "/loudp2p.v1.Index/Search", "/loudp2p.v1.Discovery/Exchange"


async def echo(request: bytes, _: object) -> bytes:
    return request


def statuses(health: Health) -> dict[str, int]:
    return {name: health._status(name) for name in ("", *SWITCHED_SERVICES, "loudp2p.v1.Discovery")}


def test_a_peer_that_does_not_serve_refuses_says_so_and_tells_its_neighbours() -> None:
    async def main(net) -> None:
        friend, server = node(net, 1), node(net, 2)
        health = Health([*SWITCHED_SERVICES, "loudp2p.v1.Discovery"])
        role = ServingRole(server.gossip, health)
        handlers = guarded({path: unary_unary(echo) for path in (INDEX, DISCOVERY)}, server.gossip)
        async with trio.open_nursery() as nursery:
            for one in (friend, server):
                await nursery.start(one.serve)
            know(friend, server)
            know(server, friend)
            assert await handlers[INDEX].function(b"x", None) == b"x"
            role.toggle()
            await role.tell_neighbours(trio.CancelScope())
            assert not role.is_on
            with pytest.raises(RpcError) as caught:
                await handlers[INDEX].function(b"x", None)
            assert caught.value.code() is StatusCode.UNAVAILABLE
            assert await handlers[DISCOVERY].function(b"x", None) == b"x"
            assert sorted(statuses(health).values()) == [1, 2, 2, 2]
            assert statuses(health)["loudp2p.v1.Discovery"] == 1
            assert not friend.neighbours
            role.toggle()
            assert role.is_on
            assert await handlers[INDEX].function(b"x", None) == b"x"
            assert set(statuses(health).values()) == {1}
            nursery.cancel_scope.cancel()

    simulate(main)


def know(one: Node, other: Node) -> None:
    one.gossip.view.add(other.record)
