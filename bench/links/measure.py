"""One transfer over one link: what the link saw of it, and what the kernel charged the client for it.

The transfer lasts from the link's first packet to the arrival of the last packet that can
hold payload, so connection set-up counts and process start-up does not. The same goes for the
client's CPU time. Nothing is taken from what the programs say of themselves, but that
the file has to be whole.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench.lab.link import Capacity, Link
from bench.lab.namespaces import ROOT, Lab
from bench.lab.pipe import DROPPED, LOST, PASSED, REPEATED, Passage

from .peers import Peer
from .track import Track

START_S = 60.0
PAYLOAD_PACKET = 200  # smaller ones are acknowledgements and goodbyes
POLL_S = 0.05


class Transfer(NamedTuple):
    """What one transfer took."""

    time_s: float
    share: float  # of the downlink's capacity in that time, in payload
    queue_mean_ms: float
    queue_p95_ms: float
    queue_max_ms: float
    wire_down: float  # bytes on the link per payload byte
    wire_up: float
    cpu_s_per_mb: float
    peak_mb: float
    late_p95_ms: float  # what the lab delivered after its time: its own error


class Cost(NamedTuple):
    cpu_s: float
    peak_mb: float


class FailedError(Exception):
    """A program did not bring the track; says how."""


def transfer(peer: Peer, link: Link, name: str, track: Track, folder: Path, limit_s: float) -> Transfer:
    """Carry a track over a new link of that name.

    Raises:
      FailedError: the client failed, took longer than `limit_s`, or brought other bytes.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log, report, out = folder / "packets.csv", folder / "report.json", folder / track.file.name
    link = replace(link, blocks_udp=peer.without_udp)
    with (
        Lab(link, name=name, report=report, log=log, congestion=peer.congestion) as lab,
        servers(peer, track, lab),
    ):
        cost = run_client(lab, peer.client(track, out), folder, limit_s)
        lab.down()
    if out.read_bytes() != track.file.read_bytes():
        raise FailedError("the bytes differ")
    late_ms = json.loads(report.read_text())["late_ms"]["p95"]
    return judge(read_log(log), link, track.size, cost, late_ms)


@contextlib.contextmanager
def servers(peer: Peer, track: Track, lab: Lab) -> Iterator[None]:
    """Run a peer's servers on their side, once all of them are ready."""
    running = []
    try:
        for command in peer.servers(track):
            process = subprocess.Popen(
                lab.command(command, side="server"),
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            running.append(process)
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line or b'"error"' in line:  # ours says so as JSON, the others end
                raise FailedError(f"its server did not start {line.decode().strip()}")
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()


def run_client(lab: Lab, command: list[str], folder: Path, limit_s: float) -> Cost:
    """Run a client to its end; return its CPU time since the first packet, and its peak of memory."""
    with (folder / "stderr").open("w+") as errors:
        process = subprocess.Popen(lab.command(command), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            select.select([lab.says], [], [], START_S)
            before_s = cpu_s(process.pid)
            peak_kb = watch(process.pid, time.monotonic() + limit_s)
        finally:
            os.kill(process.pid, signal.SIGKILL)  # Popen's own would take the status before wait4
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise FailedError(f"status {process.returncode} {errors.read()[-300:].strip()}")
    return Cost(usage.ru_utime + usage.ru_stime - before_s, peak_kb / 1024)


def watch(pid: int, give_up: float) -> int:
    """Wait for a process until it ends or `give_up`; return the peak of its memory in kB."""
    peak_kb = 0
    while time.monotonic() < give_up:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        # Not the kernel's figure for an ended child: that includes what started it, from before its exec.
        status = Path(f"/proc/{pid}/status").read_text()
        if "VmHWM:" in status:
            peak_kb = int(status.partition("VmHWM:")[2].split()[0])
        time.sleep(POLL_S)
    return peak_kb


def cpu_s(pid: int) -> float:
    """Return what a running process has used, with all its threads; finer than clock ticks."""
    return (
        sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
        / 1e9
    )


def read_log(path: Path) -> dict[str, list[Passage]]:
    """Return the passages of each way."""
    ways: dict[str, list[Passage]] = {"down": [], "up": []}
    with path.open(newline="") as file:
        for way, came_s, size, queue_ms, arrived_s, fate in list(csv.reader(file))[1:]:
            passage = Passage(float(came_s), int(size), float(queue_ms) / 1000, float(arrived_s), fate)
            ways[way].append(passage)
    return ways


def judge(
    ways: dict[str, list[Passage]], link: Link, payload: int, cost: Cost, late_ms: float = 0.0
) -> Transfer:
    """Return what a link's log says of the transfer of so many bytes."""
    end_s = max(one.arrived_s for one in ways["down"] if one.fate == PASSED and one.size >= PAYLOAD_PACKET)
    down = [one for one in ways["down"] if one.came_s <= end_s and one.fate != REPEATED]
    waits_ms = sorted(one.queue_s * 1000 for one in down if one.fate != DROPPED)
    sent = {way: sum(one.size for one in log if one.fate in {PASSED, LOST}) for way, log in ways.items()}
    return Transfer(
        time_s=end_s,
        share=payload * 8 / Capacity(link.down.steps).bits_until(end_s),
        queue_mean_ms=sum(waits_ms) / len(waits_ms),
        queue_p95_ms=waits_ms[int(len(waits_ms) * 0.95)],
        queue_max_ms=waits_ms[-1],
        wire_down=sent["down"] / payload,
        wire_up=sent["up"] / payload,
        cpu_s_per_mb=cost.cpu_s / payload * 1e6,
        peak_mb=cost.peak_mb,
        late_p95_ms=late_ms,
    )
