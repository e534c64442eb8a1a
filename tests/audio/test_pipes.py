import os
import sys
from array import array
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from lightpeer.audio import pipes
from lightpeer.audio.outputs import make_sink
from lightpeer.audio.pipes import CommandSink, PipeSink
from lightpeer.audio.sinks import wav_header
from lightpeer.errors import AudioError

RATE = 48000
SECOND = array("h", range(-24000, 24000)).tobytes() * 2  # stereo


class FakePipe:
    """A pipe on virtual time, read as sound is heard."""

    CAPACITY = 16 * pipes._PIECE_BYTES
    BYTES_PER_S = RATE * 4

    def __init__(self, monkeypatch):
        self.data = bytearray()
        self.waits = 0
        self.was_empty = 0
        self._level = 0.0
        self._at = 0.0
        monkeypatch.setattr(pipes, "_is_writable", self.is_writable)
        monkeypatch.setattr(pipes, "_pipe_bytes", lambda _fd: self.CAPACITY)
        monkeypatch.setattr(pipes, "os", SimpleNamespace(write=self.write))
        monkeypatch.setattr(trio.lowlevel, "wait_writable", self.wait_writable)

    def level(self):
        now = trio.current_time()
        self._level = max(0.0, self._level - (now - self._at) * self.BYTES_PER_S)
        self._at = now
        return self._level

    def is_writable(self, _fd):
        return self.level() <= self.CAPACITY - pipes._PIECE_BYTES + 0.5

    def write(self, _fd, data):
        assert self.is_writable(0)
        self.was_empty += bool(self.data) and self.level() == 0
        self._level += len(data)
        self.data += data
        return len(data)

    async def wait_writable(self, _fd):
        self.waits += 1
        over = self.level() - (self.CAPACITY - pipes._PIECE_BYTES)
        await trio.sleep(max(0.0, over / self.BYTES_PER_S))


def test_a_writer_wakes_a_few_times_a_second_and_never_too_late(monkeypatch):
    pipe = FakePipe(monkeypatch)

    async def test():
        sink = PipeSink()
        await sink.open(RATE, 2)
        for _ in range(20):
            await sink.write(SECOND)

    trio.run(test, clock=MockClock(autojump_threshold=0))
    assert pipe.data == 20 * SECOND
    assert pipe.waits < 20 * 8  # and as many rests, instead of 20 * 47
    assert pipe.was_empty == 0


def test_a_pause_holds_a_pipe(monkeypatch):
    pipe = FakePipe(monkeypatch)

    async def test():
        sink = PipeSink()
        await sink.open(RATE, 2)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sink.write, 2 * SECOND)
            await trio.sleep(0.5)
            sink.pause(True)
            held = len(pipe.data)
            await trio.sleep(60)
            assert len(pipe.data) == held < len(SECOND)
            sink.pause(False)

    trio.run(test, clock=MockClock(autojump_threshold=0))
    assert pipe.data == 2 * SECOND


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_full_disk_is_an_audio_error():
    async def test():
        fd = os.open("/dev/full", os.O_WRONLY)
        with pytest.raises(AudioError, match="No space left"):
            await PipeSink(fd).write(SECOND)
        os.close(fd)

    trio.run(test)


def test_pipe_goes_at_the_pace_of_its_reader():
    async def test():
        reader, writer = os.pipe()
        sink = PipeSink(writer)
        await sink.open(RATE, 2)
        done = trio.Event()

        async def write():
            await sink.write(SECOND)
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            assert not done.is_set()
            taken = bytearray()
            async with trio.lowlevel.FdStream(reader) as stream:
                while len(taken) < len(SECOND):
                    taken += await stream.receive_some(10_000)
        assert taken == SECOND
        with pytest.raises(AudioError, match="the program after the pipe has ended"):
            await sink.write(SECOND)
        await sink.drain()
        await sink.aclose()
        os.close(writer)

    trio.run(test)


def test_pipe_may_be_a_file(tmp_path):
    async def test():
        with (tmp_path / "pcm").open("wb") as file:
            sink = PipeSink(file.fileno())
            await sink.open(RATE, 2)
            await sink.write(SECOND)

    trio.run(test)
    assert (tmp_path / "pcm").read_bytes() == SECOND


def python(program, *arguments):
    return CommandSink([sys.executable, "-c", program, *map(str, arguments)])


def test_a_command_gets_a_wav_stream_and_may_end_in_its_own_time(tmp_path):
    path = tmp_path / "got"

    async def test():
        sink = python("import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())", path)
        await sink.open(RATE, 2)
        await sink.write(SECOND)
        await sink.drain()
        await sink.aclose()
        await sink.aclose()

    trio.run(test)
    assert path.read_bytes() == wav_header(RATE, 2) + SECOND


def test_a_command_that_fails_is_named_with_its_status():
    async def test():
        sink = python("import sys; sys.stdin.buffer.read(100); sys.exit(3)")
        await sink.open(RATE, 2)
        with pytest.raises(AudioError, match=r"python.*ended with status 3"):
            await sink.write(10 * SECOND)
        await sink.aclose()
        sink = python("import sys; sys.stdin.buffer.read(); sys.exit(4)")
        await sink.open(RATE, 2)
        with pytest.raises(AudioError, match="ended with status 4"):
            await sink.drain()
        await sink.aclose()

    trio.run(test)


def test_a_command_that_is_not_there_is_an_audio_error():
    async def test():
        sink = make_sink("command:no-such-player -")
        with pytest.raises(AudioError, match="'no-such-player' cannot be started"):
            await sink.open(RATE, 2)
        with pytest.raises(AudioError, match="not running"):
            await sink.write(SECOND)
        await sink.aclose()

    trio.run(test)


def test_a_command_ends_when_it_is_closed_even_if_it_would_not(monkeypatch):
    monkeypatch.setattr(pipes, "_COMMAND_EXIT_S", 0.05)

    async def test():
        # It reads more than a pipe holds, so once it has been written to it no longer minds SIGTERM.
        program = "signal.signal(15, signal.SIG_IGN); sys.stdin.buffer.read(192_000); signal.pause()"
        sink = python("import signal, sys; " + program)
        await sink.open(RATE, 2)
        await sink.write(SECOND)
        process = sink._process
        with trio.CancelScope() as scope:
            scope.cancel()
            await sink.aclose()
        assert process.returncode == -9

    trio.run(test)
