"""What each setting may be, read from text or from what TOML gives.

Whatever cannot be one raises ValueError, which says in a few words what it must be.
"""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from lightpeer.core.trust.contact import Contact, parse_contacts, split_contacts
from lightpeer.places import expanded

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.budget.profile import Profile

Transport: TypeAlias = Literal["auto", "udp", "grpc"]

MAX_BOOTSTRAP: Final = 16  # more would take longer to try than a person waits


def number(low: float, high: float, unit: str) -> Callable[[object], float]:
    """Return a parser of numbers within limits; the unit is for the error."""

    def parse(value: object) -> float:
        expected = f"a number from {low:g} to {high:g} ({unit})"
        parsed = math.nan
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            with suppress(ValueError):
                parsed = float(value)
        if not low <= parsed <= high:
            raise ValueError(expected)
        return parsed

    return parse


def seconds_or_forever(value: object) -> float:
    """Return seconds, infinity for `forever`."""
    if value == "forever":
        return math.inf
    try:
        return number(0, 1e9, "seconds")(value)
    except ValueError as error:
        raise ValueError("a number of seconds, or forever") from error


def whole(low: int, high: int, unit: str) -> Callable[[object], int]:
    """Return a parser of whole numbers within limits; the unit is for the error."""
    parse_number = number(low, high, unit)

    def parse(value: object) -> int:
        try:
            parsed = parse_number(value)
        except ValueError:
            parsed = math.nan
        if not parsed.is_integer():
            raise ValueError(f"a whole number from {low} to {high} ({unit})")
        return int(parsed)

    return parse


def bitrate(value: object) -> int | None:
    """Return kbit/s, None for `auto`."""
    return None if value == "auto" else whole(6, 510, "kbit/s, or auto")(value)


def cache(value: object) -> int | None:
    """Return bytes, None for `auto`."""
    return None if value == "auto" else whole(0, 10**13, "bytes, 0 for none, or auto")(value)


def transport(value: object) -> Transport:
    """Return a transport."""
    if value not in ("auto", "udp", "grpc"):
        raise ValueError("auto, udp or grpc")
    return value


def profiles(value: object) -> tuple[Profile, ...]:
    """Return the profiles of `[profile.NAME]` tables."""
    from lightpeer.core.budget.tables import parse_profiles

    return parse_profiles(value)


def networks(value: object) -> tuple[tuple[str, str], ...]:
    """Return the networks of a `[networks]` table, and their profiles."""
    from lightpeer.core.budget.tables import parse_networks

    return parse_networks(value)


def switch(value: object) -> bool:
    """Return whether something is on."""
    known = {True: True, False: False, "1": True, "0": False, "true": True, "false": False}
    known |= {"yes": True, "no": False, "on": True, "off": False}
    if not isinstance(value, bool | str) or value not in known:
        raise ValueError("true or false")
    return known[value]


def text(value: object) -> str:
    """Return any text."""
    if isinstance(value, str):
        return value
    raise ValueError("text")


def path(value: object) -> Path:
    """Return the path of a folder; `~` is somebody's home."""
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("the path of a folder")
    return expanded(value)


def contacts(value: object) -> tuple[Contact, ...]:
    """Return the contacts of a list of addresses and invites, which has commas where it is text."""
    items = split_contacts(value) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("a list of HOST:PORT")
    contacts = [contact for item in items if item.strip() for contact in parse_contacts(item)]
    if len(contacts) > MAX_BOOTSTRAP:
        raise ValueError(f"at most {MAX_BOOTSTRAP} addresses")
    return tuple(contacts)
