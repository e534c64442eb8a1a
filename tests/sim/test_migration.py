"""The client's address changes in mid-track: the stream goes on, with its id and its keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import Client, open_client
from lightpeer.core.search.head_start import HEAD_START_S
from lightpeer.testing.faults import Faults
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import SMALL, Heard, at, stream
from tests.pair import Serving, made_track, serving, settings

PHONE = "10.0.9.1"
MOVED = "10.0.77.1"
PHONE_6 = "2001:db8:9::1"
SEEDS = range(3)
Change = Callable[[SimHost], None]
Act = Callable[[Client, Serving], Awaitable[None]]


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


def without_ipv4(phone: SimHost) -> None:
    phone.lose(PHONE)


def whose_ipv4_is_dead(phone: SimHost) -> None:
    phone.silence(PHONE)


def whose_ipv6_is_dead(phone: SimHost) -> None:
    phone.silenced = {PHONE_6}


def hear(
    tmp_path: Path,
    seed: int,
    *changes: tuple[float, Change],
    seconds: int = 60,
    also: str | None = None,
    rate: int = 50_000,
    loss: float = 0.01,
    act: Act | None = None,
) -> tuple[Heard, Serving]:
    """Stream a track while the phone's address changes at those times, and `act` goes on beside it."""
    made = made_track(seconds)

    async def main(net: SimInternet) -> tuple[Heard, Serving]:
        down, up = (Link(rate, 0.05, faults=Faults(loss=loss)) for _ in range(2))
        phone = net.host(PHONE, also=also, down=down, up=up)
        async with (
            serving(net.host("10.0.0.1", also="2001:db8::1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), phone) as client,
            trio.open_nursery() as nursery,
        ):
            for when_s, change in changes:
                nursery.start_soon(at, when_s, change, phone)
            if act is not None:
                nursery.start_soon(act, client, server)
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
    assert heard.session.download.scheduler.wasted_bytes < in_flight


# To the other family.


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("change", [without_ipv4, whose_ipv4_is_dead])
def test_without_ipv4_it_goes_on_over_ipv6(tmp_path: Path, change: Change, seed: int) -> None:
    """With the same id and keys; nothing comes twice beyond what was in flight, and nobody hears it."""
    heard, server = hear(tmp_path, seed, (1.0 + seed, change), also=PHONE_6)
    stats = heard.session.stats
    assert heard.session.playout.rebuffers == 0
    assert stats.transports == {"udp"}
    assert not heard.told("source_lost", "reason")
    assert server.shelf.opens == 1, "the same stream"
    assert stats.fetched_bytes == stats.audio_bytes
    assert heard.session.download.scheduler.wasted_bytes < 20_000


@pytest.mark.parametrize("seed", SEEDS)
def test_it_may_go_to_the_other_family_and_back(tmp_path: Path, seed: int) -> None:
    changes = (12.0 + seed, whose_ipv4_is_dead), (40.0 + seed, whose_ipv6_is_dead)
    heard, server = hear(tmp_path, seed, *changes, seconds=80, also=PHONE_6)
    assert heard.session.playout.rebuffers == 0
    assert heard.session.stats.transports == {"udp"}
    assert server.shelf.opens == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("change", [without_ipv4, whose_ipv4_is_dead, whose_sockets_are_dead])
@pytest.mark.parametrize("when_s", [1.2, 15.0], ids=["while it stands", "while it rests"])
def test_the_connection_is_made_anew_behind_the_stream(
    tmp_path: Path, change: Change, when_s: float, seed: int
) -> None:
    """By the next call, over whatever family the stream has moved to."""
    took_s: list[float] = []

    async def search(client: Client, server: Serving) -> None:
        await trio.sleep_until(when_s + 6.0)
        for link in (client.network.up, client.network.down):
            link.faults.loss = (
                0.0  # of what it takes to connect: TCP waits a second for it, whatever the family
            )
        began_s = trio.current_time()
        assert [hit.title async for hit in client.search("song")] == ["Song"]
        took_s.append(trio.current_time() - began_s)
        latest = list(client.network.streams)[-1].peer_address[0]
        assert ":" in latest or change is whose_sockets_are_dead, "where either family does"

    _, server = hear(tmp_path, seed, (when_s, change), also=PHONE_6, seconds=40, rate=25_000, act=search)
    assert len(server.streams) == 1, "though audio may have come by call meanwhile"
    if when_s < 2:
        assert took_s[0] < HEAD_START_S + 2.0, "where the old connection had to show that it hangs"
    else:
        assert took_s[0] < 1.0, "of which a quarter of a second shows that IPv4 is dead"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("change", [without_ipv4, to_another_address])
@pytest.mark.parametrize("when_s", [3.0, 12.0], ids=["while the connection stands", "while it rests"])
def test_where_udp_is_blocked_in_the_new_network_grpc_follows_there(
    tmp_path: Path, change: Change, when_s: float, seed: int
) -> None:
    """By a new connection, for the one that stood when the address changed hangs for ever."""

    def and_without_udp(phone: SimHost) -> None:
        change(phone)
        phone.net.block_udp()

    heard, server = hear(tmp_path, seed, (when_s, and_without_udp), also=PHONE_6, loss=0.0)
    assert heard.session.playout.rebuffers == 0
    assert heard.session.stats.transports == {"udp", "grpc"}
    assert server.shelf.opens == 2, "for the stream, and for Streams.Pull"
