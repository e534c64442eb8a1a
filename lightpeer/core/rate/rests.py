"""How long what comes from a source may wait, so that it is taken together: a wake-up is dear to a phone.

It waits until the unit may have come that calls for a PULL: it makes the next one due, or shows a loss. A
PULL that is later than the queue lasts idles the link, and by the rate that comes of that the next would be
later still. So nothing waits for longer than its bytes take at the rate that was seen, nor than they take at
the fastest that they can come and the queue that is there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.core.udp.datagram import MAX_PAYLOAD

if TYPE_CHECKING:
    from lightpeer.core.rate.flow import Flow
    from lightpeer.core.udp.receiver import Receiver

SLACK_BYTES: Final = MAX_PAYLOAD // 2  # units come whole: rather the one more than a wake-up for it alone
MOST_BYTES: Final = 32 * 1024  # to come before we look: a third of what Linux holds for a socket
EARLY_BYTES: Final = MAX_PAYLOAD  # that may be missing for a PULL after a rest: a unit is worth no wake-up


def rest_s(flow: Flow, receiver: Receiver, now: float) -> float:
    """Return for how many seconds from now on nothing need be taken of what a source sends; 0: look at once.

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
