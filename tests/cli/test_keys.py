"""Keys from the bytes of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.cli.keys import ACTIONS, Key, KeyParser
from tests.cli.test_terminal import FakePlayer


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b" ", [Key.PAUSE]),
        (b"np+=-q", [Key.NEXT, Key.PREVIOUS, Key.LOUDER, Key.LOUDER, Key.QUIETER, Key.QUIT]),
        (b"\x1b[C\x1b[D", [Key.FORWARD, Key.BACK]),
        (b"\x1bOC", [Key.FORWARD]),
        (b"\x1b[1;5C", []),  # with Ctrl: another key
        (b"\x1b[15~q", [Key.QUIT]),  # F5, whose bytes are no keys
        (b"\x1b[Aq", [Key.QUIT]),
        (b"\x1bq", [Key.QUIT]),  # Escape, then q
        (b"\x1b\x1b[C", [Key.FORWARD]),
        (b"xyz\xff\x00", []),
    ],
)
def test_keys(data, keys):
    assert KeyParser().feed(data) == keys
    parser = KeyParser()
    assert [key for byte in data for key in parser.feed(bytes([byte]))] == keys


@given(st.binary(max_size=64))
def test_no_bytes_break_the_parser(data):
    parser = KeyParser()
    parser.feed(data)
    assert parser.feed(b"\x1b[C")[-1:] in ([Key.FORWARD], [])
    assert parser.feed(b"\x1b[Cq")[-1] is Key.QUIT


def test_every_key_does_something():
    player = FakePlayer()
    assert Key.HELP not in ACTIONS, "which the terminal does"
    for action in ACTIONS.values():
        action(player)
    assert {*ACTIONS, Key.HELP} == {*Key}
    assert player.calls == [
        ("toggle_pause",),
        ("seek_by", 10.0),
        ("seek_by", -10.0),
        ("next",),
        ("previous",),
        ("change_volume", 2.0),
        ("change_volume", -2.0),
        ("stop",),
    ]
