"""What is told of errors steers no terminal, in a traceback neither."""

from __future__ import annotations

import argparse
import logging

import pytest

from lightpeer.console.output import Output
from lightpeer.console.report import Parser, parsed, report, start_logging
from lightpeer.console.text import width
from lightpeer.errors import UsageError


@pytest.fixture
def parser() -> Parser:
    """That of a program with two commands, of which one takes words."""
    parser = Parser(prog="prog", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command")
    find = commands.add_parser("find", allow_abbrev=False)
    find.add_argument("items", nargs="*")
    find.add_argument("--limit")
    commands.add_parser("rest")
    return parser


@pytest.mark.parametrize(
    "line", ["find a b c --limit 3", "find --limit 3 a b c", "find a --limit 3 b c", "find a b --limit 3 c"]
)
def test_words_stand_on_both_sides_of_options(parser, line):
    arguments = parsed(parser, line.split())
    assert (arguments.items, arguments.limit) == (["a", "b", "c"], "3")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("find a --limit 3 b --bogus c", "unrecognized arguments: b --bogus c (see prog find --help)"),
        ("find a --bogus", "unrecognized arguments: --bogus (see prog find --help)"),
        ("rest a", "unrecognized arguments: a (see prog rest --help)"),
        ("--bogus", "unrecognized arguments: --bogus (see prog --help)"),
    ],
)
def test_what_nobody_knows_is_refused_with_the_help_of_its_command(parser, line, says):
    with pytest.raises(UsageError) as caught:
        parsed(parser, line.split())
    assert str(caught.value) == says


def test_what_is_set_already_stays_unless_it_is_given(parser):
    given = argparse.Namespace(json=True, limit="1")
    assert parsed(parser, ["find", "a", "--limit", "2"], given) == argparse.Namespace(
        json=True, limit="2", command="find", items=["a"]
    )


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


def command_line() -> Parser:
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
    play = (
        command_line().parse_args(["play"]) and command_line()._subparsers._group_actions[0].choices["play"]
    )
    lines = play.format_help().splitlines()
    assert max(map(width, lines)) < columns
    usage = " ".join(" ".join(lines[: lines.index("")]).split())
    assert usage == "usage: lightpeer play [options] [QUERY|NUMBER|loud:ID|FILE.m3u8 ...]"
    assert play.format_help().count("--output") == 1
    assert command_line().format_usage().startswith("usage: lightpeer [options] COMMAND ...")


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
        command_line().parse_args(given)
    assert says in str(caught.value)
    assert str(caught.value).endswith("--help)")


def test_what_stands_after_two_dashes_is_no_option():
    assert command_line().parse_args(["play", "--", "--outptu"]).items == ["--outptu"]
