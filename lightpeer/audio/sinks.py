"""Where the sound goes: one small class for each kind, all with the same few methods.

A sink is opened once, written to, drained at the end and closed. `write` returns when the
PCM was accepted, so the sink's own queue, a fraction of a second, is the
backpressure on everything before it. Other programs (`lightpeer.audio.pipes`) and the
sound device (`lightpeer.audio.device`) are imported only when they are asked for.

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

# What the null sink takes ahead of its clock: as much as a sound device would.
_NULL_QUEUE_S = 0.2
# The sizes in a WAV header are 32 bits, and count what follows them.
_WAV_HEADER_BYTES = 44
_WAV_MAX_BYTES = 0xFFFFFFFF - (_WAV_HEADER_BYTES - 8)
_WAV_UNKNOWN = 0xFFFFFFFF


class Sink(Protocol):
    """What the player plays through. Errors are AudioErrors, in one sentence."""

    realtime: bool
    """Whether it takes PCM at the pace of hearing; a file takes it as fast as it comes."""

    async def open(self, rate: int, channels: int) -> None:
        """Begin: `rate` in Hz, 1 or 2 channels. Once, before all else."""

    async def write(self, pcm: bytes) -> None:
        """Take whole samples of PCM; return when all of it was accepted."""

    async def drain(self) -> None:
        """Return when all that was written was heard, as far as can be known. The last call but aclose."""

    def flush(self) -> None:
        """Forget what is queued here, for a seek or a skip."""

    def pause(self, paused: bool) -> None:
        """Hold the sound, or let it go on. While it is held, `write` waits once the queue is full."""

    async def aclose(self) -> None:
        """Give everything back, at once; also after a failure, under cancellation, and more than once."""

    @property
    def latency_s(self) -> float:
        """Seconds of sound that were written and are not heard yet, as far as can be known."""


def wav_header(rate: int, channels: int, data_bytes: int = _WAV_UNKNOWN) -> bytes:
    """Build a WAV header for 16-bit PCM; without a size, one that players take for a stream."""
    riff_bytes = min(data_bytes + _WAV_HEADER_BYTES - 8, _WAV_UNKNOWN)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE") + form + struct.pack("<4sI", b"data", data_bytes)
    )


class BaseSink:
    """A sink that queues nothing itself; `pause` holds its writer."""

    realtime = True

    def __init__(self) -> None:
        self._paused = False
        self._changed = trio.lowlevel.ParkingLot()  # woken when a writer should look again

    @property
    def latency_s(self) -> float:
        """Nothing is known of what comes after."""
        return 0.0

    def flush(self) -> None:
        """Nothing is queued here."""

    def pause(self, paused: bool) -> None:
        """Hold the writer, or let it go on."""
        self._paused = paused
        self._changed.unpark_all()

    async def drain(self) -> None:
        """Wait for nothing."""
        await trio.lowlevel.checkpoint()

    async def _wait_while_paused(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._paused:
            await self._changed.park()


class NullSink(BaseSink):
    """No sound, in real time: a clock that takes PCM as fast as it would be heard."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes_per_s = 1
        self._heard_at = 0.0  # trio's time at which the queue will have been heard; while paused, its length

    async def open(self, rate: int, channels: int) -> None:
        """Start the clock."""
        await trio.lowlevel.checkpoint()
        self._bytes_per_s = rate * channels * 2
        self._heard_at = trio.current_time()

    @property
    def latency_s(self) -> float:
        """What the clock has not passed yet."""
        now = 0.0 if self._paused else trio.current_time()
        return max(0.0, self._heard_at - now)

    async def write(self, pcm: bytes) -> None:
        """Queue, and wait until little is queued."""
        queued_s = self.latency_s + len(pcm) / self._bytes_per_s
        self._heard_at = queued_s + (0.0 if self._paused else trio.current_time())
        await self._wait_until_queued(_NULL_QUEUE_S)

    async def drain(self) -> None:
        """Wait until the clock has passed everything."""
        await self._wait_until_queued(0.0)

    async def _wait_until_queued(self, most_s: float) -> None:
        if self.latency_s <= most_s:  # waiting is a checkpoint by itself
            await trio.lowlevel.checkpoint()
        while (surplus_s := self.latency_s - most_s) > 1e-6:
            with trio.move_on_after(float("inf") if self._paused else surplus_s):
                await self._changed.park()

    def flush(self) -> None:
        """Forget the queue."""
        self._heard_at -= self.latency_s
        self._changed.unpark_all()

    def pause(self, paused: bool) -> None:
        """Stop the clock, or let it run on."""
        queued_s = self.latency_s
        super().pause(paused)
        self._heard_at = queued_s + (0.0 if paused else trio.current_time())

    async def aclose(self) -> None:
        """Nothing is to be given back."""
        await trio.lowlevel.checkpoint()


class WavSink(BaseSink):
    """A WAV file, written as fast as PCM comes; its header is right from the start and after any end."""

    realtime = False

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
            # Local writes this small are faster than a thread that would make them.
            self._file = self._path.open("wb", buffering=0)
        except OSError as exc:
            raise self._failed(exc) from exc
        self._write(wav_header(rate, channels))  # a stream's, so that the file plays however we end

    async def write(self, pcm: bytes) -> None:
        """Append to the file."""
        await self._wait_while_paused()
        if self._data_bytes + len(pcm) > _WAV_MAX_BYTES:
            raise AudioError(f"{self._path} is full: a WAV file holds 4 GiB, six hours; go on in another one")
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
        return AudioError(
            f"{self._path} cannot be written ({exc.strerror}): choose another file with --output"
        )

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
            with contextlib.suppress(OSError), self._file:  # of a full disk, `write` or `drain` has told
                self._finish()
            self._file = None
        await trio.lowlevel.cancel_shielded_checkpoint()
