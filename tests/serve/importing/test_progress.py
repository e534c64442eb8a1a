"""How far an import is, on a terminal and elsewhere."""

from __future__ import annotations

import io
import os
import shutil

import pytest

from lightpeer.serve.importing.progress import ProgressLine, pace_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_progress_line(monkeypatch):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((40, 24)))
    stream = Terminal()
    line = ProgressLine(stream)
    line(5, 10, "An\x1b artist - A title that is long")
    assert stream.getvalue() == "\r\x1b[K[##########          ] 6/10  An? artist"[: 4 + 38] + "\u2026"
    line(6, 10, "\u65e5" * 30)
    assert stream.getvalue().endswith("7/10  " + "\u65e5" * 4 + "\u2026"), "two columns each"
    line(10, 10, "")
    assert stream.getvalue().endswith("\r\x1b[K")
    line.close()


def test_what_is_printed_meanwhile_has_a_line_to_itself():
    stream = Terminal()
    line = ProgressLine(stream)
    with line.above():
        stream.write("listening\n")
    line(0, 2, "One")
    with line.above():
        stream.write("ready\n")
    line(2, 2, "")
    with line.above():
        stream.write("done\n")
    bar = f"\r\x1b[K[{' ' * 20}] 1/2  One"
    assert stream.getvalue() == f"listening\n{bar}\r\x1b[Kready\n{bar}\r\x1b[Kdone\n"


def test_the_line_is_there_again_after_an_output_that_failed():
    stream = Terminal()
    line = ProgressLine(stream)
    line(0, 2, "One")
    with pytest.raises(BrokenPipeError), line.above():
        raise BrokenPipeError
    assert stream.getvalue().endswith("1/2  One")
    line.close()


def test_without_a_terminal_it_is_a_line_each_minute():
    pipe, now = io.StringIO(), [100.0]
    line = ProgressLine(pipe, lambda: now[0])
    for done, at in ((0, 100.0), (10, 130.0), (20, 160.0), (30, 190.0), (40, 220.0)):
        now[0] = at
        line(done, 100, "x")
    line(100, 100, "")
    assert pipe.getvalue() == (
        "imported 20 of 100 files  20/min, 4 min left\nimported 40 of 100 files  20/min, 3 min left\n"
    )


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "pace"),
    [
        (0, 10, 60.0, ""),
        (5, 10, 4.0, ""),
        (5, 10, 10.0, "30/min, less than a minute left  "),
        (10, 1210, 60.0, "10/min, 2 h 0 min left  "),
    ],
)
def test_the_rate_is_told_once_it_is_known(done, total, elapsed_s, pace):
    assert pace_of(done, total, elapsed_s) == pace
