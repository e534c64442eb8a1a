"""`lightpeer play`: a player, and its output for people and programs.

On a terminal there is one live line, with only warnings printed above it. Elsewhere, and in JSON, each of the
player's events is a line. The player, and sound after it, are imported while the network is waited for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from lightpeer.client.metered import open_metered
from lightpeer.console.output import NOWHERE, Output
from lightpeer.console.signals import run_async
from lightpeer.console.text import clock, described
from lightpeer.core.content.uri import is_uri, parse_uri
from lightpeer.errors import NothingFoundError, UsageError
from lightpeer.net.system import SystemNetwork
from lightpeer.state.files import is_kept
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from pathlib import Path

    from lightpeer.audio.sinks import Sink
    from lightpeer.cli.choosing import Chosen
    from lightpeer.cli.terminal import Terminal
    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.net.network import Network
    from lightpeer.playback.events import PlayerEvent
    from lightpeer.playback.radio import RadioMeter


class Programme(NamedTuple):
    """The items to play, and how to report.

    Attributes:
        chosen: queries and track ids, in order.
        start_s: where to begin in the first, in seconds.
        stats: the file that measurements are written to at the end.
        live: whether there may be a live line.
        shuffles: whether to play in random order.
        repeats: whether to begin again at the end.
    """

    chosen: Chosen
    start_s: float = 0.0
    stats: Path | None = None
    live: bool = True
    shuffles: bool = False
    repeats: bool = False


def play(settings: Settings, output: Output, programme: Programme) -> int:
    """Play a programme; return the exit status."""
    check_output(settings, output)
    if programme.repeats and settings.output.partition(":")[0] == "wav":
        raise UsageError("--repeat never ends, and a WAV file must: leave one of them out")
    if settings.output == "pipe":
        output = Output(quiet=output.quiet, stream=sys.stderr or NOWHERE)  # stdout is for samples alone
    return run_async(lambda: _play(settings, output, programme))


def check_output(settings: Settings, output: Output) -> None:
    """Raise UsageError for an output that cannot work, before the network is used."""
    kind = settings.output.partition(":")[0]
    if kind == "pipe" and output.json:
        raise UsageError("--json and --output pipe both need stdout: use wav:FILE or command:PROGRAM")
    if kind == "pipe" and not sys.stdout:
        raise UsageError("--output pipe needs stdout, which is closed")
    if kind == "pipe" and sys.stdout.isatty():
        raise UsageError("--output pipe would write samples to the terminal: pipe them into a program")
    if kind not in {"", "sounddevice"}:
        make_sink_of(settings)  # the device's module is imported later


def make_sink_of(settings: Settings) -> Sink:
    """Return the sink that the settings name; raise UsageError if there is no such kind."""
    from lightpeer.audio.outputs import make_sink

    return make_sink(settings.output or None)


async def _play(settings: Settings, output: Output, programme: Programme) -> int:
    network = SystemNetwork()
    meter = _radio_meter(network) if programme.stats else None
    at_once = not _begins_kept(settings, programme.chosen.items[0])
    async with open_metered(settings, network, at_once=at_once) as client:
        performance = Performance(client, settings, output, live=programme.live)
        try:
            items = await _items(client, programme, output)
            await _perform(client, performance, items, programme, output)
        finally:
            if programme.stats and meter:
                _write_stats(programme.stats, performance.player.stats() | meter.report())
    return NothingFoundError.exit_status if performance.misses_some else 0


async def _items(client: Client, programme: Programme, output: Output) -> list[str]:
    """Return what the player is to play; an album is looked up first."""
    items = programme.chosen.items
    if programme.chosen.takes_all:
        from lightpeer.cli.hits import all_tracks

        items = await all_tracks(client, items, output)
    return items


async def _perform(
    client: Client, performance: Performance, items: list[str], programme: Programme, output: Output
) -> None:
    """Play items, and where one query finds nothing, what may have been meant by it."""
    from lightpeer.core.queue.modes import Modes

    performance.player.queue.modes = Modes(random=programme.shuffles, repeat=programme.repeats)
    try:
        await performance.run(items, start_s=programme.start_s)
    except NothingFoundError:
        if len(items) > 1 or is_uri(items[0]):
            raise
        from lightpeer.cli.hits import found_of

        items = [hit.uri for hit in (await found_of(client, items[0], 1, output)).hits]
        await performance.run(items, start_s=programme.start_s)


def _begins_kept(settings: Settings, item: str) -> bool:
    """Return whether an item may begin without the network."""
    return settings.cache_bytes != 0 and is_uri(item) and is_kept(settings.state_dir, parse_uri(item))


class Performance:
    """A player, with its events printed and its terminal served.

    Attributes:
        player: the player.
        first_sound_s: seconds from `run` to the first sound; None: not heard yet.
        misses_some: whether an item could not be played.
    """

    def __init__(self, client: Client, settings: Settings, output: Output, *, live: bool = True) -> None:
        from lightpeer.playback.player import Player

        self._output = output
        self._began = 0.0
        self.first_sound_s: float | None = None
        self.misses_some = False
        self._settings = settings
        self._losses = client.losses
        self._nursery: trio.Nursery | None = None
        self.player = Player(client, lambda: make_sink_of(settings), settings, on_event=self._tell)
        self._terminal = None if output.json else self._make_terminal(live=live and not output.quiet)

    async def run(self, items: list[str], *, start_s: float = 0.0) -> None:
        """Play tracks in order; return at the end of the last."""
        self._began = trio.current_time()
        async with open_nursery() as self._nursery:
            if self._terminal:
                self._nursery.start_soon(self._terminal.run)
            await self.player.play(items, start_s=start_s)
            self._nursery.cancel_scope.cancel()

    def _make_terminal(self, *, live: bool) -> Terminal | None:
        """Return this process's terminal, with a line to rewrite, keys to read, or both; None without one."""
        stream = self._output.stream
        if not stream.isatty() and not (sys.stdin and sys.stdin.isatty()):
            return None
        from lightpeer.cli.terminal import LiveLine, Terminal, has_keys, is_live

        line = LiveLine(stream) if live and is_live(stream) else None
        keys_from = sys.stdin if has_keys(sys.stdin) else None
        return Terminal(self.player, line=line, keys_from=keys_from, say=self._say)

    def _say(self, line: str) -> None:
        self._output.result("keys", line)

    def _tell(self, event: PlayerEvent) -> None:
        from lightpeer.cli.events import fields_of, name_of

        name, fields = name_of(event), fields_of(event)
        if name == "playing" and self.first_sound_s is None:
            self.first_sound_s = trio.current_time() - self._began
        self._note(name, fields)
        line = self._terminal.line if self._terminal else None
        if line and not line.is_visible:
            line = None
        if line:
            line.clear()
        if name in {"warning", "slowed"} and not self._output.json:
            self._output.warn(str(fields["message"]))
        elif self._output.json or (line is None and name in _SENTENCES):
            self._output.remark(name, self._output.fit(_sentence(name, fields)), **fields)
        if self._terminal:
            self._terminal.changed()

    def _note(self, name: str, fields: dict[str, object]) -> None:
        """Note how it goes, and what was played."""
        self.misses_some |= name == "warning"
        # Who keeps nothing of what is heard wants no list of it either.
        if name == "playing" and self._settings.cache_bytes != 0 and self._nursery is not None:
            self._nursery.start_soon(trio.to_thread.run_sync, self._remember, fields)

    def _remember(self, fields: dict[str, object]) -> None:
        """Add a track to what was played; a memory card takes its time."""
        from lightpeer.core.content.playlist import Entry, label_of
        from lightpeer.state.lists import HISTORY, KeptList

        label = label_of(str(fields["title"]), str(fields["artist"]))
        entry = Entry(str(fields["uri"]), label, round(float(str(fields["duration_s"]))))
        KeptList(self._settings.state_dir, HISTORY, self._losses).add(entry)


_SENTENCES = {
    "playing": "playing {track}, {length}, {bitrate_kbps} kbit/s by {transport}",
    "waiting": "waiting: {reason}",
    "rebuffering": "waiting for data",
    "resumed": "playing again",
    "paused": "paused",
    "unpaused": "playing again",
    "transport": "audio now comes by {transport}",
    "source_lost": "lost the source {peer_id}: {reason}",
}
"""The events that get a line where there is no live one."""


def _sentence(name: str, fields: dict[str, object]) -> str:
    data: dict[str, Any] = dict(fields)
    if name == "playing":
        data["track"] = described(str(data["title"]), str(data["artist"]), str(data["album"]))
        data["length"] = clock(float(data["duration_s"]))
    return _SENTENCES.get(name, name).format_map(data)


def _radio_meter(network: Network) -> RadioMeter:
    from lightpeer.playback.radio import RadioMeter

    return RadioMeter(network.counters, trio.current_time)


def _write_stats(path: Path, stats: dict[str, object]) -> None:
    import json

    from lightpeer.state.files import write_atomically

    write_atomically(path, json.dumps(stats).encode() + b"\n", mode=0o644)
