"""A day of listening: whether anything grows, in the player or in the server.

Both run in this process, on a simulated internet in virtual time, with the real queue, cache on disk and
decks; only decoding is left out. Tracks come again and again, more of them than the cache has room for. After
each hour all objects that Python tracks are counted, and the memory that the process has.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import trio

from bench.traces.network import Decoder, Ear
from lightpeer.client.client import open_client
from lightpeer.playback.player import Player
from lightpeer.testing import Link, SimHost, SimInternet, simulate
from tests.pair import made_track, serving, settings

LADDER_KBPS = (24, 48, 96)
TRACKS = 6
RATE_BYTES_PER_S = 100_000
CACHE_SHARE = 0.5  # of all tracks, so that some are always fetched anew
HOUR_S = 3600.0
DEADLINES = {"CancelScope", "_Entry", "tuple"}
MOST_GROWTH = 0.02  # of the objects after the first hour: a count that does not move with the hours


@dataclass(frozen=True, slots=True)
class Count:
    """What there is after some listening.

    Attributes:
        heard_s: for how long.
        objects: how many Python tracks.
        resident_bytes: of the process.
        fetched_bytes: so far, headers included.
    """

    heard_s: float
    objects: int
    resident_bytes: int
    fetched_bytes: int


def listen(hours: int, track_s: int, every_s: float = HOUR_S) -> list[Count]:
    """Listen for hours to tracks of a length; return what there was each time, from the first on.

    Args:
        hours: of `every_s` each.
        track_s: the length of a track, in seconds.
        every_s: from one count to the next.
    """
    tracks = [made_track(track_s, kbps=LADDER_KBPS, title=f"Song {n}", seed=n) for n in range(TRACKS)]
    size = sum(len(data) for made in tracks for data in made.segments[-1])
    Decoder.renditions = {
        data: number for made in tracks for number, parts in enumerate(made.segments) for data in parts
    }
    counts: list[Count] = []

    async def main(net: SimInternet) -> None:
        phone = net.host("10.0.9.1", down=Link(RATE_BYTES_PER_S, 0.1), up=Link(RATE_BYTES_PER_S, 0.1))
        async with (
            serving(net.host("10.0.0.1"), tracks) as server,
            open_client(settings(folder, server, cache_bytes=int(CACHE_SHARE * size)), phone) as client,
            trio.open_nursery() as nursery,
        ):
            player = Player(client, Quiet, client.settings)
            uris = [made.track.uri for made in tracks] * (1 + int(hours * every_s / (TRACKS * track_s)))
            nursery.start_soon(player.play, uris)
            for hour in range(1, hours + 1):
                await trio.sleep_until(trio.current_time() + every_s)
                counts.append(_count(hour * every_s, phone))
            nursery.cancel_scope.cancel()

    with tempfile.TemporaryDirectory() as name, mock.patch("lightpeer.audio.decoder.Decoder", Decoder):
        folder = Path(name)
        simulate(main)
    return counts


class Quiet(Ear):
    """Hears, and remembers nothing of it."""

    async def write(self, pcm: bytes) -> None:
        await super().write(pcm)
        self.pieces.clear()
        self.gaps.clear()


def _count(heard_s: float, phone: SimHost) -> Count:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident_bytes = pages * os.sysconf("SC_PAGE_SIZE")
    return Count(heard_s, len(_objects()), resident_bytes, phone.counters.total_bytes())


def _objects() -> list[object]:
    """Return all objects but deadlines: trio and the simulation forget those that are past in bulk."""
    return [each for each in gc.get_objects() if type(each).__name__ not in DEADLINES]


def growth(counts: Sequence[Count]) -> float:
    """Return by what share the objects have grown from the first count to the last."""
    return counts[-1].objects / counts[0].objects - 1.0


def main() -> None:
    """Print a table, and whether anything has grown."""
    parser = argparse.ArgumentParser(prog="python -m bench.day", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--track-s", type=int, default=200, help="the length of a track (200)")
    chosen = parser.parse_args()
    counts = listen(chosen.hours, chosen.track_s)
    print("| after h | objects | resident MB | fetched MB |\n|---|---|---|---|")
    for count in counts:
        resident_mb, fetched_mb = count.resident_bytes / 1e6, count.fetched_bytes / 1e6
        print(f"| {count.heard_s / HOUR_S:g} | {count.objects:,} | {resident_mb:.1f} | {fetched_mb:.1f} |")
    share = growth(counts)
    print(f"\nobjects: {100 * share:+.2f} %, to reach: {100 * MOST_GROWTH:g} % at most")
    raise SystemExit(share > MOST_GROWTH)


if __name__ == "__main__":
    main()
