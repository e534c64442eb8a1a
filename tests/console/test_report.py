"""What is told of errors steers no terminal, in a traceback neither."""

from __future__ import annotations

import logging

import pytest

from lightpeer.console.output import Output
from lightpeer.console.report import Parser, report, start_logging
from lightpeer.console.text import width
from lightpeer.errors import UsageError


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


# Arguments.


def parser() -> Parser:
    whole = Parser(prog="lightpeer", allow_abbrev=False)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")
    play = commands.add_parser("play", allow_abbrev=False)
    play.add_argument("items", nargs="*", metavar="QUERY|NUMBER|loud:ID|FILE.m3u8")
    for name in ("--output", "--out-of-order", "-o"):
        play.add_argument(name)
    commands.add_parser("id")
    return whole


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_usage_fits_and_options_are_listed_once(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    play = parser().parse_args(["play"]) and parser()._subparsers._group_actions[0].choices["play"]
    lines = play.format_help().splitlines()
    assert max(map(width, lines)) < columns
    usage = " ".join(" ".join(lines[: lines.index("")]).split())
    assert usage == "usage: lightpeer play [options] [QUERY|NUMBER|loud:ID|FILE.m3u8 ...]"
    assert play.format_help().count("--output") == 1
    assert parser().format_usage().startswith("usage: lightpeer [options] COMMAND ...")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            ["play", "--outptu", "x"],
            "there is no option --outptu: did you mean --output? (see lightpeer play",
        ),
        (["play", "--ouput=x"], "there is no option --ouput: did you mean --output?"),
        (["play", "x", "--hepl"], "there is no option --hepl: did you mean --help?"),
        (["play", "--strange"], "unrecognized arguments: --strange"),
        (["play", "-x"], "unrecognized arguments: -x"),
        (["id", "more"], "unrecognized arguments: more"),
        (["plya"], "there is no command 'plya': did you mean play?"),
        (["sing"], "there is no command 'sing': there are play, id"),
    ],
    ids=str,
)
def test_a_slip_is_answered_with_the_nearest(given, says):
    with pytest.raises(UsageError) as caught:
        parser().parse_args(given)
    assert says in str(caught.value)
    assert str(caught.value).endswith("--help)")


def test_what_stands_after_two_dashes_is_no_option():
    assert parser().parse_args(["play", "--", "--outptu"]).items == ["--outptu"]
