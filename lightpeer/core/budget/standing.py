"""How an account stands against the caps of a profile: whether to go on, to slow down, or to stop.

From 80 % of a cap on, playing keeps to the lowest rendition and a shallow buffer, so that the rest lasts as
long as it can. All of it used is the end, with a sentence that says what the cap is, when it renews, and how
to go on anyway. It renews in some hours or days, and not at a date, since the clock may be wrong.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.budget.profile import LEAST_BUFFER_KB, LOWEST_KBPS, UNMETERED, Limits, limits_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.core.budget.profile import Profile
    from lightpeer.core.budget.usage import Usage

SLOW_SHARE: Final = 0.8  # of a cap; the last fifth of 50 MB is 55 minutes at 24 kbit/s
SLOW: Final = Limits(LOWEST_KBPS, LEAST_BUFFER_KB * 1000, 0.0)
MB: Final = 1_000_000


class State(Enum):
    """How to go on."""

    NORMAL = "normal"
    SLOW = "slow"
    OVER = "over"


class CapUse(NamedTuple):
    """A cap, and what is used of it.

    Attributes:
        period: `day` or `month`.
        cap_bytes: the most in that time.
        used_bytes: so far.
        renews_in_s: seconds until it begins anew.
    """

    period: str
    cap_bytes: float
    used_bytes: int
    renews_in_s: float

    @property
    def left_bytes(self) -> float:
        """What is left of it."""
        return max(0.0, self.cap_bytes - self.used_bytes)

    @property
    def state(self) -> State:
        """How to go on as far as this cap is concerned."""
        if self.used_bytes >= self.cap_bytes:
            return State.OVER
        return State.SLOW if self.used_bytes >= SLOW_SHARE * self.cap_bytes else State.NORMAL

    @property
    def next_bytes(self) -> float:
        """Bytes until its state changes; infinity once it is used up."""
        marks = (SLOW_SHARE * self.cap_bytes, self.cap_bytes)
        return min((mark - self.used_bytes for mark in marks if mark > self.used_bytes), default=math.inf)


class Standing(NamedTuple):
    """How an account stands.

    Attributes:
        profile: whose caps they are.
        caps: each, with what is used of it.
    """

    profile: Profile
    caps: tuple[CapUse, ...]

    @property
    def nearest(self) -> CapUse | None:
        """The cap that ends playing first, the one that renews last among several; None without caps."""
        return min(self.caps, key=lambda cap: (cap.left_bytes, -cap.renews_in_s), default=None)

    @property
    def state(self) -> State:
        """How to go on: as the strictest cap says."""
        states = {cap.state for cap in self.caps}
        return next((state for state in (State.OVER, State.SLOW) if state in states), State.NORMAL)

    @property
    def limits(self) -> Limits:
        """What playing keeps to."""
        return limits_of(self.profile) if self.state is State.NORMAL else SLOW

    @property
    def next_bytes(self) -> float:
        """Bytes until the state may change; infinity without caps."""
        return min((cap.next_bytes for cap in self.caps), default=math.inf)

    def sentence(self) -> str:
        """Say what the state means to the listener; nothing while it is normal."""
        name = self.profile.name
        cap = next((cap for cap in self._last_to_renew() if cap.state is self.state), None)
        if cap is None or self.state is State.NORMAL:
            return ""
        what = f"the cap of {mb_text(cap.cap_bytes)} a {cap.period} in the profile {name}"
        renews = f"it renews in {duration_text(cap.renews_in_s)}"
        if self.state is State.SLOW:
            return f"{100 * cap.used_bytes / cap.cap_bytes:.0f} % of {what} are used; {renews}"
        other = f"use --profile {UNMETERED.name} or raise {cap.period}_mb in [profile.{name}]"
        return f"{what} is reached; {renews}: to go on now, {other}"

    def _last_to_renew(self) -> list[CapUse]:
        return sorted(self.caps, key=lambda cap: -cap.renews_in_s)


def standing_of(profile: Profile, usage: Usage, more_bytes: int, clock_s: float) -> Standing:
    """Return how an account stands.

    Args:
        profile: the one in force.
        usage: the account.
        more_bytes: used under the profile and not in the account yet.
        clock_s: the machine's local time in seconds.
    """
    return Standing(profile, tuple(_caps(profile, usage, more_bytes, clock_s)))


def _caps(profile: Profile, usage: Usage, more_bytes: int, clock_s: float) -> Iterator[CapUse]:
    clock = usage.clock.at(clock_s)
    if profile.day_mb is not None:
        used_bytes = usage.today_bytes(clock, profile.name) + more_bytes
        yield CapUse("day", profile.day_mb * MB, used_bytes, clock.day_ends_in_s)
    if profile.month_mb is not None:
        used_bytes = usage.month_bytes(clock, profile.name) + more_bytes
        yield CapUse("month", profile.month_mb * MB, used_bytes, clock.month_ends_in_s)


def mb_text(size: float) -> str:
    """Return a size in MB, with three digits, or all before the point."""
    return f"{size / MB:.0f} MB" if size >= 100 * MB else f"{size / MB:.3g} MB"


def duration_text(seconds: float) -> str:
    """Return a duration in the unit that a person would choose, rounded up."""
    for unit, unit_s in (("min", 60), ("h", 3600)):
        if seconds <= 48 * unit_s:
            return f"{math.ceil(seconds / unit_s)} {unit}"
    return f"{math.ceil(seconds / 86_400)} days"
