"""Every screen on terminals of any width, and in a locale that is not UTF-8."""

from __future__ import annotations

import re
from functools import partial

import pytest

from lightpeer.cli.main import _parser
from lightpeer.console.text import width
from tests.process.conftest import LONG, SHORT
from tests.process.harness import OnTerminal, together

C = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}  # without which Python takes C for UTF-8
COMMANDS = next(action.choices for action in _parser()._actions if action.choices)


def too_wide(*command: object, columns: int, **how: object) -> list[str]:
    """The lines that such a terminal would have wrapped."""
    with OnTerminal(*command, columns=columns, **how) as shown:
        assert shown.end() == 0, shown.shown
        assert len(shown.shown) > 20
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.shown))
    return [line for line in lines if width(line) >= columns]


@pytest.mark.parametrize("columns", [40, 80])
def test_help_is_not_wrapped(tmp_path, columns):
    commands = [["--help"], *([name, "--help"] for name in COMMANDS)]
    shown = [partial(too_wide, *command, cwd=tmp_path, columns=columns) for command in commands]
    assert together(*shown) == [[]] * len(commands)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_what_is_said_of_this_machine_is_not_wrapped(client, network, columns):
    assert client.run("pin", network.uris[SHORT]).status == 0
    commands = (
        ["doctor"],
        ["peers"],
        ["usage"],
        ["cache"],
        ["play", "--output", "list"],
        ["cache", "--clear"],
    )
    for command in commands:
        assert not too_wide(
            *client.common, *command, cwd=client.folder, columns=columns, LIGHTPEER_OUTPUT="null"
        ), command


def test_progress_of_a_fetch_is_not_wrapped(client, network):
    for number, columns in enumerate((20, 40, 80)):
        command = ["fetch", network.uris[LONG], "-o", f"{number}.opus"]
        assert not too_wide(*client.common, *command, cwd=client.folder, columns=columns)


def test_no_command_dies_in_a_locale_without_our_signs(client, network):
    """Text is replaced where it cannot be written, in one encoding as in the other."""
    invite = f"{network.first.peer_id}@{network.first.rpc}"
    commands = (
        (["search", "beep"], SHORT),
        (["play", LONG, "--start", "22", "--output", "null"], f"playing {LONG} - "),
        (["fetch", SHORT], f"{SHORT}.opus: "),
        (["pin", SHORT], f"{SHORT} is pinned"),
        (["favourite", SHORT], "is a favourite"),
        (["favourite"], SHORT),
        (["history"], LONG),
        (["cache"], SHORT),
        (["usage"], "today "),
        (["peers"], network.first.peer_id),
        (["join", invite], "answers"),
        (["doctor"], "ready to play"),
    )
    for command, says in commands:
        done = client.run(*command, LIGHTPEER_OUTPUT="null", TERM="dumb", **C)
        assert (command, done.status, done.err) == (command, 0, "")
        assert done.out.isascii()
        assert says in done.out.decode(), command
