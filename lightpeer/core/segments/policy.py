"""How a track is played: what of it is fetched and when, when it sounds, and what the listener pays for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lightpeer.core.budget.profile import Limits
from lightpeer.core.plan.bursts import Bursts
from lightpeer.core.segments.playout import Playout

if TYPE_CHECKING:
    from lightpeer.core.plan.view import Plan

ANY: Final = Limits(None, 2_000_000, 0.1)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a track is played: what is fetched of it and when, and when it sounds.

    Attributes:
        plan: what to fetch next.
        only: the one rendition that is wanted; None for any.
        limits: what the listener pays for.
        bursts: when to fetch.
        playout: when sound runs.
    """

    plan: Plan
    only: int | None = None
    limits: Limits = ANY
    bursts: Bursts = field(default_factory=Bursts)
    playout: Playout = field(default_factory=Playout)
