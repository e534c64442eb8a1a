"""What is lost is asked for again, soon, and hardly anything comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.fetch import fetch
from lightpeer.core.content.uri import format_uri
from lightpeer.core.segments.download import Download
from lightpeer.download.connection import Connection
from lightpeer.net.network import Datagram
from lightpeer.net.udp_path import Path as WirePath
from lightpeer.testing.faults import Faults
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import Heard, stream
from tests.pair import made_track, serving, settings

PHONE = "10.0.9.1"
SEEDS = range(3)
RATE = 50_000
MADE = made_track(60)


def hear(tmp_path: Path, seed: int, *, down: Link, up: Link) -> Heard:
    async def main(net: SimInternet) -> Heard:
        async with (
            serving(net.host("10.0.0.1"), [MADE]) as server,
            open_client(settings(tmp_path, server), net.host(PHONE, down=down, up=up)) as client,
        ):
            return await stream(client, MADE)

    return simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", [0.02, 0.05])
def test_what_is_lost_comes_again_and_nothing_else_does(tmp_path: Path, loss: float, seed: int) -> None:
    heard = hear(tmp_path, seed, down=Link(RATE, 0.1, faults=Faults(loss=loss)), up=Link(RATE, 0.1))
    stats = heard.session.stats
    units = stats.fetched_bytes / 1100
    assert 0 < stats.retransmitted_units < 3 * loss * units
    assert stats.duplicate_units <= max(1.0, 0.005 * units)
    assert heard.session.playout.rebuffers == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_pull_costs_next_to_nothing(tmp_path: Path, seed: int) -> None:
    heard = hear(tmp_path, seed, down=Link(RATE, 0.1), up=Link(RATE, 0.1, faults=Faults(loss=0.05)))
    stats = heard.session.stats
    assert stats.duplicate_units <= max(1.0, 0.005 * stats.fetched_bytes / 1100)
    assert heard.session.playout.rebuffers == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_bytes_are_exact_under_bursts_of_loss(tmp_path: Path, seed: int) -> None:
    down = Link(RATE, 0.1, faults=Faults(loss=0.1, loss_run=5))
    heard = hear(tmp_path, seed, down=down, up=Link(RATE, 0.1, faults=Faults(loss=0.1, loss_run=3)))
    assert "udp" in heard.session.stats.transports
    assert heard.session.playout.rebuffer_s < 1.5, "the first PULL may be among what is lost"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_end_is_not_waited_for(tmp_path: Path, seed: int) -> None:
    """Where the last units or the last PULL are lost, no later ones show it."""
    made = made_track(20, kbps=(96,))

    def took_s(loss: float) -> float:
        async def main(net: SimInternet) -> float:
            down = Link(4 * RATE, 0.1, faults=Faults(loss=loss))
            phone = net.host(PHONE, down=down, up=Link(RATE, 0.1, faults=Faults(loss=loss)))
            async with (
                serving(net.host("10.0.0.1"), [made]) as server,
                open_client(settings(tmp_path, server), phone) as client,
            ):
                started = trio.current_time()
                await fetch(client, format_uri(made.track.track_id), tmp_path / "x.opus")
                return trio.current_time() - started

        return simulate(main, seed)

    round_trips = 0.22
    assert took_s(0.05) < took_s(0.0) + 8 * round_trips


def test_what_comes_is_taken_about_once_for_each_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wake-up is dear to a small processor: none is for a single unit, nor for each behind a gap."""
    taken: list[int] = []
    pulls: list[bytes] = []
    checks: list[float] = []
    receive, send, check = Connection._on_datagrams, WirePath.send, Download.handle_timeout

    async def count_taken(self: Connection, came: Sequence[Datagram]) -> bool:
        taken.append(len(came))
        return await receive(self, came)

    async def count_sent(self: WirePath, datagram: bytes) -> None:
        pulls.append(datagram)
        await send(self, datagram)

    def count_check(self: Download, now: float) -> None:
        checks.append(now)
        check(self, now)

    monkeypatch.setattr(Download, "handle_timeout", count_check)
    monkeypatch.setattr(Connection, "_on_datagrams", count_taken)
    monkeypatch.setattr(WirePath, "send", count_sent)
    made = made_track(100, kbps=(96,))

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE, down=Link(RATE, 0.1, faults=Faults(loss=0.02)), up=Link(RATE, 0.1))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            await fetch(client, format_uri(made.track.track_id), tmp_path / "x.opus")

    simulate(main)
    assert len(pulls) < sum(taken) / 3.5
    assert len(taken) < 1.2 * len(pulls)
    assert len(checks) < 0.05 * len(pulls), "what comes puts the deadlines off"


def test_an_uplink_that_is_capped_near_the_bitrate_carries_the_music(tmp_path: Path) -> None:
    """The server sends slower than it is asked to: what it holds is not asked for again."""
    made = made_track(60, kbps=(48,))

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made], cap=8_000) as server,
            open_client(settings(tmp_path, server), net.host(PHONE)) as client,
        ):
            heard = await stream(client, made)
        assert heard.session.playout.rebuffers == 0
        assert heard.session.stats.duplicate_units < 20

    simulate(main)
