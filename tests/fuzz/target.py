"""What a fuzz target is: any bytes go to functions named `*_untrusted`, and nothing but refusals comes of it.

A target takes any bytes, and raises only where something is wrong. Its seeds are sound input, from which
hypothesis and atheris go astray; with them it calls each function that it says it covers (`test_targets.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import lightpeer
from lightpeer.errors import BadMessageError, VerificationError

ROOT: Final = Path(lightpeer.__file__).parent
CORPUS: Final = Path(__file__).parent / "corpus"
"""What was found: files in folders that have a target's name. CI runs each again."""


class Target(NamedTuple):
    """One entry of TARGETS."""

    run: Callable[[bytes], None]
    covers: frozenset[str]  # "core.rpc.framing.inflate_untrusted"
    seeds: list[bytes]

    def corpus(self) -> Iterator[bytes]:
        """Return the seeds, and what was found."""
        yield from self.seeds
        for path in sorted((CORPUS / self.run.__name__).glob("*")):
            yield path.read_bytes()


TARGETS: Final[dict[str, Target]] = {}


def target(
    *covers: str, seeds: Iterable[bytes]
) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """Enter a function into TARGETS."""

    def enter(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        TARGETS[run.__name__] = Target(run, frozenset(covers), list(seeds))
        return run

    return enter


def refusals() -> suppress:
    """Let what an `_untrusted` function may raise pass, for a block."""
    return suppress(BadMessageError, VerificationError)


def untrusted_functions() -> Iterator[str]:
    """Yield the names of all such functions in the tree."""
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for names in _functions(ast.parse(path.read_text()), ()):
            if names[-1].endswith("_untrusted"):
                yield ".".join((module, *names))


def _functions(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for child in ast.iter_child_nodes(node):
        inner = names
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = (*names, child.name)
            if not isinstance(child, ast.ClassDef):
                yield inner
        yield from _functions(child, inner)
