"""The commands `play` and `peers`, and the arguments that several commands check.

Invalid arguments are refused before a socket is opened. Titles and the like come from strangers, so `Output`
cleans them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from lightpeer.client.metered import open_metered
from lightpeer.console.signals import run_async
from lightpeer.errors import UsageError
from lightpeer.net.system import SystemNetwork

if TYPE_CHECKING:
    import argparse

    from lightpeer.client.models import PeerInfo
    from lightpeer.config import Settings
    from lightpeer.console.output import Output


def run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Run a command of this module; return its exit status."""
    if arguments.command == "peers":
        return run_async(lambda: _peers(settings, output))
    from lightpeer.cli.choosing import chosen
    from lightpeer.cli.play import Programme, beside_sound, play

    output = beside_sound(settings, output)
    stats = checked_target(arguments.stats) if arguments.stats else None
    programme = Programme(
        chosen(arguments, settings, output),
        start_s=arguments.start,
        stats=stats,
        live=not arguments.verbose,  # the log would run into the live line
        shuffles=arguments.shuffle,
        repeats=arguments.repeat,
    )
    return play(settings, output, programme)


def checked_target(text: str) -> Path:
    """Return the path of a file to write; raise UsageError if it cannot be written."""
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"cannot write to {text}: there is no such user here") from error
    replaceable = path.is_file() or not path.exists()  # a device would be replaced too
    if not replaceable or not path.parent.is_dir():
        raise UsageError(f"cannot write to {text}: name an ordinary file in a folder that exists")
    return path


def silence_of(timeout_s: float | None) -> float:
    """Return how long `--timeout` lets a command wait for data, in seconds; infinity for 0."""
    from lightpeer.client.stream import SILENCE_S

    return SILENCE_S if timeout_s is None else timeout_s or math.inf


async def _peers(settings: Settings, output: Output) -> int:
    from lightpeer.cli.hit_lines import Row, lines_of

    async with open_metered(settings, SystemNetwork()) as client:
        peers = await client.peers()
    rows = [Row(peer.peer_id, _facts(peer)) for peer in peers]
    for peer, line in zip(peers, lines_of(rows, output.columns), strict=True):
        output.result(
            "peer",
            line,
            peer_id=peer.peer_id,
            endpoints=list(peer.endpoints),
            rtt_ms=peer.rtt_ms,
            roles=list(peer.roles),
            state=peer.state,
        )
    return 0


def _facts(peer: PeerInfo) -> tuple[str, ...]:
    rtt = "-" if peer.rtt_ms is None else f"{peer.rtt_ms:.0f} ms"
    return peer.state, rtt, " ".join(peer.roles), " ".join(peer.endpoints)
