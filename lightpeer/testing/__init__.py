"""A simulated internet for tests: hosts, links, faults and clocks, on virtual time and without a socket.

Each host is a `Network`, and takes the system's place wherever lightpeer is given one:

    async def main(net: SimInternet) -> None:
        home = net.host("10.0.0.1", up=Link(50_000, 0.04, loss=0.01))
        async with open_server(settings, network=home) as server:
            phone = net.host("10.0.0.2")
            async with lightpeer.open_client(bootstrap=[server.contact], network=phone) as client:
                net.call_at(net.now + 5.0, lambda: net.partition(phone))
                ...

    simulate(main, seed=7)

An hour of it takes as long as the program computes, and a seed repeats a run exactly. `network.py` has the
hosts and what goes wrong between them, `link.py` rates, queues and losses, `tcp.py` a TCP that meets these as
UDP does, `clock.py` machines that may be suspended. It reaches into trio's run loop, which has no seam for
this: so it is for tests alone, and nothing else in lightpeer imports it.
"""

from __future__ import annotations

from lightpeer.testing.link import Link
from lightpeer.testing.network import SimHost, SimInternet, simulate

__all__ = ["Link", "SimHost", "SimInternet", "simulate"]
