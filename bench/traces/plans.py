"""The plans of `core/plan`, played in the real client in the place of its own, and without a network.

In the client everything else stays as it is: transport, depth, bursts, and when sound starts. Without a
network a plan is asked for each segment, once the one before has come, so its decisions are as late as can
be; it may fetch as deep as the client's bound allows.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

from bench.traces import fluid
from bench.traces.heard import Heard
from bench.traces.optimum import BYTES_PER_KBPS, LADDER_KBPS
from bench.traces.trace import Window
from lightpeer.core.plan.insurance import InsuranceFirst
from lightpeer.core.plan.rules import BolaE, BufferMap, Fixed, RobustMpc, Throughput
from lightpeer.core.plan.view import Plan, View, Want
from lightpeer.core.rate.history import RateHistory
from lightpeer.core.segments.policy import ANY

RULES: dict[str, Callable[[], Plan]] = {
    "throughput": Throughput,
    "buffer-map": BufferMap,
    "bola-e": BolaE,
    "mpc": RobustMpc,
    **{f"fixed-{kbps}": (lambda number=number: Fixed(number)) for number, kbps in enumerate(LADDER_KBPS)},
}


def in_client(plan: Callable[[], Plan]) -> Callable[[Window], Heard]:
    """Return what plays a window to the real client with another plan than its own."""

    def play(window: Window) -> Heard:
        from bench.traces.network import play as play_in_network  # slow to import

        with mock.patch("lightpeer.client.stream.InsuranceFirst", plan):
            return play_in_network(window)

    return play


def without_network(plan: Callable[[], Plan]) -> Callable[[Window], Heard]:
    """Return what plays a window by a plan, over a link that delivers exactly what the trace carries."""
    return lambda window: fluid.play(window, _Asked(plan()).decide)


class _Asked:
    """Asks a plan what comes next, as `fluid` wants to know it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rates = RateHistory()
        self._limits = ANY
        self._counted = 0
        self._fetched_bytes = self._wasted_bytes = 0.0

    def decide(self, seen: fluid.View) -> fluid.Fetch | None:
        """Return the segment that the plan wants, None to rest."""
        for arrival in seen.arrivals[self._counted :]:
            self._rates.note(0, arrival.began_s, fetching=True)
            self._rates.note(arrival.size, arrival.ended_s, fetching=False)
            self._fetched_bytes += arrival.size
        self._counted = len(seen.arrivals)
        decision = self._plan.decide(self._view(seen))
        if not isinstance(decision, Want):
            return None
        if (before := seen.held.get(decision.segment)) is not None:
            self._wasted_bytes += LADDER_KBPS[before] * BYTES_PER_KBPS
        return fluid.Fetch(decision.segment, decision.rendition)

    def _view(self, seen: fluid.View) -> View:
        missing = seen.next_missing()
        end = seen.count if missing is None else missing
        held_bytes = sum(LADDER_KBPS[rendition] for rendition in seen.held.values()) * BYTES_PER_KBPS
        return View(
            [kbps * 1000 for kbps in LADDER_KBPS],
            seen.count,
            self._rates,
            now=seen.now_s,
            cursor=seen.position,
            end=end,
            limit=seen.count,
            before_s=seen.ahead_s - (end - seen.position),
            here=dict(seen.held),
            room_bytes=self._limits.buffer_bytes - held_bytes,
            best=len(LADDER_KBPS) - 1,
            waste_share=self._limits.waste_share,
            fetched_bytes=int(self._fetched_bytes),
            wasted_bytes=int(self._wasted_bytes),
        )


POLICIES: dict[str, Callable[[Window], Heard]] = {
    **{name: in_client(plan) for name, plan in RULES.items()},
    "ours-fluid": without_network(InsuranceFirst),
    **{f"{name}-fluid": without_network(plan) for name, plan in RULES.items()},
}
