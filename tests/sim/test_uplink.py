"""A server with a cap on its uplink, and listeners of both kinds who want all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.fetch import fetch
from lightpeer.core.content.uri import format_uri
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import SMALL, stream
from tests.pair import Serving, made_track, serving, settings

CAP = 30_000  # bytes a second: 240 kbit/s
SEEDS = range(2)
MADE = made_track(30, kbps=(96,))  # 360 kB


async def fetched(phone: SimHost, server: Serving, file: Path, transport: str) -> float:
    """Fetch the track by a transport; return when it was there."""
    async with open_client(settings(file.with_suffix(""), server, transport=transport), phone) as client:
        done = await fetch(client, format_uri(MADE.track.track_id), file)
    assert done.transport == transport
    return trio.current_time()


@pytest.mark.parametrize("seed", SEEDS)
def test_udp_and_grpc_share_the_cap_and_stay_below_it(tmp_path: Path, seed: int) -> None:
    transports = ["udp", "grpc", "udp", "grpc"]

    async def main(net: SimInternet) -> None:
        ended_s: list[float] = []
        host = net.host("10.0.0.1")
        async with serving(host, [MADE], cap=CAP) as server, trio.open_nursery() as nursery:

            async def listen(number: int) -> None:
                phone = net.host(f"10.0.9.{number}", down=Link(100_000, 0.05), up=Link(100_000, 0.05))
                file = tmp_path / f"{number}.opus"
                ended_s.append(await fetched(phone, server, file, transports[number]))

            for number in range(len(transports)):
                nursery.start_soon(listen, number)
            for _ in range(4):
                before = host.counters.tx_bytes()
                await trio.sleep(10)
                sent = host.counters.tx_bytes() - before
                assert sent < 1.1 * 10 * CAP, "headers, seals and searches are not counted"
        all_bytes = len(transports) * 30 * 12_000
        assert min(ended_s) > 0.75 * max(ended_s), "all of them at about the same time"
        assert max(ended_s) < 1.2 * all_bytes / CAP, "the cap is used"

    simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_listener_is_not_starved_by_who_takes_all_that_there_is(tmp_path: Path, seed: int) -> None:
    """Its share is half of the uplink, and that is more than it plays."""
    song = made_track(40, kbps=(48,), title="Other", seed=2)

    async def main(net: SimInternet) -> None:
        async with serving(net.host("10.0.0.1"), [MADE, song], cap=CAP) as server:
            greedy, phone = (net.host(f"10.0.9.{n}", down=Link(100_000, 0.05)) for n in range(2))
            async with (
                open_client(settings(tmp_path, server, **SMALL), phone) as client,
                trio.open_nursery() as nursery,
            ):
                for number in range(6):
                    file, transport = tmp_path / f"{number}.opus", ("udp", "grpc")[number % 2]
                    nursery.start_soon(fetched, greedy, server, file, transport)
                await trio.sleep(2)
                heard = await stream(client, song)
                nursery.cancel_scope.cancel()
        assert heard.session.playout.rebuffers == 0

    simulate(main, seed)
