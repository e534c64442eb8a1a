"""The `lightpeer` command: turns arguments into settings, and errors into sentences and exit statuses.

Nothing heavy is imported here. Each command imports what it needs of trio, the client and sound, and a wrong
argument is reported before that.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightpeer.cli import options
from lightpeer.console.output import Output
from lightpeer.console.report import Parser, parsed, report, start_logging
from lightpeer.errors import INTERRUPTED, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lightpeer.config import Settings

_STATUSES = (
    "exit status: 0 done, 1 failed, 2 usage, 3 no peer reachable or given up, 4 nothing found, "
    "or one of several not, 5 stream failed or did not verify, 6 no audio output or a missing library, "
    "7 a cap of the data budget is reached, 130 interrupted"
)
_SETTINGS = (
    *("state_dir", "bootstrap", "output", "bitrate_kbps", "transport", "volume_db", "normalize"),
    *("cache_bytes", "first_contact_wait_s", "give_up_s", "profile", "lan"),
)
"""The settings that have a flag, by the name that the parser uses too."""


def run(argv: Sequence[str]) -> int:
    """Run one command line (without the program's name); return its exit status."""
    output = Output(json="--json" in argv)
    debug = False
    try:
        with _prompt_interrupts():
            try:
                arguments = _parse(argv)
            except options.ListAskedError:
                from lightpeer.cli.outputs import list_outputs

                return list_outputs(output)
            if arguments.command is None:
                _parser().print_help()
                return 0
            debug = arguments.verbose > 1
            output.quiet = arguments.quiet
            start_logging(output.program, arguments.verbose)
            return _dispatch(arguments, output)
    except BaseException as error:  # noqa: BLE001 - this is where every error ends
        return report(error, output, debug=debug)


def _dispatch(arguments: argparse.Namespace, output: Output) -> int:
    def settings() -> Settings:
        return _load_settings(arguments)

    match arguments.command:
        case "id":
            return _show_id(settings(), output, is_server=arguments.server)
        case "join":
            from lightpeer.cli.join import join

            return join(settings(), output, arguments.invites, removes=arguments.remove)
        case "usage":
            from lightpeer.cli.usage import show_usage

            return show_usage(settings(), output)
        case "doctor":
            from lightpeer.cli.doctor import diagnose

            return diagnose(settings, output, arguments.config)
        case "demo":
            from lightpeer.cli.demo.run import demo

            return demo(output)
        case _:
            return _dispatch_run(arguments, settings(), output)


def _dispatch_run(arguments: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Run a command that has a module for its arguments."""
    match arguments.command:
        case "favourite" | "history":
            from lightpeer.cli import lists

            return lists.run(arguments, settings, output)
        case "search":
            from lightpeer.cli import search

            return search.run(arguments, settings, output)
        case "fetch":
            from lightpeer.cli import fetch

            return fetch.run(arguments, settings, output)
        case "speaker":
            from lightpeer.cli import speaker

            return speaker.run(arguments, settings, output)
        case "cache" | "pin":
            from lightpeer.cli import kept

            return kept.run(arguments, settings, output)
        case _:
            from lightpeer.cli import commands

            return commands.run(arguments, settings, output)


def _load_settings(arguments: argparse.Namespace) -> Settings:
    from lightpeer.config import load_settings

    return load_settings(
        config_path=Path(arguments.config) if arguments.config else None,
        environ=os.environ,
        overrides={name: getattr(arguments, name, None) for name in _SETTINGS},
    )


def _show_id(settings: Settings, output: Output, *, is_server: bool) -> int:
    from lightpeer.core.trust.identity import format_peer_id
    from lightpeer.state.files import load_or_create_identity

    served_from = _server_state(settings.state_dir)
    if is_server and served_from is None:
        raise UsageError(f"lightpeer-serve has made no key in {settings.state_dir} yet: start it once")
    state_dir = served_from if is_server and served_from else settings.state_dir
    peer_id = format_peer_id(load_or_create_identity(state_dir).peer_id)
    output.result("id", peer_id, peer_id=peer_id, role="server" if state_dir == served_from else "player")
    if served_from not in {None, state_dir} and not output.quiet and not output.json:
        output.warn("this is the id of the player; lightpeer-serve here has another (lightpeer id --server)")
    return 0


def _server_state(state_dir: Path) -> Path | None:
    """Return where lightpeer-serve keeps its key: its folder of a state directory, or one of its own."""
    from lightpeer.state.files import KEY_FILE, LIBRARY_LOCK, SERVE_FOLDER

    if (state_dir / LIBRARY_LOCK).exists() and (state_dir / KEY_FILE).exists():
        return state_dir
    return state_dir / SERVE_FOLDER if (state_dir / SERVE_FOLDER / KEY_FILE).exists() else None


@contextlib.contextmanager
def _prompt_interrupts() -> Iterator[None]:
    """Let Ctrl-C end the process at once while modules are imported and nothing needs cleaning up.

    A KeyboardInterrupt can get lost in a callback of the import machinery. `signals.run_async` restores the
    usual handler before it starts trio.
    """
    usual = threading.current_thread() is threading.main_thread()
    usual = usual and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Gather(argparse.Action):
    """Appends values given before and after the command; argparse's own `append` starts over after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathered: list[str] = []

    def __call__(
        self, _parser: object, namespace: argparse.Namespace, value: Any, _option: object = None
    ) -> None:
        self._gathered.append(value)
        setattr(namespace, self.dest, self._gathered)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    # Not `set_defaults`: the commands share these options, and would reset them to their defaults.
    unset = argparse.Namespace(config=None, json=False, quiet=False, verbose=0)
    return parsed(_parser(), argv, unset)


def _parser() -> Parser:
    common = _common_options()
    parser = Parser(
        prog="lightpeer",
        description="Search and play music from the loudp2p network.",
        epilog=_STATUSES,
        parents=[common],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, text: str) -> Parser:
        return commands.add_parser(
            name, help=text, description=text, epilog=_STATUSES, parents=[common], allow_abbrev=False
        )

    options.add_search(add("search", "find tracks by title, artist or album"))
    options.add_play(add("play", "play the best hit of a query, or several tracks one after the other"))
    options.add_fetch(
        add("fetch", "save tracks as Ogg Opus files, byte for byte as their publisher made them")
    )
    options.add_speaker(add("speaker", "play what remote controls for MPD ask for, without a screen"))
    options.add_cache(add("cache", "show what was heard and is kept, so that it costs nothing again"))
    options.add_pin(add("pin", "keep tracks to be heard later, without the network"))
    options.add_favourite(add("favourite", "list your favourites, or add to them"))
    options.add_list(add("history", "list what was played, the latest first"), "what was played")
    add("peers", "ask for peers, and list those known")
    _add_join(add("join", "join a network by an invite, and keep it; without one, list those joined"))
    own_id = add("id", "print the id of this player, for a server's operator")
    own_id.add_argument("--server", action="store_true", help="the id of lightpeer-serve on this machine")
    add("usage", "show the data used by day, and what is left of the caps")
    add("doctor", "check what playing needs, and say how to get what is missing")
    add("demo", "run a small network on this machine and play a track from it")
    return parser


def _add_join(join: Parser) -> None:
    join.add_argument("invites", nargs="*", metavar="INVITE", help="loudp2p:L…@HOST:PORT, or [ID@]HOST:PORT")
    join.add_argument("--remove", action="store_true", help="forget these again, given by invite or id")


def _common_options() -> Parser:
    """Return the options that may stand before and after the command."""
    unset = argparse.SUPPRESS  # a command must not reset an option that stands before it
    common = Parser(add_help=False, argument_default=unset)
    place = "INVITE|[ID@]HOST:PORT"
    common.add_argument("--bootstrap", action=_Gather, metavar=place, help="a first peer (repeats)")
    common.add_argument(
        "--no-lan", dest="lan", action="store_false", help="do not look for peers on the local network"
    )
    common.add_argument("--state", dest="state_dir", metavar="DIR", help="the directory of key and peers")
    common.add_argument("--profile", metavar="NAME", help="thrifty, normal, unmetered, your own, or auto")
    common.add_argument("--config", metavar="FILE", help="the configuration file")
    common.add_argument("--json", action="store_true", help="print one JSON object a line")
    common.add_argument("-q", "--quiet", action="store_true", help="print results and errors only")
    common.add_argument("-v", "--verbose", action="count", help="say more; -vv: debugging, tracebacks")
    return common


def _version() -> str:
    from lightpeer.version import VERSION

    return f"lightpeer {VERSION}"
