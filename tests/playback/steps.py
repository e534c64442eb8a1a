"""A player on virtual time, whose client, sessions, decks and sink do what they are told: it alone is real.

`conftest.py` has `run`, which runs a test with a `Stage`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import trio
import trio.testing

from lightpeer.cli.events import fields_of, name_of
from lightpeer.client.start import Start
from lightpeer.config import Settings
from lightpeer.core.content.manifest import SAMPLE_RATE, Rendition
from lightpeer.core.segments.download import Download
from lightpeer.download.session import Callbacks
from lightpeer.errors import (
    AudioError,
)
from lightpeer.playback.events import PlayerEvent
from lightpeer.playback.player import Player
from lightpeer.playback.status import Status
from tests.client.nothing_kept import NothingKept
from tests.pair import made_track

PIECE_S = 0.5
IDLE = Status(used_mb=0.011)
PIECE = bytes(round(PIECE_S * SAMPLE_RATE) * 4)


class FakeSession:
    made: list[FakeSession]

    def __init__(self, download: Download, network: object, find: object, callbacks: Callbacks) -> None:
        self.download, self.given, self.callbacks = download, (network, find), callbacks
        self.track, self.cursor = download.track, 0
        self.playout = download.playout
        self.playout.playing = True
        self.buffer_s, self.source_count, self.transport = 12.5, 2, "udp"
        self.stats = SimpleNamespace(
            audio_bytes=100,
            fetched_bytes=100,
            kept_bytes=0,
            replaced_bytes=0,
            switches=0,
            fetching_s=1.0,
            segments=1,
            bitrate_seconds=48.0,
            retransmitted_units=0,
            duplicate_units=0,
            sources=1,
            transports={"udp"},
        )
        self.fetched = trio.Event()
        self.silent_since: float | None = None
        FakeSession.made.append(self)

    @property
    def complete(self) -> bool:
        return self.fetched.is_set()

    def release(self) -> None:
        self.download.buffer.is_held = False

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        await self.fetched.wait()
        assert is_so()

    def seek(self, segment: int) -> None:
        self.cursor = segment


class FakeDeck:
    """Gives pieces of half a second, does what is among them, and raises what is an error; three at first."""

    made: list[FakeDeck]
    script: dict[str, list[object]]
    on_seek: Callable[[], None]

    def __init__(self, session: FakeSession) -> None:
        self.session, self.track = session, session.track
        self.started = False
        self.in_hand_s = 0.25
        self.channels = 2
        self.position_s = 0.0
        self.rendition = Rendition(48_510, b"", ())
        self.log: list[object] = []
        self.todo = deque(FakeDeck.script.pop(self.track.title, [3]))
        FakeDeck.made.append(self)

    async def run(self, *given: object) -> None:
        self.log.append(("run", *given))

    def load(self, *, gain_q8_db: int, channels: int | None) -> None:
        self.log.append(("load", gain_q8_db, channels))

    def set_gain(self, gain_q8_db: int) -> None:
        self.log.append(("gain", gain_q8_db))

    async def next_piece(self) -> bytes | None:
        await trio.lowlevel.checkpoint()
        while self.todo:
            match self.todo[0]:
                case int(left) if left > 0:
                    self.todo[0] = left - 1
                    self.position_s += PIECE_S
                    return PIECE
                case int():
                    self.todo.popleft()
                case Exception() as error:
                    raise error
                case act:
                    self.todo.popleft()
                    act()
                    await trio.lowlevel.checkpoint()
        self.session.fetched.set()
        return None

    @property
    def has_plenty(self) -> bool:
        return self.session.complete

    def is_at(self, position_s: float) -> bool:
        return self.position_s == position_s and (self.started or not self.session.cursor)

    def seek(self, position_s: float) -> None:
        self.log.append(("seek", position_s))
        FakeDeck.on_seek()
        self.position_s = position_s

    def close(self) -> None:
        self.log.append("closed")


class FakeSink:
    realtime = True
    keeps_mono = may_return = False
    opens_in_s = closes_in_s = 0.0

    def __init__(self) -> None:
        self.latency_s = 0.125
        self.failures: deque[AudioError] = deque()
        self.open_failures: deque[AudioError | None] = deque()
        self.log: list[object] = []
        self.pieces = 0

    async def open(self, *given: int) -> None:
        await trio.sleep(self.opens_in_s)
        if self.open_failures and (error := self.open_failures.popleft()):
            raise error
        self.log.append(("open", *given))

    async def write(self, _pcm: bytes) -> None:
        if self.failures:
            raise self.failures.popleft()
        self.pieces += 1
        await trio.sleep(PIECE_S)

    async def drain(self) -> None:
        self.log.append("drain")

    def flush(self) -> None:
        self.log.append("flush")

    def pause(self, paused: bool) -> None:
        self.log.append(("pause", paused))

    async def aclose(self) -> None:
        await trio.sleep(self.closes_in_s)
        self.log.append("closed")


class FakeClient(NothingKept):
    """Opens a track for each item, or raises what is planned for it."""

    def __init__(self) -> None:
        self.opened: list[tuple[float, object, int, int]] = []
        self.errors: dict[object, deque[Exception | float]] = {}
        self.takes_s = 0.0
        self.connecting = trio.Event()
        self.connecting.set()
        self.network = SimpleNamespace(
            counters=SimpleNamespace(
                rx_bytes=lambda: 10_000, tx_bytes=lambda: 1_000, total_bytes=lambda: 11_000
            )
        )
        self.meter: object = None
        self.limits = lambda: None
        self.first_packet_at = 5.0
        self.noted: list[tuple[object, float]] = []
        self.remembered = 7_000.0
        self.peer = SimpleNamespace(name="peer", burst=None)
        self.judged: list[tuple[str, object]] = []
        self.on_listened = lambda peer: self.judged.append(("listened", peer))
        self.on_skipped = lambda peer: self.judged.append(("skipped", peer))
        self.on_lie = "on_lie"
        self.on_served = "on_served"
        self.downlink = SimpleNamespace(
            rate_bytes_per_s=lambda peer: self.remembered * (peer is self.peer),
            note=lambda *told: self.noted.append(told),
        )
        self.gain = 0

    async def open_query(self, item: str, start: Start):
        self.opened.append((trio.current_time(), item, start.inline_bytes, start.first_segment))
        await trio.sleep(self.takes_s)
        planned = self.errors.get(item)
        while planned:
            raise planned.popleft()
        made = made_track(60, title=str(item))
        track = made.track.__class__(
            **{name: getattr(made.track, name) for name in made.track.__slots__} | {"gain_q8_db": self.gain}
        )
        return self.peer, SimpleNamespace(track=track)

    async def open_track(self, track_id: bytes, start: Start, *, track: None = None):
        yield await self.open_query(track_id.hex(), start)


class Stage:
    def __init__(self, **chosen: object) -> None:
        self.client, self.sink = FakeClient(), FakeSink()
        self.made_sinks = 0
        self.events: list[PlayerEvent] = []
        self.settings = Settings(state_dir=Path("unused"), **chosen)
        self.player = Player(self.client, self.make_sink, self.settings, on_event=self.events.append)

    def make_sink(self) -> FakeSink:
        self.made_sinks += 1
        return self.sink

    def kinds(self) -> list[str]:
        return [name_of(event) for event in self.events]

    def told(self, kind: str) -> list[dict[str, object]]:
        return [fields_of(event) for event in self.events if name_of(event) == kind]


def titles(on: Stage) -> list[object]:
    return [told["title"] for told in on.told("playing")]
