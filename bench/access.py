"""What a long list of who may listen costs: memory, the time to read it, and a lookup.

    python -m bench.access [--entries 1000000]

A list of each kind of entry is read as a server reads it, each in a fresh process. Memory is what the
process holds beyond what it held before, at rest and at most; lookups are of entries and of others, in turns.
Times are of the processor, in a process that does nothing else.

Then how long a server is held up while it reads a list again: in its loop ten packets are sent and received
each 20 ms, at rest and while the list is read in a thread.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median

LOOKUPS = 20_000


def entries(kind: str, count: int, seed: int = 1) -> Iterator[str]:
    from lightpeer.core.content.uri import format_uri
    from lightpeer.core.trust.identity import format_peer_id

    random = Random(seed)
    for _ in range(count):
        if kind == "peers":
            yield format_peer_id(random.randbytes(20))
        elif kind == "tracks":
            yield format_uri(random.randbytes(32))
        elif random.random() < 0.7:
            yield f"{IPv4Address(random.getrandbits(32))}/{random.randint(16, 32)}"
        else:
            yield f"{IPv6Address(0x2000 << 112 | random.getrandbits(109))}/{random.randint(32, 64)}"


def lookups(kind: str, path: Path) -> list[str]:
    """Return entries of a list, and as many others, in turns."""
    with path.open() as file:
        known = [line.strip() for line in islice(file, LOOKUPS // 2)]
    others = entries(kind, LOOKUPS // 2, seed=2)
    return [one for pair in zip(known, others, strict=False) for one in pair]


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def measure(kind: str, path: Path) -> list[float]:
    """Read a list and look things up; return what it took."""
    from lightpeer.core.content.uri import parse_uri
    from lightpeer.core.guard.rules import Rules
    from lightpeer.core.lists.rule_lists import DENIABLE
    from lightpeer.core.trust.identity import PeerId, parse_peer_id
    from lightpeer.serve.access.lists import ListSource

    before = resident_mb()
    began = time.process_time()
    read = ListSource(path, DENIABLE).read()
    took_s = time.process_time() - began
    at_rest, at_most = resident_mb() - before, peak_mb() - before
    rules = Rules(PeerId(b"x" * 20), deny=(read,))
    texts = lookups(kind, path)
    keys: list
    look_up: Callable
    if kind == "peers":
        keys, look_up = [parse_peer_id(text) for text in texts], rules.takes_from
    elif kind == "tracks":
        keys, look_up = [parse_uri(text) for text in texts], rules.serves
    else:
        keys, look_up = [text.partition("/")[0] for text in texts], rules.admits_host
    began = time.process_time()
    for key in keys:
        look_up(key)
    each_us = (time.process_time() - began) / len(keys) * 1e6
    return [len(read), took_s, at_rest, at_most, each_us]


def run_bursts(path: Path) -> list[float]:
    import trio

    return trio.run(bursts, path)


async def bursts(path: Path) -> list[float]:
    """Send packets at rest and while a list is read; return seconds it took, and milliseconds of bursts."""
    import trio

    from lightpeer.core.lists.rule_lists import DENIABLE
    from lightpeer.serve.access.lists import ListSource

    took_ms: list[float] = []
    ends = [
        trio.socket.from_stdlib_socket(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ]

    async def send() -> None:
        while True:
            await trio.sleep(0.02)
            began = time.perf_counter()
            for _ in range(10):
                await ends[0].send(bytes(1200))
                await ends[1].recv(1200)
            took_ms.append((time.perf_counter() - began) * 1e3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.sleep(2)
        at_rest = median(took_ms)
        took_ms.clear()
        began = time.perf_counter()
        await trio.to_thread.run_sync(ListSource(path, DENIABLE).read)
        took_s = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    took_ms.sort()
    return [took_s, at_rest, median(took_ms), took_ms[int(len(took_ms) * 0.99)], took_ms[-1]]


def print_row(mode: str, kind: str, path: Path) -> None:
    """Print what a fresh process finds."""
    command = [sys.executable, "-m", "bench.access", "--measure", mode, kind, str(path)]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    cells = (f"{figure:,}" if isinstance(figure, int) else f"{figure:.1f}" for figure in figures)
    print(f"| {kind} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        mode, kind, path = options.measure
        print(json.dumps(measure(kind, Path(path)) if mode == "costs" else run_bursts(Path(path))))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: Path(folder) / kind for kind in ("peers", "tracks", "networks")}
        for kind, path in paths.items():
            with path.open("w") as file:
                file.writelines(f"{entry}\n" for entry in entries(kind, options.entries))
        print("| list | entries | read, s of CPU | at rest, MB | at most, MB | a lookup, µs |")
        print("|---|---|---|---|---|---|")
        for kind, path in paths.items():
            print_row("costs", kind, path)
        print("\n| list | read by a server, s | ten packets at rest, ms | meanwhile, p50 | p99 | at most |")
        print("|---|---|---|---|---|---|")
        for kind, path in paths.items():
            print_row("bursts", kind, path)


if __name__ == "__main__":
    main()
