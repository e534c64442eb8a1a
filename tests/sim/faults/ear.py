"""What a listener of a run hears: each segment against what was published, each sample in its place.

The decoder stands for libopus: a segment is a second of silence, so that a run costs a fraction of a
second. Every piece of that silence is labelled with its track and its first sample, and the sink checks
the labels: nothing may be left out or come twice, unless a command went elsewhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import trio

from lightpeer.audio.sinks import NullSink
from lightpeer.core.content.manifest import SAMPLE_RATE
from tests.pair import MadeTrack
from tests.sim.faults.watch import Anomaly

_LABEL = struct.Struct(">HI")
_SILENCE = bytes(2 * 2 * SAMPLE_RATE)


class Published:
    """All segments of all tracks, by their bytes."""

    def __init__(self, tracks: Sequence[MadeTrack]) -> None:
        self._places = {
            data: (number, segment)
            for number, made in enumerate(tracks)
            for rendition in made.segments
            for segment, data in enumerate(rendition)
        }
        self._headers = {
            rendition.header: number
            for number, made in enumerate(tracks)
            for rendition in made.track.renditions
        }

    def track_of(self, header: bytes) -> int:
        """Return the number of the track that has a header."""
        if header not in self._headers:
            raise Anomaly("a header that nobody published reaches the decoder")
        return self._headers[header]

    def place_of(self, data: bytes) -> tuple[int, int]:
        """Return the track's number and the segment's."""
        if data not in self._places:
            raise Anomaly("bytes that nobody published reach the decoder")
        return self._places[data]


class Decoder:
    """Takes the place of `lightpeer.audio.decoder.Decoder`; `published` is set for each run."""

    published: Published

    def __init__(self, *, gain_q8_db: int = 0, channels: int | None = None) -> None:
        self._wanted_channels = channels
        self.channels = 0
        self.concealed = 0
        self._track: int | None = None
        self._at = self._wanted_from = 0

    @property
    def position_samples(self) -> int:
        return max(self._at, self._wanted_from)

    def feed(self, data: bytes) -> bytes:
        self._track = self.published.track_of(data)
        self.channels = self._wanted_channels or 1
        return b""

    def pieces(self, data: bytes, piece_samples: int) -> Iterator[bytes]:
        track, segment = self.published.place_of(data)
        if (track, segment * SAMPLE_RATE) != (self._track, self._at):
            raise Anomaly(
                f"segment {segment} of track {track} is decoded at sample {self._at} of {self._track}"
            )
        end = self._at + SAMPLE_RATE
        while self._at < end:
            start, stop = max(self._at, self._wanted_from), min(self._at + piece_samples, end)
            self._at = stop
            if start < stop:
                size = (stop - start) * 2 * self.channels
                yield _LABEL.pack(track, start) + _SILENCE[: size - _LABEL.size]

    def reset(self, granule: int = 0) -> None:
        self._at, self._wanted_from = granule, 0

    def discard_until(self, position_samples: int) -> None:
        self._wanted_from = position_samples

    def set_gain(self, gain_q8_db: int) -> None:
        pass

    def finish(self) -> bytes:
        return b""

    def close(self) -> None:
        pass


class Ear(NullSink):
    """Hears in real time."""

    def __init__(self) -> None:
        super().__init__()
        self._frame_bytes = 1
        self._next: tuple[int, int] | None = None  # track and sample; None: anything may come
        self.heard_s = 0.0
        self.heard_at = 0.0  # when it was given something last

    async def open(self, rate: int, channels: int) -> None:
        self._frame_bytes, self._next = 2 * channels, None
        self.pause(False)  # another play, another sink
        await super().open(rate, channels)

    async def write(self, pcm: bytes) -> None:
        track, sample = _LABEL.unpack_from(pcm)
        samples = len(pcm) // self._frame_bytes
        if self._next not in {None, (track, sample)} and sample:
            raise Anomaly(f"sample {sample} of track {track} is heard where {self._next} is due")
        self._next = track, sample + samples
        self.heard_s += samples / SAMPLE_RATE
        self.heard_at = trio.current_time()
        await super().write(pcm)

    def flush(self) -> None:
        self._next = None
        super().flush()
