"""The downlink that all the sources of a stream share.

Each source has a `Flow` that controls what is outstanding there. Nothing else keeps them apart: all of them
aim at one queue on the link that they share, so a source that is slow elsewhere leaves the rest to the
others. The rate of the link is measured over the sum. It chooses the rendition, and starts the next flow.

Every ten seconds of transfer all flows drain the queue together, so that each sees its path's own delay. A
flow that joined later took the queue of the others for a part of it.

Call order: `open_flow` for each source; then `on_asked`, `on_arrived` and `on_lost` with that flow, after its
receiver has counted what is outstanding; `close_flow` at last.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from lightpeer.core.rate.flow import FIRST_PACE_RTT_S, UNIT_BYTES, Flow
from lightpeer.core.rate.history import RateHistory
from lightpeer.core.rate.meters import DeliveryRate
from lightpeer.core.rate.pacing import TARGET_S
from lightpeer.core.rate.window import MAX_WINDOW_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.rpc.reply_burst import ReplyBurst
    from lightpeer.core.udp.events import UnitArrived, UnitsLost

NEWCOMER_RTTS: Final = 4.0  # after which a newcomer has seen the queue, and has not grown to much yet
PROBE_PACE: Final = 0.5  # of the link's rate: one that is worth it shows, and slow ones send as they can
DRAIN_EVERY_S: Final = 10.0  # three times in the 30 s for which a base is remembered
_STREAMED_S = 0.5  # a few round trips of TCP
_QUEUE_SAMPLES = 512  # for the statistics: a minute or so of a slow link


class Bandwidth:
    """The controller of one downlink; see the module's docstring.

    Attributes:
        rate_bytes_per_s: what the link gave lately; before any measurement, what is remembered of it, or 0.
        srtt_s: the smoothed round trip of the source that was heard last; None before any.
        history: what the link gave in the last minutes, outages included.
    """

    def __init__(self, remembered_bytes_per_s: float = 0.0, burst: ReplyBurst | None = None) -> None:
        """Start from how a reply of the first source came, or from a rate remembered for this network."""
        self._burst = burst if burst is not None and burst.rate_bytes_per_s else None
        self._remembered = self._burst.rate_bytes_per_s if self._burst else remembered_bytes_per_s
        self._flows: list[Flow] = []
        self.rate_bytes_per_s = self._remembered
        self.history = RateHistory(remembered_bytes_per_s)
        self.srtt_s: float | None = None
        self._delivery = DeliveryRate()
        self.kept_up_bytes_per_s: float | None = None  # as all flows were told; None if one was not
        self._streaming_since = -math.inf
        self._streamed_bytes = 0  # since then
        self._drain_at = 0.0
        self._queue_samples: deque[float] = deque(maxlen=_QUEUE_SAMPLES)

    @property
    def measured_bytes_per_s(self) -> float:
        """The rate of the link lately, measured over a round trip at least; 0 before."""
        return self._delivery.bytes_per_s

    @property
    def outstanding_bytes(self) -> int:
        """How many bytes are outstanding at all sources."""
        return sum(flow.gauge.outstanding_bytes for flow in self._flows)

    def window_bytes(self) -> float:
        """Return how many bytes may be outstanding in all."""
        return sum(flow.window_bytes() for flow in self._flows)

    def queue_delay_p95_s(self) -> float:
        """Return the 95th percentile of the recent queue delays."""
        ordered = sorted(self._queue_samples)
        return ordered[int(len(ordered) * 0.95)] if ordered else 0.0

    def keep_up(self, floor_bytes_per_s: float) -> None:
        """Keep at least this rate in sum, even where others fill the queue; 0 yields to them."""
        self.kept_up_bytes_per_s = floor_bytes_per_s
        for flow in self._flows:
            flow.keep_up(floor_bytes_per_s / len(self._flows))

    def limit(self, flow: Flow, *, beside: int) -> None:
        """Bound the requests to a source that is probed beside so many others; 0: it is not probed.

        The bound is what the queue is to hold, or a unit for each of the others, whose own come unevenly.
        """
        rate = self._delivery.bytes_per_s
        most_bytes = max(beside * UNIT_BYTES, rate * TARGET_S) if beside else MAX_WINDOW_BYTES
        flow.limit(most_bytes, PROBE_PACE * rate if beside else 0.0)

    def open_flow(self) -> Flow:
        """Return the controller of a new source."""
        flow = Flow(newcomer=True) if self._flows else Flow(self.rate_bytes_per_s, self._burst)
        self._burst = None  # it was that of the first source
        self._flows.append(flow)
        self.kept_up_bytes_per_s = None
        if known := self._delivery.bytes_per_s or flow.rate_bytes_per_s:
            flow.tune(known)
        return flow

    def close_flow(self, flow: Flow) -> None:
        """End a source's part."""
        if flow in self._flows:
            self._flows.remove(flow)
            self.kept_up_bytes_per_s = None

    def on_asked(self, flow: Flow, size: int, now: float) -> None:
        """Note that `size` bytes more are outstanding at a source."""
        if self.outstanding_bytes <= size:
            self._delivery.begin(now)
            self._drain_at = now + DRAIN_EVERY_S
        elif flow.gauge.outstanding_bytes <= size and not flow.rate_bytes_per_s:
            self._drain_at = now + NEWCOMER_RTTS * (self.srtt_s or FIRST_PACE_RTT_S)
        flow.on_asked(size, now)
        self._delivery.round_full |= flow.delivery.round_full

    def on_arrived(self, flow: Flow, arrivals: Sequence[UnitArrived]) -> None:
        """Note the units that came from a source in a wake-up, one at least; see `Flow.on_arrived`."""
        flow.on_arrived(arrivals)
        self.srtt_s = flow.gauge.rtt.mean_s
        if flow.is_back:  # the link gives that much at least
            self._note_link(flow.delivery.bytes_per_s)
        measured = sum(unit.rtt_s is not None for unit in arrivals)
        self._queue_samples.extend([flow.delay.queue_s] * measured)
        delivery, round_s, came_bytes = self._delivery, self.srtt_s or math.inf, 0
        for unit in arrivals:
            came_bytes += len(unit.payload)
            if unit.came_at - delivery.started_at >= round_s:
                self._count(came_bytes, 0, unit.came_at)
                came_bytes = 0
        if came_bytes:
            self._count(came_bytes, 0, arrivals[-1].came_at)
        self._drain_if_due(arrivals[-1].came_at)

    def on_lost(self, flow: Flow, lost: UnitsLost) -> None:
        """Note units of a source that will not come."""
        flow.on_lost(lost)
        self._count(0, lost.size_bytes, lost.found_at)

    def on_streamed(self, size: int, awaited_at: float, now: float) -> None:
        """Note bytes that came over a transport with a window of its own (Streams.Pull).

        What comes is counted over half a second at least, since several answers may wait in that window.

        Args:
            size: how many bytes came.
            awaited_at: since when answers have been awaited without a break.
            now: the time.
        """
        if awaited_at > self._streaming_since:
            self._streaming_since, self._streamed_bytes = awaited_at, 0
        self._streamed_bytes += size
        length = now - self._streaming_since
        if length >= _STREAMED_S:
            self._note_rate(self._streamed_bytes / length, forget=True)
            self._streaming_since, self._streamed_bytes = now, 0

    def _count(self, size: int, lost: int, now: float) -> None:
        if self.srtt_s is None:
            return
        rate = self._delivery.add(size, lost, now, self.srtt_s)
        if rate is not None:
            self._note_link(rate)

    def _note_link(self, rate_bytes_per_s: float) -> None:
        self._note_rate(rate_bytes_per_s)
        for flow in self._flows:
            flow.tune(self.rate_bytes_per_s)

    def _note_rate(self, rate_bytes_per_s: float, *, forget: bool = False) -> None:
        self._delivery.take(rate_bytes_per_s, forget=forget)
        self.rate_bytes_per_s = self._delivery.bytes_per_s or self._remembered

    def _drain_if_due(self, now: float) -> None:
        if now >= self._drain_at and self.srtt_s is not None:
            self._drain_at = now + DRAIN_EVERY_S
            queue_s = max((flow.delay.queue_s for flow in self._flows), default=0.0)
            for flow in self._flows:
                flow.drain(queue_s, now)
