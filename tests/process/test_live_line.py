"""The live line on real terminals of any width, and what is printed in any locale."""

from __future__ import annotations

import re

import pytest

from lightpeer.console.text import width
from tests.process.conftest import LONG, SHORT
from tests.process.harness import OnTerminal

LATIN = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
C = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}  # without which Python takes C for UTF-8


def lines_of(shown: str) -> list[str]:
    """What stood in a line of the terminal at any time."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown))


@pytest.mark.parametrize(
    ("columns", "world"),
    [(20, {}), (40, {}), (80, {}), (200, {}), (20, C), (80, LATIN), (200, C)],
    ids=str,
)
def test_no_line_is_wrapped_and_the_keys_are_shown(client, network, columns, world):
    items = [network.uris[LONG], network.uris[SHORT]]
    command = [*client.common, "play", *items, "--output", "null"]
    with OnTerminal(*command, cwd=client.folder, columns=columns, **world) as shown:
        shown.wait_for("0:01")
        before = shown.shown
        shown.press("?")
        shown.wait_for("q      end")
        shown.wait_for("0:02")
        lines = lines_of(before) + lines_of(shown.shown)
        shown.press("q")
        assert shown.end() == 0
    assert max(map(width, lines)) < columns, lines
    sign = ">" if world else "▶"
    assert any(line.startswith(f"{sign} Copper Rain") for line in lines)
    assert any("0:01" in line and "1 of 2" in line for line in lines) == (columns >= 80)


def test_a_dumb_terminal_has_lines_and_keys(client, network):
    command = [*client.common, "play", network.uris[LONG], "--output", "null"]
    with OnTerminal(*command, cwd=client.folder, columns=80, TERM="dumb") as shown:
        shown.wait_for("playing Copper Rain")
        shown.press("?")
        shown.wait_for("q      end")
        assert "\x1b" not in shown.shown
        shown.press("q")
        assert shown.end() == 0


@pytest.mark.parametrize("world", [C, LATIN], ids=str)
def test_commands_write_their_own_dash_in_any_encoding(client, world):
    found = client.run("search", "copper", **world)
    assert found.status == 0
    assert b"Copper Rain - " in found.out
    played = client.run("play", "copper", "--start", "22", "--output", "null", **world)
    assert played.status == 0
    assert b"playing Copper Rain - " in played.out
