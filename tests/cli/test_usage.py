"""`lightpeer usage`: what was used, and what is left."""

from __future__ import annotations

import io
import json

import pytest

from lightpeer.cli import usage as module
from lightpeer.cli.usage import show_usage
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.core.budget.profile import Profile, WayOut
from lightpeer.state.usage import UsageFile

NOON = 20_787 * 86_400 + 43_200  # 2026-11-30


@pytest.fixture(autouse=True)
def _here_and_now(monkeypatch):
    monkeypatch.setattr(module.time, "time", lambda: NOON)
    monkeypatch.setattr(module, "local_time_s", lambda unix_s: unix_s)
    monkeypatch.setattr(module.SystemNetwork, "way_out", lambda _network: WayOut("wwan0"))


def shown(settings, **how):
    stream = io.StringIO()
    assert show_usage(settings, Output(stream=stream, **how)) == 0
    return stream.getvalue()


@pytest.fixture
def settings(tmp_path):
    file = UsageFile(tmp_path)
    for days_ago in range(33, 0, -1):
        file.add("thrifty", 1_000_000, NOON - days_ago * 86_400)
    file.add("thrifty", 2_500_000, NOON)
    file.add("normal", 100_000_000, NOON)
    return Settings(state_dir=tmp_path, profiles=(Profile("thrifty", day_mb=10, month_mb=500),))


def test_people_read_lines(settings):
    lines = shown(settings).splitlines()
    assert lines[:5] == [
        "today 102 MB, this month 132 MB, the profile here is thrifty",
        "thrifty: 2.5 MB of 10 MB a day, which renews in 12 h",
        "thrifty: 31.5 MB of 500 MB a month, which renews in 12 h",
        "2026-11-30  102 MB  (normal 100 MB, thrifty 2.5 MB)",
        "2026-11-29  1 MB  (thrifty 1 MB)",
    ]
    assert len(lines) == 3 + 31
    assert lines[-1].startswith("2026-10-31")


def test_programs_read_one_object(settings):
    (line,) = shown(settings, json=True).splitlines()
    told = json.loads(line)
    days = told.pop("days")
    assert told == {
        "event": "usage",
        "profile": "thrifty",
        "today_bytes": 102_500_000,
        "month_bytes": 131_500_000,
        "caps": [
            {
                "profile": "thrifty",
                "period": "day",
                "cap_bytes": 10_000_000,
                "used_bytes": 2_500_000,
                "left_bytes": 7_500_000,
                "renews_in_s": 43_200,
            },
            {
                "profile": "thrifty",
                "period": "month",
                "cap_bytes": 500_000_000,
                "used_bytes": 31_500_000,
                "left_bytes": 468_500_000,
                "renews_in_s": 43_200,
            },
        ],
    }
    used = {"normal": 100_000_000, "thrifty": 2_500_000}
    assert days[0] == {"day": "2026-11-30", "bytes": 102_500_000, "profiles": used}
    assert len(days) == 31


def test_without_anything_there_is_one_line(tmp_path):
    state = tmp_path / "none"
    text = shown(Settings(state_dir=state, profile="unmetered"))
    assert text == "today 0 MB, this month 0 MB, the profile here is unmetered\n"
    assert not state.exists()
