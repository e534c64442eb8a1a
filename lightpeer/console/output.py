"""What the commands print: plain text for people, or one JSON object a line for programs.

Results go to stdout, diagnostics to stderr. Titles, ids and reasons come from
strangers, and a terminal obeys escape sequences in what it shows: so every text
for people is cleaned here, at the last moment. JSON keeps the text as it came,
with everything but ASCII escaped.
"""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from typing import TextIO

from lightpeer.errors import StateError

_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that steer a terminal, reorder text (bidi overrides), or show nothing."""

STDOUT_FILENO = 1


def clean(text: str) -> str:
    """Return the text on one line, without anything that a terminal would obey."""
    return "".join(" " if unicodedata.category(c) in _UNSHOWN else c for c in text)


def width(text: str) -> int:
    """Return how many columns a cleaned text takes on a terminal (UAX #11)."""
    return sum(map(_char_width, text))


def truncate(text: str, columns: int) -> str:
    """Return the text, cut with an ellipsis if it takes more than so many columns."""
    if width(text) <= columns:
        return text
    used, kept = 1, []  # the ellipsis takes one
    for char in text:
        used += _char_width(char)
        if used > columns:
            break
        kept.append(char)
    return "".join(kept) + "…" if columns > 0 else ""


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def clock(seconds: float) -> str:
    """Return a duration as people write it: 3:05, or 1:02:03."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


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


def described(title: str, artist: str = "", album: str = "") -> str:
    """Return a track as people name it: `Title — Artist (Album)`."""
    text = f"{title} — {artist}" if artist else title
    return f"{text} ({album})" if album else text
