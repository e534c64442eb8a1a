"""What a serving peer with a big library and many acquaintances costs: time, memory, and the rate of imports.

    python -m bench.index [--tracks 100000] [--peers 1000] [--searches 400]

The tracks are rows of made-up words (drawn as in natural language, few of them often) that go through the
real index; the peers are sealed records in the real cache. A fresh process opens what was made, as a
server does, and is asked: in the index by itself, and by sealed calls over loopback, of which it is
also told for how long the event loop did one thing, in which no audio leaves. How fast real
files are imported is measured with a minute of sound, and in one thread, as the server does it.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from random import Random
from types import SimpleNamespace

import trio

WORDS = 20_000
FILES, FILE_S = 4, 60
RATE = 48_000
SWITCH_S = 0.0005  # as lightpeer-serve has it


def vocabulary(random: Random) -> list[str]:
    syllables = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
    return ["".join(random.choices(syllables, k=random.randint(1, 4))) for _ in range(WORDS)]


class Titles:
    """Made-up titles; the n-th word is drawn in proportion to 1/n (Zipf)."""

    def __init__(self, seed: int = 1) -> None:
        self.random = Random(seed)
        self._words = vocabulary(self.random)
        self._weights = list(accumulate(1 / n for n in range(1, WORDS + 1)))

    def words(self, least: int, most: int) -> str:
        count = self.random.randint(least, most)
        return " ".join(self.random.choices(self._words, cum_weights=self._weights, k=count))


def fill(folder: Path, tracks: int) -> float:
    """Make the index; return tracks a second."""
    from lightpeer.serve.library.index import Index, IndexHit

    titles = Titles()
    index = Index(folder / "index.db")
    started = time.perf_counter()
    for number in range(tracks):
        track_id = number.to_bytes(32, "big")
        title, artist, album = titles.words(1, 5), titles.words(1, 3), titles.words(1, 4)
        index.add_all([IndexHit(track_id, title, artist, album, 200_000, (24, 48, 96))])
    took_s = time.perf_counter() - started
    index.close()
    return tracks / took_s


def import_rate() -> float:
    """Return seconds of sound that are imported in a second: three renditions, their gain, the index."""
    from lightpeer.serve.importing.scan import scan
    from lightpeer.serve.library.library import Library

    with tempfile.TemporaryDirectory() as name:
        music = Path(name) / "music"
        music.mkdir()
        for number in range(FILES):
            with wave.open(str(music / f"{number}.wav"), "wb") as sound:
                sound.setparams((2, 2, RATE, 0, "NONE", ""))
                step = 2 * math.pi * (220 + 110 * number) / RATE
                wanted = (int(9000 * math.sin(step * i)) for i in range(RATE * FILE_S))
                sound.writeframes(b"".join(s.to_bytes(2, "little", signed=True) * 2 for s in wanted))
        library = Library(Path(name) / "state", music)
        started = time.perf_counter()
        report = scan(library)
        took_s = time.perf_counter() - started
        library.close()
        assert report.imported == FILES, report.notes()
        return FILES * FILE_S / took_s


def timed(search: Callable[[str], object], queries: list[str]) -> list[float]:
    times = []
    for query in queries:
        started = time.perf_counter()
        search(query)
        times.append((time.perf_counter() - started) * 1000)
    return times


def summary(times_ms: list[float]) -> dict[str, float]:
    return {"p50": statistics.median(times_ms), "p99": statistics.quantiles(times_ms, n=100)[98]}


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class LongestStep(trio.abc.Instrument):
    """How long the event loop was held by one step of a task, in ms."""

    def __init__(self) -> None:
        self.longest_ms = self._began = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002
        self._began = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002
        self.longest_ms = max(self.longest_ms, (time.perf_counter() - self._began) * 1000)


QUERIES: dict[str, Callable[[Titles], str]] = {
    "two words of a title": lambda titles: titles.words(2, 2),
    "one word": lambda titles: titles.words(1, 1),
    "the beginning of a word": lambda titles: titles.words(1, 1)[:3],
    "one letter": lambda titles: titles.words(1, 1)[:1],
    "sixteen letters": lambda titles: " ".join(titles.random.sample("abcdefghijklmnoprstuvwyz", 16)),
    "sixteen syllables": lambda titles: " ".join(titles.words(1, 1)[:2] for _ in range(16)),
    "five words, found nowhere": lambda titles: titles.words(5, 5),
}


CALLED = ("two words of a title", "one letter")


def ask(folder: Path, peers: int, searches: int) -> None:
    """In a fresh process: open the index, know the peers, search, and print what that took."""
    trio.run(_ask, folder, peers, searches)


async def _ask(folder: Path, peers: int, searches: int) -> None:
    from lightpeer.core.overlay.own_address import OwnAddress
    from lightpeer.core.overlay.peer_cache import PeerCache
    from lightpeer.core.search.walks import NO_BUDGET
    from lightpeer.core.trust.identity import Identity
    from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted
    from lightpeer.net.network import listener_address
    from lightpeer.net.system import SystemNetwork
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.peering.peer import Peer
    from lightpeer.peering.sealing import Sealer
    from lightpeer.rpc.channel import open_channel
    from lightpeer.rpc.server import RpcServer
    from lightpeer.serve.access.node import Node
    from lightpeer.serve.library.index import Index
    from lightpeer.serve.overlay.gossip import Gossip
    from lightpeer.serve.overlay.place import Place
    from lightpeer.serve.sending.stream_table import StreamTable
    from lightpeer.serve.services.streams import Services

    network, identity = SystemNetwork(), Identity(b"1" * 32)
    report: dict[str, object] = {"rss_code_mb": rss_mb()}
    now = int(time.time())
    cache = PeerCache(max(8, min(4096, 2 * peers)), own=identity.peer_id)
    started = time.perf_counter()
    for number in range(peers):
        other = Identity((number + 2).to_bytes(32, "big"))
        host = f"{11 + number % 200}.{number // 200}.1.1"
        record = parse_record_untrusted(build_record(other, [(host, 1)], Role.SERVES, now, now + 3600), now)
        cache.add(record, other.peer_id, now)
        cache.on_success(other.peer_id, 0.1, now)
    report |= {"peers": len(cache), "peer_ms": (time.perf_counter() - started) * 1000 / peers}
    report["rss_peers_mb"] = rss_mb()
    index = Index(folder / "index.db")
    titles = Titles(2)
    for name, make in QUERIES.items():
        report[name] = summary(timed(lambda q: index.search(q, 10), [make(titles) for _ in range(searches)]))

    place = Place(OwnAddress("127.0.0.1"), 1)
    node = Node.open_to_all(identity, network)
    gossip = Gossip(node, place, cache)
    listener = await network.listen_tcp("127.0.0.1", 0)
    services = Services(node, SimpleNamespace(search=index.search), StreamTable(node), gossip)
    sys.setswitchinterval(SWITCH_S)
    step = LongestStep()
    trio.lowlevel.add_instrument(step)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(RpcServer(services.handlers()).serve, [listener])
        address = listener_address(listener)
        async with open_channel(network, *address) as channel:
            for name in CALLED:
                calls: list[float] = []
                held: list[float] = []
                for number in range(searches):
                    if number % 100 == 0:  # one caller has a bounded share
                        caller = Identity(network.entropy(32))
                        peer = Peer(channel, Sealer(caller, network), address=address)
                    query = QUERIES[name](titles)
                    request = pb.SearchRequest(query=query, limit=10, walkers=NO_BUDGET.walkers)
                    step.longest_ms = 0.0
                    started = time.perf_counter()
                    async for _ in peer.search(request):
                        pass
                    calls.append((time.perf_counter() - started) * 1000)
                    held.append(step.longest_ms)
                report[f"a call, {name}, both ends"] = summary(calls)
                report[f"a call, {name}: the event loop is held"] = summary(held)
        nursery.cancel_scope.cancel()
    report["rss_mb"] = rss_mb()
    print(json.dumps(report))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--peers", type=int, default=1000)
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(options.ask, options.peers, options.searches)
        return
    with tempfile.TemporaryDirectory() as name:
        rows_per_s = fill(Path(name), options.tracks)
        size_mb = sum(path.stat().st_size for path in Path(name).iterdir()) / 1e6
        command = [sys.executable, "-m", "bench.index", "--ask", name]
        command += ["--peers", str(options.peers), "--searches", str(options.searches)]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(f"{options.tracks} tracks ({size_mb:.0f} MB on disk), {report['peers']} peers\n")
    print("| search, 10 hits | p50 ms | p99 ms |\n|---|---|---|")
    for what, times in report.items():
        if isinstance(times, dict):
            print(f"| {what} | {times['p50']:.2f} | {times['p99']:.2f} |")
    print("\n| figure | |\n|---|---|")
    print(f"| resident memory, all of it | {report['rss_mb']:.1f} MB |")
    print(f"| of that, code before anything is opened | {report['rss_code_mb']:.1f} MB |")
    print(f"| and the peers | {report['rss_peers_mb'] - report['rss_code_mb']:.1f} MB |")
    print(f"| a peer's record verified and taken in | {report['peer_ms']:.2f} ms |")
    print(f"| tracks put into the index | {rows_per_s:.0f} a second |")
    print(f"| sound imported from WAV, three renditions | {import_rate():.1f} s a second |")


if __name__ == "__main__":
    main()
