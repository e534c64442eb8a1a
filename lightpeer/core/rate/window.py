"""How much may be outstanding at one source: it bounds what a fade of the link can turn into a queue.

That is the bytes of a base round trip and of twice the target queue, and what waits at the server for its
turn between two PULLs. It is at most four times what a round trip was seen to carry. Half a second is assumed
where the rate is known and no round trip. Where others fill the queue (`Crowd`), it is what playback needs
for as long as that queue lasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.udp.datagram import MAX_PAYLOAD

if TYPE_CHECKING:
    from lightpeer.core.rate.meters import PathDelay

FIRST_RTT_S: Final = 0.5  # assumed while none is known
FLOOR_UNITS: Final = 3  # with fewer outstanding, three later arrivals can never show a loss
MAX_WINDOW_BYTES: Final = 4 * 1024 * 1024  # what a path of 100 Mbit/s and 300 ms holds

_BATCH_UNITS = 4  # worth a PULL, whose 60 bytes are then a hundredth of what it brings
_BATCH_SLOW_S = 0.1  # but no more than so long takes, where four would be a long queue in a fade
_BATCH_S = 0.04  # and no less on fast links: 25 PULLs a second
_SLACK_UNITS = 1  # for the server to send while the next PULL is under way
_PROVEN_GROWTH = 4.0  # a train can be squeezed by a radio's scheduler: this bounds what it may claim
_FLOOR_QUEUE_S = 0.4  # of others, through which the floor is kept; more is a fade that it would only fill


class Window:
    """The window of one flow.

    Attributes:
        most_bytes: what it is at most.
        batch_bytes: how much is worth a PULL.
        proven_bytes: what one round trip carried.
        held_bytes: what the path, its queue and the server may hold; None before anything is measured.
    """

    def __init__(self, initial_bytes: float) -> None:
        """Begin with what may be outstanding before anything is measured."""
        self.most_bytes: float = MAX_WINDOW_BYTES
        self.batch_bytes = float(MAX_PAYLOAD)
        self.proven_bytes = initial_bytes
        self.held_bytes: float | None = None
        self._initial_bytes = initial_bytes

    def tune(self, link_bytes_per_s: float) -> None:
        """Adapt to the rate of the whole link."""
        few = min(_BATCH_UNITS * MAX_PAYLOAD, link_bytes_per_s * _BATCH_SLOW_S)
        self.batch_bytes = max(MAX_PAYLOAD, few, link_bytes_per_s * _BATCH_S)

    def work_out(
        self, rate_bytes_per_s: float, delay: PathDelay, target_s: float, floor_bytes_per_s: float
    ) -> float:
        """Return how many bytes may be outstanding, without the part of a train; set `held_bytes`.

        Args:
            rate_bytes_per_s: what the source delivered lately, 0 before any measurement.
            delay: of its path.
            target_s: how long the queue is to be.
            floor_bytes_per_s: the rate to keep though others fill the queue, or 0.
        """
        base_s = delay.base_s
        if not rate_bytes_per_s:
            self.held_bytes = None
            return min(self._initial_bytes, self.most_bytes)
        waiting = self.batch_bytes + _SLACK_UNITS * MAX_PAYLOAD
        if base_s is None:
            self.held_bytes = None
            unknown = max(FLOOR_UNITS * MAX_PAYLOAD, rate_bytes_per_s * FIRST_RTT_S + waiting)
            return min(unknown, self._initial_bytes, self.most_bytes)
        held = rate_bytes_per_s * (base_s + 2 * target_s) + waiting
        self.held_bytes = min(held, _PROVEN_GROWTH * self.proven_bytes)
        among_others = floor_bytes_per_s * (base_s + min(delay.queue_s, _FLOOR_QUEUE_S))
        return min(max(FLOOR_UNITS * MAX_PAYLOAD, self.held_bytes, among_others), self.most_bytes)
