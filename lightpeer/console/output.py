"""What the commands print: plain text for people, or one JSON object a line for programs.

Results go to stdout, diagnostics to stderr. Every text for people is cleaned on its way out (`text.py`).
JSON keeps the text as it came, with everything but ASCII escaped.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from lightpeer.console.text import clean
from lightpeer.errors import StateError

STDOUT_FILENO = 1


class Output:
    """Where a command's results and remarks go.

    `closed` tells that whoever read our results has gone (`| head`), which is no error.
    """

    def __init__(
        self,
        program: str = "lightpeer",
        *,
        json: bool = False,
        quiet: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        """Print JSON lines or text, to `stream` or stdout; `quiet` leaves out what is not a result."""
        self.program = program
        self.json = json
        self.quiet = quiet
        self.stream = stream or sys.stdout or io.StringIO()  # stdout may be closed from the start
        self.closed = False

    def result(self, event: str, text: str, **data: object) -> None:
        """Print a result: its data in JSON with this event name, or its text."""
        self._print(self._encode(event, data) if self.json else clean(text))

    def remark(self, event: str, text: str, **data: object) -> None:
        """Print what is going on: as `result`, but not for people who want quiet."""
        if self.json or not self.quiet:
            self.result(event, text, **data)

    def error(self, text: str, exit_status: int) -> None:
        """Print the one sentence that the command fails with."""
        self.warn(text)
        if self.json:
            self.result("error", text, message=text, exit_status=exit_status)

    def notify(self, text: str) -> None:
        """Print one sentence on stderr, and for programs an event."""
        self.warn(text)
        if self.json:
            self.result("warning", text, message=text)

    def warn(self, text: str) -> None:
        """Print one sentence on stderr."""
        print(f"{self.program}: {clean(text)}", file=sys.stderr, flush=True)  # noqa: T201 - its purpose

    def _print(self, line: str) -> None:
        try:
            print(line, file=self.stream, flush=True)
        except OSError as error:
            # Python flushes stdout once more as it ends, and would complain then.
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
