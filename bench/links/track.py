"""The track that every program carries: real Opus, imported once by our server, the same bytes for all."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.footprint import LIGHTPEER, make_music

KBPS = 96
BYTES_PER_S = 12_140  # what the demo's music takes at this bitrate, page headers included
NAME = "Bench - Link"
IMPORT_S = 180.0


@dataclass(frozen=True, slots=True)
class Track:
    """A track in a folder of its own."""

    folder: Path
    uri: str

    @property
    def file(self) -> Path:
        """The published bytes, as a file for those that serve files."""
        return self.folder / "files" / "track.opus"

    @property
    def size(self) -> int:
        return self.file.stat().st_size

    def state(self, source: int) -> Path:
        """The state of our `source`th server, which has imported the track."""
        return self.folder / f"server-{source}"

    @property
    def music(self) -> Path:
        return self.folder / "music"


def prepare(folder: Path, megabytes: float, sources: int) -> Track:
    """Make a track of about so many bytes in a folder, or take the one that is there."""
    uri = folder / "uri"
    if not uri.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("music", "files"):
            (folder / name).mkdir(parents=True)
        write_music(folder / "music" / f"{NAME}.wav", megabytes * 1e6 / BYTES_PER_S)
        with serving(Track(folder, "")) as address:
            found = wait_until_found(address, folder / "probe")
            fetch = ["fetch", found, "-o", str(folder / "files" / "track.opus"), "--bitrate", str(KBPS)]
            subprocess.run(
                [*LIGHTPEER, *fetch, "--bootstrap", address, "--state", str(folder / "probe")],
                check=True,
                capture_output=True,
            )
        uri.write_text(found)
    track = Track(folder, uri.read_text())
    for source in range(1, sources):
        if not track.state(source).exists():  # the same renditions, and another peer's key
            without = shutil.ignore_patterns("key", "*.lock")
            shutil.copytree(track.state(0), track.state(source), ignore=without)
    return track


def write_music(path: Path, seconds: float) -> None:
    """Write so many seconds of the demo's music."""
    make_music(path, int(seconds) + 1)
    with wave.open(str(path), "rb") as whole:
        frames = whole.readframes(int(seconds * whole.getframerate()))
        shape = whole.getparams()
    with wave.open(str(path), "wb") as cut:
        cut.setparams(shape)
        cut.writeframes(frames)


def serve_command(track: Track, listen: str, source: int = 0) -> list[str]:
    """Return the command of our server for a track."""
    command = [sys.executable, "-m", "lightpeer.serve", str(track.music), "--listen", listen]
    return [*command, "--ladder", str(KBPS), "--json", "--state", str(track.state(source))]


@contextlib.contextmanager
def serving(track: Track) -> Iterator[str]:
    """Serve a track from loopback; give HOST:PORT."""
    process = subprocess.Popen(serve_command(track, "127.0.0.1:0"), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["rpc"]
    finally:
        process.terminate()
        process.wait()


def wait_until_found(address: str, state: Path) -> str:
    """Return the track's uri once the server has imported it."""
    command = [*LIGHTPEER, "search", "link", "--json", "--bootstrap", address, "--state", str(state)]
    give_up = time.monotonic() + IMPORT_S
    while time.monotonic() < give_up:
        done = subprocess.run(command, check=False, capture_output=True)
        if done.returncode == 0:
            return str(json.loads(done.stdout.splitlines()[0])["uri"])
        time.sleep(0.5)
    raise SystemExit("the server did not import its track in time")
