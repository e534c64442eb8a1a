"""UDP that does not pass, or not well: the music goes on by gRPC, and returns to UDP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.query import FIRST_REPLY_S
from lightpeer.config import Settings
from lightpeer.core.guard.turns import Turns
from lightpeer.core.trust.contact import Contact
from lightpeer.net.network import Address
from lightpeer.rpc.server import Context, Requests, RpcServer, ServerBounds, stream_stream
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import SMALL, Heard, at, stream
from tests.pair import PORT, made_track, serving, settings

PHONE = "10.0.9.1"
SEEDS = range(2)
Filter = Callable[[SimInternet], None]


def nothing_comes_back(net: SimInternet) -> None:
    net.mutate = lambda data, _source, target: None if target[0] == PHONE else data


def nothing_goes_out(net: SimInternet) -> None:
    net.mutate = lambda data, source, _target: None if source[0] == PHONE else data


def nothing_passes(net: SimInternet) -> None:
    net.mutate = lambda _data, _source, _target: None


def nearly_nothing_passes(net: SimInternet) -> None:
    """Throttle to one datagram in twenty, as networks do that dislike UDP."""
    net.mutate = lambda data, _source, _target: data if net.random.random() < 0.05 else None


def one_a_second_passes(net: SimInternet) -> None:
    """Police UDP to what is of no use for audio: a datagram a second each way."""
    free_at: dict[str, float] = {}

    def police(data: bytes, source: Address, _target: Address) -> bytes | None:
        now = trio.current_time()
        if now < free_at.get(source[0], 0.0):
            return None
        free_at[source[0]] = now + 1.0
        return data

    net.mutate = police


def all_passes(net: SimInternet) -> None:
    net.mutate = None


ONE_WAY = [nothing_comes_back, nothing_goes_out]
THROTTLED = [nearly_nothing_passes, one_a_second_passes]


def hear(
    tmp_path: Path, seed: int, *changes: tuple[float, Filter], seconds: int = 60, **levels: float
) -> Heard:
    made = made_track(seconds)

    async def main(net: SimInternet) -> Heard:
        phone = net.host(PHONE, down=Link(50_000, 0.05), up=Link(50_000, 0.05))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **(levels or SMALL)), phone) as client,
            trio.open_nursery() as nursery,
        ):
            for when_s, change in changes:
                nursery.start_soon(at, when_s, change, net)
            return await stream(client, made)

    return simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("filter_", [*ONE_WAY, *THROTTLED])
def test_udp_that_passes_one_way_or_hardly_is_no_use_from_the_start(
    tmp_path: Path, filter_: Filter, seed: int
) -> None:
    """A trickle takes two seconds to be known from a slow start, and no more than those came inline."""
    heard = hear(tmp_path, seed, (0.0, filter_))
    assert heard.session.playout.rebuffer_s < (1.5 if filter_ in THROTTLED else 0.1)
    assert heard.session.transport in {"grpc", "-"}


@pytest.mark.parametrize("filter_", [*ONE_WAY, *THROTTLED])
def test_a_neighbour_behind_the_same_address_that_floods_leaves_a_connection_its_own(
    tmp_path: Path, filter_: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the network may still cause is booked by the neighbour's connections, twelve seconds ahead."""

    class Flooded(Turns):
        def __init__(self, _: float) -> None:
            super().__init__(work_per_s=200.0)
            monkeypatch.setattr(self.networks, "level", lambda _network, _now: -12 * 200.0)

    monkeypatch.setattr("lightpeer.rpc.intake.Turns", Flooded)
    monkeypatch.setitem(RpcServer.__init__.__kwdefaults__, "bounds", ServerBounds(work_per_s=200.0))
    heard = hear(tmp_path, 0, (0.0, filter_))
    assert heard.session.playout.rebuffer_s < (1.5 if filter_ in THROTTLED else 0.1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("filter_", [*ONE_WAY, *THROTTLED])
def test_what_happens_to_udp_in_mid_track_makes_no_gap(tmp_path: Path, filter_: Filter, seed: int) -> None:
    heard = hear(tmp_path, seed, (12.0, filter_), buffer_bytes=140_000)
    assert heard.session.playout.rebuffers == 0
    assert heard.told("transport", "transport")[0] == "grpc"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("for_s", [10.0, 100.0], ids=["for a while", "for longer than a stream lives"])
@pytest.mark.parametrize("filter_", [nothing_passes, *ONE_WAY, *THROTTLED])
def test_udp_that_passes_again_is_used_again(
    tmp_path: Path, filter_: Filter, for_s: float, seed: int
) -> None:
    changes = (12.0, filter_), (12.0 + for_s, all_passes)
    heard = hear(tmp_path, seed, *changes, seconds=200, buffer_bytes=140_000)
    assert heard.session.playout.rebuffers == 0
    assert heard.told("transport", "transport")[-1] == "udp"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_zone_costs_nearly_nothing_twice(tmp_path: Path, seed: int) -> None:
    """TCP is as dead as UDP, and the network holds what was asked: little of it is to come by both."""
    made = made_track(60)

    async def main(net: SimInternet) -> Heard:
        down = Link(50_000, 0.05)
        phone = net.host(PHONE, down=down, up=Link(50_000, 0.05))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), phone) as client,
            trio.open_nursery() as nursery,
        ):

            def begin() -> None:
                down.stalled_until = trio.current_time() + 7.0

            nursery.start_soon(at, 12.0, begin)
            return await stream(client, made)

    heard = simulate(main, seed)
    assert heard.session.playout.rebuffers <= 1
    assert heard.session.download.scheduler.wasted_bytes < 20_000


def test_after_a_long_pause_it_is_opened_anew(tmp_path: Path) -> None:
    """The server ends a stream after ten minutes without PULLs, and says nothing."""
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), net.host(PHONE)) as client,
        ):
            heard = await stream(client, made, pause_s=620.0)
            assert server.shelf.opens == 2
        assert heard.session.stats.transports == {"udp"}
        assert heard.session.playout.rebuffers == 0

    simulate(main)


# UDP is blocked from the start, and so is the first peer, in its own way.


@pytest.mark.parametrize("seed", SEEDS)
def test_where_the_first_peer_says_nothing_another_begins(tmp_path: Path, seed: int) -> None:
    """Its TCP accepts, and that is all; it is given five seconds to answer."""
    made = made_track(30)

    async def main(net: SimInternet) -> None:
        await net.host("10.0.0.2").listen_tcp("", PORT)
        net.block_udp()
        async with serving(net.host("10.0.0.1"), [made]) as server:
            mute = Contact(("10.0.0.2", PORT))
            chosen = Settings(state_dir=tmp_path, bootstrap=(mute, Contact(server.address)), **SMALL)
            async with open_client(chosen, net.host(PHONE, down=Link(50_000, 0.05))) as client:
                heard = await stream(client, made)
        assert heard.began_s < FIRST_REPLY_S + 1.0
        assert heard.session.playout.rebuffers == 0
        assert heard.session.transport == "grpc"

    simulate(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_where_the_first_source_promises_and_sends_nothing_another_goes_on(tmp_path: Path, seed: int) -> None:
    """It opens the track, with the first seconds inline; then neither UDP nor Streams.Pull give anything."""
    made = made_track(30)

    async def main(net: SimInternet) -> None:
        net.block_udp()
        phone = net.host(PHONE, down=Link(50_000, 0.05), up=Link(50_000, 0.05))
        async with (
            serving(net.host("10.0.0.2"), [made]) as idle,
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, idle, server, **SMALL), phone) as client,
        ):
            idle.rpc._handlers["/loudp2p.v1.Streams/Pull"] = stream_stream(never_answer)
            heard = await stream(client, made)
        assert heard.began_s < 1.0
        assert heard.session.playout.rebuffer_s < 2.0, "with nothing in the buffer but what came inline"
        assert len(heard.renditions) == 30

    simulate(main, seed)


async def never_answer(requests: Requests, context: Context) -> None:
    await trio.sleep_forever()
