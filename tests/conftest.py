"""What all tests share: Hypothesis draws the same examples everywhere, so any failure repeats; and Ctrl-C."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

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
