"""The programs that are compared: how each is served and how each fetches, as plain commands."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.footprint import LIGHTPEER
from bench.lab.namespaces import SERVERS

from .track import KBPS, Track, serve_command

PORT = 47474
CONGESTION = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


@dataclass(frozen=True, slots=True)
class Peer:
    """A program. Commands are for either side of the link; a server prints a line once it is ready."""

    name: str
    servers: Callable[[Track], list[list[str]]]
    client: Callable[[Track, Path], list[str]]  # writes the track to `Path`
    congestion: str = "cubic"  # the server side's TCP; Linux's default
    module: str | None = None  # that has to be installed
    without_udp: bool = False  # on a network that blocks it

    def missing(self) -> str | None:
        """Return why it cannot run here, or None."""
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"the Python package {self.module} is not installed (pip install -e '.[bench]')"
        if self.congestion not in CONGESTION.read_text().split():
            return f"this kernel has no TCP {self.congestion}"
        if self.name.startswith("curl") and shutil.which("curl") is None:
            return "curl is not installed"
        return None


def script(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-u", "-m", name, *map(str, arguments)]


def lightpeer(name: str, sources: int = 1, *, without_udp: bool = False) -> Peer:
    addresses = SERVERS[:sources]

    def servers(track: Track) -> list[list[str]]:
        return [serve_command(track, f"{host}:{PORT}", source) for source, host in enumerate(addresses)]

    def client(track: Track, out: Path) -> list[str]:
        command = [*LIGHTPEER, "fetch", track.uri, "-o", str(out), "--bitrate", str(KBPS)]
        for host in addresses:
            command += ["--bootstrap", f"{host}:{PORT}"]
        return [*command, "--state", str(out.parent / "state")]

    return Peer(name, servers, client, without_udp=without_udp)


def curl(congestion: str) -> Peer:
    return Peer(
        f"curl, TCP {congestion.upper()}",
        lambda track: [script("http.server", PORT, "--bind", SERVERS[0], "--directory", track.file.parent)],
        lambda track, out: ["curl", "-s", "-o", str(out), f"http://{SERVERS[0]}:{PORT}/{track.file.name}"],
        congestion,
    )


def quic(congestion: str) -> Peer:
    module = "bench.links.quic"
    return Peer(
        f"aioquic, {congestion}",
        lambda track: [script(module, "serve", track.file, SERVERS[0], PORT, congestion)],
        lambda _, out: script(module, "fetch", out, SERVERS[0], PORT, congestion),
        module="aioquic",
    )


def torrent(name: str, sources: int = 1) -> Peer:
    module = "bench.links.torrent"
    hosts = SERVERS[:sources]
    return Peer(
        name,
        lambda track: [script(module, "serve", track.file, host, PORT) for host in hosts],
        lambda track, out: script(module, "fetch", track.file, out.parent, PORT, *hosts),
        module="libtorrent",
    )


def grpcio(congestion: str) -> Peer:
    module = "bench.links.grpc_stream"
    return Peer(
        f"grpcio, TCP {congestion.upper()}",
        lambda track: [script(module, "serve", track.file, SERVERS[0], PORT)],
        lambda _, out: script(module, "fetch", out, SERVERS[0], PORT),
        congestion,
        module="grpc",
    )


PEERS = {
    "lightpeer": lightpeer("lightpeer"),
    "fallback": lightpeer("lightpeer, UDP blocked", without_udp=True),
    "cubic": curl("cubic"),
    "bbr": curl("bbr"),
    "quic-reno": quic("reno"),
    "quic-cubic": quic("cubic"),
    "utp": torrent("libtorrent, uTP"),
    "grpcio": grpcio("bbr"),
}
FOUR_SOURCES = {
    "lightpeer": lightpeer("lightpeer, four sources", sources=4),
    "utp": torrent("libtorrent, uTP, four sources", sources=4),
}
FOUR_BESIDE_ONE = {"lightpeer": PEERS["lightpeer"], "four": FOUR_SOURCES["lightpeer"]}
ALL_PEERS = PEERS | FOUR_BESIDE_ONE
