"""How soon a collection can be searched, how fast it is imported, and what a server needs for it.

    python -m bench.importing [--files 10000] [--seconds 1.2] [--kbps 64] [--whole] [--ladder 24,48,96]
    python -m bench.importing --on-demand [--seconds 240]

Makes so many files of Ogg Opus with tags of their own, serves them from an empty state, and asks, as a client
does, for the one in the middle until it is found. With `--whole` it goes on until all is imported. Then the
server ends, starts again with all as before, and a file is added and asked for. Memory is that of the server
at its peak; the processes that import for it have some 35 MB each.

`--on-demand` serves one file of noise, WAV in stereo at 44.1 kHz, that is not imported, and asks for it until
its first segment is here. Then the upper renditions are dropped, and each is asked for in the same way.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
import time
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

import lightpeer
from bench.start import memory_mb
from lightpeer.audio.opus import OpusHead
from lightpeer.client.client import open_client
from lightpeer.client.forgiving import find_prepared
from lightpeer.client.stream import open_stream
from lightpeer.config import Settings
from lightpeer.core.trust.contact import parse_contact
from lightpeer.net.system import SystemNetwork
from lightpeer.serve.importing.encode import OpusEncoder
from lightpeer.serve.importing.pcm import Pcm
from lightpeer.serve.importing.segments import RenditionWriter
from lightpeer.serve.importing.tags import Tags

RATE = 48_000
CD_RATE = 44_100
PER_ALBUM = 12


class Sound:
    """The packets of one sound, encoded once."""

    def __init__(self, seconds: float, kbps: int) -> None:
        wave = (int(9000 * math.sin(n / 17) * math.sin(n / 7001)) for n in range(round(seconds * RATE)))
        with OpusEncoder(Pcm(RATE, 1, iter(())), kbps * 1000) as encoder:
            self._packets = [*encoder.write(array("h", wave).tobytes()), *encoder.finish()]
            self._pre_skip, self._samples = encoder.pre_skip, encoder.total_samples

    def write(self, folder: Path, number: int) -> None:
        """Write a file with a title, artist and album of its own."""
        album = folder / f"album {number // PER_ALBUM}"
        album.mkdir(parents=True, exist_ok=True)
        tags = Tags(f"Song {number}", f"Artist {number // 100}", f"Album {number // PER_ALBUM}")
        path = album / f"{number}.opus"
        with RenditionWriter(path, OpusHead(1, self._pre_skip), tags) as writer:
            writer.add_all(self._packets)
            writer.finish(self._samples)
        path.with_suffix(".tables").unlink()


class Server:
    """A server's process, and when it began."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._began = time.monotonic()
        self.contact = ""

    def wait(self, event: str) -> tuple[float, dict[str, object]]:
        """Wait for an event; return how long after the start it came."""
        assert self._process.stdout is not None
        while (told := json.loads(self._process.stdout.readline()))["event"] != event:
            pass
        return time.monotonic() - self._began, told

    def first_segment_s(self, query: str, kbps: int) -> float:
        """Search until there is a hit, and stream it at a bitrate; return when its first segment is here."""
        return trio.run(self._first_segment_s, query, kbps)

    async def _first_segment_s(self, query: str, kbps: int) -> float:
        with tempfile.TemporaryDirectory() as state:
            settings = Settings(
                state_dir=Path(state), bootstrap=(parse_contact(self.contact),), cache_bytes=0
            )
            async with open_client(settings, SystemNetwork()) as client:
                began_s = time.monotonic()
                found, _ = await find_prepared(client, query, 1, 600.0, lambda _count: None)
                async with open_stream(client, found.hits[0].uri, bitrate_kbps=kbps) as stream:
                    await anext(stream)
                return time.monotonic() - began_s

    def found_s(self, query: str) -> float:
        """Search until there is a hit; return how long after the start that is."""
        while not trio.run(self._finds, query):
            time.sleep(0.5)
        return time.monotonic() - self._began

    async def _finds(self, query: str) -> bool:
        with tempfile.TemporaryDirectory() as state:
            async with lightpeer.open_client(
                bootstrap=[self.contact], settings=Settings(state_dir=Path(state))
            ) as client:
                return any([hit.title == query async for hit in client.search(query, limit=5)])

    @property
    def peak_mb(self) -> float:
        return memory_mb(self._process.pid)[1]


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[Server]:
    command = [
        sys.executable,
        "-m",
        "lightpeer.serve",
        str(folder / "music"),
        "--state",
        str(folder / "state"),
    ]
    command += ["--listen", "127.0.0.1:0", "--no-lan", "--json", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        server = Server(process)
        try:
            _, told = server.wait("listening")
            server.contact = f"{told['peer_id']}@{told['rpc']}"
            yield server
        finally:
            process.terminate()


def write_noise(path: Path, seconds: float) -> None:
    """Write a stereo file of noise that grows and fades."""
    path.parent.mkdir(parents=True, exist_ok=True)
    second = [random.Random(seed).randbytes(4 * CD_RATE) for seed in range(7)]
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, CD_RATE, 0, "NONE", ""))
        for number in range(round(seconds)):
            file.writeframes(second[number % 7])


def on_demand(seconds: float) -> None:
    """Ask for a file that is not imported, and for renditions that were dropped."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_noise(folder / "music" / "Nobody - Noise.wav", seconds)
        with serving(folder, "--on-demand") as server:
            print(f"| a file of {seconds:.0f} s, asked for at | s until its first segment |\n|---|---|")
            print(f"| 24 kbit/s, not imported | {server.first_segment_s('noise', 24):.2f} |", flush=True)
            print(f"| 24 kbit/s, imported | {server.first_segment_s('noise', 24):.2f} |", flush=True)
            for kbps in (48, 96):
                for path in (folder / "state" / "tracks").glob("*/[12].opus"):
                    path.unlink()
                print(f"| {kbps} kbit/s, dropped | {server.first_segment_s('noise', kbps):.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1.2)
    parser.add_argument("--kbps", type=int, default=64)
    parser.add_argument("--whole", action="store_true", help="until all is imported")
    parser.add_argument("--ladder", default="24,48,96")
    parser.add_argument("--on-demand", action="store_true", help="what is asked for is made first")
    options = parser.parse_args()
    if options.on_demand:
        on_demand(options.seconds if options.seconds > 2 else 240.0)
        return
    sound = Sound(options.seconds, options.kbps)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.files):
            sound.write(folder / "music", number)
        print("| | s after the start | server MB, peak |\n|---|---|---|")
        with serving(folder, "--ladder", options.ladder) as server:
            print(
                f"| a track in the middle is found | {server.found_s(f'Song {options.files // 2}'):.1f} |"
                f" {server.peak_mb:.0f} |",
                flush=True,
            )
            if options.whole:
                print(
                    f"| all is imported | {server.wait('imported')[0]:.1f} | {server.peak_mb:.0f} |",
                    flush=True,
                )
        if not options.whole:
            return
        with serving(folder, "--ladder", options.ladder) as server:
            print(f"| again: all is as before | {server.wait('imported')[0]:.1f} | {server.peak_mb:.0f} |")
            added_s = time.monotonic()
            sound.write(folder / "music", options.files)
            server.found_s(f"Song {options.files}")
            found_s = time.monotonic() - added_s
            print(f"| a file is added and found | {found_s:.1f} later | {server.peak_mb:.0f} |")


if __name__ == "__main__":
    main()
