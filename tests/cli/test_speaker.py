"""`lightpeer speaker`: where it is told to listen. `tests/process/test_speaker.py` runs it."""

from __future__ import annotations

import argparse

import pytest

from lightpeer.cli import options
from lightpeer.console.report import Parser
from lightpeer.errors import UsageError


def parsed(*arguments: str) -> argparse.Namespace:
    parser = Parser(prog="lightpeer")
    options.add_speaker(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ([], ("::", 6600)),
        (["--mpd-listen", "0"], ("::", 0)),
        (["--mpd-listen", "127.0.0.1:6601"], ("127.0.0.1", 6601)),
        (["--mpd-listen", "[::1]:0"], ("::1", 0)),
        (["--mpd-listen", "pi47474"], ("pi47474", 6600)),
        (["--mpd-listen", "::1"], ("::1", 6600)),
    ],
)
def test_it_listens_at_a_port_of_all_addresses_or_at_one(arguments, address):
    assert parsed(*arguments).mpd_listen == address


@pytest.mark.parametrize("text", ["70000", "a b:1", ""])
def test_what_is_no_place_to_listen_is_refused(text):
    with pytest.raises(UsageError, match=r"argument --mpd-listen: .* is not HOST:PORT"):
        parsed("--mpd-listen", text)


def test_what_else_may_be_chosen():
    chosen = parsed("--mpd-socket", "/run/mpd", "--output", "null", "--volume", "-6")
    assert (chosen.mpd_socket, chosen.output, chosen.volume_db) == ("/run/mpd", "null", "-6")
