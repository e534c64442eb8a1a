"""What was heard once costs no byte again: a player, its cache, and a network that may be gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.client.fetch import FetchOptions, fetch
from lightpeer.client.pin import pin
from lightpeer.errors import NoPeerError, StateError, UsageError
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


def playing(made: MadeTrack, item: str = "") -> Callable[[Stage], Awaitable[None]]:
    async def act(now: Stage) -> None:
        await now.player.play([item or made.track.uri])
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


@pytest.mark.parametrize("is_back_s", [None, 6.0])
def test_after_what_is_kept_the_next_item_waits_for_a_first_contact(tmp_path, is_back_s) -> None:
    """For as long as at a start, from when it is due: while something kept is heard, nobody waits."""

    async def alone(now: Stage) -> None:
        async def return_later() -> None:
            await now.until("ended")
            await trio.sleep(is_back_s)
            now.phone.no_route = False

        now.phone.no_route = True
        items = [RAIN.track.uri, ARCADE.track.uri]
        if is_back_s is None:
            with pytest.raises(NoPeerError):
                await now.player.play(items)
            assert trio.current_time() == pytest.approx(22 + 15, abs=0.5)
            assert "waiting" in now.kinds()
            assert now.sink.pcm == pcm_of(RAIN)
        else:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(return_later)
                await now.player.play(items)
            assert now.sink.pcm == pcm_of(RAIN) + pcm_of(ARCADE)

    on_phone(tmp_path, playing(RAIN), alone)


def some_of(made: MadeTrack, until_s: float) -> Callable[[Stage], Awaitable[None]]:
    """Play the beginning of a track."""

    async def act(now: Stage) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.player.play, [made.track.uri])
            await now.until_heard(until_s)
            now.player.stop()

    return act


SHALLOW = {"buffer_bytes": 42_000}


def test_what_is_kept_in_part_begins_at_once_and_only_the_rest_comes(tmp_path) -> None:
    came: list[int] = []

    async def whole(now: Stage) -> None:
        await playing(RAIN)(now)
        came.append(now.phone.counters.rx_bytes())

    async def rest(now: Stage) -> None:
        await whole(now)
        assert now.sink.writes[0][0] < 0.01, "nothing was waited for"
        assert now.told("playing", "transport") == ["cache"]

    on_phone(tmp_path / "other", whole, **SHALLOW)
    on_phone(tmp_path, some_of(RAIN, 8.0), rest, **SHALLOW)
    assert came[1] < 0.6 * came[0]


def test_what_is_kept_in_part_is_heard_without_network_and_goes_on_when_it_is_back(tmp_path) -> None:
    async def later(now: Stage) -> None:
        now.phone.no_route = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.player.play, [RAIN.track.uri])
            await now.until("rebuffering")
            assert 10.0 < trio.current_time() < 20.0
            await trio.sleep(30.0)
            now.phone.no_route = False
        assert now.sink.pcm == pcm_of(RAIN)

    on_phone(tmp_path, some_of(RAIN, 8.0), later, **SHALLOW)


def test_a_place_that_is_not_kept_is_opened_at_a_peer(tmp_path) -> None:
    async def at_its_end(now: Stage) -> None:
        await now.player.play([RAIN.track.uri], start_s=18.0)
        assert now.told("playing", "transport") == ["udp"]

    on_phone(tmp_path, some_of(RAIN, 2.0), at_its_end, **SHALLOW)


def test_words_find_what_is_kept_where_no_peer_can_be_reached(tmp_path) -> None:
    async def other(now: Stage) -> None:
        with pytest.raises(NoPeerError):
            await now.player.play(["pocket arcade"])

    on_phone(
        tmp_path,
        playing(RAIN),
        some_of(ARCADE, 1.0),
        without_network(playing(RAIN, "rain copper")),
        without_network(other),
        **SHALLOW,
    )


def test_words_that_peers_find_play_what_is_kept(tmp_path) -> None:
    async def again(now: Stage) -> None:
        await playing(RAIN, "copper rain")(now)
        assert now.player.stats()["kept_bytes"] == sum(map(len, RAIN.segments[0]))
        assert now.player.stats()["sources"] == 0

    on_phone(tmp_path, playing(RAIN), again)


def test_a_fetch_begins_with_what_is_kept_and_keeps_nothing(tmp_path) -> None:
    path = tmp_path / "x.opus"
    data = RAIN.track.renditions[0].header + b"".join(RAIN.segments[0])

    async def fetched(now: Stage) -> None:
        done = await fetch(now.client, RAIN.track.uri, path)
        assert (done.transport, done.sources, done.kept_bytes) == (
            "cache",
            0,
            len(data) - len(data[: len(RAIN.track.renditions[0].header)]),
        )
        assert path.read_bytes() == data

    async def another(now: Stage) -> None:
        await fetch(now.client, ARCADE.track.uri, path, FetchOptions(bitrate_kbps=48))
        assert not now.client.has_kept(ARCADE.track.track_id)

    on_phone(tmp_path, playing(RAIN), without_network(fetched), another)


def test_with_the_cache_off_nothing_is_written_or_read(tmp_path) -> None:
    async def again(now: Stage) -> None:
        await playing(RAIN)(now)
        assert now.opens()
        with pytest.raises(UsageError):
            await pin(now.client, RAIN.track.uri)

    on_phone(tmp_path, playing(RAIN), cache_bytes=0)
    assert not (tmp_path / "state" / "cache").exists()
    on_phone(tmp_path, playing(RAIN))
    on_phone(tmp_path, again, cache_bytes=0)


def test_what_is_pinned_is_heard_in_the_tunnel(tmp_path) -> None:
    progress: list[tuple[int, int | None]] = []

    async def pinned(now: Stage) -> None:
        options = FetchOptions(on_progress=lambda *done: progress.append(done))
        done = await pin(now.client, "copper rain", options)
        size = sum(map(len, RAIN.segments[0]))
        assert (done.title, done.kept_bytes, done.fetched_bytes) == ("Copper Rain", 0, size)
        assert size < done.pinned_bytes < 1.1 * size + len(RAIN.manifest)
        assert done.bound_bytes == 10 * MB
        assert trio.current_time() < 5.0

    async def pinned_again(now: Stage) -> None:
        done = await pin(now.client, RAIN.track.uri)
        assert (done.kept_bytes, done.fetched_bytes) == (sum(map(len, RAIN.segments[0])), 0)

    on_phone(tmp_path, pinned, without_network(pinned_again), without_network(playing(RAIN)))
    assert [path.suffix for path in (tmp_path / "state" / "cache").iterdir()] == [".pinned"]
    assert len(progress) == 22
    assert progress[-1][0] == sum(map(len, RAIN.segments[0]))


def test_two_that_share_a_folder_leave_it_sound(tmp_path) -> None:
    """Two clients stand for two processes: their locks exclude each other as those of processes do."""

    async def both(now: Stage) -> None:
        async with open_client(now.client.settings, now.phone) as other, trio.open_nursery() as nursery:
            nursery.start_soon(pin, other, RAIN.track.uri)
            nursery.start_soon(playing(RAIN), now)
            nursery.start_soon(pin, other, ARCADE.track.uri)

    on_phone(tmp_path, both, without_network(playing(RAIN)), without_network(playing(ARCADE)))


def test_a_pin_beyond_the_bound_is_refused(tmp_path) -> None:
    async def pinned(now: Stage) -> None:
        await pin(now.client, RAIN.track.uri)
        with pytest.raises(StateError, match="more do not fit, as"):
            await pin(now.client, ARCADE.track.uri)

    on_phone(tmp_path, pinned, without_network(playing(RAIN)), cache_bytes=190_000)


def test_what_the_disk_damaged_is_fetched_again_and_said_once(tmp_path, caplog) -> None:
    def damage(at: int) -> None:
        (path,) = (tmp_path / "state" / "cache").iterdir()
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    on_phone(tmp_path, playing(RAIN))
    damage(-100)
    on_phone(tmp_path, playing(RAIN))
    assert [record.levelname for record in caplog.records if "damaged" in record.message] == ["WARNING"]
    on_phone(tmp_path, without_network(playing(RAIN)))
    damage(0)
    on_phone(tmp_path, playing(RAIN), without_network(playing(RAIN)))


def test_a_disk_that_takes_nothing_stops_no_music_and_is_said_once(tmp_path, caplog) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "cache").write_bytes(b"")
    on_phone(tmp_path, playing(RAIN))
    assert len([record for record in caplog.records if "cannot save state" in record.message]) == 1
