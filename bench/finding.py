"""What finding music costs a light client on a slow link: bytes, and round trips to the first sound.

    python -m bench.finding

The real client and the real servers on the tests' simulated network, on virtual time: the phone is 200.5 ms
of round trip from everybody, the servers a millisecond from each other. Bytes are IP payloads in both
directions as the simulation counts them, with a header of 32 bytes for each TCP segment; it sends no bare
acknowledgements, of which a real one sends about one for every second segment.

Time to the first sound is told as the round trips on the phone's link that it takes, and what is left over:
that is the servers' own walk, over connections that stand between them.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from lightpeer.client.client import Client, open_client
from lightpeer.client.search import RECORDS_TO_SHOW
from lightpeer.client.start import Start
from lightpeer.client.stream import INLINE_BYTES, new_download, new_session
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.search.walks import DEFAULT_BUDGET
from lightpeer.core.trust.identity import ID_BYTES
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack, Serving, made_track, settings
from tests.sim.swarm import connected, introduce, swarm

ONE_WAY_S, NEAR_S = 0.1, 0.00025  # of the phone's link, and of each server's
FIRST_SEAL_BYTES, FURTHER_SEAL_BYTES = 91, 69  # of replies (proto/README.md, section 3.1)
ROUND_TRIP_S = 2 * (ONE_WAY_S + NEAR_S)
SONGS = (  # title, artist, album: fifty characters each on average
    ("Song for the Ferryman", "Marta Lindqvist", "Harbour Lights"),
    ("Copper Rain Song", "The Paper Lanterns", "Night Bus Home"),
    ("Slow Song (Remastered)", "Ines Okafor", "Winter Garden, Vol. 2"),
    ("Song of the Long Way Down", "Halvard & Sons", "Old Photographs"),
    ("Last Train Song", "Blue Hour Trio", "Live at the Kiosk"),
    ("A Song About Moths", "Lucía Ferrán", "Sombras y otras luces"),
    ("Song 47 (feat. Ebba Roos)", "Kettle Choir", "The Kitchen Tapes"),
    ("Drinking Song", "Old Tom Rafferty", "The Tin Whistle Years"),
    ("Cradle Song for Nobody", "Aiko Brandt", "Small Hours, Big Rooms"),
    ("Song to the Sea", "Nordvest Quartet", "Tidewater"),
)
TEN = [
    made_track(5, title=title, artist=artist, album=album, kbps=(24, 48, 96), seed=n)
    for n, (title, artist, album) in enumerate(SONGS)
]
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
    """Return the time until the first verified segment is there, from nothing and in one flight of TCP."""
    started = trio.current_time()
    peer, opened = await client.open_query(query, Start(inline_bytes=INLINE_BYTES))
    session = new_session(client, new_download(opened.track, client.settings, Bandwidth(), realtime=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run, (peer, opened))
        await session.next_segment()
        nursery.cancel_scope.cancel()
    return trio.current_time() - started


@asynccontextmanager
async def phone_among(
    net: SimInternet, shelves: Sequence[Sequence[MadeTrack]]
) -> AsyncIterator[tuple[SimHost, Serving]]:
    """Give a phone, and the one server that it knows, which knows the others."""
    async with swarm(net, *shelves) as servers:
        for host in net.hosts.values():
            host.up.delay_s = host.down.delay_s = NEAR_S
        for server in servers[1:]:
            introduce(server, servers[0])
        yield net.host("10.9.0.1", up=Link(delay_s=ONE_WAY_S), down=Link(delay_s=ONE_WAY_S)), servers[0]


@dataclass(frozen=True, slots=True)
class Found:
    """What one search, for ten songs, found and cost."""

    hits: int
    holders: int
    rx_bytes: int
    tx_bytes: int
    cold_bytes: int  # of a search that finds nothing, and makes the connection
    first_segment_s: float  # of a client that has neither

    def cells(self) -> list[str]:
        """Return a row of the table."""
        round_trips = int(self.first_segment_s / ROUND_TRIP_S + 1e-6)
        left_ms = 1000 * (self.first_segment_s - round_trips * ROUND_TRIP_S)
        return [
            f"{self.hits}",
            f"{self.holders}",
            f"{self.rx_bytes} + {self.tx_bytes} = {self.rx_bytes + self.tx_bytes}",
            f"{self.cold_bytes}",
            f"{round_trips}" + (f" and {left_ms:.1f} ms" if left_ms > 0.05 else ""),
        ]


def run(shelves: Sequence[Sequence[MadeTrack]]) -> Found:
    """Search and play among these servers, the phone knowing the first."""

    async def main(net: SimInternet) -> Found:
        async with phone_among(net, shelves) as (phone, asked):
            with tempfile.TemporaryDirectory() as folder:
                async with open_client(settings(Path(folder), asked), phone) as client:
                    _, _, *cold = await search(client, phone, "nothing like it")
                    found = await search(client, phone, "song")
                chosen = settings(Path(folder) / "other", asked)
                async with open_client(chosen, phone) as client:
                    return Found(*found, sum(cold), await first_segment_s(client, "song"))

    return simulate(main)


def anatomy(shelves: Sequence[Sequence[MadeTrack]]) -> dict[str, int]:
    """Return what the reply to the same search is made of, in bytes before it is compressed."""

    async def main(net: SimInternet) -> dict[str, int]:
        async with phone_among(net, shelves) as (phone, asked), connected(phone, asked) as peer:
            budget = DEFAULT_BUDGET
            request = pb.SearchRequest(
                query="song",
                limit=10,
                walkers=budget.walkers,
                hops=budget.hops,
                records=RECORDS_TO_SHOW,
                query_id=b"12345678",
            )
            replies = [reply async for reply in peer.search(request)]
        hits = [hit for reply in replies for hit in reply.hits]
        peers = [peer for reply in replies for peer in reply.peers]
        texts = sum(len(text.encode()) for hit in hits for text in (hit.title, hit.artist, hit.album))
        parts = {
            "track ids": sum(len(hit.track_id) for hit in hits),
            "titles, artists, albums": texts,
            "records": sum(len(peer) for peer in peers if len(peer) > ID_BYTES),
            "ids of further holders": sum(len(peer) for peer in peers if len(peer) == ID_BYTES),
        }
        rest = sum(reply.ByteSize() for reply in replies) - sum(parts.values())
        parts["durations, bitrates, numbers of holders, protobuf's tags"] = rest
        return parts | {"seal": FIRST_SEAL_BYTES + FURTHER_SEAL_BYTES * (len(replies) - 1)}

    return simulate(main)


def main() -> None:
    print("| ten songs | hits | holders | bytes down + up | of the first search | round trips to sound |")
    print("|---|---|---|---|---|---|")
    for what, shelves in CASES.items():
        print(f"| {what} | {' | '.join(run(shelves).cells())} |")
    print(f"\nThe reply, {what}, before it is compressed:\n\n| part | bytes |\n|---|---|")
    parts = anatomy(shelves)
    for part, size in [*parts.items(), ("in all", sum(parts.values()))]:
        print(f"| {part} | {size} |")


if __name__ == "__main__":
    main()
