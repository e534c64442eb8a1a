"""A speaker that plays from a simulated peer, and clients that speak MPD's protocol with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from lightpeer.client.client import open_client
from lightpeer.core.mpd.speaker import Speaker
from lightpeer.speaker.daemon import open_speaker
from lightpeer.speaker.places import Places
from lightpeer.testing.host import SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack, Serving, serving, settings
from tests.playback.music import Recorder, demo_track

RAIN = demo_track("copper-rain")
ARCADE = demo_track("pocket-arcade")
SPEAKER, PORT = "10.0.9.1", 6600
GREETING = "OK MPD 0.24.0"


class Line:
    """A client's connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._data = bytearray()

    async def line(self) -> str:
        """Wait for a line; empty: the speaker has closed the connection."""
        while b"\n" not in self._data:
            data = await self.stream.receive_some()
            if not data:
                return ""
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return line.decode()

    async def ask(self, *commands: str) -> list[str]:
        """Give commands; return the lines up to the last end, which is one of them if it is no OK."""
        await self.stream.send_all("".join(f"{command}\n" for command in commands).encode())
        lines: list[str] = []
        while (line := await self.line()) and line != "OK":
            lines.append(line)
            if line.startswith("ACK "):
                break
        return lines

    async def fields(self, command: str) -> dict[str, str]:
        """Give a command whose answer has each name once."""
        return dict(line.split(": ", 1) for line in await self.ask(command))

    async def until(self, **wanted: str) -> dict[str, str]:
        """Wait, idle, until the status has some values."""
        while True:
            status = await self.fields("status")
            if wanted.items() <= status.items():
                return status
            await self.ask("idle")


@dataclass
class Stage:
    """What is on it."""

    net: SimInternet
    speaker: Speaker
    server: Serving
    sinks: list[Recorder]  # the last is the one that is played to

    async def connect(self, host: str = "10.0.9.2") -> Line:
        """Connect a client, and greet it."""
        at = self.net.hosts.get(host) or self.net.host(host)
        line = Line(await at.connect_tcp(SPEAKER, PORT))
        assert await line.line() == GREETING
        return line


@asynccontextmanager
async def stage(
    net: SimInternet, folder: Path, tracks: Sequence[MadeTrack] = (RAIN, ARCADE), **more: object
) -> AsyncIterator[Stage]:
    """Set it up."""
    home: SimHost = net.host(SPEAKER)
    sinks: list[Recorder] = []

    def make_sink() -> Recorder:
        sinks.append(Recorder())
        return sinks[-1]

    async with (
        serving(net.host("10.0.0.1"), tracks) as server,
        open_client(settings(folder, server, **more), home) as client,
        open_speaker(client, make_sink, home, Places(("", PORT))) as daemon,
    ):
        assert daemon.address[1] == PORT
        yield Stage(net, daemon.speaker, server, sinks)


def perform(folder: Path, act: Callable[[Stage], Awaitable[None]], **more: object) -> None:
    """Run an act on a stage of its own."""

    async def main(net: SimInternet) -> None:
        async with stage(net, folder, **more) as on:
            await act(on)

    simulate(main)
