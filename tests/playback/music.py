"""Real music held by simulated peers, and a player whose sink notes what it is given, and when."""

from __future__ import annotations

import functools
import tempfile
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import trio

from lightpeer.audio.sinks import NullSink, Sink
from lightpeer.cli.events import fields_of, name_of
from lightpeer.client.client import Client, open_client
from lightpeer.core.content.manifest import (
    SAMPLE_RATE,
    Description,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.errors import AudioError
from lightpeer.playback.events import PlayerEvent
from lightpeer.playback.player import Player
from lightpeer.serve.importing.ingest import Recipe, make_track
from lightpeer.serve.importing.tags import Tags
from lightpeer.testing.host import SimHost
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet
from tests.audio.material import reference_pcm
from tests.pair import MadeTrack, Serving, serving, settings
from tests.serve.media import read_track, segments, write_opus

STEREO_FRAME = 4  # bytes
PRE_SKIP = 312  # samples, of the demo's tracks


@functools.cache
def demo_track(name: str, seconds: int = 8, gain_q8_db: int = 0) -> MadeTrack:
    """The beginning of one of the demo's tracks: stereo music, no second of which is like another."""
    with resources.as_file(resources.files("lightpeer.cli.demo") / "tracks" / f"{name}.opus") as path:
        whole = _taken_in(path, name.replace("-", " ").title())
    parts = whole.segments[0][:seconds]
    table = build_table(parts)
    manifest = build_manifest(
        Description(
            title=whole.track.title,
            artist=whole.track.artist,
            album="",
            duration_samples=seconds * SAMPLE_RATE - PRE_SKIP,
            gain_q8_db=gain_q8_db,
            segment_count=seconds,
        ),
        renditions=[(48_000, whole.track.renditions[0].header, [table])],
    )
    return MadeTrack(manifest, parse_manifest_untrusted(manifest, track_id_of(manifest)), [parts], [[table]])


@functools.cache
def tone_track(seconds: float = 5.5, channels: int = 1) -> MadeTrack:
    """A tone, mono unless asked for otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_opus(Path(folder) / "x.opus", seconds, channels=channels)
        return _taken_in(path, f"Tone {channels}")


def _taken_in(path: Path, title: str) -> MadeTrack:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert not make_track(path, Tags(title, "Somebody"), Recipe((48,)), folder)
        track = read_track(folder)
        renditions = range(len(track.renditions))
        return MadeTrack(
            manifest=(folder / "manifest").read_bytes(),
            track=track,
            segments=[list(segments(folder, track, r)) for r in renditions],
            tables=[_tables(folder / f"{r}.tables") for r in renditions],
        )


def _tables(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data[at : at + 64 * 18] for at in range(0, len(data), 64 * 18)]


def pcm_of(made: MadeTrack, *, stereo: bool = False) -> bytes:
    """All samples of a track's last rendition, as libopusfile gives them."""
    header = made.track.renditions[-1].header
    pcm = _reference(header + b"".join(made.segments[-1]))
    if stereo:
        mono = array("h", pcm)
        pcm = array("h", [sample for sample in mono for _ in (0, 1)]).tobytes()
    return pcm


@functools.cache
def _reference(data: bytes) -> bytes:
    return reference_pcm(data)


@dataclass
class Recorder(NullSink):
    """Hears in real time, and keeps all that it is given."""

    fails_at_s: float | None = None
    log: list[str] = field(default_factory=list)
    format: tuple[int, int] = (0, 0)
    writes: list[tuple[float, bytes]] = field(default_factory=list)  # since the last flush
    gaps: list[float] = field(default_factory=list)  # when there was nothing to hear in mid-play

    def __post_init__(self) -> None:
        super().__init__()

    async def open(self, rate: int, channels: int) -> None:
        assert "open" not in self.log
        self.log.append("open")
        self.format = rate, channels
        await super().open(rate, channels)

    async def write(self, pcm: bytes) -> None:
        assert "open" in self.log
        assert not {"drain", "close"} & set(self.log)
        if self.writes and not self._paused and not self.latency_s:
            self.gaps.append(trio.current_time())
        self.writes.append((trio.current_time(), pcm))
        if self.fails_at_s is not None and self.written_s >= self.fails_at_s:
            raise AudioError("the sink is gone")
        await super().write(pcm)

    @property
    def pcm(self) -> bytes:
        """What was given since the last flush."""
        return b"".join(pcm for _, pcm in self.writes)

    @property
    def written_s(self) -> float:
        return sum(len(pcm) for _, pcm in self.writes) / (SAMPLE_RATE * 2 * self.format[1])

    async def drain(self) -> None:
        self.log.append("drain")
        await super().drain()

    def flush(self) -> None:
        self.log.append("flush")
        self.writes.clear()
        super().flush()

    async def aclose(self) -> None:
        self.log.append("close")
        await super().aclose()


@dataclass
class Stage:
    """A player between a simulated network and its sink."""

    client: Client
    player: Player
    sink: Recorder
    servers: list[Serving]
    phone: SimHost
    events: list[PlayerEvent]

    def told(self, kind: str, key: str) -> list[object]:
        return [fields_of(event)[key] for event in self.events if name_of(event) == kind]

    async def when(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)

    async def until(self, kind: str, times: int = 1) -> None:
        """Wait until something has been told of."""
        await self.when(lambda: self.kinds().count(kind) >= times)

    async def until_heard(self, seconds: float) -> None:
        """Wait until the player is at a place in its track."""
        await self.when(lambda: self.player.status.position_s >= seconds)

    def kinds(self) -> list[str]:
        return [name_of(event) for event in self.events]

    def opens(self) -> int:
        return sum(server.shelf.opens for server in self.servers)


@asynccontextmanager
async def stage(
    net: SimInternet,
    folder: Path,
    *shelves: Sequence[MadeTrack],
    sink: Sink | None = None,
    down: Link | None = None,
    **more: object,
) -> AsyncIterator[Stage]:
    """Set up a server for each list of tracks, a phone that knows them, and its player."""
    async with trio.open_nursery() as nursery:
        servers: list[Serving] = []

        async def serve(number: int, tracks: Sequence[MadeTrack], task_status: trio.TaskStatus) -> None:
            async with serving(net.host(f"10.0.0.{number}"), tracks) as server:
                task_status.started(server)
                await trio.sleep_forever()

        for number, tracks in enumerate(shelves, 1):
            servers.append(await nursery.start(serve, number, tracks))
        phone = net.host("10.0.9.1", down=down)
        chosen = settings(folder, *servers, **more)
        events: list[PlayerEvent] = []
        recorder = Recorder()
        async with open_client(chosen, phone) as client:
            player = Player(client, lambda: sink or recorder, chosen, on_event=events.append)
            yield Stage(client, player, recorder, servers, phone, events)
        nursery.cancel_scope.cancel()
