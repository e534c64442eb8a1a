import ctypes.util
import sys
import threading
import types
from array import array

import pytest
import trio
from trio.testing import MockClock

from lightpeer.audio import _native, device
from lightpeer.audio.converting import Format
from lightpeer.audio.device import DeviceSink
from lightpeer.errors import AudioError, MissingLibraryError

RATE = 48000
BLOCK_BYTES = 4800 * 4  # 100 ms of stereo
QUEUE_BYTES = 4 * BLOCK_BYTES


class FakeSoundDevice(types.ModuleType):
    """sounddevice's few names; `played` runs the callback as PortAudio's thread would."""

    class PortAudioError(Exception):
        pass

    class CallbackStop(Exception):  # noqa: N818 - sounddevice's name
        pass

    def __init__(self):
        super().__init__("sounddevice")
        self.stream = None
        self.fails_at = self.reason = ""
        self.begun = 1
        self.takes = None  # a rate and channels, if it is a raw device that takes these alone
        self.opened = []

    def _terminate(self):
        self.fail("terminate")
        self.begun -= 1

    def _initialize(self):
        self.begun += 1

    def fail(self, step):
        if self.fails_at == step:
            raise self.PortAudioError(self.reason or f"no {step}")

    default = types.SimpleNamespace(device=(0, 2))

    def query_devices(self, device=None, kind=None):
        self.fail("device")
        if kind is None:
            return [
                {"name": "Microphone", "hostapi": 0, "max_output_channels": 0},
                {"name": "hw:1,0", "hostapi": 0, "max_output_channels": 2},
                {"name": "default", "hostapi": 0, "max_output_channels": 32},
            ]
        assert kind == "output"
        rate, channels = self.takes or (44_100, 2)
        return {"default_samplerate": float(rate), "max_output_channels": channels}

    def query_hostapis(self):
        return ({"name": "ALSA"},)

    def RawOutputStream(self, **options):
        self.fail("stream")
        rate, channels = self.takes or (options["samplerate"], options["channels"])
        if options["samplerate"] != rate:
            raise self.PortAudioError("Error opening RawOutputStream: Invalid sample rate")
        if options["channels"] > channels:
            raise self.PortAudioError("Error opening RawOutputStream: Invalid number of channels")
        self.stream = FakeStream(self, **options)
        self.opened.append(self.stream)
        return self.stream


class FakeStream:
    latency = 0.1

    def __init__(self, module, callback, finished_callback, **options):
        self.module = module
        self.callback = callback
        self.finished_callback = finished_callback
        self.options = options
        self.active = False
        self.starts = 0
        self.closed = False

    def start(self):
        self.module.fail("start")
        self.active = True
        self.starts += 1

    def stop(self):
        self.active = False

    def close(self):
        self.closed = True

    def played(self):
        """Play one block; return its bytes."""
        assert self.active
        output = bytearray(BLOCK_BYTES)

        def run():
            try:
                self.callback(memoryview(output), BLOCK_BYTES // 4, None, None)
            except self.module.CallbackStop:
                self.active = False
                self.finished_callback()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return bytes(output)


@pytest.fixture
def fake(monkeypatch):
    module = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def block(number):
    return bytes([number]) * BLOCK_BYTES


async def opened(name=""):
    sink = DeviceSink(name)
    await sink.open(RATE, 2)
    return sink


async def settle():
    for _ in range(3):  # the callback's message arrives, then what it wakes has run
        await trio.testing.wait_all_tasks_blocked()


def test_the_device_gets_what_was_written_and_silence_after(fake):
    async def test():
        sink = await opened("USB")
        assert fake.stream.options == {
            "samplerate": RATE, "channels": 2, "dtype": "int16", "device": "USB", "latency": 0.15,
        }  # fmt: skip
        await sink.write(block(1) + block(2)[: BLOCK_BYTES // 2])
        assert sink.latency_s == pytest.approx(0.15 + 0.1)
        assert fake.stream.played() == block(1)
        assert fake.stream.played() == block(2)[: BLOCK_BYTES // 2] + bytes(BLOCK_BYTES // 2)
        assert fake.stream.played() == bytes(BLOCK_BYTES)
        await sink.aclose()
        await sink.aclose()
        assert fake.stream.closed
        assert sink.latency_s == 0

    trio.run(test)


@pytest.mark.parametrize(("name", "device"), [("", None), ("3", 3), ("USB", "USB")])
def test_a_device_is_a_number_or_a_name_or_the_default(fake, name, device):
    async def test():
        sink = await opened(name)
        assert fake.stream.options["device"] == device
        await sink.aclose()

    trio.run(test)


def test_a_writer_waits_for_room(fake):
    async def test():
        sink = await opened()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.write, b"".join(map(block, range(1, 7))))
            await settle()
            assert len(sink._queue) == QUEUE_BYTES
            assert fake.stream.played() == block(1)
            await settle()
            assert len(sink._queue) == QUEUE_BYTES - BLOCK_BYTES  # not worth waking anybody yet
            assert fake.stream.played() == block(2)
            await settle()
            assert len(sink._queue) == QUEUE_BYTES
            assert nursery.child_tasks == set()
        assert [fake.stream.played() for _ in range(4)] == list(map(block, range(3, 7)))
        await sink.aclose()

    trio.run(test)


def test_drain_waits_for_the_queue_and_then_the_device(fake):
    async def test():
        sink = await opened()
        await sink.write(block(1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.drain)
            await settle()
            assert nursery.child_tasks
            fake.stream.played()
            began = trio.current_time()
        assert trio.current_time() - began == pytest.approx(FakeStream.latency)
        assert sink.latency_s == pytest.approx(FakeStream.latency)

    trio.run(test, clock=MockClock(autojump_threshold=0))


def test_flush_forgets_the_queue_and_lets_the_writer_on(fake):
    async def test():
        sink = await opened()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.write, b"".join(map(block, range(1, 6))))
            await settle()
            sink.flush()
        assert fake.stream.played() == block(5)
        await sink.aclose()

    trio.run(test)


def test_a_pause_ends_the_stream_and_the_next_write_starts_it_again(fake):
    async def test():
        sink = await opened()
        await sink.write(block(1) + block(2))
        assert fake.stream.played() == block(1)
        sink.pause(True)
        assert fake.stream.played() == bytes(BLOCK_BYTES)
        assert not fake.stream.active
        sink.pause(False)
        await sink.write(block(3))
        assert fake.stream.starts == 2
        assert [fake.stream.played(), fake.stream.played()] == [block(2), block(3)]
        await sink.aclose()

    trio.run(test)


def test_a_writer_that_waits_through_a_pause_is_not_taken_for_stalled(fake):
    async def test():
        sink = await opened()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.write, 6 * block(1))
            await trio.sleep(1)
            sink.pause(True)
            await trio.sleep(100)
            sink.pause(False)
            await trio.sleep(1)
            sink.flush()

    trio.run(test, clock=MockClock(autojump_threshold=0))


def test_a_device_that_takes_nothing_is_an_error(fake):
    async def test():
        sink = await opened()
        with pytest.raises(AudioError, match=r"takes no more sound; .*--output"):
            await sink.write(6 * block(1))

    trio.run(test, clock=MockClock(autojump_threshold=0))


def test_a_device_that_goes_away_is_an_error(fake):
    async def test():
        sink = await opened()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:

                async def write():
                    with pytest.raises(AudioError, match=r"has stopped; .*--output"):
                        await sink.write(6 * block(1))

                nursery.start_soon(write)
                await settle()
                fake.stream.finished_callback()
        assert sink.may_return
        await sink.aclose()
        assert fake.stream.closed

    trio.run(test)


def test_after_a_failure_portaudio_looks_for_devices_anew(fake, monkeypatch):
    calls = []
    monkeypatch.setattr(fake, "_terminate", lambda: calls.append("terminate"))
    monkeypatch.setattr(fake, "_initialize", lambda: calls.append("initialize"))

    async def test():
        sink = await opened()
        await sink.aclose()
        assert calls == []
        for step in ("device", "stream"):
            fake.fails_at = step
            sink = DeviceSink()
            with pytest.raises(AudioError):
                await sink.open(RATE, 2)
            await sink.aclose()
            await sink.aclose()
        assert calls == ["terminate", "initialize"] * 2

    trio.run(test)


def test_where_portaudio_cannot_look_anew_the_sink_is_closed_all_the_same(fake):
    async def test():
        fake.fails_at = "stream"
        sink = DeviceSink()
        with pytest.raises(AudioError):
            await sink.open(RATE, 2)
        fake.fails_at = "terminate"
        await sink.aclose()
        assert fake.begun == 1

    trio.run(test)


def test_a_device_that_does_not_start_again_is_an_error(fake):
    async def test():
        sink = await opened()
        sink.pause(True)
        fake.stream.played()
        sink.pause(False)
        fake.fails_at = "start"
        with pytest.raises(AudioError, match=r"did not go on .*--output"):
            await sink.write(block(1))
        await sink.aclose()

    trio.run(test)


def test_a_callback_after_the_end_is_harmless(fake):
    async def test():
        sink = await opened()
        await sink.write(block(1))
        sink._wake_at_bytes = 0

    trio.run(test)
    assert fake.stream.played() == block(1)


@pytest.mark.parametrize(
    ("step", "message"),
    [("device", "no sound device was found"), ("stream", "cannot be used"), ("start", "cannot be used")],
)
def test_what_cannot_be_opened_names_the_way_out(fake, step, message):
    fake.fails_at = step

    async def test():
        with pytest.raises(AudioError, match=f"{message}.*--output wav:FILE"):
            await opened()

    trio.run(test)


def test_a_missing_portaudio_names_the_command_and_the_way_out(monkeypatch):
    find = ctypes.util.find_library
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(_native, "load_library", lambda _name: None)
    with pytest.raises(
        MissingLibraryError, match=r"PortAudio is not installed: .*install .*--output"
    ) as caught:
        device._import_sounddevice()
    assert caught.value.library == "portaudio"
    assert ctypes.util.find_library is find


def test_a_missing_sounddevice_names_the_command_and_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingLibraryError, match=r"pip install sounddevice; .*--output"):
        device._import_sounddevice()


def test_a_portaudio_that_cannot_start_is_told(monkeypatch):
    def broken(_name):
        raise RuntimeError("Error initializing PortAudio")

    monkeypatch.setattr(device.importlib, "import_module", broken)
    with pytest.raises(AudioError, match=r"cannot start \(Error initializing PortAudio\); .*--output"):
        device._import_sounddevice()


@pytest.mark.skipif(_native.load_library("portaudio") is None, reason="needs PortAudio")
def test_the_real_sounddevice_is_found_without_asking_a_compiler(monkeypatch):
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: pytest.fail(f"asked for {name}"))
    assert device._import_sounddevice().RawOutputStream


# Raw devices, which take a format of their own alone.


class Halves:
    """In place of libspeexdsp: leaves out every second sample, and holds one back."""

    def __init__(self, given, taken):
        assert (given, taken) == (Format(48_000, 2), Format(24_000, 2))
        self.log = []

    def convert(self, pcm):
        return b"".join(pcm[at : at + 4] for at in range(0, len(pcm), 8))

    def finish(self):
        return b"last"

    def reset(self):
        self.log.append("reset")

    def close(self):
        self.log.append("close")


def test_a_device_of_another_rate_gets_its_own(fake, monkeypatch):
    monkeypatch.setattr(device, "Converter", Halves)
    fake.takes = 24_000, 2

    async def test():
        sink = await opened("hw:1,0")
        (stream,) = fake.opened
        assert (stream.options["samplerate"], stream.options["channels"]) == (24_000, 2)
        await sink.write(block(1) + block(2))
        assert sink.latency_s == pytest.approx(0.2 + FakeStream.latency), "the same time in fewer bytes"
        assert fake.stream.played() == block(1)[::2] + block(2)[::2]
        converter = sink._converter
        sink.flush()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.drain)
            await settle()
            assert fake.stream.played()[:5] == b"last\0"
        await sink.aclose()
        assert converter.log == ["reset", "close"]

    trio.run(test, clock=MockClock(autojump_threshold=0))


def test_a_device_with_one_channel_gets_a_mix_without_any_library(fake, monkeypatch):
    monkeypatch.setattr(_native, "require_library", lambda name: pytest.fail(f"asked for {name}"))
    fake.takes = RATE, 1

    async def test():
        sink = await opened("hw:2,0")
        assert fake.stream.options["channels"] == 1
        await sink.write(array("h", [100, 300, -5, -7]).tobytes())
        assert array("h", fake.stream.played())[:3].tolist() == [200, -6, 0]
        await sink.aclose()

    trio.run(test)


def test_without_the_library_it_is_named_with_the_ways_out(fake, monkeypatch):
    monkeypatch.setattr(_native, "load_library", lambda _name: None)
    fake.takes = 44_100, 2

    async def test():
        with pytest.raises(
            MissingLibraryError,
            match=r"libspeexdsp is not installed: .*, as the sound device takes 44100 Hz alone; or choose one"
            r" that converts; .*--output",
        ):
            await opened("hw:1,0")

    trio.run(test)


def test_what_is_no_matter_of_the_format_is_not_tried_in_another(fake):
    fake.fails_at, fake.reason = "start", "Device unavailable"

    async def test():
        with pytest.raises(AudioError, match=r"cannot be used \(Device unavailable"):
            await opened()
        assert len(fake.opened) == 1

    trio.run(test)


@pytest.mark.parametrize("known", [{}, {"default_samplerate": 48_000.0, "max_output_channels": 2}], ids=len)
def test_a_device_that_says_nothing_else_of_itself_is_refused(fake, known):
    fake.takes = 44_100, 2
    fake.query_devices = lambda *_given, **_more: known

    async def test():
        with pytest.raises(AudioError, match=r"cannot be used .*Invalid sample rate.*--output"):
            await opened("hw:1,0")

    trio.run(test)


def test_where_sounddevice_has_no_way_to_begin_anew_the_sink_is_closed_all_the_same(fake, monkeypatch):
    monkeypatch.delattr(FakeSoundDevice, "_terminate")
    fake.fails_at = "stream"

    async def test():
        sink = DeviceSink()
        with pytest.raises(AudioError):
            await sink.open(RATE, 2)
        await sink.aclose()

    trio.run(test)


def test_devices_are_listed(fake):
    assert device.output_devices() == [("hw:1,0", "ALSA", False), ("default", "ALSA", True)]
    fake.fails_at = "device"
    with pytest.raises(AudioError, match="cannot be listed"):
        device.output_devices()


def test_after_a_pause_in_which_the_server_went_portaudio_begins_anew(fake):
    async def test():
        sink = await opened()
        sink.pause(True)
        fake.stream.played()
        sink.pause(False)
        fake.fails_at = "start"
        with pytest.raises(AudioError, match="did not go on"):
            await sink.write(block(1))
        fake.begun = 0
        await sink.aclose()
        assert fake.begun == 0, "ended, and begun again"

    trio.run(test)
