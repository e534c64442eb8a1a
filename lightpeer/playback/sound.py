"""The sound of a player: its sink, made and opened when they are needed, and the volume.

Audio libraries are imported only once the first packet has left: a Pi Zero spends that time waiting for the
network anyway. The sink is opened with the first piece of PCM, which says how many channels there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.content.manifest import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.audio.sinks import Sink
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track

MIN_VOLUME_DB: Final = -60.0
MAX_VOLUME_DB: Final = 12.0


class Sound:
    """One sink at a time.

    Attributes:
        paused: whether the listener has paused.
    """

    def __init__(self, sink_factory: Callable[[], Sink], connecting: trio.Event) -> None:
        """Make nothing yet.

        Args:
            sink_factory: makes a sink.
            connecting: set once the first packet has left.
        """
        self.paused = False
        self._sink_factory = sink_factory
        self._connecting = connecting
        self._sink: Sink | None = None
        self._is_open = False

    @property
    def latency_s(self) -> float:
        """Seconds of sound that the sink has taken and that are not heard yet."""
        return self._sink.latency_s if self._sink is not None else 0.0

    @property
    def realtime(self) -> bool:
        """Whether the sink takes PCM at the pace of hearing; `prepare` comes first."""
        assert self._sink is not None, "`prepare` comes first"
        return self._sink.realtime

    async def prepare(self) -> None:
        """Load the libraries in a thread, which takes a Pi Zero a second, and make the sink."""
        if self._sink is None:
            await self._connecting.wait()
            await trio.to_thread.run_sync(_load_audio)
            self._sink = self._sink_factory()

    async def open(self, channels: int) -> None:
        """Open the sink for 1 or 2 channels, unless it is open."""
        assert self._sink is not None, "`prepare` comes first"
        if self._is_open:
            return
        with trio.CancelScope(shield=True):  # a sink that was half opened could not be opened again
            await self._sink.open(SAMPLE_RATE, channels)
        self._is_open = True
        if self.paused:
            self._sink.pause(True)

    async def write(self, pcm: bytes) -> None:
        """Give PCM to the open sink; return once it has room for more."""
        assert self._sink is not None, "`prepare` comes first"
        await self._sink.write(pcm)

    def toggle_pause(self) -> None:
        """Hold the sound, or let it go on."""
        self.paused = not self.paused
        if self._sink is not None and self._is_open:
            self._sink.pause(self.paused)

    def flush(self) -> None:
        """Drop the sound that is queued in the sink, for a seek or a skip."""
        if self._sink is not None:
            self._sink.flush()

    async def drain(self) -> None:
        """Wait until all sound was heard."""
        if self._sink is not None and self._is_open:
            await self._sink.drain()

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
    """

    def __init__(self, settings: Settings) -> None:
        self.db = settings.volume_db
        self._normalize = settings.normalize

    def change(self, decibels: float) -> None:
        """Turn the volume up, or down if negative, within its bounds."""
        self.db = max(MIN_VOLUME_DB, min(MAX_VOLUME_DB, self.db + decibels))

    def gain_q8_db(self, track: Track) -> int:
        """Return the gain to decode a track with, in 1/256 dB."""
        return round(self.db * 256) + (track.gain_q8_db if self._normalize else 0)


def _load_audio() -> None:
    """Import the decoder and load its libraries."""
    from lightpeer.audio.decoder import Decoder

    Decoder().close()
