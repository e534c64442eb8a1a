"""How long the datagrams of a source may wait to be taken together: a wake-up is dear to a phone.

They wait until the unit may have come that calls for a PULL, since it makes one due or shows a loss. A PULL
that comes after the queue is empty idles the link, and the lower rate that is then measured would delay the
next one further. So nothing waits longer than `Flow.soonest_s`: the time that the bytes take at the rate
measured, or, if that is less, at the fastest rate possible and behind the queue.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.udp.datagram import MAX_PAYLOAD

if TYPE_CHECKING:
    from lightpeer.core.rate.flow import Flow
    from lightpeer.core.udp.receiver import Receiver

SLACK_BYTES: Final = MAX_PAYLOAD // 2  # units come whole: better one more than a wake-up for it alone
MOST_BYTES: Final = 32 * 1024  # a third of what Linux holds for a socket
EARLY_BYTES: Final = MAX_PAYLOAD  # a PULL after a rest goes out so early: one unit is not worth a wake-up


def rest_s(flow: Flow, receiver: Receiver, now: float) -> float:
    """Return for how many seconds the datagrams of a source may wait; 0: look at once.

    Args:
        flow: of the source.
        receiver: of the source.
        now: the time in seconds.
    """
    if receiver.is_at_end or receiver.probes_unanswered:
        return 0.0
    probe_at, units = receiver.next_deadline(), receiver.gauge.units_to_loss
    if probe_at is None:
        return 0.0
    expected = min(flow.bytes_to_next_pull(), math.inf if units is None else units * MAX_PAYLOAD)
    if expected <= MAX_PAYLOAD:  # the next one may be it
        return 0.0
    soonest_s = flow.soonest_s(min(expected + SLACK_BYTES, MOST_BYTES))
    return max(0.0, min(soonest_s, (probe_at - now) / 2))
