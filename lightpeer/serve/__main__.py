"""The `lightpeer-serve` command: what its line asks for, signals to a clean end, errors to a sentence.

`operator/arguments.py` reads the line.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lightpeer.console.output import Output
from lightpeer.console.report import parsed, report, start_logging
from lightpeer.errors import INTERRUPTED, StateError
from lightpeer.serve.operator.arguments import common_settings, parser, serve_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterable, Callable, Iterator, Sequence

    import trio

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
        arguments = parsed(parser(), argv)
        debug = arguments.verbose > 1
        output.quiet = arguments.quiet
        start_logging(output.program, arguments.verbose)
        if arguments.withdraw:
            return _withdraw(arguments, output)
        if arguments.music_dirs[:1] == [PRUNE]:
            return _prune(arguments, output)
        return _serve(serve_settings(arguments), output)
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
                progress = ProgressLine()
                operator = Operator(
                    tell=Printer(output, progress.above), progress=progress, toggles=toggles, hangups=hangups
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

    _, state_dir = common_settings(arguments)
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
    from lightpeer.serve.library.paths import absolute
    from lightpeer.serve.library.removal import prune

    _, state_dir = common_settings(arguments)
    if not has_library(state_dir):
        raise StateError(state_dir, f"no server has kept anything in {state_dir}: give its own --state")
    library = Library(state_dir, Path())
    try:
        below = [os.fsencode(absolute(folder)) for folder in arguments.music_dirs[1:]]
        gone = prune(library, below)
        tracks = library.imported.count_tracks()
    finally:
        library.close()
    for path in map(os.fsdecode, gone):
        output.remark("pruned", f"removed: {path}", path=path)
    what = "1 file" if len(gone) == 1 else f"{len(gone)} files"
    counts = f"removed {what}; tracks that are left: {tracks}"
    output.result("prune", counts, removed=len(gone), tracks=tracks)
    return 0


if __name__ == "__main__":
    main()
