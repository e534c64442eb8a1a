"""Whether a public module exports every class that a program can get from it, by following type hints.

A program gets what is returned or iterated over, properties, fields, and what its own callbacks are given.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Any


class _Names(dict[str, Any]):
    """The names that a module's hints may use: its own, and what it imports for types alone."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(vars(module))
        self._homes = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(ast.parse(inspect.getsource(module)))
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }

    def __missing__(self, name: str) -> Any:
        module, its_name = self._homes[name]
        return getattr(importlib.import_module(module), its_name)


@functools.cache
def _names_of(module: str) -> _Names:
    return _Names(sys.modules[module])


def unexported(*modules: ModuleType) -> set[str]:
    """Return the classes of ours that these modules give, and that none of them exports."""
    exported = {id(getattr(module, name)) for module in modules for name in module.__all__}
    seen: set[int] = set()
    missing: set[str] = set()
    todo: list[Any] = [getattr(module, name) for module in modules for name in module.__all__]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or not getattr(thing, "__module__", "").startswith("lightpeer."):
            continue
        seen.add(id(thing))
        if inspect.isclass(thing) and id(thing) not in exported:
            missing.add(f"{thing.__module__}.{thing.__qualname__}")
        todo += [found for hint in _given(thing) for found in _classes(hint)]
    return missing


def _given(thing: Any) -> Iterator[Any]:
    """Give the types of what a class or function gives: results, properties, fields."""
    if not inspect.isclass(thing):
        yield from _hints(thing)
        return
    if issubclass(thing, Exception | Enum):
        return
    names = _names_of(thing.__module__)
    for name, hint in inspect.get_annotations(thing).items():
        if not name.startswith("_"):
            yield eval(hint, {}, names) if isinstance(hint, str) else hint
    for name, member in vars(thing).items():
        is_public = not name.startswith("_") or name in {"__anext__", "__aenter__"}
        if is_public and isinstance(member, property):
            yield from _hints(member.fget)
        elif is_public and inspect.isfunction(member):
            yield from _hints(member)


def _hints(function: Any) -> Iterator[Any]:
    """Give the type of a function's result, and those of what it gives to callbacks."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    names = _names_of(function.__module__)
    for name, hint in getattr(function, "__annotations__", {}).items():
        if name == "return" or "Callable" in hint:
            yield eval(hint, {}, names)


def _classes(hint: Any) -> Iterator[Any]:
    if inspect.isclass(hint) and not typing.get_args(hint):
        yield hint
    for inner in hint if isinstance(hint, list) else typing.get_args(hint):
        yield from _classes(inner)
