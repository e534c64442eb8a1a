"""Outages are weather: a queue waits them out, says so once, and goes on soon after the network is back."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.holders import Holders
from lightpeer.core.queue.play_order import Turn
from lightpeer.core.trust.contact import parse_contact
from lightpeer.errors import NoPeerError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.playback.player import Player
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import PORT, serving
from tests.playback.music import Stage, demo_track, stage
from tests.sim.test_light_client import lie

SHELF = [demo_track("copper-rain", 20), demo_track("pocket-arcade"), demo_track("northern-windows")]
SMALL = {"buffer_bytes": 56_000}  # less than a track
PROBE_S = 10.0  # between two tries at most
TAKES_S = 5.0  # for a connection, an Open and the first seconds
SEEDS = (1, 2)
Act = Callable[[SimInternet, Stage], Awaitable[None]]


def perform(tmp_path: Path, act: Act, *items: str, seed: int = 1, **more: object) -> Stage:
    """Play a queue on a phone of its own while something happens to its network."""
    asked = {"down": Link(50_000, 0.05)} | SMALL | more

    async def main(net: SimInternet) -> Stage:
        async with stage(net, tmp_path, SHELF, **asked) as now, trio.open_nursery() as nursery:
            over = trio.Event()

            async def play() -> None:
                await now.player.play(items or ("rain", "arcade"))
                over.set()

            with now.phone.tasks():
                nursery.start_soon(play)
            await act(net, now)
            await over.wait()
            nursery.cancel_scope.cancel()
            return now

    return simulate(main, seed)


async def goes_on_soon(now: Stage) -> None:
    """Wait until music goes on, which takes a probe and a start at most."""
    began = trio.current_time()
    await now.until("resumed")
    assert trio.current_time() - began <= PROBE_S + TAKES_S


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("outage_s", [60.0, 1800.0])
@pytest.mark.parametrize(("heard_s", "rate"), [(2.0, 50_000), (14.0, 8_000)])
def test_an_outage_in_mid_queue(
    tmp_path: Path, heard_s: float, rate: int, outage_s: float, seed: int
) -> None:
    """In the middle of a track, and near its end, when the next one is not fetched yet."""

    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(heard_s)
        net.partition(now.phone)
        await trio.sleep(outage_s)
        assert now.player.status.awaited == "network"
        assert now.player.status.awaited_s >= outage_s - 40.0
        sent_bytes = now.phone.counters.tx_bytes()
        assert sent_bytes < 15_000 + 30 * outage_s, "it tries, and costs little"
        net.heal()
        await goes_on_soon(now)

    done = perform(tmp_path, act, seed=seed, down=Link(rate, 0.05))
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    assert done.told("warning", "message") == []
    assert done.kinds().count("waiting") == 1
    assert done.kinds().count("resumed") == 1
    assert len(done.told("ended", "uri")) == 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("outage_s", [60.0, 1800.0])
def test_an_outage_before_the_first_contact(tmp_path: Path, outage_s: float, seed: int) -> None:
    """A speaker that is switched on in a power cut."""

    async def act(net: SimInternet, now: Stage) -> None:
        net.partition(now.phone)
        await trio.sleep(outage_s)
        assert now.player.status.state == "opening"
        net.heal()
        await goes_on_soon(now)

    done = perform(tmp_path, act, seed=seed, first_contact_wait_s=math.inf)
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    assert done.kinds()[:2] == ["opening", "waiting"]


def test_without_a_first_contact_it_ends_on_time(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path, SHELF) as now:
            net.partition(now.phone)
            with pytest.raises(NoPeerError, match=r"^no peer can be reached, as"):
                await now.player.play(["rain"])
            assert trio.current_time() == 15.0

    simulate(main)


def test_a_tunnel_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """Ten seconds, then a slow link: what comes by then is not cut short."""

    async def act(net: SimInternet, now: Stage) -> None:
        net.partition(now.phone)
        await trio.sleep(10.0)
        net.heal()

    done = perform(tmp_path, act, down=Link(7_000, 0.2))
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]


@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("item", ["rain", SHELF[0].track.uri])
def test_once_a_peer_has_answered_the_first_item_is_waited_for(
    tmp_path: Path, item: str, after_s: float
) -> None:
    """For longer than `first_contact_wait_s`, though nothing of it is here yet."""

    async def act(net: SimInternet, now: Stage) -> None:
        await now.when(lambda: now.client.has_heard)
        await trio.sleep(after_s)
        net.partition(now.phone)
        await trio.sleep(120.0)
        net.heal()

    done = perform(tmp_path, act, item, "arcade", down=Link(5_000, 0.4))
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    assert done.told("warning", "message") == []


@pytest.mark.parametrize("item", ["copper rain", SHELF[0].track.uri])
def test_the_only_holder_is_waited_for_while_another_peer_names_it(tmp_path: Path, item: str) -> None:
    async def main(net: SimInternet) -> Stage:
        async with stage(net, tmp_path, []) as now, trio.open_nursery() as nursery:
            host = net.host("10.0.0.2")
            async with serving(host, SHELF) as holder:
                record = holder.gossip.own.current()
                hit = pb.Hit(track_id=SHELF[0].track.track_id, title="Copper Rain", holders=[0])
                lie(now.servers[0], pb.SearchReply(hits=[hit], peers=[record]))
                holder.kill()
            nursery.start_soon(now.player.play, [item])
            await trio.sleep(120.0)
            assert now.player.status.awaited == "network"
            async with serving(host, SHELF, identity=holder.identity):
                await now.until("ended")
            nursery.cancel_scope.cancel()
            return now

    done = simulate(main)
    assert done.told("waiting", "reason") == [str(Holders.away())]
    assert done.told("playing", "title") == ["Copper Rain"]


@pytest.mark.parametrize("when_s", [0.0, 2.0])
def test_names_that_do_not_resolve(tmp_path: Path, when_s: float) -> None:
    """From the first, and in the middle together with the link."""

    async def act(net: SimInternet, now: Stage) -> None:
        if when_s:
            await now.until_heard(when_s)
            net.partition(now.phone)
        now.phone.names_fail = True
        await trio.sleep(60.0)
        now.phone.names_fail = False
        net.heal()
        await goes_on_soon(now)

    async def main(net: SimInternet) -> Stage:
        net.names["music.example"] = "10.0.0.1"
        named = {"bootstrap": (parse_contact(f"music.example:{PORT}"),), "first_contact_wait_s": math.inf}
        async with (
            stage(net, tmp_path, SHELF, **SMALL) as now,
            open_client(replace(now.client.settings, **named), now.phone) as client,
            trio.open_nursery() as nursery,
        ):
            now.player = Player(client, lambda: now.sink, client.settings, on_event=now.events.append)
            nursery.start_soon(act, net, now)
            await now.player.play(["rain", "arcade"])
            return now

    done = simulate(main)
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    assert done.told("warning", "message") == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_only_server_is_started_again(tmp_path: Path, seed: int) -> None:
    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(2.0)
        now.servers[0].kill()
        await trio.sleep(40.0)
        async with serving(net.host("10.0.0.1"), SHELF, identity=now.servers[0].identity):
            await goes_on_soon(now)
            await now.until("ended", 2)

    done = perform(tmp_path, act, seed=seed)
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    assert done.told("warning", "message") == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("away_s", [60.0, 3600.0])
def test_a_machine_that_was_suspended_goes_on(tmp_path: Path, away_s: float, seed: int) -> None:
    """Its clock stood, its connections are gone, and it has another address."""

    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(2.0)
        now.phone.suspend()
        await trio.sleep(away_s)
        now.phone.move("10.0.77.1")
        now.phone.resume()

    done = perform(tmp_path, act, seed=seed, give_up_s=30.0)
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    assert done.told("warning", "message") == []


def test_a_silence_is_given_up_where_that_was_asked_for(tmp_path: Path) -> None:
    async def main(net: SimInternet) -> None:
        async with (
            stage(net, tmp_path, SHELF, give_up_s=60.0, **SMALL) as now,
            trio.open_nursery() as nursery,
        ):

            async def cut() -> None:
                await now.until_heard(2.0)
                net.partition(now.phone)

            nursery.start_soon(cut)
            with pytest.raises(NoPeerError, match=r"^no sound for 60 s, given up: nothing comes"):
                await now.player.play(["rain"])
            ran_dry_s = 2.0 + SMALL["buffer_bytes"] / 6000
            assert 60.0 + 4.0 < trio.current_time() <= 60.0 + ran_dry_s + 3.0

    simulate(main)


# What is here before it is due.


def test_skips_play_at_once_what_was_opened_ahead_even_without_a_network(tmp_path: Path) -> None:
    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(3.0)
        opened = [now.player._engine.decks.get(Turn(item)) for item in (1, 2, 3)]
        ahead = [deck.session.stats.fetched_bytes for deck in opened[1:]]
        assert all(6_000 < size <= 13_000 for size in ahead), "the opening, and no more"
        assert not opened[0].session.complete
        net.partition(now.phone)
        for number, title in enumerate(("Pocket Arcade", "Northern Windows"), 1):
            pressed_s = trio.current_time()
            now.player.next()
            await now.until("playing", number + 1)
            assert trio.current_time() - pressed_s <= 0.02
            assert now.told("playing", "title")[-1] == title
        net.heal()

    done = perform(tmp_path, act, "rain", "arcade", "north")
    assert done.told("warning", "message") == []
    assert done.kinds().count("ended") == 1


def test_the_next_track_is_fetched_once_the_one_that_plays_is_complete(tmp_path: Path) -> None:
    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(3.0)
        following = now.player._engine.decks.get(Turn(2)).session
        assert following.download.buffer.is_held
        await now.when(lambda: now.player._engine.decks.get(Turn(1)).session.complete)
        await now.when(lambda: following.complete)
        assert now.player._engine.decks.get(Turn(3)).session.download.buffer.is_held
        assert now.player.status.title == "Copper Rain"

    done = perform(tmp_path, act, "rain", "arcade", "north")
    assert done.sink.gaps == []


# Seeking.


async def sounds_again(now: Stage) -> None:
    """Wait until the sink was flushed for a seek and has sound again."""
    flushes = now.sink.log.count("flush")
    await now.when(lambda: now.sink.log.count("flush") > flushes and bool(now.sink.writes))


def test_a_seek_to_what_is_here_needs_no_network(tmp_path: Path) -> None:
    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(5.0)
        net.partition(now.phone)
        for seconds in (-4.0, 4.0, 2.0):
            pressed_s = trio.current_time()
            now.player.seek_by(seconds)
            await sounds_again(now)
            assert trio.current_time() - pressed_s <= 0.02
        net.heal()

    perform(tmp_path, act, "rain", buffer_bytes=100_000)


@pytest.mark.parametrize("rtt_s", [0.1, 0.6])
def test_a_seek_elsewhere_takes_a_round_trip_and_the_start_of_sound(tmp_path: Path, rtt_s: float) -> None:
    """Two seconds that the mark asks for, and what of another the decoder begins with."""

    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(2.0)
        pressed_s = trio.current_time()
        now.player.seek_by(13.5)
        await sounds_again(now)
        took_s = trio.current_time() - pressed_s
        assert rtt_s < took_s <= rtt_s + 3 * 6_500 / 50_000 + 0.1

    perform(tmp_path, act, "rain", down=Link(50_000, rtt_s - 0.01))
