"""The client's address changes in mid-track: the stream goes on, with its id and its keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from lightpeer.discovery import open_client
from tests.pair import Serving, made_track, serving, settings
from tests.shell.test_session import SMALL, Heard, at, stream
from tests.sim.network import Link, SimHost, SimInternet, simulate

PHONE = "10.0.9.1"
MOVED = "10.0.77.1"
SEEDS = range(3)
Change = Callable[[SimHost], None]


def to_another_address(phone: SimHost) -> None:
    phone.move(MOVED)


def to_another_port(phone: SimHost) -> None:
    phone.rebind()


def to_nothing(phone: SimHost) -> None:
    phone.no_route = True


def to_another_network(phone: SimHost) -> None:
    phone.no_route = False
    phone.move(MOVED)


def whose_sockets_are_dead(phone: SimHost) -> None:
    phone.move(MOVED)
    phone.strand_udp()


def hear(
    tmp_path: Path, seed: int, *changes: tuple[float, Change], seconds: int = 60
) -> tuple[Heard, Serving]:
    """Stream a track while the phone's address changes at those times."""
    made = made_track(seconds)

    async def main(net: SimInternet) -> tuple[Heard, Serving]:
        phone = net.host(PHONE, down=Link(50_000, 0.05, loss=0.01), up=Link(50_000, 0.05, loss=0.01))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), phone) as client,
            trio.open_nursery() as nursery,
        ):
            for when_s, change in changes:
                nursery.start_soon(at, when_s, change, phone)
            return await stream(client, made), server

    return simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("change", [to_another_address, to_another_port, whose_sockets_are_dead])
def test_the_stream_goes_on_from_another_address(tmp_path: Path, change: Change, seed: int) -> None:
    heard, server = hear(tmp_path, seed, (2.5, change), (12.0 + seed / 3, to_another_port))
    assert heard.session.playout.rebuffers == 0
    assert heard.session.stats.transports == {"udp"}
    assert not heard.told("source_lost", "reason")
    assert server.shelf.opens == 1, "the same stream"


@pytest.mark.parametrize("seed", SEEDS)
def test_between_two_networks_there_may_be_none(tmp_path: Path, seed: int) -> None:
    heard, server = hear(tmp_path, seed, (12.0, to_nothing), (14.0, to_another_network))
    assert heard.session.playout.rebuffers == 0
    assert heard.session.stats.transports == {"udp"}
    assert server.shelf.opens == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_fetched_twice_beyond_what_was_in_flight(tmp_path: Path, seed: int) -> None:
    heard, _ = hear(tmp_path, seed, (2.5, to_another_address), (20.0, to_another_port), seconds=40)
    stats = heard.session.stats
    in_flight = 3 * 20_000  # two changes, and what an honest network loses
    assert stats.fetched_bytes == stats.audio_bytes
    assert heard.session.scheduler.wasted_bytes < in_flight
