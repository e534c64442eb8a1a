"""What the network does to a listener in the field, one thing at a time: each once ended the music."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.kept import first_source
from lightpeer.client.start import Start
from lightpeer.client.stream import new_download, new_session
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.buffer import HISTORY_S
from lightpeer.core.segments.playback_buffer import PlaybackBuffer
from lightpeer.core.segments.scheduler import SegmentReady
from lightpeer.errors import NoPeerError
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import SMALL, Heard, at, stream
from tests.pair import Serving, made_track, serving, settings
from tests.playback.music import Stage, demo_track, stage

PHONE, MOVED = "10.0.9.1", "10.0.77.1"
SEEDS = range(4)
RAIN, ARCADE = demo_track("copper-rain"), demo_track("pocket-arcade")


def hear(
    tmp_path: Path,
    seed: int,
    begin: Callable[[SimInternet, SimHost], None],
    *,
    seconds: int = 60,
    rate: float = 50_000,
    delay_s: float = 0.05,
    **more: object,
) -> Heard:
    """Stream a track from one server while something happens to the phone."""
    made = made_track(seconds)

    async def main(net: SimInternet) -> Heard:
        phone = net.host(PHONE, down=Link(rate, delay_s), up=Link(rate, delay_s))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **(SMALL | more)), phone) as client,
        ):
            begin(net, phone)
            return await stream(client, made)

    return simulate(main, seed)


# What is outstanding after a dead zone.


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("zone_s", [4.0, 5.0, 7.0])
def test_after_a_dead_zone_the_window_is_free_again(tmp_path: Path, zone_s: float, seed: int) -> None:
    """The link goes on at 112 kbit/s, more than twice of what is played."""

    def begin(net: SimInternet, phone: SimHost) -> None:
        def zone() -> None:
            phone.down.stalled_until = phone.up.stalled_until = net.now + zone_s

        net.call_at(15.0 + seed, zone)
        net.call_at(15.0 + seed + zone_s, lambda: setattr(phone.down, "rate_bytes_per_s", 14_000))

    heard = hear(tmp_path, seed, begin, seconds=150)
    assert heard.session.playout.rebuffer_s < zone_s + 2.0


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_plateau_of_next_to_nothing_the_link_is_used_at_once(tmp_path: Path, seed: int) -> None:
    """For forty seconds the link gives 4 kbit/s, and then 112 again."""

    def begin(net: SimInternet, phone: SimHost) -> None:
        def turn(rate: float) -> None:
            phone.down.rate_bytes_per_s = rate

        for step, rate in enumerate((6_000, 3_000, 1_500, 900, 700, 500)):
            net.call_at(15.0 + seed + 2 * step, partial(turn, rate))
        net.call_at(66.0 + seed, partial(turn, 14_000))

    heard = hear(tmp_path, seed, begin, seconds=150, rate=14_000)
    assert heard.session.playout.rebuffer_s < 42.0


# Searches beside a stream.


@pytest.mark.parametrize("seed", SEEDS)
def test_a_search_without_an_answer_leaves_the_stream_its_connection(tmp_path: Path, seed: int) -> None:
    """UDP is blocked soon after, so that the stream needs it."""
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE, down=Link(50_000, 0.05), up=Link(50_000, 0.05))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, **SMALL), phone) as client,
            trio.open_nursery() as nursery,
        ):

            async def search() -> None:
                await trio.sleep_until(8.0 + seed / 4)
                phone.hang_tcp()
                with trio.move_on_after(30):
                    assert [hit.title async for hit in client.search("song")] == ["Song"]

            nursery.start_soon(search)
            nursery.start_soon(at, 14.0 + seed / 4, net.block_udp)
            heard = await stream(client, made)
        assert not heard.told("source_lost", "reason")
        assert heard.session.playout.rebuffers == 0

    simulate(main, seed)


# UDP and gRPC.


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rtt_s", [1.2, 1.8])
def test_udp_is_used_above_a_second_of_round_trip(tmp_path: Path, rtt_s: float, seed: int) -> None:
    heard = hear(tmp_path, seed, lambda *_: None, delay_s=rtt_s / 2, buffer_bytes=256_000)
    assert heard.session.stats.transports == {"udp"}
    assert heard.session.download.bandwidth.srtt_s == pytest.approx(rtt_s, rel=0.2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("moment_s", [10.0, 11.3])
def test_on_grpc_a_new_address_is_followed_within_three_seconds(
    tmp_path: Path, moment_s: float, seed: int
) -> None:
    """With UDP blocked; the old connection hangs without a word, in the middle of a transfer."""
    came: list[float] = []
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE, down=Link(12_000, 0.05), up=Link(12_000, 0.05))
        net.block_udp()
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            net.call_at(moment_s + seed / 5, lambda: phone.move(MOVED))
            put = PlaybackBuffer.put

            def note(self: PlaybackBuffer, segment: SegmentReady) -> bool:
                came.append(net.now)
                return put(self, segment)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(PlaybackBuffer, "put", note)
                heard = await stream(client, made)
        assert heard.session.playout.rebuffers == 0
        before = [when for when in came if when <= moment_s + seed / 5]
        assert came[len(before)] - (moment_s + seed / 5) <= 3.0

    simulate(main, seed)


# Bursts.


def test_on_a_long_path_a_burst_ends_and_the_radio_rests(tmp_path: Path) -> None:
    """A segment takes longer to come than to play, so there is always one missing at the mark."""
    sent: list[float] = []

    def begin(net: SimInternet, phone: SimHost) -> None:
        def note(data: bytes, source: tuple[str, int], _target: object) -> bytes:
            if source[0] == PHONE:
                sent.append(net.now)
            return data

        net.mutate = note

    hear(tmp_path, 1, begin, seconds=120, delay_s=0.6)
    awake = {int(when) for when in sent if 20 <= when < 110}
    assert len(awake) < 45, "seconds with a PULL in them, of 90"


def test_a_step_back_costs_no_byte_and_what_lay_ahead_stays(tmp_path: Path) -> None:
    made = made_track(120)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
            trio.open_nursery() as nursery,
        ):
            peer, opened = await first_source(client.open_track(made.track.track_id))
            session = new_session(
                client, new_download(opened.track, client.settings, Bandwidth(), realtime=True)
            )
            nursery.start_soon(session.run, (peer, opened))
            for number in range(40):
                assert (await session.next_segment()).segment == number
                await trio.sleep(1.0)
            await trio.sleep(5.0)
            before, ahead = session.stats.fetched_bytes, session.buffer_s
            for back in (10, 20):
                session.seek(40 - back)
                assert session.buffer_s == ahead + back
                assert (await session.next_segment()).segment == 40 - back
            await trio.sleep(5.0)
            assert session.stats.fetched_bytes == before
            session.seek(40 - int(HISTORY_S) - 5)
            await trio.sleep(5.0)
            assert session.stats.fetched_bytes - before < 7 * 8_000, "what was missing before"
            assert session.buffer_s >= ahead + HISTORY_S
            nursery.cancel_scope.cancel()

    simulate(main)


# Beginning and ending.


@pytest.mark.parametrize("steps", range(6))
def test_a_session_that_is_cancelled_at_its_first_steps_leaves_no_flow(tmp_path: Path, steps: int) -> None:
    made = made_track(10)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
        ):
            peer, opened = await first_source(client.open_track(made.track.track_id))
            bandwidth = Bandwidth()
            session = new_session(
                client, new_download(opened.track, client.settings, bandwidth, realtime=True)
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(session.run, (peer, opened))
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            assert bandwidth._flows == []
            assert phone.udp == {}

    simulate(main)


def test_a_start_in_mid_track_takes_no_more_round_trips_than_one_at_the_beginning(tmp_path: Path) -> None:
    """What is to be heard first comes with the Open there too."""

    def began_s(start_s: float) -> float:
        async def main(net: SimInternet) -> float:
            down = Link(200_000, 0.2)
            async with stage(net, tmp_path / str(start_s), [demo_track("copper-rain", 20)], down=down) as now:
                playing = trio.Event()

                async def play() -> None:
                    await now.player.play(["rain"], start_s=start_s)
                    playing.set()

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(play)
                    await now.until("playing")
                    nursery.cancel_scope.cancel()
                return trio.current_time()

        return simulate(main)

    assert began_s(12.0) < began_s(0.0) + 0.3, "one round trip for the segment that the decoder begins with"
    assert began_s(19.5) < began_s(0.0) + 0.5


@pytest.mark.parametrize("until_s", [0.1, 0.3, 0.5, 0.7])
def test_a_server_that_dies_as_it_is_opened_has_not_said_that_it_lacks_the_track(
    tmp_path: Path, until_s: float
) -> None:
    """It has answered the search by then: nobody can be reached, which is weather."""
    made = made_track(12)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE, down=Link(50_000, 0.1), up=Link(50_000, 0.1))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server), phone) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(dies_after, server, until_s)
            with pytest.raises(NoPeerError):
                await first_source(client.open_track(made.track.track_id, Start(first_segment=30)))
            assert trio.current_time() > until_s - 0.1

    async def dies_after(server: Serving, seconds: float) -> None:
        await trio.sleep(seconds)
        server.kill()

    simulate(main)


# The queue.


def perform(tmp_path: Path, act: Callable[[SimInternet, Stage], object], **more: object) -> Stage:
    async def main(net: SimInternet) -> Stage:
        async with (
            stage(net, tmp_path, [RAIN, ARCADE], [RAIN, ARCADE], **more) as now,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(act, net, now)
            await now.player.play(["rain", "arcade", "rain", "arcade"])
            nursery.cancel_scope.cancel()
            return now

    return simulate(main)


@pytest.mark.parametrize("outage_s", [20.0, 300.0])
def test_an_outage_at_the_end_of_a_track_is_waited_for(tmp_path: Path, outage_s: float) -> None:
    """The next one could not be opened ahead."""

    async def act(net: SimInternet, now: Stage) -> None:
        await now.until_heard(2.0)
        net.partition(now.phone)
        await trio.sleep(outage_s)
        net.heal()

    done = perform(tmp_path, act, down=Link(7_500, 0.05))
    titles = ["Copper Rain", "Pocket Arcade", "Copper Rain", "Pocket Arcade"]
    assert done.told("playing", "title") == titles
    assert done.told("warning", "message") == []
    assert done.kinds().count("waiting") <= 1


@pytest.mark.parametrize(("rate", "needed"), [(10_000, 2), (4_000, 8)])
def test_of_three_skips_in_a_row_the_last_is_opened_and_plays(
    tmp_path: Path, rate: float, needed: int
) -> None:
    """Over the slower link sound would not last until all eight seconds are here."""

    async def act(net: SimInternet, now: Stage) -> None:
        await now.until("playing")
        before = now.opens()
        for _ in range(3):
            now.player.next()
            await trio.sleep(0.5)
        pressed_s = trio.current_time()
        await now.until("playing", 2)
        assert now.told("playing", "title")[-1] == "Pocket Arcade"
        assert now.opens() - before <= 3, "the first, the last, and another source for that"
        assert trio.current_time() - pressed_s < 5.0 + needed * 6_500 / rate

    done = perform(tmp_path, act, down=Link(rate, 0.1))
    assert done.kinds()[-1] == "ended"
    assert "rebuffering" not in done.kinds()
    assert done.told("warning", "message") == []
