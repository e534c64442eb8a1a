"""The link's own process: two TUN devices, and a pipe each way between them.

The devices come as open file descriptors and the link as JSON in the arguments. Time
begins with the first packet that passes, so a trace is played from the same point for every program.
It says `ready` and then `first` (the first packet has come) on stdout, and when it is
told to end it writes what the link saw: counters as JSON, and each packet as CSV.

Precision comes from select's microsecond timeout and a real-time priority where that is
allowed; a wait that is over late delays a packet but never the rate, which counts from
when packets should have left.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gc
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from .link import MTU, Link
from .pipe import DROPPED, LOG_PACKETS, LOST, PASSED, REPEATED, Pipe

PRIORITY = 10  # SCHED_FIFO: before all ordinary processes, after the kernel's own
READS_A_TURN = 64  # so that a flood one way does not hold up the other
IPV4_SOURCE, IPV4_DESTINATION = slice(12, 16), 16
MULTICAST = 224  # the first byte of such addresses, and of the broadcast one, is no less (RFC 5771)
IPV4_PROTOCOL, UDP = 9, 17


class Emulator:
    """Moves packets between two devices until it is told to end."""

    def __init__(self, link: Link, client: int, server: int) -> None:
        self._link, self._client, self._server = link, client, server
        # Chances of their own, so that a packet's fate does not hang on what goes the other way.
        self.up = Pipe(link.up, Random(f"{link.seed} up"))
        self.down = Pipe(link.down, Random(f"{link.seed} down"))
        self._sources: dict[bytes, Pipe] = {}  # by address; the server's side has a handful
        self._began: float | None = None
        self.late_s: list[float] = []  # what each delivery was after its time; bounded as the pipes' logs

    def run(self) -> None:
        """Move packets, for ever."""
        devices = (self._client, self._server)
        while True:
            readable, _, _ = select.select(devices, (), (), self._wait_s())
            for device in readable:
                self._take(device)
            self._deliver()

    def _now(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    def _wait_s(self) -> float | None:
        deadlines = [pipe.next_deadline() for pipe in (self.up, self.down, *self._sources.values())]
        due = min((at for at in deadlines if at is not None), default=None)
        return None if due is None else max(0.0, due - self._now())

    def _take(self, device: int) -> None:
        for _ in range(READS_A_TURN):
            try:
                packet = os.read(device, MTU)
            except BlockingIOError:
                return
            if self._is_carried(packet):
                if self._began is None:
                    self._began = time.monotonic()
                    say("first")
                self._way_of(device, packet).send(packet, self._now())

    def _is_carried(self, packet: bytes) -> bool:
        """Tell whether a packet passes at all: what looks for neighbours stays on its side of a router."""
        if packet[IPV4_DESTINATION] >= MULTICAST:
            return False
        return not (self._link.blocks_udp and packet[IPV4_PROTOCOL] == UDP)

    def _way_of(self, device: int, packet: bytes) -> Pipe:
        if device == self._client:
            return self.up
        if self._link.source is None:
            return self.down
        address = packet[IPV4_SOURCE]
        if address not in self._sources:
            self._sources[address] = Pipe(self._link.source, Random(f"{self._link.seed} {address.hex()}"))
        return self._sources[address]

    def _deliver(self) -> None:
        now = self._now()
        for at, packet in sorted(came for pipe in self._sources.values() for came in pipe.receive(now)):
            self.down.send(packet, at)
        for pipe, device in ((self.up, self._server), (self.down, self._client)):
            for at, packet in pipe.receive(now):
                if len(self.late_s) < LOG_PACKETS:
                    self.late_s.append(now - at)
                with contextlib.suppress(OSError):  # a device that is down loses it, as a real one
                    os.write(device, packet)


def report(pipe: Pipe) -> dict[str, Any]:
    """Return what one direction saw."""
    sent = [one for one in pipe.log if one.fate in {PASSED, LOST}]
    count = {fate: sum(one.fate == fate for one in pipe.log) for fate in (PASSED, LOST, DROPPED, REPEATED)}
    return {
        "packets": count,
        "unlogged": pipe.unlogged,  # came after the log was full, and are not counted here
        "bytes": sum(one.size for one in sent),  # that used the link, the lost ones included
        "queue_ms": summary([one.queue_s for one in sent]),
    }


def summary(times_s: list[float]) -> dict[str, float]:
    """Return mean, 95th percentile and maximum in ms."""
    times_ms = sorted(time_s * 1000 for time_s in times_s) or [0.0]
    return {
        "mean": sum(times_ms) / len(times_ms),
        "p95": times_ms[int(len(times_ms) * 0.95)],
        "max": times_ms[-1],
    }


def write_log(path: Path, ways: dict[str, Pipe]) -> None:
    """Write every packet that came to the link."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["way", "came_s", "bytes", "queue_ms", "arrived_s", "fate"])
        for way, pipe in ways.items():
            for came_s, size, queue_s, arrived_s, fate in pipe.log:
                table.writerow(
                    [way, f"{came_s:.6f}", size, f"{queue_s * 1000:.3f}", f"{arrived_s:.6f}", fate]
                )


def say(word: str) -> None:
    """Tell whoever listens; `up` has gone by the time of the first packet."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{word}\n".encode())


def take_priority() -> None:
    """Be woken when it is due, not when others are done; and collect no garbage: there are no cycles."""
    gc.disable()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


class Ended(BaseException):
    """Somebody wants the report."""


def on_signal(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the report is being written
    raise Ended


def main() -> None:
    parser = argparse.ArgumentParser(description="started by bench.lab")
    parser.add_argument("--link", type=json.loads, required=True)
    parser.add_argument("--client", type=int, required=True, help="file descriptor of a device")
    parser.add_argument("--server", type=int, required=True)
    parser.add_argument("--report", type=Path, help="counters, as JSON")
    parser.add_argument("--log", type=Path, help="every packet, as CSV")
    options = parser.parse_args()
    emulator = Emulator(Link.of_json(options.link), options.client, options.server)
    signal.signal(signal.SIGTERM, on_signal)
    take_priority()
    say("ready")
    try:
        emulator.run()
    except Ended:
        ways = {"down": emulator.down, "up": emulator.up}
        if options.log:
            write_log(options.log, ways)
        if options.report:
            seen: dict[str, Any] = {way: report(pipe) for way, pipe in ways.items()}
            seen["late_ms"] = summary(emulator.late_s)  # the lab's own error
            options.report.write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
