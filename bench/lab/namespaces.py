"""Puts an emulated link between two network namespaces, and takes both away again.

`NAME-client` and `NAME-server` hold one TUN device each; the emulator holds their other
ends, so the devices vanish with it, however it ends. What else could be left after a
crash are the namespaces and a state file: the next `up` of the same name removes them.
Several links may stand side by side under different names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import IO, Self

from .link import MTU, Link

CLIENT = "10.77.0.1"
SERVERS = tuple(f"10.77.0.{n}" for n in range(2, 10))  # one address for each source that a program may serve
STATE = Path("/run/lightpeer-lab")
EMULATOR = "bench.lab.emulator"
TUN_DEVICE = "/dev/net/tun"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
ALLOWED_CONGESTION = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
END_S = 10.0  # to write a long log
ROOT = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """The link could not be made; says what is missing."""


class Lab:
    """A link that stands for the length of a `with` block; or until `down`, for the command line."""

    def __init__(
        self,
        link: Link,
        *,
        name: str = "lab",
        report: Path | None = None,
        log: Path | None = None,
        congestion: str | None = None,
    ) -> None:
        self._link, self.name, self._report, self._log = link, name, report, log
        self._congestion = congestion
        self._emulator: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def says(self) -> IO[bytes]:
        """The emulator's words: `first`, as a line, when the first packet comes."""
        assert self._emulator is not None
        assert self._emulator.stdout is not None
        return self._emulator.stdout

    def up(self) -> None:
        """Make the namespaces and start the emulator.

        Raises:
          LabError: not root, or a kernel without TUN devices or network namespaces.
        """
        if os.geteuid() != 0:
            raise LabError("network namespaces need root: run it with sudo")
        self.down()
        STATE.mkdir(parents=True, exist_ok=True)
        try:
            client, server = self._make("client", (CLIENT,)), self._make("server", SERVERS)
            self._start(client, server)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Take the link away; the report and the log are written by the time this returns."""
        down(self.name)
        if self._emulator is not None:
            self._emulator.wait()
            self.says.close()

    def command(self, command: list[str], *, side: str = "client") -> list[str]:
        """Return what runs a command on one side."""
        return ["ip", "netns", "exec", f"{self.name}-{side}", *command]

    def _make(self, side: str, addresses: tuple[str, ...]) -> int:
        namespace, device = f"{self.name}-{side}", f"{self.name[:12]}-{side[0]}"
        ip("netns", "add", namespace)
        inside = ("-n", namespace)
        run("ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        if self._congestion and side == "server":
            allow_congestion(self._congestion)
            setting = f"net.ipv4.tcp_congestion_control={self._congestion}"
            run("ip", "netns", "exec", namespace, "sysctl", "-qw", setting)
        tun = open_tun(device)
        ip("link", "set", device, "netns", namespace)
        for address in addresses:
            ip(*inside, "address", "add", f"{address}/24", "dev", device)
        ip(*inside, "link", "set", "lo", "up")
        ip(*inside, "link", "set", device, "mtu", str(MTU), "txqueuelen", "10000", "up")
        return tun

    def _start(self, client: int, server: int) -> None:
        command = [sys.executable, "-m", EMULATOR, "--link", json.dumps(dataclasses.asdict(self._link))]
        command += ["--client", str(client), "--server", str(server)]
        for option, path in (("--report", self._report), ("--log", self._log)):
            command += [option, str(path.resolve())] if path else []
        self._emulator = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, pass_fds=(client, server), start_new_session=True
        )
        os.close(client)
        os.close(server)
        state_file(self.name).write_text(str(self._emulator.pid))
        if self.says.readline() != b"ready\n":
            raise LabError("the emulator did not start; it says why above")


def allow_congestion(name: str) -> None:
    """Let namespaces use one of this kernel's congestion controls; the list is the whole machine's."""
    allowed = ALLOWED_CONGESTION.read_text().split()
    if name not in allowed:
        ALLOWED_CONGESTION.write_text(" ".join([*allowed, name]))


def open_tun(name: str) -> int:
    """Return a file descriptor that holds a new TUN device."""
    try:
        device = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError as error:
        raise LabError(f"no TUN device ({error}): the lab needs root and {TUN_DEVICE}") from error
    return device


def down(name: str) -> None:
    """Take a link away: what stands, and what a crash has left."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        end(int(state_file(name).read_text()))
    for side in ("client", "server"):
        subprocess.run(["ip", "netns", "delete", f"{name}-{side}"], check=False, capture_output=True)
    state_file(name).unlink(missing_ok=True)


def end(pid: int) -> None:
    """End an emulator and wait for its report; a pid that became another process's is let alone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if EMULATOR.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGTERM)
        select.select([process], [], [], END_S)
        os.close(process)


def state_file(name: str) -> Path:
    return STATE / f"{name}.pid"


def ip(*arguments: str) -> None:
    run("ip", *arguments)


def run(*command: str) -> None:
    """Run a command that has to work."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
