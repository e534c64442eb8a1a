"""The house in figures: what is true of the code now, beside what it is to be.

    python -m tests.figures

Prints a Markdown table; exit status 1 while a goal is missed. Lines are counted as they stand in the file,
documentation included; parameters without `self` and `cls`; generated code (pb) not at all. Imports are
grimp's, as in the contracts. What `lightpeer play` imports is asked of one that plays from a server on this
machine.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import grimp

from tests.process.harness import CLIENT, ROOT, Server, run

PACKAGE = ROOT / "lightpeer"
MOST_PARAMETERS = 5
START_S = 22  # of a track of 22.8 seconds

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Figure(NamedTuple):
    """A line of the table: numbers, and what each is to be at most (at least, where more is better)."""

    what: str
    now: tuple[float, ...]
    goal: tuple[float, ...]
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether every number keeps its goal."""
        pairs = zip(self.now, self.goal, strict=True)
        return all(now >= goal if self.at_least else now <= goal for now, goal in pairs)

    def __str__(self) -> str:
        """Give the line."""
        sign = "≥" if self.at_least else "≤"
        now, goal = (" / ".join(f"{number:.4g}" for number in numbers) for numbers in (self.now, self.goal))
        return f"| {self.what} | {now} | {sign} {goal} | {'yes' if self.holds else 'NO'} |"


class Source(NamedTuple):
    """A module: its lines, and what they are parsed to."""

    lines: list[str]
    nodes: list[ast.AST]


def sources(folder: Path) -> list[Source]:
    """Read all modules of a folder that are written by hand."""
    texts = [path.read_text() for path in sorted(folder.rglob("*.py")) if "pb" not in path.parts]
    return [Source(text.splitlines(), list(ast.walk(ast.parse(text)))) for text in texts]


def of_kind(modules: Iterable[Source], kind: type | object) -> Iterator[ast.AST]:
    """Give all functions, or classes, of some modules."""
    return (node for module in modules for node in module.nodes if isinstance(node, kind))


def length(node: ast.AST) -> int:
    """Count a definition's lines, from its name to its end."""
    return node.end_lineno - node.lineno + 1


def parameters(function: Function) -> int:
    """Count what a caller can give."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return (
        sum(argument.arg not in {"self", "cls"} for argument in named)
        + bool(given.vararg)
        + bool(given.kwarg)
    )


def loose(folder: Path) -> int:
    """Count the modules of a folder that are in no room."""
    return sum(path.name != "__init__.py" for path in folder.glob("*.py"))


def exceptions(modules: Iterable[Source]) -> int:
    """Count where a linter or the type checker is told to look away."""
    return sum(
        len(re.findall(r"# (?:noqa|type: ignore)", line)) for module in modules for line in module.lines
    )


def circles(graph: grimp.ImportGraph) -> int:
    """Count the sets of modules of which each imports all others, by way of each other."""
    found = set()
    for module in graph.modules:
        if around := graph.find_upstream_modules(module) & graph.find_downstream_modules(module):
            found.add(frozenset(around | {module}))
    return len(found)


def without_lazy(graph: grimp.ImportGraph, folder: Path) -> grimp.ImportGraph:
    """Take out the imports that are made in functions alone."""
    package = folder.name
    for module in graph.modules:
        path = folder.joinpath(*module.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function)]
        lazy = {line for function in functions for line in range(function.lineno, function.end_lineno + 1)}
        for imported in graph.find_modules_directly_imported_by(module):
            details = graph.get_import_details(importer=module, imported=imported)
            if imported.startswith(package) and all(detail["line_number"] in lazy for detail in details):
                graph.remove_import(importer=module, imported=imported)
    return graph


def is_ours(module: str) -> bool:
    """Return whether we wrote a module: not protoc, nor PyOgg, whose bindings are loaded under our name."""
    return re.fullmatch(r"lightpeer(?!\.pb\b|\.audio\._pyogg\b)(\..+)?", module) is not None


def imported_by_play() -> int:
    """Count our modules in a process that has played a track."""
    tell = "\nimport json, sys; print(json.dumps(list(sys.modules)), file=sys.stderr)"
    with tempfile.TemporaryDirectory() as temporary:
        music = Path(temporary, "music")
        music.mkdir()
        with resources.as_file(resources.files("lightpeer.cli.demo") / "tracks") as tracks:
            shutil.copy(tracks / "copper-rain.opus", music)
        with Server(Path(temporary, "server"), music) as server:
            arguments = (
                "play",
                "copper rain",
                "--start",
                START_S,
                "--output",
                "null",
                "--bootstrap",
                server.rpc,
            )
            code = CLIENT.replace("sys.exit(main())", "main()") + tell
            played = run(*arguments, "--state", "state", cwd=Path(temporary), code=code)
    names = json.loads(played.err.splitlines()[-1])
    assert "lightpeer.audio.decoder" in names, "nothing was played"
    return sum(map(is_ours, names))


def table(play: Callable[[], int] = imported_by_play) -> list[Figure]:
    """Measure everything."""
    code = sources(PACKAGE)
    tests = sources(ROOT / "tests")
    lines = [len(module.lines) for module in code]
    functions = list(of_kind(code, Function))
    lengths = sorted(map(length, functions))
    everything = grimp.build_graph("lightpeer", cache_dir=None)
    at_run_time = grimp.build_graph("lightpeer", cache_dir=None, exclude_type_checking_imports=True)
    return [
        Figure(
            "loose modules at the top / in core / in serve",
            (loose(PACKAGE), loose(PACKAGE / "core"), loose(PACKAGE / "serve")),
            (7, 1, 4),
        ),
        Figure("lines of a module: median / most", (statistics.median(lines), max(lines)), (150, 320)),
        Figure(
            "lines of a function: median / p90 / most",
            (statistics.median(lengths), lengths[len(lengths) * 9 // 10], lengths[-1]),
            (6, 16, 45),
        ),
        Figure(
            f"functions with more than {MOST_PARAMETERS} parameters",
            (sum(parameters(function) > MOST_PARAMETERS for function in functions),),
            (8,),
        ),
        Figure("lines of the longest class", (max(map(length, of_kind(code, ast.ClassDef))),), (220,)),
        Figure(
            "import circles: at run time / with type-only and lazy ones",
            (circles(without_lazy(at_run_time, PACKAGE)), circles(everything)),
            (0, 0),
        ),
        Figure("noqa and type: ignore", (exceptions(code),), (25,)),
        Figure(
            "lines of tests for one of code",
            (sum(len(module.lines) for module in tests) / sum(lines),),
            (1.5,),
            at_least=True,
        ),
        Figure("modules that `lightpeer play` imports", (play(),), (75,)),
    ]


def main() -> int:
    """Print the table; return 1 if a goal is missed."""
    figures = table()
    print("| | now | goal | kept |\n|---|---|---|---|")
    print(*figures, sep="\n")
    return int(not all(figure.holds for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
