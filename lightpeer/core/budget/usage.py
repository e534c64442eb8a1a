"""How many bytes were used, by day and profile, with a clock that cannot be trusted.

Days are the listener's: a day's number is its local time in seconds, over 86,400. The clock of a small
machine jumps: it starts in 1970, or where it was at the last shutdown, until the network tells it the time.
So bytes are counted by the account's own time, which never goes back:

- A clock that is not behind the account is believed.
- One that is behind by up to a day (another time zone, a clock that is not set yet) is waited for: the
  account stands still, so no day is given twice.
- One that is farther behind moves the account on as far as it runs itself, so nobody is locked out for
  longer than a day and a month last, wherever the account was. A gap of more than 31 days between two
  readings is a jump, and moves nothing.
- One that has run behind for 31 days is right after all: the days ahead of it are dated back to it.

What was counted on the day that the clock shows counts too, beside that of the account's day. So a clock that
was ahead for a while does not give the same day again once it is corrected.

The file has a head, the account's clock, and a line for each day and profile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.budget.profile import is_name
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_S: Final = 86_400
CATCH_UP_S: Final = 86_400.0  # more than any two time zones differ by, less an hour or two
BELIEVE_S: Final = 31 * 86_400.0  # no day older than that counts towards a cap
MAX_DAYS: Final = 64  # a month, and what a jumping clock adds
MAX_ENTRIES: Final = 1024  # with several profiles a day
MAX_BYTES: Final = 1 << 60
MAX_CLOCK_S: Final = 250_000_000_000.0  # the year 9892

_HEAD: Final = "lightpeer usage 1"


class Date(NamedTuple):
    """A day of the calendar."""

    year: int
    month: int
    day: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}-{self.day:02}"


def date_of(day: int) -> Date:
    """Return the date of a day since 1970-01-01, by the Gregorian calendar (in eras of 400 years)."""
    era, of_era = divmod(day + 719_468, 146_097)  # from 0000-03-01 on, so that leap days come last
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153  # from March on
    day_of_month = of_year - (153 * month + 2) // 5 + 1
    return Date(400 * era + year + (month >= 10), month + 3 if month < 10 else month - 9, day_of_month)


def day_of(local_s: float) -> int:
    """Return the day that a local time is on."""
    return int(local_s // DAY_S)


@dataclass(frozen=True, slots=True)
class AccountClock:
    """The account's time, in local seconds; see the module's docstring for its rule.

    Attributes:
        account_s: the time by which bytes are counted.
        clock_s: the machine's clock at the latest reading.
        behind_s: how long that has run far behind the account.
    """

    account_s: float = 0.0
    clock_s: float = 0.0
    behind_s: float = 0.0

    def at(self, clock_s: float) -> AccountClock:
        """Return the account's clock after a reading of the machine's."""
        clock_s = min(max(clock_s, 0.0), MAX_CLOCK_S)
        if clock_s >= self.account_s:
            return AccountClock(clock_s, clock_s)
        if self.account_s - clock_s <= CATCH_UP_S:
            return AccountClock(self.account_s, clock_s)
        ran_s = max(0.0, clock_s - self.clock_s)
        if ran_s > BELIEVE_S:
            ran_s = 0.0
        return AccountClock(self.account_s + ran_s, clock_s, self.behind_s + ran_s)

    @property
    def days(self) -> set[int]:
        """The days whose bytes are today's: the account's, and the one that the machine's clock shows."""
        return {day_of(self.account_s), day_of(self.clock_s)}

    @property
    def day_ends_in_s(self) -> float:
        """Seconds until the account's day ends."""
        late_s = self.account_s - self.clock_s
        return DAY_S - self.account_s % DAY_S + (late_s if late_s <= CATCH_UP_S else 0.0)

    @property
    def month_ends_in_s(self) -> float:
        """Seconds until the account's month ends."""
        today = day_of(self.account_s)
        month, last = date_of(today).month, today
        while date_of(last + 1).month == month:
            last += 1
        return self.day_ends_in_s + (last - today) * DAY_S


class Usage:
    """The bytes used, by day and profile."""

    def __init__(self) -> None:
        self.clock = AccountClock()
        self._bytes: dict[tuple[int, str], int] = {}

    def __len__(self) -> int:
        return len(self._bytes)

    def count(self, profile: str, size: int, clock_s: float) -> None:
        """Count bytes.

        Args:
            profile: the name of the profile that they were used under.
            size: how many.
            clock_s: the machine's local time in seconds.
        """
        self.clock = self.clock.at(clock_s)
        if self.clock.behind_s >= BELIEVE_S:
            self._date_back()
        self._add(day_of(self.clock.account_s), profile, size)
        while len(self._bytes) > MAX_ENTRIES or len(self._labels()) > MAX_DAYS:
            earliest = min(self._labels())
            self._bytes = {key: size for key, size in self._bytes.items() if key[0] != earliest}

    def today_bytes(self, clock: AccountClock, profile: str | None = None) -> int:
        """Return the bytes of today, of one profile or of all."""
        return self._sum(lambda day: day in clock.days, profile)

    def month_bytes(self, clock: AccountClock, profile: str | None = None) -> int:
        """Return the bytes of this month, of one profile or of all."""
        months = {date_of(day)[:2] for day in clock.days}
        return self._sum(lambda day: date_of(day)[:2] in months, profile)

    def by_day(self, most: int) -> dict[int, dict[str, int]]:
        """Return the bytes by day and profile, the latest day first, at most so many days."""
        days = sorted(self._labels(), reverse=True)[:most]
        return {day: {name: n for (at, name), n in self._bytes.items() if at == day} for day in days}

    def to_bytes(self) -> bytes:
        """Return the file."""
        clock = f"{self.clock.account_s:.0f} {self.clock.clock_s:.0f} {self.clock.behind_s:.0f}"
        lines = [f"{day} {name} {size}" for (day, name), size in self._bytes.items()]
        return "\n".join([_HEAD, clock, *lines, ""]).encode()

    @classmethod
    def from_bytes_untrusted(cls, data: bytes) -> Usage:
        """Return what `to_bytes` wrote; raise BadMessageError if it is not whole."""
        usage = cls()
        try:
            head, clock, *lines, end = data.decode("ascii").split("\n")
            account_s, clock_s, behind_s = map(_seconds_untrusted, clock.split(" "))
            usage.clock = AccountClock(account_s, clock_s, behind_s)
            for line in lines:
                day, name, size = line.split(" ")
                if not is_name(name):
                    raise BadMessageError("the usage file has a profile without a proper name")
                usage._add(_whole_untrusted(day, 2 * MAX_CLOCK_S // DAY_S), name, _whole_untrusted(size))
        except ValueError as error:
            raise BadMessageError("the usage file is corrupt") from error
        if head != _HEAD or end or len(usage) > MAX_ENTRIES:
            raise BadMessageError("the usage file is corrupt, or of another version")
        return usage

    def _labels(self) -> set[int]:
        return {day for day, _ in self._bytes}

    def _add(self, day: int, name: str, size: int) -> None:
        self._bytes[day, name] = min(self._bytes.get((day, name), 0) + size, MAX_BYTES)

    def _sum(self, is_in: Callable[[int], bool], profile: str | None) -> int:
        return sum(n for (day, name), n in self._bytes.items() if is_in(day) and profile in {None, name})

    def _date_back(self) -> None:
        """Date the days ahead of the machine's clock back to it."""
        today = day_of(self.clock.clock_s)
        ahead = day_of(self.clock.account_s) - today
        before, self._bytes = self._bytes, {}
        for (day, name), size in before.items():
            self._add(max(day - ahead, 0) if day > today else day, name, size)
        self.clock = AccountClock(self.clock.clock_s, self.clock.clock_s)


def _seconds_untrusted(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and 0 <= seconds <= 2 * MAX_CLOCK_S):
        raise BadMessageError("the usage file has an impossible time")
    return seconds


def _whole_untrusted(text: str, most: float = MAX_BYTES) -> int:
    if not (text.isdigit() and len(text) <= 20 and int(text) <= most):
        raise BadMessageError("the usage file has an impossible number")
    return int(text)
