"""The PULLs of one UDP stream: their numbers, epoch and path token, and when each was sent.

DATA echoes the low 16 bits of the number of the PULL that it answers, so the time of that PULL gives a round
trip. A PATH brings a new token, which the next PULL shows. Anybody on the path may repeat an old PATH, whose
token would stop the stream: the PATH with the greatest number counts.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from lightpeer.core.udp.datagram import LEASE_S, MIN_PACE_BYTES_PER_S, Pull, build_pull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.udp.datagram import PathToken, UnitRange
    from lightpeer.core.udp.opening import UdpTerms
    from lightpeer.core.udp.unasked import Unasked

PULLS_REMEMBERED: Final = 1024  # units of older PULLs give no round trip
RENEWED_AFTER_S: Final = LEASE_S / 2
_HALF: Final = 1 << 31  # of the numbers of PATHs, which go round (RFC 1982)


class PullQueue:
    """The PULLs that wait to be sent, and the times of those before them.

    Attributes:
        datagrams: what waits; take it from the left.
        sent_at: when each of the latest PULLs was put, by the low 16 bits of its number.
        pace_bytes_per_s: the pace that the next PULLs ask for.
        renewal_at: when another is due, lest the source forgets what it was asked for; see `watch_lease`.
    """

    def __init__(self, terms: UdpTerms, unasked: Unasked) -> None:
        """Begin with the path token of the Open exchange; `unasked` is told of each PULL and PATH."""
        self.datagrams: deque[bytes] = deque()
        self.sent_at: dict[int, float] = {}
        self.pace_bytes_per_s = 0
        self.renewal_at = math.inf
        self._terms = terms
        self._unasked = unasked
        self._number = 0
        self._epoch = 0
        self._path_token = terms.path_token
        self._path_no = 0

    def put(self, ranges: Sequence[UnitRange], now: float, *, shows_token: bool = False) -> int:
        """Queue a PULL; return its number as it will be echoed.

        Args:
            ranges: the units it requests, `MAX_RANGES` ranges at most.
            now: the time in seconds.
            shows_token: whether it only shows a new path token.
        """
        self._number = (self._number + 1) & 0xFFFFFFFF
        echoed_no = self._number & 0xFFFF
        self._unasked.on_pull(echoed_no, ranges, shows_token=shows_token)
        self.sent_at[echoed_no] = now
        if len(self.sent_at) > PULLS_REMEMBERED:
            del self.sent_at[next(iter(self.sent_at))]
        stream_id, pace = self._terms.stream_id, self.pace_bytes_per_s
        pull = Pull(stream_id, self._number, pace, self._path_token, self._epoch, ranges)
        self.datagrams.append(build_pull(pull, self._terms.keys))
        return echoed_no

    def watch_lease(self, outstanding_bytes: int, now: float) -> None:
        """Note how much may be left to send at the pace of a PULL that was put now."""
        left_s = outstanding_bytes / max(self.pace_bytes_per_s, MIN_PACE_BYTES_PER_S)
        self.renewal_at = now + RENEWED_AFTER_S if left_s > LEASE_S else math.inf

    def begin_epoch(self) -> None:
        """Have the next PULL empty the source's queue."""
        self._epoch = (self._epoch + 1) % 256

    def on_path(self, path: PathToken, size: int) -> bool:
        """Note a PATH of `size` bytes; return whether its token is new, and must be shown."""
        ahead = (path.path_no - self._path_no) % (2 * _HALF)
        self._unasked.on_path(size, is_new=0 < ahead < _HALF)
        if ahead >= _HALF:
            return False
        is_new = path.path_token != self._path_token
        self._path_no, self._path_token = path.path_no, path.path_token
        return is_new
