"""What being found on the local network costs: our multicast DNS and python-zeroconf's, in fresh processes.

    python -m bench.lan [--runs 5]

Each process registers one service, browses for others, and is asked after three seconds how much memory
that has cost beyond what a peer has loaded anyway, and how long it took until it was announced.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

BEFORE = """
import os, sys, time
import trio
from lightpeer.core.lan.services import Own
from lightpeer.core.trust.identity import Identity
from lightpeer.net.system import SystemNetwork

def resident_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

peer_id = Identity(bytes([1]) * 32).peer_id
before_kb, began_s = resident_kb(), time.perf_counter()
"""
OURS = """
async def main():
    async with SystemNetwork().lan(Own(peer_id, None, 47474)):
        took_s = time.perf_counter() - began_s
        await trio.sleep(3)
        print(resident_kb() - before_kb, 1000 * took_s)

trio.run(main)
"""
ZEROCONF = """
import zeroconf

class Listener(zeroconf.ServiceListener):
    def add_service(self, *_): pass
    update_service = remove_service = add_service

opened = zeroconf.Zeroconf()
zeroconf.ServiceBrowser(opened, "_loudp2p._tcp.local.", listener=Listener())
kind, place = "_loudp2p._tcp.local.", ["10.0.0.1"]
info = zeroconf.ServiceInfo(kind, "x." + kind, port=1, parsed_addresses=place)
opened.register_service(info, cooperating_responders=True)
took_s = time.perf_counter() - began_s
time.sleep(3)
print(resident_kb() - before_kb, 1000 * took_s)
opened.close()
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    costs: dict[str, list[list[float]]] = {"lightpeer": [], "zeroconf": []}
    for _ in range(runs):
        for name, code in (("lightpeer", OURS), ("zeroconf", ZEROCONF)):
            done = subprocess.run(
                [sys.executable, "-c", BEFORE + code], capture_output=True, text=True, check=True
            )
            costs[name].append(list(map(float, done.stdout.split())))
    print("| | memory, kB | until announced, ms |\n|---|---|---|")
    for name, each in costs.items():
        memory_kb, took_ms = map(statistics.median, zip(*each, strict=True))
        print(f"| {name} | {memory_kb:.0f} | {took_ms:.0f} |")


if __name__ == "__main__":
    main()
