"""The commands' output: plain text for people, or one JSON object a line for programs.

Results go to stdout, diagnostics to stderr. Text for people is cleaned as it is printed (`text.py`), and
written in whatever encoding the stream has (`encoding.py`). JSON keeps the original text, with all but ASCII
escaped.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Final, TextIO

from lightpeer.console.encoding import accept_any_text
from lightpeer.console.text import clean, fold, truncate
from lightpeer.errors import StateError

STDOUT_FILENO = 1
FALLBACK_COLUMNS = 80


class _Nowhere(io.StringIO):
    """Takes text and keeps none of it."""

    def write(self, text: str, /) -> int:
        """Return its length."""
        return len(text)


NOWHERE: Final[TextIO] = _Nowhere()
"""In place of a stream that was closed from the start, as by a shell's `2>&-`."""


class Output:
    """Prints a command's results and remarks.

    Attributes:
        closed: whether the reader of our results has gone (`| head`), which is not an error.
    """

    def __init__(
        self,
        program: str = "lightpeer",
        *,
        json: bool = False,
        quiet: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        """Print nothing yet.

        Args:
            program: the name that diagnostics begin with.
            json: print JSON lines rather than text.
            quiet: leave out remarks.
            stream: where to print; None: stdout.
        """
        self.program = program
        self.json = json
        self.quiet = quiet
        self.stream = stream or sys.stdout or NOWHERE
        self.closed = False
        for written in (self.stream, sys.stderr):
            accept_any_text(written)

    @property
    def columns(self) -> int | None:
        """The columns that a line of text may take; None where it is not for a terminal.

        One fewer than the terminal has, since some wrap early.
        """
        try:
            if self.json or not self.stream.isatty():
                return None
            return (os.get_terminal_size(self.stream.fileno()).columns or FALLBACK_COLUMNS) - 1
        except (OSError, ValueError):
            return None

    def fit(self, text: str) -> str:
        """Return a line cut to the terminal's width; whole where it is not for a terminal."""
        columns = self.columns
        return text if columns is None else truncate(clean(text), columns)

    def result(self, event: str, text: str, **data: object) -> None:
        """Print a result: in JSON its data under an event name, else its text."""
        self._print(self._encode(event, data) if self.json else clean(text))

    def prose(self, event: str, text: str, *, indent: int = 0, **data: object) -> None:
        """Print a result that is worth reading to its end: on a terminal in several lines if need be.

        Args:
            event: its name in JSON.
            text: for people.
            indent: spaces before all lines but the first.
            data: its fields in JSON.
        """
        columns = self.columns
        for line in [text] if columns is None else fold(clean(text), columns, indent):
            self.result(event, line, **data)

    def lines(self, text: str) -> None:
        """Print each line of a text as a result."""
        for line in text.splitlines():
            self.result("line", line)

    def remark(self, event: str, text: str, **data: object) -> None:
        """Print progress: like prose, but not in quiet text."""
        if self.json or not self.quiet:
            self.prose(event, text, indent=0, **data)

    def error(self, text: str, exit_status: int) -> None:
        """Print the sentence that the command fails with."""
        self.warn(text)
        if self.json:
            self.result("error", text, message=text, exit_status=exit_status)

    def notify(self, text: str) -> None:
        """Print a sentence on stderr, and in JSON an event too."""
        self.warn(text)
        if self.json:
            self.result("warning", text, message=text)

    def warn(self, text: str) -> None:
        """Print a sentence on stderr."""
        # Without a file, print would take stdout, where samples or JSON may go.
        print(f"{self.program}: {clean(text)}", file=sys.stderr or NOWHERE, flush=True)

    def _print(self, line: str) -> None:
        try:
            print(line, file=self.stream, flush=True)
        except OSError as error:
            # Python flushes stdout once more at exit, and would complain again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT_FILENO)
            self.closed = isinstance(error, BrokenPipeError)
            if self.closed:
                raise
            text = f"cannot write to standard output ({error.strerror}): send it elsewhere"
            raise StateError("stdout", text) from error

    @staticmethod
    def _encode(event: str, data: dict[str, object]) -> str:
        import json

        return json.dumps({"event": event, **data})
