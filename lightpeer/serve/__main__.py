"""The `lightpeer-serve` command: arguments to settings, signals to a clean end, errors to a sentence."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lightpeer.console.output import Output
from lightpeer.console.report import Parser, report, start_logging
from lightpeer.errors import INTERRUPTED, StateError, UsageError
from lightpeer.version import VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterator, Sequence

    import trio

    from lightpeer.config import Settings
    from lightpeer.core.addresses import Endpoint
    from lightpeer.serve.operator.settings import ServeSettings

MAX_SIGNALS = 64  # of one kind that may wait
SWITCH_S = 0.0005  # a computing thread lets the event loop run after it; Python's default is 5 ms
PRUNE = "prune"  # in place of a folder; one of that name is given as ./prune


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Run one command line (without the program's name); return its exit status."""
    output = Output("lightpeer-serve", json="--json" in argv)
    debug = False
    try:
        arguments = _parser().parse_args(argv)
        debug = arguments.verbose > 1
        output.quiet = arguments.quiet
        start_logging(output.program, arguments.verbose)
        if arguments.withdraw:
            return _withdraw(arguments, output)
        if arguments.music_dirs[:1] == [PRUNE]:
            return _prune(arguments, output)
        return _serve(_settings(arguments), output)
    except BaseException as error:  # noqa: BLE001 - this is where every error ends
        return report(error, output, debug=debug)


def _serve(settings: ServeSettings, output: Output) -> int:
    import trio

    from lightpeer.net.system import SystemNetwork
    from lightpeer.serve.importing.progress import ProgressLine
    from lightpeer.serve.library.descriptors import raise_descriptor_limit
    from lightpeer.serve.operator.printing import Printer
    from lightpeer.serve.operator.settings import Operator
    from lightpeer.serve.server import serve

    sys.setswitchinterval(SWITCH_S)
    raise_descriptor_limit()

    async def until_signal() -> int:
        stop = trio.Event()
        caught: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch_signals, caught, stop, nursery.cancel_scope)
            has_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _sees_terminal()

            def end_with_terminal() -> None:
                if has_terminal and not _sees_terminal():
                    stop.set()

            with _signals("SIGUSR1") as toggles, _signals("SIGHUP", end_with_terminal) as hangups:
                operator = Operator(
                    tell=Printer(output), progress=ProgressLine(), toggles=toggles, hangups=hangups
                )
                await serve(settings, SystemNetwork(), stop, operator)
            nursery.cancel_scope.cancel()
        return INTERRUPTED if signal.SIGINT in caught else 0

    return trio.run(until_signal)


def _sees_terminal() -> bool:
    """Return whether this process has a terminal; one that was closed is none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextmanager
def _signals(
    name: str, on_signal: Callable[[], object] = lambda: None
) -> Iterator[AsyncIterable[object] | None]:
    """Give the signals of a name, where the system has them; call a function with each.

    Every signal counts. trio's receiver coalesces signals, so two quick toggles would become one.
    """
    import trio

    number = getattr(signal, name, None)
    if number is None:
        yield None
        return
    token = trio.lowlevel.current_trio_token()
    send, receive = trio.open_memory_channel[None](MAX_SIGNALS)

    def note() -> None:
        on_signal()
        with suppress(trio.WouldBlock):
            send.send_nowait(None)

    before = signal.signal(number, lambda *_: token.run_sync_soon(note))
    try:
        yield receive
    finally:
        signal.signal(number, before)


async def _watch_signals(caught: list[int], stop: trio.Event, scope: trio.CancelScope) -> None:
    """Drain at the first signal; cancel everything at the second."""
    import trio

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            caught.append(number)
            if len(caught) > 1:
                scope.cancel()
            stop.set()


def _withdraw(arguments: argparse.Namespace, output: Output) -> int:
    """Withdraw tracks for good; a server that runs is told by the file."""
    from lightpeer.core.content.uri import format_uri
    from lightpeer.serve.access.lists import withdraw

    _, state_dir = _common(arguments)
    new = withdraw(state_dir, arguments.withdraw)
    for track_id in dict.fromkeys(arguments.withdraw):
        uri = format_uri(track_id)
        what = "withdrawn for good" if track_id in new else "was withdrawn before"
        text = f"{what}: {uri} is not served, found, imported or mirrored here any more"
        output.result("withdrawn", text, uri=uri, is_new=track_id in new)
    return 0


def _prune(arguments: argparse.Namespace, output: Output) -> int:
    """Remove the tracks of files that are not to be seen now, for which a server waits."""
    from lightpeer.serve.library.library import Library, has_library
    from lightpeer.serve.library.removal import prune

    _, state_dir = _common(arguments)
    if not has_library(state_dir):
        raise StateError(state_dir, f"no server has kept anything in {state_dir}: give its own --state")
    library = Library(state_dir, Path())
    try:
        below = [os.fsencode(os.path.abspath(folder)) for folder in arguments.music_dirs[1:]]  # noqa: PTH100
        gone = prune(library, below)
        tracks = library.count_tracks()
    finally:
        library.close()
    for path in map(os.fsdecode, gone):
        output.remark("pruned", f"removed: {path}", path=path)
    what = "1 file" if len(gone) == 1 else f"{len(gone)} files"
    counts = f"removed {what}; tracks that are left: {tracks}"
    output.result("prune", counts, removed=len(gone), tracks=tracks)
    return 0


def _common(arguments: argparse.Namespace) -> tuple[Settings, Path]:
    """Return the settings shared with the client, and the server's state directory."""
    from lightpeer.config import load_settings
    from lightpeer.state.files import SERVE_FOLDER

    common = load_settings(
        config_path=Path(arguments.config) if arguments.config else None,
        environ=os.environ,
        overrides={"state_dir": arguments.state_dir, "bootstrap": arguments.bootstrap},
    )
    return common, common.state_dir if arguments.state_dir else common.state_dir / SERVE_FOLDER


def _settings(arguments: argparse.Namespace) -> ServeSettings:
    from lightpeer.serve.operator.settings import DEFAULT_LADDER_KBPS, DEFAULT_LISTEN, PERIOD_S, ServeSettings

    if not arguments.music_dirs:
        raise UsageError("give the folder with your music (see lightpeer-serve --help)")
    common, state_dir = _common(arguments)
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
        ladder_kbps=arguments.ladder or DEFAULT_LADDER_KBPS,
        max_upload_bytes_per_s=None if arguments.max_upload is None else arguments.max_upload * 125,
    )


_DIR_HELP = "a folder with music; `prune [DIR ...]`: remove the tracks of files that are not there now"


def _parser() -> Parser:
    parser = Parser(
        prog="lightpeer-serve",
        description="Serve folders of music to the loudp2p network.",
        epilog="SIGUSR1: cease to serve, or begin again. SIGHUP: read the lists and the folders again. "
        "Exit status: 0 stopped, 1 failed, 2 usage, 6 a missing library, 130 interrupted",
        allow_abbrev=False,
    )
    parser.add_argument("music_dirs", nargs="*", metavar="DIR", help=_DIR_HELP)
    _add_network(parser)
    _add_music(parser)
    _add_listeners(parser)
    _add_common(parser)
    return parser


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

    if is_uri(text):
        parse_uri(text)  # raises for anything but a track id
    return text


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


def _ladder(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(item) for item in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not bitrates in kbit/s, such as 24,48,96") from error


if __name__ == "__main__":
    main()
