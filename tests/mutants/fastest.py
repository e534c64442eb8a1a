"""A plugin of pytest that judges mutants quickly.

The tests that have killed most of the module's mutants in their time come first, then the fastest: most
mutants are killed within milliseconds. A test that takes much longer than it does without a mutant is ended,
which kills the mutant. Of all the tests no more are run than take `MUTANT_BUDGET_S`, if that is set: a mutant
that only another one would kill counts as a survivor then.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

STATS = Path("mutmut-stats.json")  # of the run without a mutant, in the folder that the tests run in
KILLS = Path("kills.txt")  # a module and the test that killed a mutant of it, line by line
LEAST_S = 0.05  # to begin a test and to end it
HOPE = 0.5  # kills of a test that has not killed any: a fast one is tried before slow ones that have
MOST_CPU = 4.0, 3.0  # times as long as a test takes without a mutant, and so many seconds more
MOST_REAL = 10.0, 10.0  # likewise, where it waits; the machine may be busy with other things
TIMEOUT = 36  # how mutmut calls it
ALL_TESTS = {"stats", "fail"}  # mutmut's runs that tell which tests there are, and that any can fail


def module_under_test() -> str | None:
    """Return whose mutant is tried, if any is."""
    module, mutant, _ = os.environ.get("MUTANT_UNDER_TEST", "").partition("__mutmut_")
    return module.rpartition(".")[0] if mutant else None


@cache
def durations_s() -> dict[str, float]:
    """Return how long each test takes, where that is known already."""
    try:
        return json.loads(STATS.read_text())["duration_by_test"]
    except FileNotFoundError:
        return {}


def kills(module: str | None) -> Counter[str]:
    """Return how many of a module's mutants each test has killed; of all modules' for None."""
    lines = [line.split(" ", 1) for line in KILLS.read_text().splitlines()] if KILLS.exists() else []
    return Counter(test for killed, test in lines if module in {None, killed})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    known, killed = durations_s(), kills(module_under_test())

    def rank(item: pytest.Item) -> tuple[float, float]:
        duration_s = known.get(item.nodeid, 0.0) + LEAST_S
        return -(killed[item.nodeid] + HOPE) / duration_s, duration_s

    items.sort(key=rank)
    if config.option.collectonly or os.environ.get("MUTANT_UNDER_TEST") in ALL_TESTS:
        return
    budget_s = float(os.environ.get("MUTANT_BUDGET_S", "inf"))
    for number, item in enumerate(items):
        budget_s -= rank(item)[1]
        if budget_s < 0 and number:
            config.hook.pytest_deselected(items=items[number:])
            del items[number:]
            return


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    known_s = durations_s().get(item.nodeid)
    if module_under_test() is None or known_s is None:
        return (yield)

    def give_up(*_: object) -> None:
        note_kill(item.nodeid)
        os._exit(TIMEOUT)

    clocks = (
        (signal.ITIMER_PROF, signal.SIGPROF, MOST_CPU),
        (signal.ITIMER_REAL, signal.SIGALRM, MOST_REAL),
    )
    for clock, told, (times, more_s) in clocks:
        signal.signal(told, give_up)
        signal.setitimer(clock, times * known_s + more_s)
    try:
        return (yield)
    finally:
        for clock, *_ in clocks:
            signal.setitimer(clock, 0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed and module_under_test() is not None:
        note_kill(report.nodeid)


def note_kill(test: str) -> None:
    """Keep which test has killed a mutant, for the order in which others are tried."""
    with KILLS.open("a") as file:
        file.write(f"{module_under_test()} {test}\n")
