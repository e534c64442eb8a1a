"""Checks the emulated link against theory, with real packets through real namespaces.

One process holds a socket on each side, so both ends have one clock; arrivals are
stamped by the kernel. What must hold: the rate within 1 %, the delay within 2 ms, losses
within their confidence interval, a queue of as many bytes as were asked for.
"""

from __future__ import annotations

import ctypes
import os
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from .link import BurstLoss, Direction, Link, constant
from .namespaces import CLIENT, SERVERS, Lab

NAME = "labtest"
HEADERS = 28  # IPv4 and UDP
PORT = 4000
SILENCE_S = 1.5
CLONE_NEWNET = 0x40000000
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; not in Python's socket
SIGMAS = 3.29  # 999 of 1000 sound runs pass
RATE_ERROR, DELAY_ERROR_S = 0.01, 0.002
Verdict = tuple[str, str, str, bool]


class Arrival(NamedTuple):
    number: int
    sent_s: float
    came_s: float
    size: int  # of the IP packet


class Ends:
    """A socket on each side of a link."""

    def __init__(self, lab: Lab) -> None:
        self.client = socket_in(f"{lab.name}-client", CLIENT)
        self.server = socket_in(f"{lab.name}-server", SERVERS[0])

    def send(self, count: int, size: int, per_s: float, *, up: bool = False) -> list[Arrival]:
        """Send `count` packets of `size` bytes, `per_s` of them a second; return those that came."""
        ends = (self.client, self.server) if up else (self.server, self.client)
        sender, receiver = ends
        address = receiver.getsockname()
        arrivals: list[Arrival] = []
        reader = threading.Thread(target=read_until_silence, args=(receiver, arrivals))
        reader.start()
        began = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, began + number / per_s - time.monotonic()))
            payload = struct.pack("Id", number, time.time())
            sender.sendto(payload.ljust(size - HEADERS, b"\0"), address)
        reader.join()
        return arrivals


def socket_in(namespace: str, address: str) -> socket.socket:
    """Return a UDP socket of another network namespace; it stays there when this thread has left."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    finally:
        libc.setns(here, CLONE_NEWNET)
        os.close(here)
        os.close(there)
    end.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    end.bind((address, PORT))
    return end


def read_until_silence(receiver: socket.socket, arrivals: list[Arrival]) -> None:
    """Append what comes, until nothing has come for longer than any outage here lasts."""
    receiver.settimeout(SILENCE_S)
    while True:
        try:
            data, stamps, _, _ = receiver.recvmsg(2048, 64)
        except TimeoutError:
            return
        seconds, nanoseconds = struct.unpack("qq", stamps[0][2])
        number, sent_s = struct.unpack_from("Id", data)
        arrivals.append(Arrival(number, sent_s, seconds + nanoseconds / 1e9, len(data) + HEADERS))


def symmetric(**fields: object) -> Link:
    way = Direction(**{"steps": constant(50_000), **fields})  # type: ignore[arg-type]
    return Link(down=way, up=way, seed=time.time_ns() % 2**32)


def near(name: str, measured: float, theory: float, allowed: float, unit: str) -> Verdict:
    return (
        name,
        f"{measured:.4g} {unit}".rstrip(),
        f"{theory:.4g} ± {allowed:.2g}",
        abs(measured - theory) <= allowed,
    )


def rates() -> list[Verdict]:
    """Offer each way twice what it carries."""
    link = Link(down=Direction(constant(1600)), up=Direction(constant(384)))
    verdicts = []
    with Lab(link, name=NAME) as lab:
        ends = Ends(lab)
        for way, kbit_s in (("down", 1600.0), ("up", 384.0)):
            size = 1000
            per_s = kbit_s * 2 * 125 / size
            came = ends.send(int(3 * per_s), size, per_s, up=way == "up")
            took_s = came[-1].came_s - came[0].came_s
            measured = sum(one.size for one in came[1:]) * 8 / took_s / 1000
            verdicts.append(near(f"rate, {way}", measured, kbit_s, kbit_s * RATE_ERROR, "kbit/s"))
    return verdicts


def delays() -> list[Verdict]:
    verdicts = []
    with Lab(symmetric(delay_s=0.1), name=NAME) as lab:
        ends = Ends(lab)
        for way in ("down", "up"):
            delays_s = [one.came_s - one.sent_s for one in ends.send(200, 100, 100, up=way == "up")]
            median, p95 = statistics.median(delays_s), statistics.quantiles(delays_s, n=20)[-1]
            for name, value in (("median", median), ("95th percentile", p95)):
                verdicts.append(near(f"delay, {way}, {name}", value * 1000, 100, DELAY_ERROR_S * 1000, "ms"))
    return verdicts


def random_loss() -> list[Verdict]:
    count, loss = 8000, 0.02
    with Lab(symmetric(loss=loss), name=NAME) as lab:
        lost = 1 - len(Ends(lab).send(count, 100, 4000)) / count
    return [near("loss", lost, loss, SIGMAS * (loss * (1 - loss) / count) ** 0.5, "")]


def burst_loss() -> list[Verdict]:
    """Its shares of loss vary more than independent ones: neighbours go together."""
    count, burst = 12_000, BurstLoss(mean=0.1, packets=4)
    with Lab(symmetric(burst=burst), name=NAME) as lab:
        came = {one.number for one in Ends(lab).send(count, 100, 4000)}
    lost = [number for number in range(count) if number not in came]
    bursts = sum(number - 1 not in lost for number in lost)
    together = 1 - burst.ends - burst.begins  # the correlation of neighbours
    error = SIGMAS * (0.09 / count * (1 + together) / (1 - together)) ** 0.5
    length_error = SIGMAS * (burst.packets * (burst.packets - 1) / bursts) ** 0.5
    return [
        near("burst loss", len(lost) / count, 0.1, error, ""),
        near("length of bursts", len(lost) / bursts, burst.packets, length_error, "packets"),
    ]


def queues() -> list[Verdict]:
    """A flood leaves what the queue holds, and at most what was sent while it came."""
    with Lab(symmetric(steps=constant(100), queue_bytes=20_000), name=NAME) as lab:
        came = len(Ends(lab).send(100, 1000, 100_000))
    return [near("packets of 1000 bytes left by a flood of 20000", came, 20, 1, "")]


def traces() -> list[Verdict]:
    """A rate step upward and an outage."""
    steps = [(1.0, 400.0), (1.0, 1600.0), (1.0, 0.0), (1.0, 800.0)]
    with Lab(symmetric(steps=steps), name=NAME) as lab:
        came = Ends(lab).send(1000, 500, 600)
    began = came[0].sent_s
    verdicts = []
    for second, (_, kbit_s) in enumerate(steps):
        carried = sum(one.size for one in came if second <= one.came_s - began < second + 1) * 8 / 1000
        allowed = kbit_s * RATE_ERROR + 2 * 500 * 8 / 1000  # and a packet at each edge
        verdicts.append(near(f"trace, second {second}", carried, kbit_s, allowed, "kbit/s"))
    return verdicts


def disorder() -> list[Verdict]:
    count, share = 5000, 0.05
    error = SIGMAS * (share * (1 - share) / count) ** 0.5
    with Lab(symmetric(reorder=share, duplicate=share), name=NAME) as lab:
        came = [one.number for one in Ends(lab).send(count, 100, 2500)]
    # Neighbours that are both late keep their order, as do the two copies of one.
    late = sum(number < before for before, number in pairwise(came))
    return [
        near("duplicates", len(came) / count - 1, share, error, ""),
        near("reordered", late / count, share * (1 - share), error, ""),
    ]


CHECKS: tuple[Callable[[], list[Verdict]], ...] = (
    rates,
    delays,
    random_loss,
    burst_loss,
    queues,
    traces,
    disorder,
)


def selftest() -> int:
    """Run all checks and print them; return how many failed."""
    print("| check | measured | theory | |\n|---|---|---|---|")
    failed = 0
    for check in CHECKS:
        for name, measured, theory, good in check():
            print(f"| {name} | {measured} | {theory} | {'yes' if good else 'NO'} |", flush=True)
            failed += not good
    return failed
