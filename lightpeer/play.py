"""`lightpeer play`: a player, and what people and programs get to see of it.

On a terminal there is one live line, and only warnings are printed above it.
Elsewhere, and in JSON, each of the player's events is a line of its own. Sound is
imported by the player's sink factory, while the network is waited for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import trio

from lightpeer.commands import described
from lightpeer.discovery import open_client
from lightpeer.errors import UsageError
from lightpeer.output import Output, clock
from lightpeer.player import Player
from lightpeer.signals import run_async
from lightpeer.wire.network import SystemNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from lightpeer.audio.sinks import Sink
    from lightpeer.config import Settings
    from lightpeer.player import PlayerEvent
    from lightpeer.terminal import Terminal


def play(
    settings: Settings, output: Output, items: list[str], *, start_s: float, stats: Path | None, live: bool
) -> int:
    """Play queries and track ids in order; return the exit status.

    `stats` is where measurements go at the end; `live` allows a live line.
    """
    _check_output(settings, output)
    if settings.output == "pipe":
        output = Output(quiet=output.quiet, stream=sys.stderr)
    return run_async(lambda: _play(settings, output, items, start_s, stats, live=live))


def _check_output(settings: Settings, output: Output) -> None:
    """Raise UsageError for an output that cannot work, before the network is bothered."""
    kind = settings.output.partition(":")[0]
    if kind == "pipe" and output.json:
        raise UsageError("--json and --output pipe both need stdout: use wav:FILE or command:PROGRAM")
    if kind == "pipe" and sys.stdout.isatty():
        raise UsageError("--output pipe would write samples to the terminal: pipe them into a program")
    if kind not in {"", "sounddevice"}:
        _make_sink(settings)  # the device's own module is imported later


def _make_sink(settings: Settings) -> Sink:
    from lightpeer.audio.sinks import make_sink

    return make_sink(settings.output or None)


async def _play(
    settings: Settings,
    output: Output,
    items: list[str],
    start_s: float,
    stats: Path | None,
    *,
    live: bool,
) -> int:
    narrator = Narrator(output)
    async with open_client(settings, SystemNetwork()) as client:
        player = Player(client, lambda: _make_sink(settings), settings, on_event=narrator.tell)
        if not output.json:
            narrator.terminal = _terminal(player, output.stream, live=live and not output.quiet)
        try:
            async with trio.open_nursery() as nursery:
                if narrator.terminal:
                    nursery.start_soon(narrator.terminal.run)
                await player.play(items, start_s=start_s)
                nursery.cancel_scope.cancel()
        finally:
            if stats:
                _write_stats(stats, player.stats())
    return 0


def _terminal(player: Player, stream: TextIO, *, live: bool) -> Terminal | None:
    """Return the terminal that this process has: a line where one can be shown, keys where they can be."""
    if not stream.isatty() and not sys.stdin.isatty():
        return None
    from lightpeer.terminal import LiveLine, Terminal, has_keys, is_live

    line = LiveLine(stream) if live and is_live(stream) else None
    return Terminal(player, line=line, keys_from=sys.stdin if has_keys(sys.stdin) else None)


class Narrator:
    """Tells the player's events, in the way that fits where they go."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.terminal: Terminal | None = None

    def tell(self, event: PlayerEvent) -> None:
        """Take one event of the player."""
        line = self.terminal.line if self.terminal else None
        if line:
            line.clear()
        if event.kind == "warning" and not self._output.json:
            self._output.warn(str(event.data["message"]))
        elif self._output.json or (line is None and event.kind in _SENTENCES):
            self._output.remark(event.kind, _sentence(event), **event.data)
        if self.terminal:
            self.terminal.changed()


_SENTENCES = {
    "playing": "playing {track}, {length}, {bitrate_kbps} kbit/s by {transport}",
    "rebuffering": "waiting for data",
    "resumed": "playing again",
    "paused": "paused",
    "unpaused": "playing again",
    "transport": "audio now comes by {transport}",
    "source_lost": "lost the source {peer_id}: {reason}",
}
"""What is worth a line where there is no live one."""


def _sentence(event: PlayerEvent) -> str:
    data = dict(event.data)
    if event.kind == "playing":
        data["track"] = described(str(data["title"]), str(data["artist"]), str(data["album"]))
        data["length"] = clock(float(data["duration_s"]))
    return _SENTENCES.get(event.kind, event.kind).format_map(data)


def _write_stats(path: Path, stats: dict[str, object]) -> None:
    import json

    from lightpeer.state import write_atomically

    write_atomically(path, json.dumps(stats).encode() + b"\n", mode=0o644)
