"""The terminal while music plays: one live line, and keys.

`status_line.py` has the line's text, and `keys.py` the keys. `Terminal` is the thin rest: it puts the
terminal into cbreak mode, restores it whatever happens (an error, a signal, Ctrl-Z), redraws twice a second
while the status changes, and otherwise sleeps.

In the background a job leaves the terminal alone. A shell takes it there with a signal, but not back if it
runs: so it looks now and then whether it is in the foreground again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Self, TextIO

import trio

from lightpeer.cli.keys import ACTIONS, HELP, Key, KeyParser
from lightpeer.cli.status_line import status_line
from lightpeer.console.encoding import accept_any_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lightpeer.cli.keys import Controls

REDRAW_S = 0.5
FOREGROUND_S = 0.5  # between two looks from the background
FALLBACK_COLUMNS = 80
_READ_BYTES = 64  # more keys than a person presses at once
_CLEAR_TO_END = "\x1b[K"


def is_live(stream: TextIO) -> bool:
    """Return whether a line of a stream can be rewritten in place."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def has_keys(stdin: TextIO | None) -> bool:
    """Return whether keys can be read: from a terminal."""
    return stdin is not None and not stdin.closed and stdin.isatty()


def _in_foreground(stream: TextIO) -> bool:
    """Return whether we are in the foreground; the kernel stops a background job that uses the terminal."""
    with contextlib.suppress(OSError):
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    return True  # not our controlling terminal


class LiveLine:
    """One line that is rewritten in place. Other output goes above it."""

    def __init__(self, stream: TextIO) -> None:
        accept_any_text(stream)
        self._stream = stream
        self._shown = ""

    @property
    def is_visible(self) -> bool:
        """Whether it can be shown: in the foreground."""
        return _in_foreground(self._stream)

    def show(self, line: str) -> None:
        """Show a line, if it differs from the one shown and we are in the foreground."""
        if line != self._shown and self.is_visible:
            self._write(f"\r{line}{_CLEAR_TO_END}")
            self._shown = line

    def clear(self) -> None:
        """Remove the line, before other output is printed."""
        if self._shown:
            self._write(f"\r{_CLEAR_TO_END}")
            self._shown = ""

    def leave(self) -> None:
        """End the line, and leave it on the screen."""
        if self._shown:
            self._write("\n")
            self._shown = ""

    def columns(self) -> int:
        """Return the usable columns: one fewer than the terminal has, since some terminals wrap early."""
        with contextlib.suppress(OSError, ValueError):
            return (os.get_terminal_size(self._stream.fileno()).columns or FALLBACK_COLUMNS) - 1
        return FALLBACK_COLUMNS - 1

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Cbreak:
    """The mode in which keys arrive at once and are not echoed; Ctrl-C and Ctrl-Z still work.

    In the background both `enter` and `leave` do nothing: the terminal is the shell's then.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._descriptor = stream.fileno()
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def enter(self) -> None:
        """Enter the mode."""
        import termios

        if not _in_foreground(self._stream):
            return
        self._before = termios.tcgetattr(self._descriptor)
        mode = termios.tcgetattr(self._descriptor)
        mode[3] &= ~(termios.ECHO | termios.ICANON)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)

    def leave(self) -> None:
        """Restore the terminal."""
        import termios

        if self._before is not None and _in_foreground(self._stream):
            with contextlib.suppress(termios.error):  # the terminal has gone
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._before = None


class Terminal:
    """The live line and the keys of one player; `run` until cancelled."""

    def __init__(
        self,
        player: Controls,
        *,
        line: LiveLine | None,
        keys_from: TextIO | None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Serve a terminal.

        Args:
            player: the player to show and control.
            line: shows its status; None: no line.
            keys_from: the terminal that keys are read from; None: no keys.
            say: prints a line above the live one.
        """
        self._player = player
        self._say = say
        self.line = line
        self._stdin = keys_from
        self._moved = trio.Event()
        self._continued = trio.lowlevel.ParkingLot()
        self._left = trio.lowlevel.ParkingLot()  # the foreground

    def changed(self) -> None:
        """Redraw soon, as the status has changed."""
        self._moved.set()

    async def run(self) -> None:
        """Redraw and obey keys until cancelled, then restore the terminal."""
        with contextlib.ExitStack() as stack:
            async with trio.open_nursery() as nursery:
                if self.line:
                    stack.callback(self.line.leave)
                    nursery.start_soon(self._redraw, self.line)
                if self._stdin:
                    signals = stack.enter_context(trio.open_signal_receiver(signal.SIGTSTP, signal.SIGCONT))
                    cbreak = stack.enter_context(Cbreak(self._stdin))
                    nursery.start_soon(self._obey_keys, self._stdin)
                    nursery.start_soon(self._obey_job_control, self._stdin, cbreak, signals)
                    nursery.start_soon(self._come_back, self._stdin, cbreak)
                await trio.sleep_forever()

    async def _redraw(self, line: LiveLine) -> None:
        while True:
            self._moved = trio.Event()
            status = self._player.status
            line.show(status_line(status, line.columns()))
            still = status.state in {"paused", "stopped"}
            with trio.move_on_after(float("inf") if still else REDRAW_S):
                await self._moved.wait()

    async def _obey_keys(self, stdin: TextIO) -> None:
        parser = KeyParser()
        while True:
            await trio.lowlevel.wait_readable(stdin.fileno())
            if not _in_foreground(stdin):
                await self._continued.park()
                continue
            try:
                data = os.read(stdin.fileno(), _READ_BYTES)
            except OSError:
                data = b""
            if not data:
                return  # the terminal is gone; the music goes on
            for key in parser.feed(data):
                self._obey(key)
            self.changed()

    def _obey(self, key: Key) -> None:
        if key is not Key.HELP:
            ACTIONS[key](self._player)
            return
        if self.line:
            self.line.clear()
        for line in HELP:
            self._say(line)

    async def _obey_job_control(self, stdin: TextIO, cbreak: Cbreak, signals: AsyncIterator[int]) -> None:
        """Restore the terminal while Ctrl-Z suspends us."""
        async for number in signals:
            if number == signal.SIGTSTP:
                cbreak.leave()
                if self.line:
                    self.line.leave()
                os.kill(os.getpid(), signal.SIGSTOP)
            elif _in_foreground(stdin):
                cbreak.leave()
                self._take(cbreak)
            else:
                self._left.unpark_all()

    async def _come_back(self, stdin: TextIO, cbreak: Cbreak) -> None:
        """Take the terminal once we are in the foreground, where we were not."""
        while True:
            if not _in_foreground(stdin):
                while not _in_foreground(stdin):  # noqa: ASYNC110 - nobody tells
                    await trio.sleep(FOREGROUND_S)
                self._take(cbreak)
            await self._left.park()

    def _take(self, cbreak: Cbreak) -> None:
        cbreak.enter()
        self._continued.unpark_all()
        self.changed()
