"""Whether one source's `Streams.Pull` call brings what is due, and when to make another one.

An answer that does not come in time means that the connection hangs. Then a new connection is made; if that
hangs too the call has failed. A call that fails is made again later, less and less often. The patience grows
with the silences before answers, with the round trip, and with each connection that was given up of late:
TCP recovers slowly from losses.

Call order: `begin` when the call is made; `on_due`, `on_chunk`, `on_reconnected` and `on_failed` as things
happen; `on_hung` once `hung_at` has come.
"""

from __future__ import annotations

import math
from typing import Final

from lightpeer.core.sources.path_state import PathState

HUNG_AFTER_S: Final = 1.5  # without a byte that is due: TCP itself would wait for up to two minutes
HUNG_FIRST_S: Final = 4.0  # before the first answer, when it is not known how long they take
HUNG_SILENCES: Final = 3  # as long as the usual silence before an answer: a busy server has others to serve
MOST_DOUBT: Final = 8.0  # times as patient as that: twice for each connection that was given up of late
DOUBT_LOST: Final = 0.9  # times the doubt, after each answer
CALL_AGAIN_S: Final = 2.0  # after a call that failed; twice as long each time
MAX_CALL_AGAIN_S: Final = 15.0


class CallWatch:
    """The watch over the calls to one source."""

    def __init__(self, path: PathState) -> None:
        """Begin without a call; `path` is what else is known of the path."""
        self.has_given = False  # this call
        self.is_hung = False  # nothing has come on the call since it was said to hang
        self.may_begin_at = 0.0  # another call
        self.has_failed = False  # and nothing has come since
        self._path = path
        self._again_s = CALL_AGAIN_S
        self._awaited_at = math.inf  # since when an answer is due
        self._silence_s = 0.0  # before an answer, of late
        self._doubt = 1.0  # that a silence means a hung connection
        self._has_reconnected = False  # since something came on the call

    @property
    def is_resting(self) -> bool:
        """Whether no answer is due."""
        return self._awaited_at == math.inf

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come of what is due."""
        return max(0.0, now - max(self._awaited_at, self._path.heard_at))

    def begin(self) -> None:
        """Note that a call is made."""
        self.has_given = self.is_hung = self._has_reconnected = False
        self._awaited_at = math.inf

    def on_due(self, now: float) -> None:
        """Note that an answer is due from now on."""
        self._awaited_at = min(self._awaited_at, now)

    def on_chunk(self, now: float, silence_s: float, *, is_more_due: bool) -> None:
        """Note an answer.

        Args:
            now: the time in seconds.
            silence_s: the longest time without a byte since the answer before.
            is_more_due: whether more was asked for.
        """
        silence_s = min(silence_s, max(0.0, now - self._awaited_at))  # before, nothing was due
        self._silence_s = max(silence_s, self._silence_s + (silence_s - self._silence_s) / 4)
        self._doubt = max(1.0, DOUBT_LOST * self._doubt)
        self._awaited_at = now if is_more_due else math.inf
        self.is_hung = self._has_reconnected = False
        self.has_given = True
        self._again_s, self.has_failed = CALL_AGAIN_S, False

    def on_udp(self) -> None:
        """Note that UDP passes: calls that failed before do not count any more."""
        self._again_s, self.has_failed = CALL_AGAIN_S, False

    def hung_at(self) -> float:
        """Return when the connection is said to hang, infinity if no answer is due."""
        patience_s = max(HUNG_AFTER_S, HUNG_SILENCES * self._silence_s) if self.has_given else HUNG_FIRST_S
        silent_since = max(self._awaited_at, self._path.heard_at)
        return silent_since + self._doubt * self._path.patience_s(patience_s)

    def on_hung(self) -> bool:
        """Note that the connection hangs; return whether to try another one, or else the call has failed."""
        self._awaited_at = math.inf
        self._doubt = min(2 * self._doubt, MOST_DOUBT)
        self.is_hung = not self._has_reconnected
        return self.is_hung

    def on_reconnected(self) -> None:
        """Note that the call is made anew over another connection."""
        self.is_hung, self._has_reconnected = False, True
        self._awaited_at = math.inf

    def on_failed(self, now: float) -> None:
        """Note that the call has failed: another one is not made at once."""
        self._awaited_at = math.inf
        self.has_failed = True
        self.may_begin_at = now + self._again_s
        self._again_s = min(2 * self._again_s, MAX_CALL_AGAIN_S)
