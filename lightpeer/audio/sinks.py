"""Sinks, which sound goes to: one small class for each kind, all with the same few methods.

A sink is opened once, written to, drained at the end and closed. `write` returns once the PCM was accepted,
so the sink's own queue, a fraction of a second, is the backpressure on everything before it. The sinks for
other programs (`pipes.py`) and for the sound device (`device.py`) are imported on demand.

PCM is interleaved signed 16-bit little-endian throughout.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import BinaryIO, Protocol

import trio

from lightpeer.errors import AudioError

# As far ahead of its clock as the null sink accepts PCM: like a sound device.
_NULL_QUEUE_S = 0.2
# The sizes in a WAV header have 32 bits, and count the bytes after them.
_WAV_HEADER_BYTES = 44
_WAV_MAX_BYTES = 0xFFFFFFFF - (_WAV_HEADER_BYTES - 8)
_WAV_UNKNOWN = 0xFFFFFFFF


class Sink(Protocol):
    """The interface that the player writes to. Errors are AudioErrors, in one sentence."""

    realtime: bool
    """Whether it accepts PCM at the pace of hearing; a file accepts it as fast as it comes."""

    keeps_mono: bool
    """Whether one channel is as good as two; some devices take two alone, and a pipe's reader cannot know."""

    may_return: bool
    """Whether another one may work after it has failed: a device comes back, a pipe's reader does not."""

    async def open(self, rate: int, channels: int) -> None:
        """Begin, at `rate` Hz with 1 or 2 channels. Call it once, first."""

    async def write(self, pcm: bytes) -> None:
        """Accept whole samples of PCM; return once all of it was accepted."""

    async def drain(self) -> None:
        """Return once all PCM was heard, as far as can be known. Only `aclose` may follow."""

    def flush(self) -> None:
        """Drop the queue, for a seek or a skip."""

    def pause(self, paused: bool) -> None:
        """Hold the sound, or let it go on. While it is held, `write` waits when the queue is full."""

    async def aclose(self) -> None:
        """Release everything at once; also after a failure, under cancellation, and more than once."""

    @property
    def latency_s(self) -> float:
        """Seconds of sound that were accepted and are not heard yet, as far as can be known."""


def wav_header(rate: int, channels: int, data_bytes: int = _WAV_UNKNOWN) -> bytes:
    """Return a WAV header for 16-bit PCM.

    Args:
        rate: Hz.
        channels: 1 or 2.
        data_bytes: the size of the PCM; without it, players take the file for a stream.
    """
    riff_bytes = min(data_bytes + _WAV_HEADER_BYTES - 8, _WAV_UNKNOWN)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE") + form + struct.pack("<4sI", b"data", data_bytes)
    )


class BaseSink:
    """A sink that queues nothing itself; `pause` holds its writer."""

    realtime = True
    keeps_mono = False
    may_return = False

    def __init__(self) -> None:
        self._paused = False
        self._changed = trio.lowlevel.ParkingLot()  # woken when a writer should look again

    @property
    def latency_s(self) -> float:
        """Zero, as this sink cannot know."""
        return 0.0

    def flush(self) -> None:
        """Do nothing, as no PCM is queued."""

    def pause(self, paused: bool) -> None:
        """Hold the writer, or let it go on."""
        self._paused = paused
        self._changed.unpark_all()

    async def drain(self) -> None:
        """Return at once."""
        await trio.lowlevel.checkpoint()

    async def _wait_while_paused(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._paused:
            await self._changed.park()


class NullSink(BaseSink):
    """No sound, in real time: a clock that accepts PCM as fast as it would be heard."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes_per_s = 1
        self._heard_at = 0.0  # the trio time at which the queue is heard; while paused, the queue's length

    async def open(self, rate: int, channels: int) -> None:
        """Start the clock."""
        await trio.lowlevel.checkpoint()
        self._bytes_per_s = rate * channels * 2
        self._heard_at = trio.current_time()

    @property
    def latency_s(self) -> float:
        """The sound that the clock has not passed yet."""
        now = 0.0 if self._paused else trio.current_time()
        return max(0.0, self._heard_at - now)

    async def write(self, pcm: bytes) -> None:
        """Add PCM to the queue, and wait until the queue is short."""
        queued_s = self.latency_s + len(pcm) / self._bytes_per_s
        self._heard_at = queued_s + (0.0 if self._paused else trio.current_time())
        await self._wait_until_queued(_NULL_QUEUE_S)

    async def drain(self) -> None:
        """Wait until the clock has passed the queue."""
        await self._wait_until_queued(0.0)

    async def _wait_until_queued(self, most_s: float) -> None:
        if self.latency_s <= most_s:  # waiting is a checkpoint by itself
            await trio.lowlevel.checkpoint()
        while (surplus_s := self.latency_s - most_s) > 1e-6:
            with trio.move_on_after(float("inf") if self._paused else surplus_s):
                await self._changed.park()

    def flush(self) -> None:
        """Drop the queue."""
        self._heard_at -= self.latency_s
        self._changed.unpark_all()

    def pause(self, paused: bool) -> None:
        """Stop the clock, or let it run on."""
        queued_s = self.latency_s
        super().pause(paused)
        self._heard_at = queued_s + (0.0 if paused else trio.current_time())

    async def aclose(self) -> None:
        """Return, as there is nothing to release."""
        await trio.lowlevel.checkpoint()


class WavSink(BaseSink):
    """A WAV file, written as fast as PCM comes. Its header is valid from the start, however it ends."""

    realtime = False
    keeps_mono = True

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: BinaryIO | None = None
        self._format = (0, 0)
        self._data_bytes = 0

    async def open(self, rate: int, channels: int) -> None:
        """Create the file, or empty it."""
        await trio.lowlevel.checkpoint()
        self._format = (rate, channels)
        try:
            # Local writes this small take less time than handing them to a thread.
            self._file = self._path.open("wb", buffering=0)
        except OSError as exc:
            raise self._failed(exc) from exc
        self._write(wav_header(rate, channels))  # of a stream, so that the file plays even if we crash

    async def write(self, pcm: bytes) -> None:
        """Append to the file."""
        await self._wait_while_paused()
        if self._data_bytes + len(pcm) > _WAV_MAX_BYTES:
            raise AudioError(f"{self._path} is full: a WAV file holds 4 GiB, six hours: go on in another")
        self._write(pcm)
        self._data_bytes += len(pcm)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while self._file and rest:
                rest = rest[self._file.write(rest) :]
        except OSError as exc:
            raise self._failed(exc) from exc

    def _failed(self, exc: OSError) -> AudioError:
        return AudioError(f"cannot write {self._path} ({exc.strerror}): choose another file with --output")

    async def drain(self) -> None:
        """Write the sizes into the header."""
        await trio.lowlevel.checkpoint()
        try:
            self._finish()
        except OSError as exc:
            raise self._failed(exc) from exc

    def _finish(self) -> None:
        if self._file and self._file.seekable():
            self._file.seek(0)
            self._file.write(wav_header(*self._format, self._data_bytes))
            self._file.seek(0, os.SEEK_END)

    async def aclose(self) -> None:
        """Write the sizes into the header, and close."""
        if self._file:
            with contextlib.suppress(OSError), self._file:  # `write` or `drain` has reported it
                self._finish()
            self._file = None
        await trio.lowlevel.cancel_shielded_checkpoint()
