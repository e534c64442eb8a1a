"""A window through the real client and the real server, on a simulated internet in virtual time.

One server holds the track, and the listener's phone knows it. The phone's downlink is the window: each packet
leaves when the trace has carried it, so an outage holds what waits in its queue. The uplink carries what the
downlink does at scale 1, and UPLINK_KBIT_S at most, so that it is gone in a tunnel as well.

The player is the one that `lightpeer play` runs. Segments are random bytes of honest sizes, with tables and
hashes, so what stands for libopus need not decode: it says which rendition each piece of sound is of. The
sink plays in real time. What was heard is what came to it, and what it cost is what the links carried.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from unittest import mock

import trio

from bench.lab.link import Capacity
from bench.traces.heard import GAP_S, Heard, Packet
from bench.traces.optimum import LADDER_KBPS
from bench.traces.trace import Window
from lightpeer.audio.sinks import NullSink
from lightpeer.client.client import open_client
from lightpeer.config import Settings
from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.errors import LightpeerError
from lightpeer.playback.deck import PIECE_SAMPLES
from lightpeer.playback.player import Player
from lightpeer.testing import Link, SimHost, SimInternet, simulate
from lightpeer.testing.link import Timers
from tests.pair import MadeTrack, made_track, serving, settings

DELAY_S = 0.1  # each way
UPLINK_KBIT_S = 384.0
QUEUE_BYTES = 256_000  # as deep as those of mobile networks
LIMIT_S = 1800.0  # from play to the end of the music
SAMPLE_S = 1.0  # from one look at the buffer to the next

PIECES_PER_S = SAMPLE_RATE // PIECE_SAMPLES
_PIECE = bytes(2 * PIECE_SAMPLES)


class TraceLink(Link):
    """A direction whose rate is known for all times, and which notes when packets arrive."""

    def __init__(self, capacity: Capacity, note: Callable[[int], None]) -> None:
        super().__init__(delay_s=DELAY_S, queue_bytes=QUEUE_BYTES)
        self._capacity, self._note = capacity, note

    def sent_at(self, start_s: float, size: int) -> float:
        """Return when the trace has carried a packet."""
        return self._capacity.sent_at(start_s, size)

    def send(self, timers: Timers, size: int, deliver: Callable[[bool], None], *, is_udp: bool) -> None:
        """Send a packet, and note its arrival."""

        def arrive(is_corrupt: bool) -> None:
            self._note(size)
            deliver(is_corrupt)

        super().send(timers, size, arrive, is_udp=is_udp)


class Decoder:
    """Takes the place of `lightpeer.audio.decoder.Decoder`: the first byte of a piece says its rendition."""

    renditions: dict[bytes, int]  # of segments; set for each run

    def __init__(self, **_options: object) -> None:
        self.channels = 0
        self.position_samples = 0

    def feed(self, _data: bytes) -> bytes:
        self.channels = 1
        return b""

    def pieces(self, data: bytes, piece_samples: int) -> Iterator[bytes]:
        label = bytes([self.renditions[data]])
        for _ in range(SAMPLE_RATE // piece_samples):
            self.position_samples += piece_samples
            yield label + _PIECE[1:]

    def set_gain(self, _gain_q8_db: int) -> None:
        pass

    def close(self) -> None:
        pass


class Ear(NullSink):
    """Hears in real time: when sound began, when there was none, and in which rendition each piece was."""

    def __init__(self) -> None:
        super().__init__()
        self.began_at: float | None = None
        self.gaps: list[tuple[float, float]] = []
        self.pieces: list[int] = []

    async def write(self, pcm: bytes) -> None:
        now = trio.current_time()
        if self.began_at is None:
            self.began_at = now
        elif now - self._heard_at > GAP_S:
            self.gaps.append((self._heard_at, now - self._heard_at))
        self.pieces.append(pcm[0])
        await super().write(pcm)


class Shelved(MadeTrack):
    """A track that notes which of its segments were sent."""

    sent: set[tuple[int, int]]

    def read(self, rendition: int, segment: int) -> bytes:
        if segment < len(self.segments[rendition]):
            self.sent.add((rendition, segment))
        return super().read(rendition, segment)


@cache
def track(seconds: int, ladder_kbps: tuple[int, ...]) -> Shelved:
    """Return a track of so many seconds, in some renditions."""
    made = made_track(seconds, kbps=ladder_kbps)
    return Shelved(made.manifest, made.track, made.segments, made.tables)


def play(window: Window, ladder_kbps: Sequence[int] = LADDER_KBPS, **chosen: object) -> Heard:
    """Play a window to the real client; return what was heard.

    Args:
        window: the link, and the seconds of music.
        ladder_kbps: the renditions.
        chosen: settings other than the defaults.
    """
    made = track(int(window.length_s), tuple(ladder_kbps))
    made.sent = set()
    Decoder.renditions = {data: number for number, parts in enumerate(made.segments) for data in parts}
    heard, ear = Heard(window.length_s, packets=[]), Ear()

    async def main(net: SimInternet) -> None:
        far = net.host("10.0.0.1", up=Link(delay_s=0.0), down=Link(delay_s=0.0))
        phone = _phone(net, window, heard)
        async with serving(far, [made]) as server:
            await _listen(phone, settings(folder, server, **chosen), made.track.uri, ear, heard)

    with tempfile.TemporaryDirectory() as name, mock.patch("lightpeer.audio.decoder.Decoder", Decoder):
        folder = Path(name)
        simulate(main)
    seconds = ear.pieces[::PIECES_PER_S]
    heard.first_sound_s, heard.gaps = ear.began_at, ear.gaps
    heard.kbps = [ladder_kbps[rendition] for rendition in seconds]
    sent = sum(len(made.segments[rendition][segment]) for rendition, segment in made.sent)
    heard.wasted_bytes = sent - sum(len(made.segments[r][segment]) for segment, r in enumerate(seconds))
    return heard


def _phone(net: SimInternet, window: Window, heard: Heard) -> SimHost:
    unscaled = [(length, min(UPLINK_KBIT_S, rate / window.scale)) for length, rate in window.steps]
    packets = heard.packets
    down = TraceLink(window.capacity, lambda size: packets.append(Packet(net.now, size, is_down=True)))
    up = TraceLink(Capacity(unscaled), lambda size: packets.append(Packet(net.now, size, is_down=False)))
    return net.host("10.0.9.1", down=down, up=up)


async def _listen(phone: SimHost, chosen: Settings, uri: str, ear: Ear, heard: Heard) -> None:
    """Play the track until its end, or until the player or LIMIT_S ends it."""
    async with open_client(chosen, phone) as client, trio.open_nursery() as nursery:
        player = Player(client, lambda: ear, chosen)

        async def look() -> None:
            while True:
                heard.buffer_s.append((trio.current_time(), player.status.buffer_s + ear.latency_s))
                await trio.sleep(SAMPLE_S)

        nursery.start_soon(look)
        with trio.move_on_after(LIMIT_S), suppress(LightpeerError):
            await player.play([uri])
        heard.end_s = trio.current_time()
        nursery.cancel_scope.cancel()
