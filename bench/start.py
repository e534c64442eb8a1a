"""How a server starts that has a large library: how long that takes, and what memory it holds then.

    python -m bench.start [--tracks 100000] [--runs 3] [--work DIR]

The tracks are made up (`bench/library.py`), three minutes each; their music folder holds a file for
each, as the last scan left it. Times are from the start of the process: until it says that it
listens, which is once its folder has been scanned or after five seconds, and until the scan is
through. Memory is resident, then and at its peak. Cold means that the system was told to forget
what it held of the databases and manifests (posix_fadvise); names of folders stay in its memory.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.library import Sound, drop_from_memory, make_library
from bench.links.track import KBPS

SECONDS = 180


class Start(NamedTuple):
    listening_s: float
    scanned_s: float
    resident_mb: float
    peak_mb: float


def prepare(work: Path, tracks: int) -> None:
    """Make the library, unless it is there."""
    if not (work / "made").exists():
        shutil.rmtree(work, ignore_errors=True)
        sound = Sound(work / "sounds", KBPS, SECONDS, 1)
        make_library(work / "state", work / "music", tracks, [sound], linked=False)
        (work / "made").touch()


def start(work: Path, python: str, checkout: str) -> Start:
    """Start a server, and measure."""
    command = [python, "-m", "lightpeer.serve", str(work / "music"), "--listen", "127.0.0.1:0", "--no-lan"]
    command += ["--ladder", str(KBPS), "--state", str(work / "state"), "--json", "-v"]
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        listening_s = time.monotonic() - began
        while '"imported"' not in process.stdout.readline():
            pass
        return Start(listening_s, time.monotonic() - began, *memory_mb(process.pid))
    finally:
        process.terminate()
        process.wait()


def memory_mb(pid: int) -> tuple[float, float]:
    """Return what a process holds now, and its peak."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the library there")
    parser.add_argument(
        "--checkout", default=".", metavar="DIR", help="another checkout whose server is measured"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve() / f"start-{options.tracks}"
        prepare(work, options.tracks)
        print(f"{options.tracks} tracks; medians of {options.runs} starts.\n")
        print(
            "| | listening after s | scanned after s | resident MB | at the peak MB |\n|---|---|---|---|---|"
        )
        for name in ("warm", "cold"):
            found = []
            for _ in range(options.runs):
                if name == "cold":
                    drop_from_memory(path for path in (work / "state").rglob("*") if path.is_file())
                found.append(start(work, sys.executable, options.checkout))
            one = Start(*(statistics.median(column) for column in zip(*found, strict=True)))
            figures = (
                f"{one.listening_s:.1f} | {one.scanned_s:.1f} | {one.resident_mb:.0f} | {one.peak_mb:.0f}"
            )
            print(f"| {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
