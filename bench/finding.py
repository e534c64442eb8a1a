"""What finding music costs a light client on a slow link: bytes, and round trips to the first sound.

    python -m bench.finding

The real client and the real servers on the tests' simulated network, on virtual time: the phone is 200 ms
of round trip from everybody, the servers half a millisecond from each other. Bytes are IP payloads in both
directions as the simulation counts them, with a header of 32 bytes for each TCP segment; it sends no bare
acknowledgements, of which a real one sends about one for every second segment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import trio

from lightpeer.core.bandwidth import Bandwidth
from lightpeer.discovery import Client, open_client
from lightpeer.finding import source_finder
from lightpeer.session import Session
from tests.pair import MadeTrack, made_track, settings
from tests.sim.network import Link, SimHost, SimInternet, simulate
from tests.sim.swarm import introduce, swarm

ONE_WAY_S, NEAR_S = 0.1, 0.00025
TITLES = (
    "Copper Rain", "Night Bus Home", "The Long Way Down", "Paper Lanterns", "Harbour Lights",
    "Slow Train", "Winter Garden", "Old Photographs", "Blue Hour", "Last Ferry",
)  # fmt: skip
TEN = [made_track(5, title=f"Song of {title}", kbps=(24, 48, 96), seed=n) for n, title in enumerate(TITLES)]
CASES: dict[str, list[list[MadeTrack]]] = {
    "all at the asked peer": [TEN],
    "all at each of three others": [[], TEN, TEN, TEN],
    "here and there at three others": [[], TEN[:4], TEN[4:7], TEN[7:]],
    "half at the asked peer, all at three others": [TEN[:5], TEN, TEN, TEN],
    "each at another of ten": [[], *[[track] for track in TEN]],
}


def carried(host: SimHost) -> tuple[int, int]:
    return host.counters.rx_bytes(), host.counters.tx_bytes()


async def search(client: Client, phone: SimHost, query: str) -> tuple[int, int, int, int]:
    """Search; return hits, holders, bytes received and sent."""
    rx, tx = carried(phone)
    hits = [hit async for hit in client.search(query)]
    await trio.sleep(1)
    rx_after, tx_after = carried(phone)
    return len(hits), sum(len(hit.holders) for hit in hits), rx_after - rx, tx_after - tx


async def first_segment_s(client: Client, query: str) -> float:
    """Return the time until the first verified segment is there, from nothing."""
    started = trio.current_time()
    peer, opened = await client.open_query(query)
    finder = source_finder(client, opened.track)
    session = Session(opened.track, client.network, client.settings, Bandwidth(), finder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run, peer, opened)
        await session.next_segment()
        nursery.cancel_scope.cancel()
    return trio.current_time() - started


def run(shelves: Sequence[Sequence[MadeTrack]]) -> list[str]:
    async def main(net: SimInternet) -> list[str]:
        async with swarm(net, *shelves) as servers:
            for host in net.hosts.values():
                host.up.delay_s = host.down.delay_s = NEAR_S
            for server in servers[1:]:
                introduce(server, servers[0])
            phone = net.host("10.9.0.1", up=Link(delay_s=ONE_WAY_S), down=Link(delay_s=ONE_WAY_S))
            cells: list[str] = []
            with tempfile.TemporaryDirectory() as folder:
                async with open_client(settings(Path(folder), servers[0]), phone) as client:
                    _, _, *cold = await search(client, phone, "nothing like it")
                    hits, holders, rx, tx = await search(client, phone, "song")
                    cells += [str(hits), str(holders), f"{rx} + {tx}", str(sum(cold))]
                chosen = settings(Path(folder) / "other", servers[0], start_buffer_s=0.1)
                async with open_client(chosen, phone) as client:
                    took_s = await first_segment_s(client, "song")
                    cells.append(f"{took_s / (2 * ONE_WAY_S):.2f}")
            return cells

    return simulate(main)


def main() -> None:
    print("| ten songs | hits | holders | bytes down + up | of the first search | round trips to sound |")
    print("|---|---|---|---|---|---|")
    for what, shelves in CASES.items():
        print(f"| {what} | {' | '.join(run(shelves))} |")


if __name__ == "__main__":
    main()
