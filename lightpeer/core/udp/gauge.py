"""The figures of one source's UDP stream that rate control needs.

The `Receiver` knows each unit, so its side alone writes them; the `Flow` of the same source reads them. A
flow that added up events itself would count a unit twice that was requested twice, and a window that seems
full stays full.
"""

from __future__ import annotations

from lightpeer.core.udp.round_trip import SmoothedRtt


class Gauge:
    """The figures of one stream.

    Attributes:
        outstanding_bytes: requested, and neither received nor given up.
        units_to_loss: how many more units would show that the oldest outstanding one is lost; None while
            nothing has come that was requested after it.
        rtt: the smoothed round trip.
    """

    __slots__ = ("outstanding_bytes", "rtt", "units_to_loss")

    def __init__(self) -> None:
        self.outstanding_bytes = 0
        self.units_to_loss: int | None = None
        self.rtt = SmoothedRtt()
