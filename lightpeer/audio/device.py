"""The sound device, through PortAudio's callback: the only module that imports sounddevice.

Two threads meet here. Trio's puts PCM into a short queue. PortAudio's takes PCM from it whenever the device
wants some, or silence where there is none, and wakes trio's once half the queue is free. A lock guards the
queue; neither side holds it for longer than a copy takes. While playback is paused the callback ends the
stream, so a paused player costs nothing, and the next `write` starts it again.

A raw device may take a rate or a number of channels of its own alone. It is asked for ours first, and then
gets its own (`converting.py`).
"""

from __future__ import annotations

import contextlib
import ctypes.util
import importlib
import threading
from typing import Any, NamedTuple

import trio

from lightpeer.audio import _native
from lightpeer.audio.converting import Converter, Format
from lightpeer.audio.sinks import BaseSink
from lightpeer.errors import AudioError, MissingLibraryError

# Outlasts a garbage collection or a burst of datagrams on a Pi; short enough for a change of volume.
_QUEUE_S = 0.4
# Requested from the device; less than 100 ms is at the mercy of a phone's scheduler.
_DEVICE_LATENCY_S = 0.15
# A device that has taken nothing for so long is gone.
_STALL_S = 10.0
# How long closing may take.
_CLOSE_S = 2.0
# What PortAudio names when it refuses a format.
_FORMATS = ("sample rate", "number of channels")

ELSEWHERE = "; sound goes elsewhere with --output wav:FILE, pipe, command:... or null"
"""Appended to each message here; the demo, which has no such option, removes it."""


class DeviceSink(BaseSink):
    """A sound device: by number, by a part of its name, or the system's default."""

    may_return = True

    def __init__(self, device: str = "") -> None:
        super().__init__()
        self._device: int | str | None = int(device) if device.isdecimal() else device or None
        self._lock = threading.Lock()
        self._queue = bytearray()
        self._capacity_bytes = 0
        self._bytes_per_s = 1
        self._wake_at_bytes: int | None = None  # the callback wakes us once no more is queued
        self._stream: Any = None
        self._converter: Converter | None = None  # where the device takes another format
        self._stop: type[Exception] = Exception  # raised by the callback to end the stream
        self._stopped = False  # by the callback, for a pause
        self._failed = False
        self._token: trio.lowlevel.TrioToken | None = None

    @property
    def latency_s(self) -> float:
        """The sound that is queued here and in the device."""
        return len(self._queue) / self._bytes_per_s + self._device_latency_s

    @property
    def _device_latency_s(self) -> float:
        return float(self._stream.latency) if self._stream else 0.0

    async def open(self, rate: int, channels: int) -> None:
        """Open the device.

        Raises:
            MissingLibraryError: PortAudio or sounddevice is not installed.
            AudioError: there is no such device, or it does not support this format.
        """
        self._token = trio.lowlevel.current_trio_token()
        # In a thread, since a sound server may have to be started.
        await trio.to_thread.run_sync(self._open, Format(rate, channels))

    def _open(self, ours: Format) -> None:
        sounddevice = _import_sounddevice()
        self._stop = sounddevice.CallbackStop
        refusals = (sounddevice.PortAudioError, ValueError)
        try:
            if self._device is None:
                sounddevice.query_devices(kind="output")
        except refusals as exc:
            self._failed = True
            raise AudioError(f"no sound device was found{ELSEWHERE}") from exc
        try:
            try:
                self._start(sounddevice, ours)
            except refusals as exc:
                own = _own_format(sounddevice, self._device, ours)
                if own == ours or not any(what in str(exc) for what in _FORMATS):
                    raise
                self._converter = _converter(ours, own)
                self._start(sounddevice, own)
        except refusals as exc:
            self._failed = True
            raise AudioError(f"the sound device cannot be used ({exc}){ELSEWHERE}") from exc

    def _start(self, sounddevice: Any, format_: Format) -> None:
        """Start a stream of some format."""
        self._bytes_per_s = format_.rate * format_.frame_bytes
        self._capacity_bytes = int(format_.rate * _QUEUE_S) * format_.frame_bytes
        self._stream = sounddevice.RawOutputStream(
            samplerate=format_.rate,
            channels=format_.channels,
            dtype="int16",
            device=self._device,
            latency=_DEVICE_LATENCY_S,
            callback=self._callback,
            finished_callback=self._finished,
        )
        self._stream.start()

    def _callback(self, output: Any, _frames: int, _time: object, _status: object) -> None:
        """Fill the device's buffer; in PortAudio's thread."""
        wanted = len(output)
        with self._lock:
            self._stopped = self._paused
            taken = b"" if self._stopped else bytes(self._queue[:wanted])
            del self._queue[: len(taken)]
            wake = self._wake_at_bytes is not None and len(self._queue) <= self._wake_at_bytes
        output[: len(taken)] = taken
        output[len(taken) :] = bytes(wanted - len(taken))
        if wake:
            self._wake()
        if self._stopped:
            raise self._stop

    def _finished(self) -> None:
        """Note that the stream ended; in a thread of PortAudio's."""
        if not self._stopped:
            self._failed = True
            self._wake()

    def _wake(self) -> None:
        assert self._token is not None
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._changed.unpark_all, idempotent=True)

    async def write(self, pcm: bytes) -> None:
        """Add PCM to the queue, waiting for room."""
        rest = memoryview(self._converter.convert(pcm) if self._converter else pcm)
        await self._queue_all(rest)

    async def _queue_all(self, rest: memoryview) -> None:
        await trio.lowlevel.checkpoint()
        while rest:
            with self._lock:
                room = self._capacity_bytes - len(self._queue)
                self._queue += rest[:room]
                rest = rest[room:]
            await self._wait_until_queued(self._capacity_bytes // 2 if rest else self._capacity_bytes)

    async def drain(self) -> None:
        """Wait until the queue is empty, then until the device has played its own buffer."""
        if self._converter:
            await self._queue_all(memoryview(self._converter.finish()))
        await self._wait_until_queued(0)
        await trio.sleep(self._device_latency_s)

    async def _wait_until_queued(self, most_bytes: int) -> None:
        while True:
            await self._keep_running()
            with self._lock:
                self._wake_at_bytes = most_bytes if len(self._queue) > most_bytes else None
            if self._wake_at_bytes is None:
                return
            before = len(self._queue)
            with trio.move_on_after(float("inf") if self._paused else _STALL_S) as waiting:
                await self._changed.park()
            if waiting.cancelled_caught and len(self._queue) >= before:
                self._failed = True
                raise AudioError(f"the sound device takes no more sound{ELSEWHERE}")

    async def _keep_running(self) -> None:
        """Start the stream again after a pause; raise AudioError if it has ended by itself."""
        if self._failed or self._stream is None:
            raise AudioError(f"the sound device has stopped{ELSEWHERE}")
        if self._stopped and not self._paused:
            with trio.move_on_after(_CLOSE_S) as limit:  # its server may be gone
                await trio.to_thread.run_sync(self._restart, abandon_on_cancel=True)
            if limit.cancelled_caught:
                self._failed = True
                raise AudioError(f"the sound device did not go on{ELSEWHERE}")

    def _restart(self) -> None:
        sounddevice = _import_sounddevice()
        try:
            self._stream.stop()  # waits for the device's buffer
            self._stopped = False
            self._stream.start()
        except sounddevice.PortAudioError as exc:
            self._failed = True  # so that PortAudio is begun anew, as after its server was
            raise AudioError(f"the sound device did not go on ({exc}){ELSEWHERE}") from exc

    def flush(self) -> None:
        """Drop the queue; the device's own buffer is still heard."""
        with self._lock:
            self._queue.clear()
        if self._converter:
            self._converter.reset()
        self._changed.unpark_all()

    async def aclose(self) -> None:
        """Close the device without waiting for its buffer."""
        stream, self._stream = self._stream, None
        self._stopped = True  # on purpose
        if self._converter:
            self._converter.close()
            self._converter = None
        if stream is not None or self._failed:
            with trio.CancelScope(shield=True), trio.move_on_after(_CLOSE_S):
                await trio.to_thread.run_sync(self._close, stream, abandon_on_cancel=True)

    def _close(self, stream: Any) -> None:
        """Close the stream; after a failure also PortAudio, which sees no device that came later."""
        if stream is not None:
            stream.close()
        if self._failed:
            self._failed = False
            sounddevice = _import_sounddevice()
            with contextlib.suppress(sounddevice.PortAudioError, AttributeError):
                for step in ("_terminate", "_initialize"):  # they have no other names, and may lose these
                    getattr(sounddevice, step)()


def _own_format(sounddevice: Any, device: int | str | None, ours: Format) -> Format:
    """Return what a device takes that has refused our format; ours where that cannot be known."""
    with contextlib.suppress(sounddevice.PortAudioError, ValueError, KeyError, TypeError):
        known = sounddevice.query_devices(device, "output")
        return Format(round(known["default_samplerate"]), min(ours.channels, known["max_output_channels"]))
    return ours


def _converter(ours: Format, own: Format) -> Converter:
    """Return what converts to a device's own format; raise MissingLibraryError if that needs a library."""
    try:
        return Converter(ours, own)
    except MissingLibraryError as exc:
        way_out = f", as the sound device takes {own.rate} Hz alone; or choose one that converts"
        raise _native.missing_library(exc.library, f"{way_out}{ELSEWHERE}") from exc


class Device(NamedTuple):
    """A sound device, as PortAudio lists it.

    Attributes:
        name: a part of it, that no other has, is enough for `DeviceSink`.
        system: what drives it, such as ALSA.
        is_default: whether it is the system's choice.
    """

    name: str
    system: str
    is_default: bool


def output_devices() -> list[Device]:
    """Return the devices that sound can go to.

    Raises:
        AudioError: PortAudio cannot list them, or is not installed.
    """
    sounddevice = _import_sounddevice()
    try:
        found = [dict(device) for device in sounddevice.query_devices()]
        systems = sounddevice.query_hostapis()
        default = sounddevice.default.device[1]
    except sounddevice.PortAudioError as exc:
        raise AudioError(f"the sound devices cannot be listed ({exc}){ELSEWHERE}") from exc
    return [
        Device(device["name"], systems[device["hostapi"]]["name"], number == default)
        for number, device in enumerate(found)
        if device["max_output_channels"] > 0
    ]


def _import_sounddevice() -> Any:
    """Import sounddevice, and have its search for PortAudio end at the library that we found."""
    library = _native.load_library("portaudio")
    path = library._name if library else None  # noqa: SLF001 - ctypes keeps the path there alone
    original = ctypes.util.find_library
    ctypes.util.find_library = lambda name: path if name == "portaudio" else None
    try:
        return importlib.import_module("sounddevice")
    except ModuleNotFoundError as exc:
        raise _native.missing_package("sounddevice", ELSEWHERE) from exc
    except OSError as exc:
        raise _native.missing_library("portaudio", ELSEWHERE) from exc
    except Exception as exc:  # PortAudioError, whose module has just failed to import
        raise AudioError(f"PortAudio cannot start ({exc}){ELSEWHERE}") from exc
    finally:
        ctypes.util.find_library = original
