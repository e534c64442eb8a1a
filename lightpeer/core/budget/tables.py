"""Profiles and networks as a configuration file writes them, `[profile.NAME]` and `[networks]`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from lightpeer.core.budget.profile import (
    AUTO,
    LEAST_BUFFER_KB,
    MOST_BUFFER_KB,
    UNMETERED,
    Profile,
    all_profiles,
    is_name,
)

MAX_PROFILES: Final = 16
_CAPS: Final = ("day_mb", "month_mb")
_RANGES: Final = {
    "top_kbps": (6, 510, "kbit/s"),
    "buffer_kb": (LEAST_BUFFER_KB, MOST_BUFFER_KB, "kB"),
    "waste_share": (0, 0.1, "of all bytes"),
    "day_mb": (0.1, 1_000_000, "MB"),
    "month_mb": (0.1, 1_000_000, "MB"),
}
_WHOLE: Final = ("top_kbps", "buffer_kb")


def parse_profiles(value: object) -> tuple[Profile, ...]:
    """Return the profiles of `[profile.NAME]` tables; raise ValueError, which says what they must be.

    A table that has the name of a built-in profile changes it. Another begins as `normal` does.
    """
    if not isinstance(value, dict) or len(value) > MAX_PROFILES:
        raise ValueError(f"at most {MAX_PROFILES} tables [profile.NAME] of the configuration file")
    return tuple(_parse_profile(name, table) for name, table in value.items())


def parse_networks(value: object) -> tuple[tuple[str, str], ...]:
    """Return the networks of a `[networks]` table, and their profiles; raise ValueError for another."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
        raise ValueError(
            "a table of the configuration file, with a profile's name for each SSID or interface"
        )
    return tuple(value.items())


def _parse_profile(name: str, table: object) -> Profile:
    if not is_name(name) or not isinstance(table, dict):
        raise ValueError(f"tables [profile.NAME], with up to 32 letters, digits, - and _, and not {AUTO}")
    keys = [key for key in _RANGES if name != UNMETERED.name or key not in _CAPS]
    for key in table:
        if key not in keys:
            raise ValueError(f"tables; there is no {key!r} in [profile.{name}], but {', '.join(keys)}")
    values: dict[str, Any] = {key: _parse_value(name, key, value) for key, value in table.items()}
    return replace(all_profiles(()).get(name, Profile(name)), **values)


def _parse_value(name: str, key: str, value: object) -> float | None:
    low, high, unit = _RANGES[key]
    if key == "top_kbps" and value == "auto":
        return None
    is_number = isinstance(value, int if key in _WHOLE else int | float) and not isinstance(value, bool)
    if not (is_number and isinstance(value, int | float) and low <= value <= high):
        kind = "a whole number" if key in _WHOLE else "a number"
        raise ValueError(f"tables; {key} in [profile.{name}] is {kind} from {low} to {high} ({unit})")
    return value
