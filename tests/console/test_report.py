"""What is told of errors steers no terminal, in a traceback neither."""

from __future__ import annotations

import logging

import pytest

from lightpeer.console.output import Output
from lightpeer.console.report import report, start_logging


def test_a_traceback_shows_a_strangers_text_cleaned(capsys):
    assert report(ValueError("a\x1b]0;owned\x07"), Output(), debug=True) == 1
    traceback, sentence = capsys.readouterr().err.splitlines()
    assert traceback == "ValueError: a ]0;owned "
    assert sentence.startswith("lightpeer: internal error")


def test_so_does_the_log(monkeypatch: pytest.MonkeyPatch):
    made: list[logging.Handler] = []
    monkeypatch.setattr(logging, "basicConfig", lambda *, level, handlers: made.extend(handlers))
    start_logging("lightpeer", 0)
    error = (ValueError, ValueError("b\x1bc"), None)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "of %s", ("a\nb",), error)
    first, *_, last = made[0].format(record).split("\n")
    assert (first, last) == ("lightpeer: of a b", "ValueError: b c")
