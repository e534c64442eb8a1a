"""What rate control reads of a stream."""

from __future__ import annotations

from lightpeer.core.udp.gauge import Gauge


def test_before_anything_is_requested_nothing_is_outstanding_or_known():
    gauge, other = Gauge(), Gauge()
    assert (gauge.outstanding_bytes, gauge.units_to_loss, gauge.rtt.mean_s) == (0, None, None)
    gauge.rtt.add(0.2)
    assert other.rtt.mean_s is None, "each stream has its own"
