"""The arguments of commands: numbers, ranges, times, and switches, each within its bounds.

What is wrong with one is said in MPD's words, which some clients show.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from lightpeer.core.mpd.wire import Ack
from lightpeer.errors import CommandError

MAX_NUMBER: Final = 2**31 - 1
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")
_SECONDS: Final = re.compile(r"([+-]?)([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")
_RANGE: Final = re.compile(r"([0-9]{1,10})(:([0-9]{0,10}))?")
_DATE: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:T(\d{1,2}):(\d{2})(?::(\d{2}))?Z?)?", re.ASCII)


class Range(NamedTuple):
    """Places from `start` to before `end`; None: to the last. `is_one` where a single place was named."""

    start: int = 0
    end: int | None = None
    is_one: bool = False

    def of(self, count: int) -> range:
        """Return those of so many places that there are; raise CommandError if none of them is."""
        end = count if self.end is None else min(self.end, count)
        if self.start > count or (self.is_one and self.start == count):
            raise CommandError(Ack.ARG, "Bad song index")
        return range(self.start, end)

    @property
    def cut(self) -> slice:
        """The part of a list that it names, which may be empty."""
        return slice(self.start, self.end)


def number(text: str, least: int = 0, most: int = MAX_NUMBER) -> int:
    """Return a whole number.

    Args:
        text: the argument.
        least: the least that it may be.
        most: the most.

    Raises:
        CommandError: it is none, or not within these.
    """
    if _INTEGER.fullmatch(text) is None:
        raise CommandError(Ack.ARG, f"Integer expected: {text}")
    value = int(text)
    if value > most:
        raise CommandError(Ack.ARG, f"Number too large: {text}")
    if value < least:
        raise CommandError(Ack.ARG, f"Number too small: {text}" if least else f"Number is negative: {text}")
    return value


def switch(text: str) -> bool:
    """Return whether something is to be on; raise CommandError unless that is 0 or 1."""
    if text not in {"0", "1"}:
        raise CommandError(Ack.ARG, f"Boolean (0/1) expected: {text}")
    return text == "1"


def seconds(text: str) -> float:
    """Return a time in seconds, which may be negative; raise CommandError if it is none."""
    found = _SECONDS.fullmatch(text)
    if found is None:
        raise CommandError(Ack.ARG, f"Float expected: {text}")
    return float(found[0])


def span(text: str) -> Range:
    """Return a range: `START:END`, `START:` or one number; raise CommandError if it is none."""
    if text == "-1":  # from old clients: everything
        return Range()
    found = _RANGE.fullmatch(text)
    if found is None:
        raise CommandError(Ack.ARG, f"Integer or range expected: {text}")
    start = number(found[1])
    if found[2] is None:
        return Range(start, start + 1, is_one=True)
    end = number(found[3]) if found[3] else None
    if end is not None and end < start:
        raise CommandError(Ack.ARG, f"Bad range: {text}")
    return Range(start, end)


# Times of the calendar, in seconds since 1970. (Cores have no clock, and with it no `datetime`.)


def moment(text: str) -> int:
    """Return a time that is given as ISO 8601 or in seconds; raise CommandError if it is none."""
    if text.isdecimal() and text.isascii():
        return number(text, most=10**10)
    found = _DATE.fullmatch(text)
    if found is None:
        raise CommandError(Ack.ARG, f"Malformed time: {text}")
    year, month, day, *clock = (int(part or 0) for part in found.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31 and clock[0] < 24 and clock[1] < 60 and clock[2] <= 60):
        raise CommandError(Ack.ARG, f"Malformed time: {text}")
    return _days(year, month, day) * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2]


def iso_time(time_s: float) -> str:
    """Return a time as ISO 8601: `2026-12-01T12:00:00Z`."""
    days, rest_s = divmod(int(time_s), 86_400)
    year = 1970 + days // 366
    while _days(year + 1, 1, 1) <= days:
        year += 1
    month = max(month for month in range(1, 13) if _days(year, month, 1) <= days)
    day = days - _days(year, month, 1) + 1
    return f"{year:04}-{month:02}-{day:02}T{rest_s // 3600:02}:{rest_s // 60 % 60:02}:{rest_s % 60:02}Z"


def _days(year: int, month: int, day: int) -> int:
    """Return the days from 1970 to a date; years are counted from March, so that leap days come last."""
    years, months = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * years + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5 + day - 719_469
