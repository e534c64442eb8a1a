"""What was heard once costs no byte again: a player, its cache, and a network that may be gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from lightpeer.client import client as client_module
from lightpeer.client.fetch import FetchOptions, fetch
from lightpeer.errors import NoPeerError
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack
from tests.playback.music import Stage, demo_track, pcm_of, stage

RAIN = demo_track("copper-rain", 22)
ARCADE = demo_track("pocket-arcade", 12)
MB = 1_000_000


def on_phone(folder: Path, *acts: Callable[[Stage], Awaitable[None]], **more: object) -> None:
    """Run a phone for each act, one after another, with the same state."""

    async def main(net: SimInternet, act: Callable[[Stage], Awaitable[None]]) -> None:
        async with stage(net, folder / "state", [RAIN, ARCADE], **{"cache_bytes": 10 * MB, **more}) as now:
            await act(now)

    for act in acts:
        simulate(lambda net, act=act: main(net, act))


def packets(now: Stage) -> int:
    counters = now.phone.counters
    return counters.rx_bytes() + counters.tx_bytes()


def playing(made: MadeTrack, *, items: str = "") -> Callable[[Stage], Awaitable[None]]:
    async def act(now: Stage) -> None:
        await now.player.play([items or made.track.uri])
        assert now.sink.pcm == pcm_of(made)
        assert now.sink.gaps == []

    return act


def without_network(act: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    async def alone(now: Stage) -> None:
        now.phone.no_route = True
        await act(now)
        assert packets(now) == 0
        assert (now.opens(), now.phone.udp) == (0, {})

    return alone


@pytest.mark.parametrize("transport", ["auto", "grpc"])
def test_the_second_time_no_packet_is_sent(tmp_path, transport) -> None:
    async def again(now: Stage) -> None:
        await playing(RAIN)(now)
        assert packets(now) == 0
        assert now.told("playing", "transport") == ["cache"]
        stats = now.player.stats()
        assert (stats["kept_bytes"], stats["sources"]) == (sum(map(len, RAIN.segments[0])), 0)

    on_phone(tmp_path, playing(RAIN), again, without_network(playing(RAIN)), transport=transport)
    assert [path.suffix for path in (tmp_path / "state" / "cache").iterdir()] == [".kept"]
