import wave
from array import array
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from lightpeer.audio import sinks
from lightpeer.audio.device import DeviceSink
from lightpeer.audio.outputs import make_sink
from lightpeer.audio.pipes import CommandSink, PipeSink
from lightpeer.audio.sinks import NullSink, WavSink
from lightpeer.errors import AudioError, UsageError

RATE = 48000
SECOND = array("h", range(-24000, 24000)).tobytes() * 2  # stereo


def on_virtual_time(test):
    trio.run(test, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (None, DeviceSink),
        ("", DeviceSink),
        ("sounddevice:USB: Audio", DeviceSink),
        ("wav:x.wav", WavSink),
        ("pipe", PipeSink),
        ("command:aplay -D 'a b' -", CommandSink),
        ("null", NullSink),
    ],
)
def test_each_kind_has_its_name(spec, kind):
    assert type(make_sink(spec)) is kind


@pytest.mark.parametrize(
    "spec", ["speaker", "wav:", "null:1", "pipe:1", "command:", "command: ", "command:'x"]
)
def test_anything_else_is_a_usage_error(spec):
    with pytest.raises(UsageError, match="output"):
        make_sink(spec)


def test_null_takes_sound_in_real_time():
    async def test():
        sink = NullSink()
        await sink.open(RATE, 2)
        start = trio.current_time()
        for _ in range(5):
            await sink.write(SECOND)
        assert trio.current_time() - start == pytest.approx(4.8)
        assert sink.latency_s == pytest.approx(0.2)
        await sink.drain()
        assert trio.current_time() - start == pytest.approx(5)
        assert sink.latency_s == 0
        await trio.sleep(3)  # a pause for data does not count
        await sink.write(SECOND)
        assert trio.current_time() - start == pytest.approx(8.8)
        await sink.aclose()

    on_virtual_time(test)


def test_null_can_be_paused_and_flushed():
    async def test():
        sink = NullSink()
        await sink.open(RATE, 2)
        written = []

        async def write():
            await sink.write(SECOND)
            written.append(trio.current_time() - start)

        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await trio.sleep(0.3)
            sink.pause(True)
            assert sink.latency_s == pytest.approx(0.7)
            await trio.sleep(10)
            assert sink.latency_s == pytest.approx(0.7)
            sink.pause(False)
        assert written == [pytest.approx(10.8)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await trio.sleep(0.1)
            sink.flush()
        assert written[1] == pytest.approx(10.9)
        assert sink.latency_s == 0
        sink.pause(True)
        sink.flush()
        sink.pause(False)
        assert sink.latency_s == 0

    on_virtual_time(test)


def test_wav_is_a_wav_file(tmp_path):
    path = tmp_path / "x.wav"

    async def test():
        sink = make_sink(f"wav:{path}")
        await sink.open(RATE, 2)
        await sink.write(SECOND)
        sink.flush()
        await sink.write(SECOND)
        await sink.drain()
        await sink.aclose()
        await sink.aclose()
        assert sink.latency_s == 0

    trio.run(test)
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, 2, RATE, 2 * RATE)
        assert file.readframes(3 * RATE) == 2 * SECOND


def test_wav_is_whole_after_a_cancellation(tmp_path):
    path = tmp_path / "x.wav"

    async def test():
        sink = WavSink(path)
        with trio.move_on_after(5):
            try:
                await sink.open(RATE, 1)
                await sink.write(SECOND)
                sink.pause(True)
                await sink.write(SECOND)
            finally:
                await sink.aclose()

    on_virtual_time(test)
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, 2, RATE, 2 * RATE)


def test_wav_plays_even_if_it_was_never_closed(tmp_path):
    async def test():
        sink = WavSink(tmp_path / "x.wav")
        await sink.open(RATE, 2)
        await sink.write(SECOND)
        data = (tmp_path / "x.wav").read_bytes()
        assert data[:44] == sinks.wav_header(RATE, 2)
        assert data[40:44] == b"\xff\xff\xff\xff"  # as long as it goes
        assert data[44:] == SECOND
        await sink.aclose()

    trio.run(test)


@pytest.mark.parametrize("name", ["nowhere/x.wav", "."])
def test_wav_that_cannot_be_written_is_an_audio_error(tmp_path, name):
    async def test():
        sink = WavSink(tmp_path / name)
        with pytest.raises(AudioError, match="cannot write"):
            await sink.open(RATE, 2)
        await sink.aclose()

    trio.run(test)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_full_disk_is_an_audio_error():
    async def test():
        sink = make_sink("wav:/dev/full")
        with pytest.raises(AudioError, match=r"cannot write /dev/full \(No space left on device\)"):
            await sink.open(RATE, 2)
        await sink.aclose()

    trio.run(test)


def test_wav_ends_at_four_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setattr(sinks, "_WAV_MAX_BYTES", 2 * len(SECOND) - 1)

    async def test():
        sink = WavSink(tmp_path / "x.wav")
        await sink.open(RATE, 2)
        await sink.write(SECOND)
        with pytest.raises(AudioError, match="4 GiB"):
            await sink.write(SECOND)
        await sink.aclose()

    trio.run(test)
    assert (tmp_path / "x.wav").stat().st_size == 44 + len(SECOND)
