"""`lightpeer speaker`: a player without a screen, until a signal ends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import trio

from lightpeer.cli.play import beside_sound, make_sink_of
from lightpeer.client.metered import open_metered
from lightpeer.console.signals import run_async
from lightpeer.core.addresses import format_endpoint
from lightpeer.net.system import SystemNetwork
from lightpeer.speaker.daemon import open_speaker
from lightpeer.speaker.places import Places

if TYPE_CHECKING:
    import argparse

    from lightpeer.config import Settings
    from lightpeer.console.output import Output


def run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Serve remote controls; return the exit status."""
    output = beside_sound(settings, output)
    path = arguments.mpd_socket
    places = Places(arguments.mpd_listen, None if path is None else Path(path))
    return run_async(lambda: _serve(settings, output, places))


async def _serve(settings: Settings, output: Output, places: Places) -> int:
    async with (
        open_metered(settings, SystemNetwork()) as client,
        open_speaker(client, lambda: make_sink_of(settings), SystemNetwork(), places) as daemon,
    ):
        where = format_endpoint(daemon.address)
        output.result("listening", f"listening for remote controls on {where}", mpd=where)
        await trio.sleep_forever()
    raise AssertionError("a signal ends it")
