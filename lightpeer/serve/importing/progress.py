"""How far an import is: a bar on a terminal, elsewhere a line each minute.

The import draws in a thread of its own, while the server prints in another: what is printed `above` the bar
has a line to itself.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from lightpeer.console.text import clean, truncate

_CELLS: Final = 20
_LINE_S: Final = 60.0  # between lines where there is no terminal
_RATE_AFTER_S: Final = 5.0  # before that a rate is a guess


class ProgressLine:
    """A bar such as `[####    ] 12/340  3.1/min, 1 h 40 min left  Artist - Title`."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw on `stream`, standard error by default, by a clock in seconds."""
        self._stream = stream or sys.stderr
        self._clock = clock
        self._drawing = threading.Lock()
        self._drawn = ""  # what is on the terminal now
        self._begun_s: float | None = None
        self._line_s = 0.0

    def __call__(self, done: int, total: int, name: str) -> None:
        """Draw the line anew; wipe it once all is done."""
        if done >= total:
            self.close()
            return
        now = self._clock()
        if self._begun_s is None:
            self._begun_s = self._line_s = now
        pace = pace_of(done, total, now - self._begun_s)
        if self._stream.isatty():
            self._draw(f"[{('#' * (_CELLS * done // total)).ljust(_CELLS)}] {done + 1}/{total}  {pace}", name)
        elif now - self._line_s >= _LINE_S:
            self._line_s = now
            self._stream.write(f"imported {done} of {total} files  {pace}".rstrip() + "\n")
            self._stream.flush()

    @contextmanager
    def above(self) -> Iterator[None]:
        """Wipe the line for a block that prints others, and draw it again below them."""
        with self._drawing:
            drawn = self._drawn
            self._put("")
            try:
                yield
            finally:
                self._put(drawn)

    def close(self) -> None:
        """Wipe the line; the next begins anew."""
        self._begun_s = None
        with self._drawing:
            self._put("")

    def _draw(self, line: str, name: str) -> None:
        columns = shutil.get_terminal_size().columns - 1
        with self._drawing:
            self._put(truncate(line + clean(name, instead="?"), columns))

    def _put(self, line: str) -> None:
        """Have the terminal show a line in place of the one that it shows."""
        if line or self._drawn:
            self._stream.write(f"\r\x1b[K{line}")
            self._stream.flush()
        self._drawn = line


def pace_of(done: int, total: int, elapsed_s: float) -> str:
    """Return the rate and the time left, or "" while they are not known.

    Args:
        done: how many files are imported.
        total: how many there are to import.
        elapsed_s: seconds since the first began.
    """
    if not done or elapsed_s < _RATE_AFTER_S:
        return ""
    return f"{60 * done / elapsed_s:.3g}/min, {_rough((total - done) * elapsed_s / done)} left  "


def _rough(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
