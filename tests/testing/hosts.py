"""Pairs of simulated hosts that are connected, for the tests of `lightpeer.testing`."""

from __future__ import annotations

import trio

from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet


async def udp_pair(net: SimInternet, **link):
    """Two hosts with one socket each; the second one's down link as given."""
    a, b = net.host("10.0.0.1"), net.host("10.0.0.2", down=Link(**link))
    return a, b, await a.open_udp(""), await b.open_udp("", 5000)


async def drain(socket) -> list[bytes]:
    """What arrives until nothing has come for ten seconds."""
    got = []
    while True:
        with trio.move_on_after(10) as scope:
            got.append((await socket.receive_from())[0])
        if scope.cancelled_caught:
            return got


async def tcp_pair(a: SimHost, b: SimHost):
    listener = await b.listen_tcp("", 80)
    client = await a.connect_tcp(b.address, 80)
    return client, await listener.accept()
