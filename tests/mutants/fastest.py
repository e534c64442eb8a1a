"""A plugin of pytest: run the fastest tests first, so that most mutants are killed within milliseconds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

STATS = Path("mutmut-stats.json")  # of the run without a mutant, in the folder that the tests run in


@cache
def durations_s() -> dict[str, float]:
    """Return how long each test takes, where that is known already."""
    try:
        return json.loads(STATS.read_text())["duration_by_test"]
    except FileNotFoundError:
        return {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = durations_s()
    items.sort(key=lambda item: known.get(item.nodeid, 0.0))
