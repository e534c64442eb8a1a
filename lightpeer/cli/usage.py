"""`lightpeer usage`: the data used today, this month and by day, and what is left of the caps.

It uses no network. What a command that runs now has used is there a minute later at the latest.
"""

from __future__ import annotations

import time
from itertools import starmap
from typing import TYPE_CHECKING, Final

from lightpeer.client.meter import profile_of
from lightpeer.core.budget.profile import all_profiles
from lightpeer.core.budget.standing import duration_text, mb_text, standing_of
from lightpeer.core.budget.usage import date_of
from lightpeer.net.system import SystemNetwork
from lightpeer.state.usage import UsageFile, local_time_s

if TYPE_CHECKING:
    from lightpeer.config import Settings
    from lightpeer.console.output import Output
    from lightpeer.core.budget.standing import CapUse

DAYS: Final = 31


def show_usage(settings: Settings, output: Output) -> int:
    """Print the account; return the exit status."""
    usage, clock_s = UsageFile(settings.state_dir).load(), local_time_s(time.time())
    clock, profile = usage.clock.at(clock_s), profile_of(settings, SystemNetwork()).name
    today_bytes, month_bytes = usage.today_bytes(clock), usage.month_bytes(clock)
    days = {str(date_of(day)): names for day, names in usage.by_day(DAYS).items()}
    profiles = all_profiles(settings.profiles).values()
    caps = [(each.name, cap) for each in profiles for cap in standing_of(each, usage, 0, clock_s).caps]
    if output.json:
        output.result(
            "usage",
            "",
            profile=profile,
            today_bytes=today_bytes,
            month_bytes=month_bytes,
            caps=list(starmap(_cap_fields, caps)),
            days=[_day_fields(day, names) for day, names in days.items()],
        )
        return 0
    what = f"today {mb_text(today_bytes)}, this month {mb_text(month_bytes)}, the profile here is {profile}"
    for line in (what, *starmap(_cap_line, caps), *starmap(_day_line, days.items())):
        output.prose("usage", line, indent=2)
    return 0


def _cap_line(name: str, cap: CapUse) -> str:
    used = f"{mb_text(cap.used_bytes)} of {mb_text(cap.cap_bytes)} a {cap.period}"
    return f"{name}: {used}, which renews in {duration_text(cap.renews_in_s)}"


def _cap_fields(name: str, cap: CapUse) -> dict[str, object]:
    return {
        "profile": name,
        "period": cap.period,
        "cap_bytes": round(cap.cap_bytes),
        "used_bytes": cap.used_bytes,
        "left_bytes": round(cap.left_bytes),
        "renews_in_s": round(cap.renews_in_s),
    }


def _day_line(day: str, names: dict[str, int]) -> str:
    parts = ", ".join(f"{name} {mb_text(size)}" for name, size in sorted(names.items()))
    return f"{day}  {mb_text(sum(names.values()))}  ({parts})"


def _day_fields(day: str, names: dict[str, int]) -> dict[str, object]:
    return {"day": day, "bytes": sum(names.values()), "profiles": names}
