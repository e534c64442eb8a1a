"""The player with real music: what the sink is given, to the sample, whatever keys are pressed and when."""

from __future__ import annotations

import math
import operator
import wave
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
import trio

from lightpeer.audio import _native
from lightpeer.audio.sinks import NullSink, WavSink
from lightpeer.client.client import open_client
from lightpeer.core.content.manifest import (
    SAMPLE_RATE,
    Description,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.core.plan.bursts import FIRST_DEPTH_S
from lightpeer.errors import (
    AudioError,
    BadMessageError,
    MissingLibraryError,
    NoPeerError,
    NothingFoundError,
    StateMisuseError,
    UsageError,
)
from lightpeer.playback.events import Playing
from lightpeer.playback.sound import MAX_VOLUME_DB, MIN_VOLUME_DB
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack, made_track, settings
from tests.playback.music import STEREO_FRAME, Recorder, Stage, demo_track, pcm_of, stage, tone_track

RAIN = demo_track("copper-rain")
ARCADE = demo_track("pocket-arcade")
LENGTH_S = RAIN.track.duration_s  # of both


Act = Callable[[Stage], Awaitable[None]]


def fail(error: Exception) -> None:
    raise error


def perform(
    folder: Path,
    act: Act,
    *items: str,
    shelves: Sequence[Sequence[MadeTrack]] = ((RAIN, ARCADE),),
    start_s: float = 0.0,
    catch: Callable[[Exception], None] = fail,
    **more: object,
) -> Stage:
    """Play the items while `act` does something; return when both have ended."""
    result: list[Stage] = []

    async def main(net: SimInternet) -> None:
        async with stage(net, folder, *shelves, **more) as on_stage, trio.open_nursery() as nursery:
            result.append(on_stage)
            nursery.start_soon(act, on_stage)
            await trio.testing.wait_all_tasks_blocked()
            try:
                await on_stage.player.play(items or ("rain",), start_s=start_s)
            except Exception as error:  # noqa: BLE001 - which kind is the matter
                catch(error)

    simulate(main)
    return result[0]


async def nothing(_: Stage) -> None:
    await trio.lowlevel.checkpoint()


def from_second(pcm: bytes, seconds: float) -> bytes:
    return pcm[round(seconds * SAMPLE_RATE) * STEREO_FRAME :]


def is_nearly(heard: bytes, wanted: bytes) -> bool:
    """Whether it is the same sound at the same sample, but for a decoder that began elsewhere."""
    differences = list(map(operator.sub, array("h", heard), array("h", wanted)))
    return len(heard) == len(wanted) and -64 < min(differences) <= max(differences) < 64


# Playing to the end.


def test_a_query_is_played_to_the_end_and_every_sample_is_given(tmp_path):
    done = perform(tmp_path, nothing)
    assert done.sink.pcm == pcm_of(RAIN)
    assert done.sink.format == (SAMPLE_RATE, 2)
    assert done.sink.log == ["open", "drain", "close"]
    assert done.sink.gaps == []
    assert done.kinds() == ["opening", "playing", "ended"]
    (playing,) = [asdict(event) for event in done.events if isinstance(event, Playing)]
    assert playing == {
        "title": "Copper Rain",
        "artist": RAIN.track.artist,
        "album": RAIN.track.album,
        "uri": RAIN.track.uri,
        "duration_s": LENGTH_S,
        "bitrate_kbps": 48,
        "transport": "udp",
    }
    assert done.player.status.state == "stopped"


def test_so_it_is_by_its_id_and_into_a_file(tmp_path):
    path = tmp_path / "x.wav"
    done = perform(tmp_path, nothing, RAIN.track.uri, sink=WavSink(path))
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (2, 2, SAMPLE_RATE)
        assert file.readframes(1 << 30) == pcm_of(RAIN)
    stats = done.player.stats()
    assert stats["played_s"] == pytest.approx(LENGTH_S, abs=0.001)
    assert (stats["rebuffers"], stats["rebuffer_s"]) == (0, 0.0)


def test_a_file_whose_data_comes_slowly_is_never_interrupted(tmp_path):
    done = perform(tmp_path, nothing, sink=WavSink(tmp_path / "x.wav"), down=Link(4_000, 0.1))
    assert done.player.stats()["rebuffers"] == 0
    assert "rebuffering" not in done.kinds()


def test_the_null_sink_takes_as_long_as_hearing_would(tmp_path):
    times: list[float] = []

    async def act(now: Stage) -> None:
        await now.until("playing")
        times.append(trio.current_time())
        await now.when(lambda: now.player.status.state == "stopped")
        times.append(trio.current_time())

    perform(tmp_path, act, sink=NullSink())
    assert times[1] - times[0] == pytest.approx(LENGTH_S, abs=0.02)


def test_two_tracks_are_one_stream_of_samples(tmp_path):
    done = perform(tmp_path, nothing, "rain", "arcade")
    assert done.sink.pcm == pcm_of(RAIN) + pcm_of(ARCADE)
    assert done.sink.gaps == []
    assert done.sink.log == ["open", "drain", "close"]
    # The second was opened while the first played: nobody waited for it.
    assert done.kinds() == ["opening", "playing", "ended", "playing", "ended"]
    stats = done.player.stats()
    assert stats["played_s"] == pytest.approx(2 * LENGTH_S, abs=0.001)
    assert stats["audio_bytes"] == sum(map(len, RAIN.segments[0] + ARCADE.segments[0]))


def test_the_next_track_is_opened_before_the_end_of_the_first(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(LENGTH_S - 4)
        assert now.opens() == 2
        assert now.player.status.title == "Copper Rain"

    perform(tmp_path, act, RAIN.track.uri, ARCADE.track.uri, buffer_bytes=70_000)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_mono_and_stereo_in_one_queue_are_both_heard_whole(tmp_path, order):
    tracks = [ARCADE, tone_track()]
    items = [tracks[number].track.uri for number in order]
    done = perform(tmp_path, nothing, *items, shelves=(tracks,))
    parts = [pcm_of(ARCADE), pcm_of(tone_track(), stereo=True)]
    assert done.sink.format == (SAMPLE_RATE, 2)
    assert done.sink.pcm == b"".join(parts[number] for number in order)
    assert done.sink.gaps == []


def test_a_mono_track_alone_stays_mono_in_a_file_and_has_two_channels_elsewhere(tmp_path):
    path = tmp_path / "x.wav"
    perform(tmp_path, nothing, "tone", shelves=([tone_track()],), sink=WavSink(path))
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, SAMPLE_RATE)
        assert file.readframes(1 << 30) == pcm_of(tone_track())
    done = perform(tmp_path, nothing, "tone", shelves=([tone_track()],))
    assert done.sink.format == (SAMPLE_RATE, 2)
    assert done.sink.pcm == pcm_of(tone_track(), stereo=True)


@pytest.mark.parametrize("start_s", [0.01, 2.5, 6.99])
def test_it_begins_where_it_is_told_to(tmp_path, start_s):
    done = perform(tmp_path, nothing, "rain", "arcade", start_s=start_s)
    first = from_second(pcm_of(RAIN), start_s)
    assert is_nearly(done.sink.pcm[: len(first)], first)
    assert done.sink.pcm[len(first) :] == pcm_of(ARCADE)  # which begins at its own beginning


@pytest.mark.parametrize("start_s", [LENGTH_S, 1000.0, 65_536.0, 1e300, math.nan, -1.0])
def test_what_cannot_begin_where_it_is_told_to_is_wrong_usage_and_makes_no_sound(tmp_path, start_s):
    errors = []
    done = perform(tmp_path, nothing, "rain", "arcade", start_s=start_s, catch=errors.append)
    (error,) = errors
    assert type(error) is UsageError
    assert f"begin at {start_s:g} s" in str(error) or f"begins at {start_s:g} s" in str(error)
    assert "playing" not in done.kinds()


def test_a_seek_behind_the_end_goes_to_the_next(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(1.0)
        now.player.seek_by(1000.0)

    done = perform(tmp_path, act, "rain", "arcade", start_s=1.0)
    assert done.kinds().count("ended") == 2


# Seeking.


@pytest.mark.parametrize(("at_s", "by_s"), [(1.0, 4.3), (5.0, -3.7), (5.0, -100.0), (3.0, 0.5)])
def test_a_seek_goes_to_the_sample(tmp_path, at_s, by_s):
    target_s = []

    async def act(now: Stage) -> None:
        await now.until_heard(at_s)
        target_s.append(max(0.0, now.player.status.position_s + by_s))
        now.player.seek_by(by_s)
        assert now.player.status.position_s == target_s[0]

    done = perform(tmp_path, act)
    assert done.told("seeked", "position_s") == [pytest.approx(target_s[0], abs=1 / SAMPLE_RATE)]
    assert is_nearly(done.sink.pcm, from_second(pcm_of(RAIN), target_s[0]))
    assert done.sink.log == ["open", "flush", "drain", "close"]


def test_a_seek_leaves_the_next_track_open(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(6.0)
        now.player.seek_by(-4.0)

    done = perform(tmp_path, act, RAIN.track.uri, ARCADE.track.uri)
    (position_s,) = done.told("seeked", "position_s")
    assert is_nearly(done.sink.pcm, from_second(pcm_of(RAIN), position_s) + pcm_of(ARCADE))
    assert done.sink.gaps == []
    assert done.opens() == 2


def test_seeks_that_come_together_add_up(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(1.0)
        for _ in range(3):
            now.player.seek_by(1.5)

    done = perform(tmp_path, act)
    (position_s,) = done.told("seeked", "position_s")
    assert position_s == pytest.approx(1.0 + 4.5, abs=0.02)


def test_a_seek_beyond_the_end_is_the_end(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(2.0)
        now.player.seek_by(1000)

    done = perform(tmp_path, act, "rain", "arcade")
    assert len(done.sink.pcm) - len(pcm_of(ARCADE)) == SAMPLE_RATE // 10 * STEREO_FRAME
    assert done.sink.pcm.endswith(pcm_of(ARCADE))


def test_the_position_that_is_shown_never_goes_beyond_the_end(tmp_path):
    shown = []

    async def act(now: Stage) -> None:
        await now.until_heard(2.0)
        for by_s in (10.0, 10.0, -3.0):
            now.player.seek_by(by_s)
            shown.append(now.player.status.position_s)

    done = perform(tmp_path, act)
    assert shown == [LENGTH_S, LENGTH_S, LENGTH_S - 3.0]
    assert done.told("seeked", "position_s") == [pytest.approx(LENGTH_S - 3.0, abs=0.001)]


@pytest.mark.parametrize("is_open", [True, False])
def test_what_is_skipped_to_is_shown_at_once(tmp_path, is_open):
    shown = []

    async def act(now: Stage) -> None:
        await now.until("playing")
        await now.when(lambda: (now.player.status.next_title == "Pocket Arcade") == is_open)
        now.player.next()
        shown.append(now.player.status)
        await now.until("playing", 2)
        shown.append(now.player.status)
        now.player.next()
        shown.append(now.player.status)

    perform(tmp_path, act, "rain", "arcade")
    at_once, then, at_the_end = shown
    assert (at_once.state, at_once.number, at_once.item) == ("opening", 2, "arcade")
    assert (at_once.title, at_once.position_s) == ("Pocket Arcade" if is_open else "", 0.0)
    assert (then.state, then.title, then.number) == ("playing", "Pocket Arcade", 2)
    assert at_the_end.number == 0


def test_a_seek_while_paused_stays_paused(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(2.0)
        now.player.toggle_pause()
        await trio.sleep(1)
        now.player.seek_by(3.0)
        await trio.sleep(20)
        assert now.player.status.state == "paused"
        assert now.player.status.position_s == pytest.approx(5.0, abs=0.05)
        now.player.toggle_pause()

    done = perform(tmp_path, act)
    (position_s,) = done.told("seeked", "position_s")
    assert is_nearly(done.sink.pcm, from_second(pcm_of(RAIN), position_s))


def test_a_seek_while_the_track_is_being_opened_says_where_it_begins(tmp_path):
    async def act(now: Stage) -> None:
        await now.until("opening")
        assert now.player.status.state == "opening"
        now.player.seek_by(3.0)
        now.player.seek_by(1.0)
        assert now.player.status.position_s == 4.0

    done = perform(tmp_path, act, RAIN.track.uri)
    assert is_nearly(done.sink.pcm, from_second(pcm_of(RAIN), 4.0))
    assert done.opens() == 1  # it was not disturbed


def test_a_seek_while_waiting_for_data_goes_on_from_there(tmp_path):
    async def act(now: Stage) -> None:
        await now.when(lambda: now.player.status.state == "buffering")
        now.player.seek_by(2.0)

    done = perform(tmp_path, act, down=Link(5_000, 0.1))
    (position_s,) = done.told("seeked", "position_s")
    assert is_nearly(done.sink.pcm, from_second(pcm_of(RAIN), position_s))


@pytest.mark.parametrize("rate_bytes_per_s", [8_000, 100_000])
def test_what_is_being_decoded_counts_as_there_and_pre_roll_does_not(tmp_path, rate_bytes_per_s):
    async def act(now: Stage) -> None:
        await now.until_heard(6.0)
        now.player.seek_by(-3.0)

    done = perform(tmp_path, act, start_s=5.0, down=Link(rate_bytes_per_s, 0.05))
    assert "rebuffering" not in done.kinds()
    assert done.player.stats()["rebuffers"] == 0
    assert done.sink.gaps == []


# Pausing.


def test_a_pause_holds_and_costs_no_sample(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(2.0)
        now.player.toggle_pause()
        position_s = now.player.status.position_s
        await trio.sleep(60)
        assert now.player.status.state == "paused"
        assert now.player.status.position_s == pytest.approx(position_s)
        assert now.sink.written_s < 2.5
        now.player.toggle_pause()
        await trio.sleep(1)
        assert now.player.status.state == "playing"
        assert now.player.status.position_s == pytest.approx(position_s + 1, abs=0.05)

    done = perform(tmp_path, act)
    assert done.sink.pcm == pcm_of(RAIN)
    assert [kind for kind in done.kinds() if "paus" in kind] == ["paused", "unpaused"]


def test_a_pause_before_the_first_sound_holds_it(tmp_path):
    async def act(now: Stage) -> None:
        await now.until("opening")
        now.player.toggle_pause()
        await trio.sleep(60)
        assert now.player.status.state == "paused"
        assert now.player.status.position_s == 0
        assert now.sink.written_s < 0.5
        now.player.toggle_pause()

    done = perform(tmp_path, act)
    assert done.sink.pcm == pcm_of(RAIN)


def test_a_pause_at_the_very_end_holds_the_end(tmp_path):
    ended_at = []

    async def act(now: Stage) -> None:
        await now.until_heard(LENGTH_S - 0.1)
        assert now.sink.log == ["open", "drain"]
        now.player.toggle_pause()
        await trio.sleep(30)
        assert now.player.status.title == "Copper Rain"
        now.player.next()  # too late for it
        now.player.toggle_pause()
        ended_at.append(trio.current_time())

    done = perform(tmp_path, act)
    assert done.sink.log == ["open", "drain", "close"]
    assert ended_at


# Going to other tracks.


def test_next_goes_to_the_next_track_at_once(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(2.0)
        now.player.next()
        now.sink.gaps.clear()
        await now.until("playing", 2)
        assert now.player.status.title == "Pocket Arcade"

    done = perform(tmp_path, act, "rain", "arcade")
    assert done.sink.pcm == pcm_of(ARCADE)
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    # All that was taken of the first counts, heard or not.
    assert LENGTH_S + 2 < done.player.stats()["played_s"] < LENGTH_S + 2.5


def test_next_twice_at_once_leaves_one_out(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(1.0)
        now.player.next()
        now.player.next()

    done = perform(tmp_path, act, "rain", "arcade", "rain")
    assert done.told("playing", "title") == ["Copper Rain", "Copper Rain"]
    assert done.sink.pcm == pcm_of(RAIN)


def test_next_while_a_track_is_being_opened_leaves_it(tmp_path):
    async def act(now: Stage) -> None:
        await now.until("opening")
        now.player.next()

    done = perform(tmp_path, act, "rain", "arcade")
    assert done.told("opening", "item") == ["rain", "arcade"]
    assert done.sink.pcm == pcm_of(ARCADE)


def test_next_on_the_last_track_ends(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(2.0)
        now.player.next()
        now.player.next()
        now.player.seek_by(3)

    done = perform(tmp_path, act)
    assert done.sink.log == ["open", "flush", "drain", "close"]


@pytest.mark.parametrize(
    ("at_s", "titles"),
    [
        (2.9, ["Copper Rain", "Pocket Arcade", "Copper Rain", "Pocket Arcade"]),
        (3.2, ["Copper Rain", "Pocket Arcade"]),
    ],
)
def test_previous_goes_back_a_track_or_to_the_beginning_of_this_one(tmp_path, at_s, titles):
    async def act(now: Stage) -> None:
        await now.until("playing", 2)
        await trio.sleep(0.5)
        await now.until_heard(at_s)
        now.player.previous()

    done = perform(tmp_path, act, "rain", "arcade")
    assert done.told("playing", "title") == titles
    heard = pcm_of(RAIN) + pcm_of(ARCADE) if len(titles) > 2 else pcm_of(ARCADE)
    assert is_nearly(done.sink.pcm, heard)
    assert done.sink.gaps == []


@pytest.mark.parametrize("at_s", [1.0, 5.0])
def test_previous_in_the_first_track_begins_it_again(tmp_path, at_s):
    async def act(now: Stage) -> None:
        await now.until_heard(at_s)
        now.player.previous()

    done = perform(tmp_path, act)
    assert is_nearly(done.sink.pcm, pcm_of(RAIN))
    assert done.told("playing", "title") == ["Copper Rain"]


# Ending.


@pytest.mark.parametrize("at_s", [0.0, 0.03, 0.05, 0.1, 0.5, 3.0, 7.98, 8.1, 15.0])
def test_stop_ends_at_once(tmp_path, at_s):
    times = []

    async def act(now: Stage) -> None:
        await now.until("opening")
        await trio.sleep(at_s)
        now.player.stop()
        now.player.stop()
        times.append(trio.current_time())
        await trio.testing.wait_all_tasks_blocked()
        assert now.player.status.state == "stopped"
        assert now.sink.log[-1:] in ([], ["close"])
        assert now.phone.udp == {}
        times.append(trio.current_time())

    done = perform(tmp_path, act, "rain", "arcade")
    assert times[0] == times[1]
    assert "drain" not in done.sink.log
    assert done.player.stats()["played_s"] == pytest.approx(at_s, abs=0.45)  # a queue and a piece
    if at_s > 1:
        assert done.player.stats()["audio_bytes"] > 6000 * at_s * 0.8  # a track that was broken off counts


class _AtStep(trio.abc.Instrument):
    """Counts the steps of the scheduler, and cancels a scope at a certain one."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.steps = 0
        self._scope, self._step = scope, step

    def before_task_step(self, _task: object) -> None:
        self.steps += 1
        if self.steps == self._step:
            self._scope.cancel()


def _cancelled(folder: Path, step: int) -> int:
    """Play two tracks, cancel at a step, if it comes to that, and look at what is left; return the steps."""
    steps = []

    async def main(net: SimInternet) -> None:
        async with stage(net, folder, [RAIN, ARCADE]) as now:
            with trio.CancelScope() as scope:
                instrument = _AtStep(scope, step)
                trio.lowlevel.add_instrument(instrument)
                await now.player.play(["rain", "arcade"])
            trio.lowlevel.remove_instrument(instrument)
            steps.append(instrument.steps)
            assert now.sink.log[-1:] in ([], ["close"])
            assert now.phone.udp == {}
            assert now.player.status.state == "stopped"
            await trio.testing.wait_all_tasks_blocked()
        assert now.phone.streams == []

    simulate(main)
    return steps[0]


@pytest.fixture(scope="module")
def all_steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many steps it is to the end."""
    return _cancelled(tmp_path_factory.mktemp("uncancelled"), step=0)


@pytest.mark.parametrize("percent", range(0, 100, 2))
def test_a_cancellation_at_any_step_leaves_nothing_open(tmp_path, all_steps, percent):
    step = 1 + all_steps * percent // 100
    assert _cancelled(tmp_path, step) < all_steps


def test_commands_while_nothing_is_played_do_nothing(tmp_path):
    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path, [RAIN]) as now:
            for _ in range(2):
                for command in (
                    now.player.stop,
                    now.player.next,
                    now.player.previous,
                    now.player.toggle_pause,
                ):
                    command()
                now.player.seek_by(3.0)
                assert now.player.status.state == "stopped"
                await now.player.play(["rain"])
                assert now.sink.pcm == pcm_of(RAIN)
                now.sink.log.clear()
                now.sink.writes.clear()
            await now.player.play([])
            assert now.sink.log == []

    simulate(main)


def test_a_player_plays_one_queue_at_a_time(tmp_path):
    async def act(now: Stage) -> None:
        await now.until("playing")
        with pytest.raises(StateMisuseError):
            await now.player.play(["arcade"])

    done = perform(tmp_path, act)
    assert done.sink.pcm == pcm_of(RAIN)


# Volume.


def test_a_change_of_volume_is_given_with_the_next_piece(tmp_path):
    changed_at = []

    async def act(now: Stage) -> None:
        await now.until_heard(3.05)
        now.player.change_volume(-200)
        changed_at.append(trio.current_time())

    done = perform(tmp_path, act)
    loud = [at for at, pcm in done.sink.writes if max(map(abs, array("h", pcm))) > 100]
    assert changed_at[0] - 0.25 < loud[-1] <= changed_at[0]
    assert len(done.sink.pcm) == len(pcm_of(RAIN))


def test_volume_is_bounded_and_kept_for_the_next_track(tmp_path):
    async def act(now: Stage) -> None:
        now.player.change_volume(1000)  # before anything plays
        assert now.player.status.volume_db == MAX_VOLUME_DB
        now.player.change_volume(-1000)
        assert now.player.status.volume_db == MIN_VOLUME_DB

    done = perform(tmp_path, act, "rain", "arcade")
    assert max(map(abs, array("h", done.sink.pcm))) < 40  # a thousandth


@pytest.mark.parametrize(("normalize", "ratio"), [(False, 1.0), (True, 0.5)])
def test_the_manifests_gain_is_applied_if_it_is_wished(tmp_path, normalize, ratio):
    quieter = demo_track("copper-rain", gain_q8_db=round(-6.0206 * 256))
    done = perform(tmp_path, nothing, shelves=([quieter],), normalize=normalize)
    assert done.player.normalizes == normalize
    loudest = max(map(abs, array("h", pcm_of(RAIN))))
    assert max(map(abs, array("h", done.sink.pcm))) == pytest.approx(loudest * ratio, rel=0.01)


def test_the_manifests_gain_may_be_wished_while_it_plays(tmp_path):
    silenced = demo_track("copper-rain", gain_q8_db=-100 * 256)
    wished_at = []

    async def act(now: Stage) -> None:
        await now.until_heard(3.05)
        now.player.normalizes = True
        wished_at.append(trio.current_time())

    done = perform(tmp_path, act, shelves=([silenced],))
    loud = [at for at, pcm in done.sink.writes if max(map(abs, array("h", pcm))) > 100]
    assert wished_at[0] - 0.25 < loud[-1] <= wished_at[0]


# What cannot be had.


def test_what_cannot_be_found_is_told_of_and_left_out(tmp_path):
    done = perform(tmp_path, nothing, "rain", "unheard of", "arcade", "no such thing")
    assert done.sink.pcm == pcm_of(RAIN) + pcm_of(ARCADE)
    assert done.told("warning", "message") == [
        "nothing found for 'unheard of'",
        "nothing found for 'no such thing'",
    ]


def test_nothing_at_all_is_an_error(tmp_path):
    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path, [RAIN]) as now:
            with pytest.raises(NothingFoundError, match="'second'"):
                await now.player.play(["first", "second"])
            assert now.told("warning", "message") == ["nothing found for 'first'"]
            assert now.player.stats()["time_to_first_audio_ms"] is None
            assert now.sink.log == ["close"]

    simulate(main)


def test_a_malformed_id_is_told_of_before_anything_plays(tmp_path):
    async def main(net: SimInternet) -> None:
        async with stage(net, tmp_path, [RAIN]) as now:
            with pytest.raises(UsageError):
                await now.player.play(["rain", "loud:nonsense"])
            assert now.events == []

    simulate(main)


# Failures, each as it was raised, not in a group of however many tasks there were.


def failing(folder: Path, *items: str, act: Act = nothing, **more: object) -> tuple[Exception, Stage]:
    """Return what `play` raises, and the stage that it leaves."""
    caught: list[Exception] = []
    done = perform(folder, act, *items, catch=caught.append, **more)
    (error,) = caught
    assert done.sink.log[-1:] in ([], ["close"])
    assert done.phone.udp == {}
    assert done.player.status.state == "stopped"
    return error, done


def test_a_sink_that_fails_in_the_middle(tmp_path):
    error, done = failing(tmp_path, "rain", "arcade", sink=Recorder(fails_at_s=3.0))
    assert type(error) is AudioError
    assert str(error) == "the sink is gone"
    assert done.told("warning", "message") == []


def test_a_sink_that_cannot_be_opened(tmp_path):
    error, _ = failing(tmp_path, sink=WavSink(tmp_path / "no such folder" / "x.wav"))
    assert type(error) is AudioError


def test_a_sink_that_cannot_be_made(tmp_path):
    def make() -> Recorder:
        raise UsageError("no such output")

    async def act(now: Stage) -> None:
        now.player._engine.sound._sink_factory = make

    error, _ = failing(tmp_path, act=act)
    assert type(error) is UsageError


def test_a_library_that_is_missing(tmp_path, monkeypatch):
    real = _native.load_library
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == "opus" else real(name))
    error, _ = failing(tmp_path)
    assert type(error) is MissingLibraryError
    assert error.exit_status == 6


def test_no_peer(tmp_path):
    async def act(now: Stage) -> None:
        now.servers[0].kill()

    error, done = failing(tmp_path, "rain", "arcade", act=act)
    assert type(error) is NoPeerError
    assert done.told("opening", "item") == ["rain"]  # the next one would fare no better


def test_a_stream_that_dies_in_the_middle_is_waited_for(tmp_path):
    """There may be a network again at any time: only a person ends that."""

    async def act(now: Stage) -> None:
        await now.until_heard(1.0)
        now.servers[0].kill()
        await trio.sleep(3600)
        assert now.kinds()[:2] == ["opening", "playing"]
        assert now.kinds().count("rebuffering") == 1
        assert "ended" not in now.kinds()
        assert now.player.status.state == "buffering"
        now.player.stop()

    done = perform(tmp_path, act, buffer_bytes=21_000)
    assert is_nearly(done.sink.pcm, pcm_of(RAIN)[: len(done.sink.pcm)])


def test_where_peers_answer_that_nobody_has_a_track_any_more_the_next_is_played(tmp_path):
    async def act(now: Stage) -> None:
        await now.until_heard(1.0)
        now.servers[0].kill()

    done = perform(tmp_path, act, "rain", "arcade", shelves=([RAIN], [ARCADE]), buffer_bytes=21_000)
    assert len(done.told("warning", "message")) == 1
    assert done.told("playing", "title") == ["Copper Rain", "Pocket Arcade"]
    assert done.sink.pcm.endswith(pcm_of(ARCADE))


def test_what_is_no_audio(tmp_path):
    noise = made_track(5, title="Noise")
    error, _ = failing(tmp_path, "noise", shelves=([noise],))
    assert type(error) is BadMessageError
    assert error.exit_status == 5


def test_what_happens_in_the_clients_block_comes_out_as_it_is(tmp_path):
    async def main(net: SimInternet) -> None:
        for kind in (NothingFoundError, KeyError):
            with pytest.raises(kind):
                async with open_client(settings(tmp_path), net.host(f"10.0.9.{len(net.hosts)}")):
                    raise kind("so")

    simulate(main)


@pytest.mark.parametrize("second", [bytes(9000), RAIN.segments[0][0] * 6])
def test_segments_that_are_not_of_a_second_end_the_track_and_not_the_listeners_data_plan(tmp_path, second):
    """What decodes to nothing would be fetched as fast as it comes; to hours, fill memory."""
    header = RAIN.track.renditions[0].header
    parts = [second] * 64
    table = build_table(parts)
    manifest = build_manifest(
        Description(
            title="Silence",
            artist="",
            album="",
            duration_samples=64 * SAMPLE_RATE,
            gain_q8_db=0,
            segment_count=64,
        ),
        renditions=[(256_000, header, [table])],
    )
    made = MadeTrack(manifest, parse_manifest_untrusted(manifest, track_id_of(manifest)), [parts], [[table]])
    errors = []
    perform(tmp_path, nothing, "silence", shelves=((made,),), catch=errors.append)
    assert [str(error) for error in errors] == [
        "the track's segments are not one second long: its publisher made a mistake"
    ]


# How much is fetched ahead.


@pytest.mark.parametrize(("skips", "then_s"), [(True, FIRST_DEPTH_S), (False, 2 * FIRST_DEPTH_S)])
def test_it_grows_while_somebody_listens_and_begins_anew_with_a_skip(tmp_path, skips, then_s):
    depths = []

    async def act(now: Stage) -> None:
        for heard_s in (1.0, 63.0):
            await now.until_heard(heard_s)
            depths.append(now.player._engine.deck.session.download.bursts.depth_s)
        now.player.seek_by(-1.0)
        if skips:
            now.player.next()
        await now.until("playing", 2)
        depths.append(now.player._engine.deck.session.download.bursts.depth_s)
        now.player.stop()

    tone = tone_track(65.0)
    perform(tmp_path, act, tone.track.uri, ARCADE.track.uri, shelves=[[tone, ARCADE]])
    assert depths == [FIRST_DEPTH_S, 2 * FIRST_DEPTH_S, then_s]
