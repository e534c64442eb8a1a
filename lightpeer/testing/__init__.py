"""A simulated internet for tests: hosts, links, faults and clocks, on virtual time and without a socket.

Each host is a `Network`, and takes the system's place wherever lightpeer is given one:

    async def main(net: SimInternet) -> None:
        home = net.host("10.0.0.1", up=Link(50_000, 0.04, faults=Faults(loss=0.01)))
        async with open_server(settings, network=home) as server:
            phone = net.host("10.0.0.2")
            async with lightpeer.open_client(bootstrap=[server.contact], network=phone) as client:
                net.call_at(net.now + 5.0, lambda: net.partition(phone))
                ...

    simulate(main, seed=7)

An hour of it takes as long as the program computes, and a seed repeats a run exactly. `network.py` joins the
hosts and partitions them, `host.py` has one host and its faults, `link.py` rates and queues, `faults.py`
losses, `nat.py` ports that a NAT forgets, `tcp/` a TCP that meets these as UDP does, `clock.py` machines that
may be suspended. It reaches into trio's run loop, which has no seam for this, so it is for tests alone, and
nothing else in lightpeer imports it.
"""

from __future__ import annotations

from lightpeer.testing.faults import Faults
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate

__all__ = ["Faults", "Link", "SimHost", "SimInternet", "simulate"]
