"""The sink as it is needed, and the volume."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from lightpeer.audio.device import ELSEWHERE
from lightpeer.config import Settings
from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.errors import AudioError
from lightpeer.playback import sound as module
from lightpeer.playback.events import PlayerEvent, Waiting
from lightpeer.playback.sound import MAX_VOLUME_DB, MIN_VOLUME_DB, Sound, Volume
from lightpeer.playback.weather import Weather
from tests.rpc.service import run


class FakeSink:
    realtime = False
    may_return = False
    latency_s = 0.5

    def __init__(self) -> None:
        self.log: list[object] = []

    async def open(self, *given: int) -> None:
        await trio.sleep(1)
        self.log.append(("open", *given))

    async def write(self, pcm: bytes) -> None:
        self.log.append(pcm)

    async def drain(self) -> None:
        self.log.append("drain")

    def flush(self) -> None:
        self.log.append("flush")

    def pause(self, paused: bool) -> None:
        self.log.append(("pause", paused))

    async def aclose(self) -> None:
        await trio.sleep(1)
        self.log.append("close")


@pytest.fixture
def sink(monkeypatch) -> FakeSink:
    async def at_once(function) -> None:
        function()

    monkeypatch.setattr(module, "_load_audio", lambda: None)
    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    return FakeSink()


async def prepared(sink: FakeSink, told: list[PlayerEvent] | None = None) -> Sound:
    connecting = trio.Event()
    connecting.set()
    sound = Sound(lambda: sink, connecting, Weather(math.inf, [].append if told is None else told.append))
    await sound.prepare()
    return sound


def test_it_is_made_once_the_first_packet_has_left(sink):
    async def main():
        connecting, made = trio.Event(), []
        weather = Weather(math.inf, lambda _event: None)
        sound = Sound(lambda: made.append(sink) or sink, connecting, weather)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sound.prepare)
            await trio.sleep(1)
            assert (made, sound.latency_s) == ([], 0.0)
            connecting.set()
        await sound.prepare()
        assert made == [sink]
        assert (sound.latency_s, sound.realtime) == (0.5, False)

    run(main)


def test_it_is_opened_once_and_held_if_it_was_paused_before(sink):
    async def main():
        sound = await prepared(sink)
        sound.toggle_pause()
        await sound.drain()
        assert sink.log == [], "it is not open"
        await sound.open(2)
        await sound.open(2)
        await sound.write(b"pcm")
        sound.toggle_pause()
        sound.flush()
        await sound.drain()
        opened = ("open", SAMPLE_RATE, 2)
        assert sink.log == [opened, ("pause", True), b"pcm", ("pause", False), "flush", "drain"]

    run(main)


def test_opening_and_closing_are_not_left_halfway(sink):
    async def main():
        sound = await prepared(sink)
        with trio.move_on_after(0.5):
            await sound.open(1)
        with trio.move_on_after(0.5):
            await sound.aclose()
        assert sink.log == [("open", SAMPLE_RATE, 1), "close"]
        await sound.aclose()
        sound.flush()
        assert len(sink.log) == 2
        assert sound.latency_s == 0.0

    run(main)


@pytest.mark.parametrize("may_return", [False, True])
def test_a_device_that_goes_in_the_last_moment_ends_nothing(sink, monkeypatch, may_return):
    async def fail() -> None:
        raise AudioError("gone")

    async def main():
        sound = await prepared(sink)
        await sound.open(2)
        sink.may_return = may_return
        monkeypatch.setattr(sink, "drain", fail)
        with nullcontext() if may_return else pytest.raises(AudioError):
            await sound.drain()

    run(main)


PIECE = SAMPLE_RATE // 5 * 4  # bytes: 200 ms of stereo


@pytest.mark.parametrize(
    ("latency_s", "skips", "before"),
    [(0.2, False, b""), (0.3, False, b"3"), (0.5, False, b"233"), (9.0, False, b"112233"), (0.5, True, b"")],
)
def test_what_a_lost_device_had_not_played_goes_to_the_next(sink, monkeypatch, latency_s, skips, before):
    after: list[bytes] = []

    async def fail(_pcm: bytes) -> None:
        monkeypatch.setattr(sink, "write", take)
        raise AudioError(f"gone{ELSEWHERE}")

    async def take(pcm: bytes) -> None:
        after.append(pcm)

    async def main():
        told: list[PlayerEvent] = []
        sound = await prepared(sink, told)
        await sound.open(2)
        sink.may_return, sink.latency_s = True, latency_s
        for number in b"123":
            await sound.write(bytes([number]) * PIECE)
        if skips:
            sound.flush()
        monkeypatch.setattr(sink, "write", fail)
        await sound.write(b"4" * PIECE)
        (heard,) = after
        assert len(heard) == PIECE * (2 + len(before)) // 2, "in halves of a piece"
        assert heard[:: PIECE // 2] == before + b"44"
        assert told[0] == Waiting("gone", 0.0, 1.0), "how to do without it is for those who give up"

    run(main)


def test_what_two_lost_devices_had_not_played_is_given_once(sink, monkeypatch):
    after: list[bytes] = []
    failing = [True, True]

    async def write(pcm: bytes) -> None:
        if failing:
            failing.pop()
            raise AudioError("gone")
        after.append(pcm)

    async def main():
        sound = await prepared(sink)
        await sound.open(2)
        sink.may_return, sink.latency_s = True, 9.0
        await sound.write(b"1" * PIECE)
        monkeypatch.setattr(sink, "write", write)
        await sound.write(b"2" * PIECE)
        assert after == [b"1" * PIECE + b"2" * PIECE]

    run(main)


def test_a_device_that_never_worked_is_an_error(sink, monkeypatch):
    async def fail(*_given: int) -> None:
        raise AudioError("none there")

    async def main():
        sound = await prepared(sink)
        sink.may_return = True
        monkeypatch.setattr(sink, "open", fail)
        with pytest.raises(AudioError):
            await sound.open(2)

    run(main)


@pytest.mark.parametrize(("normalize", "gain"), [(True, 100), (False, 0)])
def test_the_gain_is_the_volume_and_the_tracks_own(normalize, gain):
    volume = Volume(Settings(state_dir=Path("unused"), volume_db=1.5, normalize=normalize))
    assert volume.gain_q8_db(SimpleNamespace(gain_q8_db=100)) == 384 + gain


def test_the_volume_has_bounds():
    volume = Volume(Settings(state_dir=Path("unused")))
    volume.change(-3.0)
    assert volume.db == -3.0
    volume.change(1000)
    assert volume.db == MAX_VOLUME_DB
    volume.change(-1000)
    assert volume.db == MIN_VOLUME_DB
