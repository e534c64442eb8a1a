"""Which way the data of one source comes: UDP, or `Streams.Pull` over gRPC where UDP does not pass.

A source begins on UDP and falls back once that is of no use (`udp_watch.py`). On gRPC a small unit is asked
for over UDP now and then; when some have come it returns.

An outage silences both. Then neither is to blame, and the two take turns: UDP is probed once a second, and a
call that fails, or a connection that hangs, is made anew, less and less often (`call_watch.py`). The first
sign of life on either decides. Times grow with the round trip, as far as it is known (`path_state.py`).

Call order: `on_units`, `on_lost`, `on_call`, `on_chunk` and `on_call_failed` as things happen; `decide`
whenever `next_deadline` has come, until it returns NOTHING. Carry out at once what it returns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from lightpeer.core.sources.call_watch import CallWatch
from lightpeer.core.sources.path_state import PathState
from lightpeer.core.sources.udp_watch import UdpWatch

if TYPE_CHECKING:
    from lightpeer.core.udp.receiver import Receiver

UDP_RETRY_S: Final = 15.0
RETURN_UNITS: Final = 6  # that must come by UDP before it is trusted again: policers let single ones pass


class Action(Enum):
    """What is to be done about a source's transport."""

    NOTHING = auto()
    MOVE = auto()  # take another UDP socket: our address may have changed unnoticed
    FALL_BACK = auto()  # make a call of Streams.Pull, over a new connection if UDP had passed before
    RETURN = auto()  # end the call: UDP passes again, or is no worse
    PROBE = auto()  # ask for a small unit over UDP
    RECONNECT = auto()  # the call's connection hangs: make another, and call anew once it stands
    END_CALL = auto()  # another connection hangs too: the call has failed


class Transport:
    """The choice for one source; see the module's docstring."""

    def __init__(
        self,
        receiver: Receiver | None,
        least_bytes_per_s: float,
        now: float,
        *,
        units: int = RETURN_UNITS,
        may_call: bool = True,
    ) -> None:
        """Begin on UDP where there is a stream.

        Args:
            receiver: of the UDP stream, if there is one.
            least_bytes_per_s: what the smallest rendition takes.
            now: the time in seconds.
            units: how many there are to try UDP with.
            may_call: False where the person wants UDP alone.
        """
        self.path = PathState()
        self.on_grpc = False
        self.uses_udp = True  # UDP may well be the first to pass; not once the call has delivered
        self.trial_units = min(RETURN_UNITS, units)
        self._may_call = may_call
        self._udp = UdpWatch(receiver, least_bytes_per_s, self.path, now)
        self._call = CallWatch(self.path)
        self._passed_units = 0  # by UDP, since the last probe, while data comes by gRPC
        self._retry_udp_at = math.inf
        self._is_trying_udp = False

    @property
    def is_hung(self) -> bool:
        """Whether nothing has come on the call since it was said to hang."""
        return self._call.is_hung

    def has_expired(self, now: float) -> bool:
        """Return whether UDP needs a new stream; on gRPC, only once it is time to try that again."""
        if not self._udp.has_stream:
            return False
        if self.on_grpc:
            return now >= self._retry_udp_at and self._udp.may_be_over(now)
        return self._udp.is_over(now) or (not self._may_call and self._udp.seems_over(now))

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come of what is due."""
        return self._call.silent_s(now) if self.on_grpc else self._udp.silent_s(now)

    # What happens.

    def on_units(self, arrivals: Sequence[tuple[int, float]]) -> None:
        """Note units that were asked for and came over UDP in one wake-up.

        Args:
            arrivals: the size in bytes and the time in seconds of each, oldest first; at least one.
        """
        self._udp.on_units(arrivals)
        if self.on_grpc:
            self._passed_units += len(arrivals)
        elif self._call.has_failed:
            self._call.on_udp()

    def take_trial(self) -> bool:
        """Return whether to ask for more units over UDP now, to see how it passes; True once a probe."""
        is_due = self._is_trying_udp and self._passed_units > 0
        self._is_trying_udp = self._is_trying_udp and not is_due
        return is_due

    def on_lost(self, units: int) -> None:
        """Note units that were asked for over UDP and will not come, in order with `on_units`."""
        self._udp.on_lost(units)

    def on_call(self, now: float) -> None:
        """Note that something is due on the call from now on."""
        self._call.on_due(now)

    def on_chunk(self, now: float, silence_s: float, *, is_more_due: bool) -> None:
        """Note that an answer came on the call.

        Args:
            now: the time in seconds.
            silence_s: the longest time without a byte since the answer before.
            is_more_due: whether more was asked for.
        """
        self._call.on_chunk(now, silence_s, is_more_due=is_more_due)
        self.uses_udp = not self.on_grpc

    def on_reconnected(self) -> None:
        """Note that the call is made anew over another connection."""
        self._call.on_reconnected()

    def on_call_failed(self, now: float) -> bool:
        """Note that a call ended for no fault of the peer; return whether UDP may go on without one."""
        if self._udp.is_over(now):
            return False
        self._call.on_failed(now)
        return True

    # Time.

    def next_deadline(self) -> float:
        """Return when `decide` may have something to give."""
        if self.on_grpc:
            return min(self._call.hung_at(), self._probe_at())
        return self._udp.next_deadline(self._call.may_begin_at if self._may_call else math.inf)

    def decide(self, now: float) -> Action:
        """Return what is to be done now, and consider it done."""
        if self.on_grpc:
            return self._decide_on_grpc(now)
        if now >= self._udp.move_at():
            self._udp.on_moved(now)
            return Action.MOVE
        if self._may_call and now >= self._call.may_begin_at and self._udp.is_useless(now):
            self._begin_on_grpc(now)
            return Action.FALL_BACK
        return Action.NOTHING

    def _decide_on_grpc(self, now: float) -> Action:
        enough_units = self.trial_units if self._call.has_given else 1
        has_failed = now < self._call.may_begin_at
        if self._passed_units >= enough_units or has_failed:
            self._begin_on_udp()
            return Action.RETURN
        if now >= self._call.hung_at():
            return Action.RECONNECT if self._call.on_hung() else Action.END_CALL
        if now >= self._probe_at():
            self._retry_udp_at, self._is_trying_udp, self._passed_units = now + UDP_RETRY_S, True, 0
            return Action.PROBE
        return Action.NOTHING

    def _begin_on_grpc(self, now: float) -> None:
        self.on_grpc = True
        self._udp.leave(now)
        self._call.begin()
        self._passed_units = 0
        self._is_trying_udp = False
        self._retry_udp_at = now + UDP_RETRY_S

    def _begin_on_udp(self) -> None:
        self.on_grpc, self.uses_udp = False, True
        self._udp.begin()
        self._is_trying_udp = False

    def _probe_at(self) -> float:
        """Return when to try UDP again, unless that takes a new stream, or the radio may sleep."""
        if self._call.is_resting or self._udp.may_be_over(self._retry_udp_at):
            return math.inf
        return self._retry_udp_at
