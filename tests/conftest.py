"""What all tests share: Hypothesis draws the same examples everywhere, so any failure repeats; and Ctrl-C.

Coverage counts the tests of the cores, which cover every branch of them; with --count-all those of the other
rooms too. It makes Python three times slower, so it is off while the others run, and always while whole
networks, other programs and drawn bytes do: a line that only these happen to reach counts as not tested.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", deadline=None, max_examples=5000)  # pytest --hypothesis-profile=long
settings.load_profile("ci")

TESTS = Path(__file__).parent
NOT_COUNTED = {"bench", "fuzz", "interop", "process", "sim"}  # folders of tests


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `.ci/run coverage` needs."""
    parser.addoption("--count-all", action="store_true", help="have coverage count the tests of all rooms")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have pytest-cov pause for the tests that it does not count."""
    counts_all = config.getoption("--count-all")
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in NOT_COUNTED or not (counts_all or folder == "core"):
            item.add_marker(pytest.mark.no_cover)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: to look at it each time took a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> Iterator[None]:
    """Let the commands see Ctrl-C though whoever started the tests ignores it: a shell does for its `&`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
