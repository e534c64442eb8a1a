"""The sound of a player: its sink, made and opened when they are needed, and the volume.

Audio libraries are imported only once the first packet has left: a Pi Zero spends that time waiting for the
network anyway. The sink is opened with the first piece of PCM, which says how many channels there are.

A sound device may go and come back: it is unplugged, or its server restarted. Once it has worked, its
failures are weather, and another sink is tried, less and less often. What the lost one had taken and not
played, a fraction of a second, goes to the next, so that music goes on where it was.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.core.segments.retries import Retries
from lightpeer.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.audio.sinks import Sink
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.playback.weather import Weather

MIN_VOLUME_DB: Final = -60.0
MAX_VOLUME_DB: Final = 12.0
MOST_GIVEN: Final = 5  # pieces of about 200 ms: more than a sink holds


class Sound:
    """One sink at a time.

    Attributes:
        paused: whether the listener has paused.
        channels: how many the sink has; 0: it was not opened yet.
    """

    def __init__(self, sink_factory: Callable[[], Sink], connecting: trio.Event, weather: Weather) -> None:
        """Make nothing yet.

        Args:
            sink_factory: makes a sink.
            connecting: set once the first packet has left.
            weather: is told while the device is away.
        """
        self.paused = False
        self.channels = 0
        self._sink_factory = sink_factory
        self._connecting = connecting
        self._sink: Sink | None = None
        self._is_open = False
        self._weather = weather
        self._has_worked = False
        self._given: deque[bytes] = deque(maxlen=MOST_GIVEN)  # what the sink has taken last
        self._retries: Retries | None = None  # since a sink has last taken sound

    @property
    def latency_s(self) -> float:
        """Seconds of sound that the sink has taken and that are not heard yet."""
        return self._sink.latency_s if self._sink is not None else 0.0

    @property
    def realtime(self) -> bool:
        """Whether the sink takes PCM at the pace of hearing; `prepare` comes first."""
        assert self._sink is not None, "`prepare` comes first"
        return self._sink.realtime

    def begin(self) -> None:
        """Begin anew: another sink, and no pause."""
        self.paused, self.channels = False, 0
        self._given.clear()

    @property
    def keeps_mono(self) -> bool:
        """Whether the sink takes one channel as well as two; `prepare` comes first."""
        assert self._sink is not None, "`prepare` comes first"
        return self._sink.keeps_mono

    async def prepare(self) -> None:
        """Load the libraries in a thread, which takes a Pi Zero a second, and make the sink."""
        if self._sink is None:
            await self._connecting.wait()
            await trio.to_thread.run_sync(_load_audio)
            self._sink = self._sink_factory()

    async def open(self, channels: int) -> None:
        """Open the sink for 1 or 2 channels, unless it is open; where one was lost, wait for another."""
        self.channels = channels
        while not self._is_open:
            sink = self._sink = self._sink or self._sink_factory()
            try:
                with trio.CancelScope(shield=True):  # a sink that was half opened could not be opened again
                    await sink.open(SAMPLE_RATE, channels)
            except AudioError as error:
                await self._lose(sink, error)
            else:
                self._is_open = self._has_worked = True
                self._weather.end("sound")
                if self.paused:
                    sink.pause(True)

    async def write(self, pcm: bytes) -> None:
        """Give PCM to the open sink, or the one after it; return once it has room for more."""
        while True:
            assert self._sink is not None, "`open` comes first"
            try:
                await self._sink.write(pcm)
            except AudioError as error:
                unheard = self._unheard(self._sink, len(pcm))
                self._given.clear()  # what of it is to be heard is given again
                await self._lose(self._sink, error)
                await self.open(self.channels)
                pcm = unheard + pcm
            else:
                self._given.append(pcm)
                self._retries = None
                return

    def _unheard(self, sink: Sink, more_bytes: int) -> bytes:
        """Return what a sink has taken and not played, but for `more_bytes`, which it may have taken, too."""
        most_bytes = round(sink.latency_s * SAMPLE_RATE) * 2 * self.channels - more_bytes
        return b"".join(self._given)[-most_bytes:] if most_bytes > 0 else b""

    async def _lose(self, sink: Sink, error: AudioError) -> None:
        """Close a sink that has failed, and wait for the next try; raise the error if none can succeed."""
        if not (sink.may_return and self._has_worked):
            raise error
        from lightpeer.audio.device import ELSEWHERE  # which is for those who give up

        await self.aclose()
        self._retries = self._retries or Retries()
        again_s = self._retries.next_s(0.0, was_answered=False)
        assert again_s is not None, "nobody answers here"
        self._weather.on_silence()
        self._weather.begin("sound", str(error).removesuffix(ELSEWHERE), next_try_s=again_s)
        await trio.sleep(again_s)

    def toggle_pause(self) -> None:
        """Hold the sound, or let it go on."""
        self.paused = not self.paused
        self._weather.on_paused(is_paused=self.paused)
        if self._sink is not None and self._is_open:
            self._sink.pause(self.paused)

    def flush(self) -> None:
        """Drop the sound that is queued in the sink, for a seek or a skip."""
        self._given.clear()
        if self._sink is not None:
            self._sink.flush()

    async def drain(self) -> None:
        """Wait until all sound was heard."""
        if self._sink is not None and self._is_open:
            try:
                await self._sink.drain()
            except AudioError:
                if not self._sink.may_return:  # else its last moment was not heard
                    raise

    async def aclose(self) -> None:
        """Close the sink, also under cancellation; `prepare` makes another."""
        sink, self._sink, self._is_open = self._sink, None, False
        if sink is not None:
            with trio.CancelScope(shield=True):
                await sink.aclose()


class Volume:
    """The volume, in decibels: 0 leaves samples as they are.

    Attributes:
        db: the listener's choice.
        normalizes: whether all tracks are made equally loud.
    """

    def __init__(self, settings: Settings) -> None:
        self.db = settings.volume_db
        self.normalizes = settings.normalize

    def change(self, decibels: float) -> None:
        """Turn the volume up, or down if negative, within its bounds."""
        self.db = max(MIN_VOLUME_DB, min(MAX_VOLUME_DB, self.db + decibels))

    def gain_q8_db(self, track: Track) -> int:
        """Return the gain to decode a track with, in 1/256 dB."""
        return round(self.db * 256) + (track.gain_q8_db if self.normalizes else 0)


def _load_audio() -> None:
    """Import the decoder and load its libraries."""
    from lightpeer.audio.decoder import Decoder

    Decoder().close()
