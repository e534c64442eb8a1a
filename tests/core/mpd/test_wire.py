"""Lines: MPD's quoting, and answers in which nobody's title can begin a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.mpd.wire import MAX_WORDS, Ack, ack, clean, pair, parse_line_untrusted
from lightpeer.errors import CommandError


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"status", ["status"]),
        (b"status  ", ["status"]),
        (b"play 1", ["play", "1"]),
        (b'play "1"', ["play", "1"]),
        (b"move \t 1:2   3", ["move", "1:2", "3"]),
        (b'find Artist "A B" Date ""', ["find", "Artist", "A B", "Date", ""]),
        (rb'add "say \"\\\" twice"', ["add", r'say "\" twice']),
        ("search any déjà".encode(), ["search", "any", "déjà"]),
        (b"""find "(Artist == 'x')" """, ["find", "(Artist == 'x')"]),
        (rb'find "(Artist == \"it\\\"s\")"', ["find", r'(Artist == "it\"s")']),
    ],
)
def test_words_are_bare_or_quoted(line, words):
    command = parse_line_untrusted(line)
    assert list(command) == words
    assert (command.name, list(command.arguments)) == (words[0], words[1:])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'play "1', "Missing closing"),
        (b'play "1\\"', "Missing closing"),
        (b'play "1"2', "Space expected"),
        (b'play 1"2"', "Invalid unquoted"),
        (b"play it's", "Invalid unquoted"),
        (b"play \0", "Invalid unquoted"),
        (b"Play 1", "Letter expected"),
        (b'"play" 1', "Letter expected"),
        (b"play-it 1", "Letter expected"),
        (b"", "Letter expected"),
        (b"search any \xff", "not UTF-8"),
    ],
)
def test_what_is_no_command_is_refused_as_unknown(line, fault):
    with pytest.raises(CommandError, match=fault) as refusal:
        parse_line_untrusted(line)
    assert refusal.value.code == Ack.UNKNOWN


def test_words_are_bounded():
    assert len(parse_line_untrusted(b"x" + b" y" * (MAX_WORDS - 1))) == MAX_WORDS
    with pytest.raises(CommandError, match="Too many arguments") as refusal:
        parse_line_untrusted(b"x" + b" y" * MAX_WORDS)
    assert refusal.value.code == Ack.ARG


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])))
def test_whatever_is_quoted_comes_back(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_line_untrusted(f'add "{quoted}"'.encode()).arguments == (text,)


def test_a_line_stays_one():
    assert pair("Title", "a\nOK\r\u2028b\u202ec") == "Title: a OK  b c"
    assert pair("duration", 1.5) == "duration: 1.5"
    assert clean("déjà vu") == "déjà vu"


def test_a_refusal_names_its_place():
    error = CommandError(Ack.NO_EXIST, "No such\nsong")
    assert ack(error, 3, "playid") == "ACK [50@3] {playid} No such song"
