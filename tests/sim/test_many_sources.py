"""One downlink and several sources: their sum fills it, and none of them holds the music up."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.fetch import fetch
from lightpeer.core.content.uri import format_uri
from lightpeer.core.sources.source_search import SourceSearch
from lightpeer.testing.faults import Faults
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import SMALL, at, stream
from tests.pair import made_track, serving, settings

PHONE = "10.0.9.1"
SLOW = 12_500  # bytes a second: 100 kbit/s
SEEDS = range(2)


async def several(stack: AsyncExitStack, net: SimInternet, made, *ups: Link):
    """Serve a track from as many hosts as there are uplinks."""
    hosts = [net.host(f"10.0.0.{number}", up=up) for number, up in enumerate(ups, 1)]
    return [await stack.enter_async_context(serving(host, [made])) for host in hosts]


@pytest.mark.parametrize("seed", SEEDS)
def test_four_slow_sources_fill_a_link_together(tmp_path: Path, seed: int) -> None:
    made = made_track(100, kbps=(96,))

    async def main(net: SimInternet) -> None:
        async with AsyncExitStack() as stack:
            servers = await several(
                stack, net, made, *(Link(SLOW, 0.05, queue_bytes=1 << 20) for _ in range(4))
            )
            phone = net.host(PHONE, down=Link(4 * SLOW, 0.05))
            client = await stack.enter_async_context(open_client(settings(tmp_path, *servers), phone))
            started = trio.current_time()
            done = await fetch(client, format_uri(made.track.track_id), tmp_path / "x.opus")
        took_s = trio.current_time() - started
        assert done.sources == 4
        assert done.size_bytes / took_s > 0.75 * 4 * SLOW, "the search for sources included"

    simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_source_that_stalls_is_replaced_without_a_gap_and_nearly_nothing_comes_twice(
    tmp_path: Path, seed: int
) -> None:
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        async with AsyncExitStack() as stack:
            servers = await several(stack, net, made, *(Link(50_000, 0.05) for _ in range(3)))
            phone = net.host(PHONE, down=Link(50_000, 0.05, faults=Faults(loss=0.01)))
            client = await stack.enter_async_context(
                open_client(settings(tmp_path, *servers, **SMALL), phone)
            )
            nursery = await stack.enter_async_context(trio.open_nursery())
            nursery.start_soon(at, 8.0 + seed, net.block_udp, True, servers[0].host)
            nursery.start_soon(at, 20.0 + seed, servers[1].kill)
            heard = await stream(client, made)
            nursery.cancel_scope.cancel()
        assert heard.session.playout.rebuffers == 0
        assert heard.session.download.scheduler.wasted_bytes < 0.05 * heard.session.stats.fetched_bytes

    simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_source_beside_a_fast_one_does_not_slow_it(tmp_path: Path, seed: int) -> None:
    made = made_track(60, kbps=(96,))

    async def main(net: SimInternet) -> None:
        async with AsyncExitStack() as stack:
            ups = (Link(5_000, 0.05, queue_bytes=1 << 20), Link(100_000, 0.05))
            servers = await several(stack, net, made, *ups)
            phone = net.host(PHONE, down=Link(50_000, 0.05))
            client = await stack.enter_async_context(open_client(settings(tmp_path, *servers), phone))
            started = trio.current_time()
            done = await fetch(client, format_uri(made.track.track_id), tmp_path / "x.opus")
        assert done.size_bytes / (trio.current_time() - started) > 0.6 * 50_000

    simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("zone_s", [4.0, 7.0, 10.0])
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("is_held", [True, False], ids=["the network holds what is sent", "it loses it"])
def test_a_dead_zone_is_no_sources_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_held: bool, number: int, zone_s: float, seed: int
) -> None:
    """It silences all of them, and when it ends one is heard before the others: none is dropped for it."""
    made = made_track(60)
    rested: list[object] = []
    monkeypatch.setattr(SourceSearch, "rest", lambda _self, peer_id, _now: rested.append(peer_id))

    async def main(net: SimInternet) -> None:
        async with AsyncExitStack() as stack:
            servers = await several(stack, net, made, *(Link(50_000, 0.05) for _ in range(number)))
            down = Link(50_000, 0.05)
            phone = net.host(PHONE, down=down, up=Link(50_000, 0.05))
            client = await stack.enter_async_context(
                open_client(settings(tmp_path, *servers, **SMALL), phone)
            )

            def begin() -> None:
                if is_held:
                    down.stalled_until = trio.current_time() + zone_s
                else:
                    net.partition(phone)

            nursery = await stack.enter_async_context(trio.open_nursery())
            nursery.start_soon(at, 12.0 + seed, begin)
            nursery.start_soon(at, 12.0 + seed + zone_s, net.heal)
            heard = await stream(client, made)
            nursery.cancel_scope.cancel()
        assert not heard.told("source_lost", "reason")
        assert not rested

    simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("rate", "seconds", "limit_s"), [(50_000, 80, 0.045), (10_000, 25, 0.25)])
def test_fast_sources_make_a_thin_links_queue_hardly_longer_than_one_does(
    tmp_path: Path, rate: int, seconds: int, limit_s: float, seed: int
) -> None:
    """Where one is probed in vain no more are opened; nothing comes twice, nobody is dropped as slow."""
    made = made_track(seconds, kbps=(96,))

    async def main(net: SimInternet) -> None:
        async with AsyncExitStack() as stack:
            servers = await several(stack, net, made, *(Link(100_000, 0.0) for _ in range(4)))
            down = Link(rate, 0.1, queue_bytes=1 << 20)
            phone = net.host(PHONE, down=down)
            client = await stack.enter_async_context(open_client(settings(tmp_path, *servers), phone))
            queues_s: list[float] = []

            async def watch() -> None:
                while True:
                    await trio.sleep(0.1)
                    queues_s.append(down.queue_s)

            nursery = await stack.enter_async_context(trio.open_nursery())
            nursery.start_soon(watch)
            done = await fetch(client, format_uri(made.track.track_id), tmp_path / "x.opus")
            nursery.cancel_scope.cancel()
        assert done.sources == 2
        assert sum(queues_s) / len(queues_s) < limit_s
        assert phone.counters.rx_bytes() < 1.06 * len((tmp_path / "x.opus").read_bytes())

    simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_udp_is_no_trickle_on_a_link_that_gives_tcp_no_more(tmp_path: Path, seed: int) -> None:
    """It gives less than half of what the least rendition needs."""
    made = made_track(15, kbps=(96,))

    async def main(net: SimInternet) -> None:
        async with AsyncExitStack() as stack:
            servers = await several(stack, net, made, Link(100_000, 0.0))
            phone = net.host(PHONE, down=Link(5_000, 0.1, queue_bytes=1 << 20))
            client = await stack.enter_async_context(open_client(settings(tmp_path, *servers), phone))
            done = await fetch(client, format_uri(made.track.track_id), tmp_path / "x.opus")
        assert done.transport == "udp"

    simulate(main, seed)
