"""What lightpeer costs: start-up, memory, CPU and bytes, each as the median of fresh processes.

    python -m bench.footprint [--runs 5] [--seconds 60]

A server on loopback serves one 48 kbit/s track made of the demo's music; every
figure comes from whole processes seen from outside (the kernel's accounting of a
finished process, the clock of whoever waits for the first packet), except the
bytes and the peak of memory, which `--stats` reports (the kernel's own figure for a
child includes what started it). Processes that are compared run in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

PYTHON = sys.executable
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # who plays has compiled files
LIGHTPEER = [PYTHON, "-m", "lightpeer"]
SERVER_START_S = 60.0


class Cost(NamedTuple):
    """What the kernel counted for a finished process."""

    wall_s: float
    cpu_s: float


def cost_of(command: list[str]) -> Cost:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stderr is not None
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed: {process.stderr.read().decode()}")
    process.stderr.close()
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def first_packet_s(state: Path) -> float:
    """Return the seconds from the start of `play` until its SYN arrives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = [*LIGHTPEER, "play", "anything", "--bootstrap", f"127.0.0.1:{port}", "--output", "null"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--state", str(state)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        connection, _ = listener.accept()
        took = time.perf_counter() - started
        process.kill()
        process.wait()
        connection.close()
    return took


def make_music(path: Path, seconds: int) -> None:
    """Write a WAV file of at least `seconds` out of the demo's tracks."""
    from lightpeer.audio.decoder import Decoder

    tracks = sorted(
        (item for item in resources.files("lightpeer.cli.demo").joinpath("tracks").iterdir()),
        key=lambda item: item.name,
    )
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(48_000)
        while out.tell() < seconds * 48_000:
            for track in tracks:
                if track.name.endswith(".opus"):
                    with Decoder(channels=2) as decoder:
                        out.writeframes(decoder.feed(track.read_bytes()))


@contextlib.contextmanager
def server(folder: Path, seconds: int) -> Iterator[str]:
    """Serve one track from loopback; give HOST:PORT once it can be found."""
    music = folder / "music"
    music.mkdir()
    make_music(music / "Bench - Footprint.wav", seconds)
    command = [
        PYTHON,
        "-m",
        "lightpeer.serve",
        str(music),
        "--listen",
        "127.0.0.1:0",
        "--ladder",
        "48",
        "--json",
    ]
    process = subprocess.Popen(
        [*command, "--state", str(folder / "server")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["rpc"]
        wait_until_found(address, folder / "probe")
        yield address
    finally:
        process.terminate()
        process.wait()


def wait_until_found(address: str, state: Path) -> None:
    command = [*LIGHTPEER, "search", "footprint", "--bootstrap", address, "--state", str(state)]
    give_up = time.monotonic() + SERVER_START_S
    while subprocess.run(command, check=False, capture_output=True).returncode != 0:
        if time.monotonic() > give_up:
            raise SystemExit("the server did not import its track in time")
        time.sleep(0.2)


def play(address: str, folder: Path, run: int) -> tuple[Cost, dict[str, float]]:
    """Play the track in real time with the real decoder and no sound device."""
    stats = folder / f"stats-{run}.json"
    command = [*LIGHTPEER, "play", "footprint", "--bootstrap", address, "--output", "null"]
    cost = cost_of([*command, "--state", str(folder / f"client-{run}"), "--stats", str(stats)])
    return cost, json.loads(stats.read_text())


def in_turns(runs: int, *measures: Callable[[], float]) -> list[float]:
    """Return the median of each measure, taken in turns after one round that does not count."""
    rounds = [[measure() for measure in measures] for _ in range(runs + 1)]
    return [statistics.median(column) for column in zip(*rounds[1:], strict=True)]


def row(name: str, value: float, limit: float, unit: str = "") -> str:
    verdict = "yes" if value <= limit else "NO"
    return f"| {name} | {value:.3g}{unit} | {limit:g}{unit} | {verdict} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=60, help="of music in the playing runs")
    options = parser.parse_args()
    runs = options.runs
    version, nothing = in_turns(
        runs,
        lambda: cost_of([*LIGHTPEER, "--version"]).wall_s,
        lambda: cost_of([PYTHON, "-c", "pass"]).wall_s,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packet, trio = in_turns(
            runs,
            lambda: first_packet_s(folder / "start"),
            lambda: cost_of([PYTHON, "-c", "import trio"]).wall_s,
        )
        with server(folder, options.seconds) as address:
            played = [play(address, folder, run) for run in range(runs)]
    minutes = [stats["played_s"] / 60 for _, stats in played]
    median = statistics.median
    print(f"Medians of {runs} fresh processes; {minutes[0] * 60:.0f} s of music at 48 kbit/s.\n")
    print("| figure | measured | to reach | reached |")
    print("|---|---|---|---|")
    print(row(f"`--version` ({version * 1000:.0f} ms) / `python -c pass`", version / nothing, 2))
    print(row(f"`play` to its first packet ({packet * 1000:.0f} ms) / `import trio`", packet / trio, 1.7))
    print(row("peak memory", median(stats["max_rss_kb"] / 1024 for _, stats in played), 45, " MB"))
    cpu = median(cost.cpu_s / m for (cost, _), m in zip(played, minutes, strict=True))
    print(row("CPU per minute of audio", cpu, 0.6, " s"))
    print(
        row(
            "bytes received per byte of audio",
            median(s["rx_bytes"] / s["audio_bytes"] for _, s in played),
            1.08,
        )
    )
    print(
        row("bytes sent per byte of audio", median(s["tx_bytes"] / s["audio_bytes"] for _, s in played), 0.04)
    )
    print(f"\nTime to first audio: {median(s['time_to_first_audio_ms'] for _, s in played):.0f} ms.")


if __name__ == "__main__":
    main()
