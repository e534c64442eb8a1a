"""Shared by the commands: errors as one sentence, exit statuses, and an optional log.

Every exception ends in `report`, so that a person sees one sentence, and a traceback only with -vv.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Any, Final, NoReturn

from lightpeer.console.text import fold
from lightpeer.errors import INTERRUPTED, LightpeerError, UsageError, leaves_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lightpeer.console.output import Output

WORDS: Final = ("query", "items", "invites", "music_dirs")  # the arguments of which there may be several


class _Formatter(argparse.HelpFormatter):
    """Help whose usage fits any terminal: the options are listed below, and not twice."""

    def _format_usage(
        self,
        _usage: str | None,
        actions: Iterable[argparse.Action],
        _groups: object,
        prefix: str | None,
    ) -> str:
        given = list(actions)
        names = [action for action in given if not action.option_strings]
        shown = [self._format_args(each, self._get_default_metavar_for_positional(each)) for each in names]
        options = ["[options]"] if len(names) < len(given) else []
        text = " ".join([self._prog, *options, *shown])
        if prefix == "":  # the beginning of a command's usage is asked for
            return text
        return "\n".join(fold(f"usage: {text}", self._width, len("usage: "))) + "\n\n"


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError for a mistake, so that it is reported like any error."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with the arguments of `argparse.ArgumentParser`."""
        kwargs.setdefault("formatter_class", _Formatter)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError for a mistake in the arguments."""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Say what an option that does not exist may have been meant to be."""
        known, unknown = super().parse_known_args(args, namespace)
        for argument in unknown:
            name = argument.partition("=")[0].removeprefix("--")
            names = [option[2:] for option in self._option_string_actions if option.startswith("--")]
            if argument.startswith("--") and (meant := _nearest(name, names)):
                self.error(f"there is no option --{name}: did you mean --{meant}?")
        return known, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Say what a command that does not exist may have been meant to be."""
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        meant = _nearest(str(value), names)
        what = f"did you mean {meant}?" if meant else f"there are {', '.join(names)}"
        self.error(f"there is no command {value!r}: {what}")


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """Return what a mistyped name was probably meant to be, None if it is like no other."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, names, 1, cutoff=0.7)), None)


def parsed(
    parser: Parser, argv: Sequence[str], namespace: argparse.Namespace | None = None
) -> argparse.Namespace:
    """Return the arguments of a command line, whose words may stand before and after its options.

    argparse takes those on one side of an option, and leaves the others over.

    Args:
        parser: the command's.
        argv: the command line.
        namespace: what is set already, if anything.

    Raises:
        UsageError: there is a mistake in them.
    """
    arguments: argparse.Namespace
    arguments, rest = parser.parse_known_args(argv, namespace)
    words = next(filter(None, (getattr(arguments, name, None) for name in WORDS)), None)
    if words is not None and not any(text.startswith("-") for text in rest):
        words += rest
    elif rest:
        command = " ".join(filter(None, (parser.prog, getattr(arguments, "command", None))))
        raise UsageError(f"unrecognized arguments: {' '.join(rest)} (see {command} --help)")
    return arguments


def start_logging(program: str, verbose: int) -> None:
    """Log to stderr under a program's name: warnings, with -v progress too, with -vv everything."""
    import logging

    from lightpeer.console.text import clean, clean_lines

    class CleanFormatter(logging.Formatter):
        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
            return clean(super().formatMessage(record))

        def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
            return clean_lines(super().formatException(ei))

    handler = logging.StreamHandler()
    pattern = "%(relativeCreated)d ms %(name)s: %(message)s" if verbose else f"{program}: %(message)s"
    handler.setFormatter(CleanFormatter(pattern))
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, handlers=[handler])


def report(error: BaseException, output: Output, *, debug: bool) -> int:
    """Report an error in one sentence; return the exit status.

    Args:
        error: the error.
        output: prints it.
        debug: whether to print the traceback too.
    """
    cause = first_cause(error)
    if isinstance(cause, SystemExit):  # --help and --version
        return int(cause.code or 0)
    if isinstance(cause, KeyboardInterrupt):
        return INTERRUPTED
    if debug:
        import sys
        import traceback

        from lightpeer.console.output import NOWHERE
        from lightpeer.console.text import clean_lines

        text = clean_lines("".join(traceback.format_exception(error)))
        print(text, file=sys.stderr or NOWHERE, end="")
    if output.closed:  # by its reader, which has read enough
        return 0
    status, sentence = 1, str(cause)
    if isinstance(cause, LightpeerError):
        status = cause.exit_status
    else:
        what = f"{type(cause).__name__}: {cause}".rstrip(": ")
        sentence = f"internal error ({what}); run again with -vv for the traceback"
    with contextlib.suppress(OSError):  # stderr may be as closed as stdout
        output.error(sentence, status)
    return status


def first_cause(error: BaseException) -> BaseException:
    """Return the cause behind a nursery's exception group: the interrupt, or an error of ours, if any."""
    leaves = list(leaves_of(error))
    for kind in (KeyboardInterrupt, LightpeerError, BaseException):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return error
