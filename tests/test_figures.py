"""The figures count what they say."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import grimp
import pytest

from tests import figures
from tests.figures import Figure, Source


def function(text: str) -> ast.AST:
    return ast.parse(text).body[0]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("def f(self, a, /, b, *, c): ...", 3),
        ("async def f(cls, *a, **b): ...", 2),
        ("def f(): ...", 0),
    ],
)
def test_parameters(text, count):
    assert figures.parameters(function(text)) == count


def test_lines_of_a_definition_are_those_from_its_name_to_its_end():
    assert figures.length(function('@d\ndef f():\n    """Say."""\n    return 1\n')) == 3


def test_a_line_may_look_away_twice():
    look_away = "x = 1  # " + "type: ignore[a]  # " + "noqa: B (why)"
    assert figures.exceptions([Source([look_away, "y = 1  # no, qa"], [])]) == 2


def test_generated_code_is_not_counted(tmp_path: Path):
    (tmp_path / "pb").mkdir()
    (tmp_path / "pb/a_pb2.py").write_text("x = 1\n")
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    assert [len(module.lines) for module in figures.sources(tmp_path)] == [2]


def test_circles_are_told_apart_and_lazy_ones_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    room = tmp_path / "counted"
    room.mkdir()
    modules = {
        "__init__": "",
        "a": "from counted import b",
        "b": "from counted import c",
        "c": "def f():\n    from counted import a",
        "d": "from counted import e",
        "e": "from counted import d",
        "f": "from counted import a, e",
    }
    for name, text in modules.items():
        (room / f"{name}.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    graph = grimp.build_graph("counted", cache_dir=None)
    assert figures.circles(graph) == 2
    assert figures.circles(figures.without_lazy(graph, room)) == 1


def test_a_goal_holds_only_if_each_number_does():
    assert str(Figure("a / b", (1, 2.5), (1, 2))) == "| a / b | 1 / 2.5 | ≤ 1 / 2 | NO |"
    assert Figure("a / b", (1, 2), (1, 2)).holds
    assert not Figure("c", (1.4,), (1.5,), at_least=True).holds


@pytest.mark.parametrize(
    ("module", "ours"),
    [
        ("lightpeer", True),
        ("lightpeer.audio._native", True),
        ("lightpeer.pb.loudp2p.v1.loudp2p_pb2", False),
        ("lightpeer.audio._pyogg", False),
        ("lightpeer.audio._pyogg.ogg", False),
        ("lightpeers", False),
    ],
)
def test_modules_that_others_wrote_are_not_ours(module: str, ours: bool) -> None:
    assert figures.is_ours(module) is ours


def test_the_table_is_of_this_house():
    table = {figure.what: figure for figure in figures.table(play=lambda: 64)}
    assert len(table) == 9
    assert table["modules that `lightpeer play` imports"].now == (64,)
    assert table["loose modules at the top / in core / in serve"].holds
    assert table["import circles: at run time / with type-only and lazy ones"].now[0] == 0


def test_whatever_looks_away_says_why():
    lines = [line for module in figures.sources(figures.PACKAGE) for line in module.lines]
    away = [line for line in lines if re.search(r"# (noqa|type: ignore)", line)]
    assert len(away) <= 25
    assert [
        line for line in away if not re.search(r"# (noqa: [A-Z0-9, ]+|type: ignore\[[^]]+\]) - \w", line)
    ] == []
