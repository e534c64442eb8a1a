"""The arguments of `lightpeer-serve`, and the settings that they make.

Each value is parsed by a function of its own, so that a mistake is named before anything is opened.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lightpeer.console.report import Parser
from lightpeer.errors import UsageError
from lightpeer.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.config import Settings
    from lightpeer.core.addresses import Endpoint
    from lightpeer.serve.operator.settings import ServeSettings

_UNITS = {"M": 10**6, "G": 10**9, "T": 10**12}
_DIR_HELP = "a folder with music; `prune [DIR ...]`: remove the tracks of files that are not there now"


def common_settings(arguments: argparse.Namespace) -> tuple[Settings, Path]:
    """Return the settings shared with the client, and the server's state directory."""
    from lightpeer.config import load_settings
    from lightpeer.state.files import SERVE_FOLDER

    common = load_settings(
        config_path=Path(arguments.config) if arguments.config else None,
        environ=os.environ,
        overrides={"state_dir": arguments.state_dir, "bootstrap": arguments.bootstrap},
    )
    return common, common.state_dir if arguments.state_dir else common.state_dir / SERVE_FOLDER


def serve_settings(arguments: argparse.Namespace) -> ServeSettings:
    """Return what a command line chose.

    Raises:
        UsageError: it names no folder, or addresses to announce that do not go together.
    """
    from lightpeer.serve.operator.settings import DEFAULT_LADDER_KBPS, DEFAULT_LISTEN, PERIOD_S, ServeSettings

    if not arguments.music_dirs:
        raise UsageError("give the folder with your music (see lightpeer-serve --help)")
    common, state_dir = common_settings(arguments)
    return ServeSettings(
        music_dir=Path(arguments.music_dirs[0]),
        more_music_dirs=tuple(map(Path, arguments.music_dirs[1:])),
        follow_links=arguments.follow_links,
        state_dir=state_dir,
        listen=arguments.listen or DEFAULT_LISTEN,
        announce=_announced(arguments.announce or ()),
        bootstrap=common.bootstrap,
        lan=common.lan and not arguments.no_lan,
        mirror=tuple(arguments.mirror or ()),
        allow=tuple(arguments.allow or ()),
        deny=tuple(arguments.deny or ()),
        gossip_s=arguments.gossip or PERIOD_S,
        cache_bytes=arguments.cache_size,
        on_demand=arguments.on_demand,
        ladder_kbps=arguments.ladder or DEFAULT_LADDER_KBPS,
        max_upload_bytes_per_s=None if arguments.max_upload is None else arguments.max_upload * 125,
    )


def parser() -> Parser:
    """Return the parser of the command's arguments; each that cannot be is named in its error."""
    made = Parser(
        prog="lightpeer-serve",
        description="Serve folders of music to the loudp2p network.",
        epilog="SIGUSR1: cease to serve, or begin again. SIGHUP: read the lists and the folders again. "
        "Exit status: 0 stopped, 1 failed, 2 usage, 6 a missing library, 130 interrupted",
        allow_abbrev=False,
    )
    made.add_argument("music_dirs", nargs="*", metavar="DIR", help=_DIR_HELP)
    _add_network(made)
    _add_music(made)
    _add_listeners(made)
    _add_common(made)
    return made


def _add_network(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--listen",
        type=_listen,
        metavar="[HOST:]PORT",
        help="where to listen (127.0.0.1:47474, for this machine alone); a port alone: at all its addresses",
    )
    add(
        "--announce",
        type=_endpoint,
        action="append",
        metavar="HOST:PORT",
        help="the address that others reach this peer at (repeats: one of each family)",
    )
    add(
        "--bootstrap",
        action="append",
        metavar="INVITE|[ID@]HOST:PORT",
        help="a peer to join through (repeats)",
    )
    add("--no-lan", action="store_true", help="stay unknown to the local network, and do not look there")
    add("--gossip", type=_seconds, metavar="SECONDS", help=argparse.SUPPRESS)  # for tests: 60 is right


def _add_music(parser: Parser) -> None:
    add = parser.add_argument
    add("--ladder", type=_ladder, metavar="KBPS,...", help="the bitrates to offer (24,48,96)")
    add(
        "--cache-size",
        type=_size,
        metavar="SIZE",
        help="the most for renditions above the lowest, as 500M or 20G; they are made again when asked for",
    )
    add("--on-demand", action="store_true", help="import a file once somebody searches for it, not before")
    add("--max-upload", type=_kbps, metavar="KBPS", help="for audio, to all listeners together")
    add(
        "--mirror",
        type=_mirrored,
        action="append",
        metavar="QUERY|loud:ID",
        help="tracks to fetch and serve (repeats)",
    )
    add(
        "--follow-links",
        action="store_true",
        help="also publish files that links outside the folders lead to",
    )


def _add_listeners(parser: Parser) -> None:
    add = parser.add_argument
    add("--allow", action="append", metavar="FILE|ID,...", help="who may listen, nobody else (repeats)")
    add(
        "--deny",
        action="append",
        metavar="FILE|ENTRY,...",
        help="peer ids, networks, publisher:ID, loud:ID that are shut out (repeats)",
    )
    add(
        "--withdraw",
        type=_track,
        action="append",
        metavar="loud:ID",
        help="never serve a track again, also by a server that runs; no DIR is needed (repeats)",
    )


def _add_common(parser: Parser) -> None:
    add = parser.add_argument
    add("--state", dest="state_dir", metavar="DIR", help="where key and renditions are kept")
    add("--config", metavar="FILE", help="the configuration file")
    add("--json", action="store_true", help="print one JSON object a line")
    add("-q", "--quiet", action="store_true", help="print results and errors only")
    add("-v", "--verbose", action="count", default=0, help="say more; -vv: debugging, tracebacks")
    add("--version", action="version", version=f"lightpeer-serve {VERSION}")


def _announced(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the addresses to announce; the UDP port that a peer is told of must hold for all of them."""
    if len({port for _, port in endpoints}) > 1:
        raise UsageError("--announce: give all addresses with the same port")
    return tuple(endpoints)


def _endpoint(text: str, least_port: int = 1) -> Endpoint:
    from lightpeer.core.addresses import parse_endpoint

    try:
        return parse_endpoint(text, least_port)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from error


def _listen(text: str) -> Endpoint:
    """Parse an address to listen on, where port 0 stands for any; a port alone is at all addresses."""
    is_port = text.isascii() and text.removeprefix(":").isdigit()
    return _endpoint(f"[::]:{text.removeprefix(':')}" if is_port else text, least_port=0)


def _mirrored(text: str) -> str:
    from lightpeer.core.content.uri import is_uri, parse_uri
    from lightpeer.core.search.items import checked_query

    if is_uri(text):
        parse_uri(text)  # raises for anything but a track id
    return checked_query(text)


def _track(text: str) -> bytes:
    from lightpeer.core.content.uri import parse_uri

    return parse_uri(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time from 0.1 to 3600 seconds")
    return seconds


def _kbps(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 16 <= int(text) <= 10_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate from 16 to 10000000 kbit/s")
    return int(text)


def _size(text: str) -> int:
    """Parse a size in bytes: a number with M or G behind it; a number alone is in MB."""
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "M")
    if unit not in _UNITS or not (number.isascii() and number.isdigit() and len(number) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500M or 20G")
    return int(number) * _UNITS[unit]


def _ladder(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(item) for item in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not bitrates in kbit/s, such as 24,48,96") from error
