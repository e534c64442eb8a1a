"""The live line as a function, the keys as a state machine, and both on a real pseudo-terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pty
import signal
import sys
import termios

import pytest
import trio

from lightpeer.cli.keys import HELP, Key
from lightpeer.cli.terminal import Cbreak, LiveLine, Terminal, has_keys, is_live
from lightpeer.console.text import width
from lightpeer.playback.status import Status

STATUS = Status(
    state="playing",
    title="Copper Rain",
    artist="lightpeer",
    position_s=62.4,
    duration_s=185.0,
    buffer_s=24.3,
    bitrate_kbps=48,
    sources=2,
    transport="udp",
)


class FakePlayer:
    def __init__(self, on_call=lambda: None):
        self.status = STATUS
        self.calls = []
        self.on_call = on_call

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, *arguments))
            self.on_call()

        return call


# The terminal itself.


@contextlib.contextmanager
def pseudo_terminal():
    master, slave = pty.openpty()
    raw = io.FileIO(slave, "r+")
    with io.TextIOWrapper(raw, "utf-8", write_through=True) as stream:
        try:
            yield master, stream
        finally:
            os.close(master)


def read_until(master, wanted):
    data = b""
    while wanted not in data:
        data += os.read(master, 4096)
    return data


def test_what_counts_as_a_terminal(monkeypatch):
    with pseudo_terminal() as (_, stream):
        monkeypatch.setenv("TERM", "xterm")
        assert is_live(stream)
        assert has_keys(stream)
        monkeypatch.setenv("TERM", "dumb")
        assert not is_live(stream)
    assert not is_live(io.StringIO())
    assert not has_keys(io.StringIO())
    assert not has_keys(None)
    assert not has_keys(stream)  # closed by now


def test_a_background_job_leaves_the_terminal_alone(monkeypatch):
    with pseudo_terminal() as (master, stream):
        monkeypatch.setenv("TERM", "xterm")
        before = termios.tcgetattr(stream.fileno())
        monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
        line = LiveLine(stream)
        assert not line.is_visible
        line.show("x")
        with Cbreak(stream):
            assert termios.tcgetattr(stream.fileno()) == before
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)


def test_the_line_is_rewritten_in_place():
    with pseudo_terminal() as (master, stream):
        line = LiveLine(stream)
        line.clear()
        line.show("one")
        line.show("one")
        line.show("two")
        line.clear()
        line.show("three")
        line.leave()
        line.leave()
        shown = b"\rone\x1b[K\rtwo\x1b[K\r\x1b[K\rthree\x1b[K\r\n"
        assert read_until(master, b"\n") == shown


def test_the_line_uses_the_terminals_width_and_encoding():
    with pseudo_terminal() as (_, stream):
        termios.tcsetwinsize(stream.fileno(), (24, 33)) if sys.version_info >= (3, 12) else None
        columns = os.get_terminal_size(stream.fileno()).columns
        assert LiveLine(stream).columns() == (columns or 80) - 1
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "latin-1", write_through=True)
    line = LiveLine(stream)
    line.show("▶ é")
    assert buffer.getvalue() == b"\r> \xe9\x1b[K"
    assert line.columns() == 79


def test_cbreak_is_undone_whatever_happens():
    with pseudo_terminal() as (_, stream):
        before = termios.tcgetattr(stream.fileno())
        with contextlib.suppress(ZeroDivisionError), Cbreak(stream):
            mode = termios.tcgetattr(stream.fileno())[3]
            assert not mode & (termios.ICANON | termios.ECHO)
            assert mode & termios.ISIG
            raise ZeroDivisionError
        assert termios.tcgetattr(stream.fileno()) == before


def test_keys_arrive_and_the_line_follows_the_player():
    async def main(master, stream):
        obeyed = trio.Event()
        player = FakePlayer(on_call=obeyed.set)
        shown = Terminal(player, line=LiveLine(stream), keys_from=stream)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shown.run)
                await trio.to_thread.run_sync(read_until, master, b"1:02/3:05")
                player.status = dataclasses.replace(player.status, state="paused", position_s=63)
                os.write(master, b"\x1b[C")
                await obeyed.wait()
                await trio.to_thread.run_sync(read_until, master, b"1:03/3:05")
                nursery.cancel_scope.cancel()
        assert player.calls == [("seek_by", 10.0)]

    with pseudo_terminal() as (master, stream):
        before = termios.tcgetattr(stream.fileno())
        trio.run(main, master, stream)
        assert termios.tcgetattr(stream.fileno()) == before


def test_a_question_mark_shows_the_keys_above_the_line():
    async def main(master, stream):
        player = FakePlayer()
        shown = Terminal(
            player, line=LiveLine(stream), keys_from=stream, say=lambda line: print(line, file=stream)
        )
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shown.run)
                await trio.to_thread.run_sync(read_until, master, b"Copper Rain")
                os.write(master, b"?")
                said = await trio.to_thread.run_sync(read_until, master, b"Copper Rain")
                nursery.cancel_scope.cancel()
        assert said.startswith(b"\r\x1b[K" + HELP[0].encode())
        assert all(line.encode() in said for line in HELP)
        assert player.calls == []

    with pseudo_terminal() as (master, stream):
        trio.run(main, master, stream)
    assert all(width(line) < 20 for line in HELP)


def test_without_a_line_the_keys_are_shown_too():
    said = []
    shown = Terminal(FakePlayer(), line=None, keys_from=None, say=said.append)
    shown._obey(Key.HELP)
    assert said == list(HELP)


CHILD = """
import sys, trio, trio.testing
from tests.cli.test_terminal import FakePlayer
from lightpeer.cli.terminal import LiveLine, Terminal

async def main():
    async with trio.open_nursery() as nursery:
        player = FakePlayer(nursery.cancel_scope.cancel)
        nursery.start_soon(Terminal(player, line=LiveLine(sys.stdout), keys_from=sys.stdin).run)
        await trio.testing.wait_all_tasks_blocked()
        print("begun")

trio.run(main)
"""


def test_ctrl_z_gives_the_terminal_back():
    pid, master = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", CHILD])
    try:
        before = termios.tcgetattr(master)
        read_until(master, b"1:02/3:05")
        assert not termios.tcgetattr(master)[3] & termios.ICANON
        os.write(master, b"\x1a")
        _, status = os.waitpid(pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert termios.tcgetattr(master) == before
        read_until(master, b"\n")
        os.kill(pid, signal.SIGCONT)
        read_until(master, b"1:02/3:05")
        assert not termios.tcgetattr(master)[3] & termios.ICANON
        os.write(master, b"q")
        _, status = os.waitpid(pid, 0)
        assert (os.WIFEXITED(status), os.WEXITSTATUS(status)) == (True, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(master)


# As a shell does it: a job in its own group, first in the background, then in the foreground.
SHELL = """
import os, signal, sys
pid = os.fork()
if not pid:
    os.setpgid(0, 0)
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
os.read(int(sys.argv[2]), 1)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.tcsetpgrp(0, pid)
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_job_of_the_background_takes_the_terminal_when_it_is_brought_to_the_foreground():
    told, tell = os.pipe()
    os.set_inheritable(told, True)
    pid, master = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", SHELL, CHILD, str(told)])
    try:
        before = termios.tcgetattr(master)
        read_until(master, b"begun")
        assert termios.tcgetattr(master) == before, "the shell's"
        os.write(tell, b"x")
        read_until(master, b"1:02/3:05")
        os.write(master, b"q")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        for descriptor in (told, tell, master):
            os.close(descriptor)
