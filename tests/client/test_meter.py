"""Caps while music plays: on virtual time, with the real client, server and player."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from lightpeer.cli.events import fields_of, name_of
from lightpeer.client.client import Client
from lightpeer.client.fetch import fetch
from lightpeer.client.kept import first_source
from lightpeer.client.meter import SAVE_AGAIN_S, profile_of
from lightpeer.client.metered import open_metered
from lightpeer.client.start import Start
from lightpeer.client.stream import new_download, new_session
from lightpeer.config import Settings
from lightpeer.core.budget.profile import NORMAL, THRIFTY, UNMETERED, Profile, limits_of
from lightpeer.core.budget.standing import MB, SLOW
from lightpeer.core.budget.usage import Usage
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.download.session import Callbacks
from lightpeer.errors import CapReachedError
from lightpeer.playback.events import Ended, PlayerEvent
from lightpeer.playback.player import Player
from lightpeer.state.usage import USAGE_FILE, UsageFile
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack, made_track, serving, settings
from tests.playback.music import Recorder, demo_track

SONG = made_track(600, kbps=(24, 48, 96))
RATE = 60_000  # bytes a second
KEPT = 1_000_000  # bytes

Act = Callable[[Client, SimHost], Awaitable[None]]


def metered(folder: Path, act: Act, *profiles: Profile, track: MadeTrack = SONG, **more: object) -> None:
    """Do something as a client that is counted."""

    reached: list[CapReachedError] = []

    async def main(net: SimInternet) -> None:
        phone = net.host("10.0.9.1", down=Link(RATE, 0.05))
        async with serving(net.host("10.0.0.1"), [track]) as server:
            chosen = settings(folder, server, profiles=profiles, **more)
            try:
                async with open_metered(chosen, phone) as client:
                    await act(client, phone)
            except CapReachedError as error:
                reached.append(error)

    simulate(main)
    if reached:
        raise reached[0]


def used(folder: Path) -> int:
    usage = UsageFile(folder).load()
    return usage.today_bytes(usage.clock)


async def fetch_song(client: Client, phone: SimHost) -> None:
    await fetch(client, SONG.track.uri, client.settings.state_dir / "song.opus")


def test_all_bytes_count_in_both_directions(tmp_path):
    carried = []

    async def act(client: Client, phone: SimHost) -> None:
        _ = [hit async for hit in client.search("song")]
        carried.append(phone.counters.rx_bytes() + phone.counters.tx_bytes())

    metered(tmp_path, act)
    assert 500 < carried[0] <= used(tmp_path) < carried[0] + 500  # and the goodbye
    assert UsageFile(tmp_path).load().by_day(1).popitem()[1].keys() == {"normal"}


def test_a_cap_ends_a_fetch_and_the_next_run_before_it_begins(tmp_path):
    capped = Profile("normal", day_mb=1)
    with pytest.raises(CapReachedError, match=r"the cap of 1 MB a day in the profile normal is reached"):
        metered(tmp_path, fetch_song, capped)
    assert MB <= used(tmp_path) < 1.05 * MB, "it is noticed in time"
    before = (tmp_path / USAGE_FILE).read_bytes()
    with pytest.raises(CapReachedError, match=r"use --profile unmetered or raise day_mb"):
        metered(tmp_path, fetch_song, capped)
    assert (tmp_path / USAGE_FILE).read_bytes() == before, "it has sent nothing"


def test_another_profile_and_a_higher_cap_go_on(tmp_path):
    async def ask(client: Client, phone: SimHost) -> None:
        await client.peers()

    with pytest.raises(CapReachedError):
        metered(tmp_path, fetch_song, Profile("normal", day_mb=1))
    metered(tmp_path, ask, Profile("normal", day_mb=1), profile="unmetered")
    metered(tmp_path, ask, Profile("normal", day_mb=2))


def test_the_file_is_written_once_a_minute_while_bytes_come_and_else_not(tmp_path):
    written: list[tuple[float, int]] = []

    async def act(client: Client, phone: SimHost) -> None:
        began_at = trio.current_time()
        add = client.meter._file.add

        def note(*told: object) -> Usage | None:
            written.append((trio.current_time() - began_at, used(tmp_path)))
            return add(*told)

        client.meter._file.add = note
        await trio.sleep(1000)
        assert written == [], "nothing was carried"
        for _ in range(130):
            phone.counters.add(rx=1000)
            await trio.sleep(1)
        assert used(tmp_path) >= 130_000 - 1000 * SAVE_AGAIN_S, "a kill now would lose no more"
        await trio.sleep(1000)

    metered(tmp_path, act)
    assert [round(at) for at, _ in written] == [1060, 1120, 1181]
    assert used(tmp_path) == 130_000


def test_what_another_process_uses_counts_a_minute_later(tmp_path):
    async def act(client: Client, phone: SimHost) -> None:
        assert client.meter.left_bytes == MB
        UsageFile(tmp_path).add("normal", 900_000, phone.unix_time())
        phone.counters.add(rx=1000)
        assert client.meter.left_bytes == MB - 1000
        await trio.sleep(SAVE_AGAIN_S + 1)
        assert client.meter.left_bytes == 99_000
        assert client.limits() == SLOW

    metered(tmp_path, act, Profile("normal", day_mb=1))


def test_a_disk_that_cannot_be_written_loses_no_count_of_this_run(tmp_path, caplog):
    (tmp_path / "usage.lock").mkdir()

    async def act(client: Client, phone: SimHost) -> None:
        phone.counters.add(rx=600_000)
        await trio.sleep(2 * SAVE_AGAIN_S)
        phone.counters.add(rx=300_000)
        await trio.sleep(2 * SAVE_AGAIN_S)
        assert client.meter.left_bytes == 100_000

    metered(tmp_path, act, Profile("normal", day_mb=1))
    assert caplog.text.count("cannot lock") == 1


def test_a_new_day_goes_on_as_normal(tmp_path):
    async def act(client: Client, phone: SimHost) -> None:
        phone.counters.add(rx=900_000)
        await trio.sleep(SAVE_AGAIN_S + 1)
        assert client.limits() == SLOW
        await trio.sleep(86_400)
        phone.counters.add(rx=1)
        await trio.sleep(SAVE_AGAIN_S)
        assert client.limits() == limits_of(NORMAL)

    metered(tmp_path, act, Profile("normal", day_mb=1))


class TestProfiles:
    def test_the_network_s_profile_holds_and_changes_with_it(self, tmp_path):
        async def act(client: Client, phone: SimHost) -> None:
            assert client.limits() == limits_of(NORMAL)
            phone.interface = "rmnet0"
            phone.counters.add(rx=1000)
            await trio.sleep(SAVE_AGAIN_S + 1)
            assert client.limits() == limits_of(THRIFTY)
            phone.counters.add(rx=500)

        metered(tmp_path, act)
        assert UsageFile(tmp_path).load().by_day(1).popitem()[1] == {"normal": 1000, "thrifty": 500}

    def test_a_name_is_stronger_than_the_network(self, tmp_path):
        async def main(net: SimInternet) -> None:
            phone = net.host("10.0.9.1")
            phone.interface = "tun0"
            own = (Profile("train", top_kbps=24),)
            base = {"state_dir": tmp_path, "profiles": own, "networks": (("tun0", "train"),)}
            assert profile_of(Settings(**base), phone) == own[0]
            assert profile_of(Settings(**base, profile="unmetered"), phone) == UNMETERED
            assert profile_of(Settings(**base, bitrate_kbps=96), phone) == Profile("train")
            assert profile_of(Settings(state_dir=tmp_path), phone) == THRIFTY

        simulate(main)


class TestPlaying:
    """The demo's track, 8 s and 48 kB at 48 kbit/s."""

    def play(
        self, folder: Path, *profiles: Profile, times: int = 1, words: bool = False, **more: object
    ) -> list[PlayerEvent]:
        events: list[PlayerEvent] = []
        track = demo_track("copper-rain")

        async def act(client: Client, _phone: SimHost) -> None:
            player = Player(client, Recorder, client.settings, on_event=events.append)
            await player.play([track.track.title if words else track.track.uri] * times)

        try:
            metered(folder, act, *profiles, track=track, **more)
        except CapReachedError as error:
            events.append(error)
        return events

    def test_it_slows_with_a_sentence_and_then_stops_with_one(self, tmp_path):
        events = self.play(tmp_path, Profile("normal", day_mb=0.3), times=20)
        *told, error = events
        (slowed,) = (event for event in told if name_of(event) == "slowed")
        assert str(fields_of(slowed)["message"]).endswith(
            "of the cap of 0.3 MB a day in the profile normal are used; it renews in 9 h: "
            "going on in the lowest quality"
        )
        assert isinstance(error, CapReachedError)
        assert error.exit_status == 7
        assert [name_of(event) for event in told].count("playing") >= 4
        assert used(tmp_path) < 0.37 * MB

    def test_what_is_kept_is_heard_though_the_cap_is_reached(self, tmp_path):
        song = demo_track("copper-rain").track
        ended = Ended(song.uri, song.duration_s)
        assert self.play(tmp_path, cache_bytes=KEPT)[-1] == ended
        capped = Profile("normal", day_mb=0.01)
        before = used(tmp_path)
        assert self.play(tmp_path, capped, cache_bytes=KEPT)[-1] == ended
        assert self.play(tmp_path, capped, cache_bytes=KEPT, words=True)[-1] == ended
        assert used(tmp_path) == before
        *_, error = self.play(tmp_path, capped)
        assert isinstance(error, CapReachedError)

    def test_it_says_so_at_once_where_it_is_slow_from_the_start(self, tmp_path):
        UsageFile(tmp_path).add("normal", 850_000, 1_750_000_000)
        events = self.play(tmp_path, Profile("normal", day_mb=1))
        assert [name_of(event) for event in events][:2] == ["slowed", "opening"]

    def test_without_caps_nothing_is_said(self, tmp_path):
        assert {"slowed"}.isdisjoint(map(name_of, self.play(tmp_path)))


@pytest.mark.parametrize(
    ("profile", "kbps"),
    [(Profile("normal"), {48, 96}), (Profile("normal", top_kbps=48), {48}), (THRIFTY, {48})],
)
def test_the_top_rendition_is_kept_to(tmp_path, profile, kbps):
    heard: set[int] = set()

    async def act(client: Client, _phone: SimHost) -> None:
        peer, opened = await first_source(client.open_track(SONG.track.track_id, Start()))
        session = new_session(
            client,
            new_download(opened.track, client.settings, Bandwidth(), realtime=False),
            Callbacks(limits=client.limits),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run, (peer, opened))
            for _ in range(120):
                segment = await session.next_segment()
                heard.add(session.track.renditions[segment.rendition].bitrate_kbps)
                await trio.sleep(0.5)
            nursery.cancel_scope.cancel()

    metered(tmp_path, act, profile, profile=profile.name)
    assert heard - {24} == kbps, "the lowest comes first"
