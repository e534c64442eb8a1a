"""The faults of a link: by chance, by the size of packets, and by a policer.

Losses come in runs, as in the channel of Gilbert (1960): two states, one of which loses everything. With
runs of one packet each is lost independently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(eq=False)
class Faults:
    """The faults of one direction; every attribute may be changed while packets are on their way.

    Attributes:
        loss: probability that a packet is lost.
        loss_run: packets in a run of losses, on average.
        reorder: probability that a packet arrives late.
        reorder_s: how late, in seconds.
        duplicate: probability that a packet arrives twice.
        corrupt: probability that a bit is flipped; TCP drops a packet like that.
        mtu_bytes: larger packets vanish.
        police_bytes_per_s: UDP above this rate is dropped, by a token bucket that holds one second's worth.
    """

    loss: float = 0.0
    loss_run: float = 1.0
    reorder: float = 0.0
    reorder_s: float = 0.03
    duplicate: float = 0.0
    corrupt: float = 0.0
    mtu_bytes: float = math.inf
    police_bytes_per_s: float = math.inf
    _is_losing: bool = field(default=False, init=False, repr=False)
    _tokens: float = field(default=math.inf, init=False, repr=False)
    _tokens_at: float = field(default=0.0, init=False, repr=False)

    def admits(self, size: int, now: float, *, is_udp: bool) -> bool:
        """Return whether a packet gets past the MTU and the policer.

        Args:
            size: bytes.
            now: virtual seconds.
            is_udp: False for TCP, which is not policed.
        """
        return size <= self.mtu_bytes and (not is_udp or self._conforms(size, now))

    def loses(self, chance: float) -> bool:
        """Return whether the next packet is lost; `chance` is uniform between 0 and 1."""
        if self.loss_run <= 1:
            return chance < self.loss
        if self._is_losing:
            self._is_losing = chance >= 1 / self.loss_run
        else:
            self._is_losing = chance < self.loss / (self.loss_run * (1 - self.loss))
        return self._is_losing

    def _conforms(self, size: int, now: float) -> bool:
        rate = self.police_bytes_per_s
        if rate == math.inf:
            return True
        self._tokens = min(rate, self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if size > max(self._tokens, 0.0):
            return False
        self._tokens -= size
        return True
