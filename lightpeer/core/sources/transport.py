"""By what the data of one source comes: UDP, or `Streams.Pull` over gRPC where UDP does not pass.

A source begins on UDP. It falls back when no DATA comes in time, when DATA stops while probes go
unanswered, or when hardly anything passes (`sieve.py`). On gRPC a small unit is asked for over UDP now
and then; when some have come it returns.

An outage silences both. Then neither is to blame, and the two take turns: UDP is probed once a second,
and a call that fails, or a connection that hangs, is made anew, less and less often. The first sign of
life on either decides. Times grow with the round trip, as far as it is known.

Call order: `on_unit`, `on_lost`, `on_chunk`, `on_call` and `on_call_failed` as things happen; `decide` after
these and whenever `next_deadline` has come, until it gives NOTHING. Do at once what it gives.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from lightpeer.core.rate.policing import Sieve
from lightpeer.core.udp.datagram import MAX_PAYLOAD

if TYPE_CHECKING:
    from lightpeer.core.udp.receiver import Receiver

FALLBACK_AFTER_S: Final = 1.0  # without any DATA; or three round trips, if they are longer
BESIDE_OTHERS: Final = 3.0  # times as long where UDP passes for other sources: a unit or two were lost
MOVE_AFTER_S: Final = 1.5  # without an answer: longer than a radio's handover takes
GIVE_UP_AFTER_S: Final = 2.5  # of silence, a second of it over the new socket,
GIVE_UP_PROBES: Final = 4  # and so many probes in vain: UDP does not pass any more
HUNG_AFTER_S: Final = 1.5  # without a byte that is due: TCP itself would wait for up to two minutes
HUNG_FIRST_S: Final = 4.0  # before the first answer, when it is not known how long they take
HUNG_SILENCES: Final = 3  # as long as the usual silence before an answer: a busy server has others to serve
MOST_DOUBT: Final = 8.0  # times as patient as that: twice for each connection that was given up of late
DOUBT_LOST: Final = 0.9  # what an answer leaves of it
ROUND_TRIPS: Final = 3  # any of these times is at least so many
HASTE: Final = 0.4  # of these times, when the connection has ended too: the peer is gone, or our network is
TRICKLE_S: Final = 2.0  # from the first DATA on: half of what the least rendition needs must come once
UDP_RETRY_S: Final = 15.0
RETURN_UNITS: Final = 6  # that must come by UDP before it is trusted again: policers let single ones pass
STREAM_ENDS_S: Final = 55.0  # after which a server may have ended our stream: 60 s, less what a PULL may take
CALL_AGAIN_S: Final = 2.0  # after a call that failed; twice as long each time
MAX_CALL_AGAIN_S: Final = 15.0


class Action(Enum):
    """What is to be done about a source's transport."""

    NOTHING = auto()
    MOVE = auto()  # take another UDP socket: our address may have changed, and nobody tells
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
        self._may_call = may_call
        self.trial_units = min(RETURN_UNITS, units)
        self.passes_for_others = False  # UDP does lately
        self.rtt_s = 0.0  # as far as it is known
        self.is_alive = True  # the connection stands, or could
        self.heard_at = -math.inf  # when a byte came last over it
        self.on_grpc = False
        self._receiver = receiver
        self._least_bytes_per_s = least_bytes_per_s
        self.share_bytes_per_s = math.inf  # of the link, where several sources are asked
        self._sieve = Sieve()
        self._moved_at = -math.inf
        self._is_seen_to_pass = False
        self._udp_heard_at = now
        self._udp_began_at = math.inf  # with the first DATA
        self._udp_bytes = 0  # since then
        self._passed_units = 0  # by UDP, of late, while data comes by gRPC
        self._retry_udp_at = math.inf
        self._is_trying_udp = False
        self._call_at = 0.0  # not before
        self._call_again_s = CALL_AGAIN_S
        self._awaited_at = math.inf  # since when something is due on the call
        self._silence_s = 0.0  # before an answer, of late
        self._doubt = 1.0  # that a silence means a hung connection: TCP recovers slowly from losses
        self._is_reconnecting = False
        self._has_reconnected = False  # since something came on the call
        self._has_call_given = False

    @property
    def uses_udp(self) -> bool:
        """Whether UDP may well be what passes first: a call that gives something makes it idle."""
        return not (self.on_grpc and self._has_call_given)

    @property
    def is_hung(self) -> bool:
        """Whether nothing has come on the call since it was said to hang."""
        return self._is_reconnecting

    def has_expired(self, now: float) -> bool:
        """Return whether UDP can come only from a new stream; on gRPC, once it is time to try that again."""
        is_due = not self.on_grpc or now >= self._retry_udp_at
        return self._receiver is not None and is_due and now >= self._udp_heard_at + STREAM_ENDS_S

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come of what is due."""
        if self.on_grpc:
            return max(0.0, now - max(self._awaited_at, self.heard_at))
        return self._receiver.silent_s(now) if self._receiver is not None else 0.0

    # What happens.

    def on_unit(self, size: int, now: float) -> None:
        """Note a unit that was asked for and came over UDP."""
        self._sieve.on_arrived()
        self._udp_heard_at = now
        if not self._is_seen_to_pass:
            self._watch_trickle(size, now)
        if self.on_grpc:
            self._passed_units += 1
        else:
            self._call_again_s = CALL_AGAIN_S

    def take_trial(self) -> bool:
        """Return whether more units are to be asked for over UDP now, to see how it passes; once."""
        is_due = self._is_trying_udp and self._passed_units == 1
        self._is_trying_udp = self._is_trying_udp and not is_due
        return is_due

    def on_lost(self, units: int) -> None:
        """Note units that were asked for over UDP and will not come."""
        self._sieve.on_lost(units)

    def on_call(self, now: float) -> None:
        """Note that something is due on the call from now on."""
        self._awaited_at = min(self._awaited_at, now)

    def on_chunk(self, now: float, silence_s: float, *, is_more_due: bool) -> None:
        """Note that an answer came on the call.

        Args:
            now: the time in seconds.
            silence_s: the longest time without a byte since the answer before.
            is_more_due: whether more was asked for.
        """
        silence_s = min(silence_s, max(0.0, now - self._awaited_at))  # before, nothing was due
        self._silence_s = max(silence_s, self._silence_s + (silence_s - self._silence_s) / 4)
        self._doubt = max(1.0, DOUBT_LOST * self._doubt)
        self._awaited_at = now if is_more_due else math.inf
        self._is_reconnecting = self._has_reconnected = False
        self._has_call_given = True
        self._call_again_s = CALL_AGAIN_S

    def on_reconnected(self) -> None:
        """Note that the call is made anew over another connection."""
        self._is_reconnecting, self._has_reconnected = False, True
        self._awaited_at = math.inf

    def on_call_failed(self, now: float) -> bool:
        """Note that a call ended for no fault of the peer; return whether UDP may go on without one."""
        if self._receiver is None or self._is_over(now):
            return False
        self._awaited_at = math.inf
        self._call_at = now + self._call_again_s
        self._call_again_s = min(2 * self._call_again_s, MAX_CALL_AGAIN_S)
        return True

    # Time.

    def next_deadline(self) -> float:
        """Return when `decide` may have something to give."""
        if self.on_grpc:
            return min(self._hung_at(), self._probe_at())
        due = min(self._first_limit(), self._silent_at(), self._trickle_at())
        if self._receiver is None or self._sieve.is_closed:
            due = self._call_at
        return min(self._move_at(), max(due, self._call_at) if self._may_call else math.inf)

    def decide(self, now: float) -> Action:
        """Return what is to be done now, and take it as done."""
        if self.on_grpc:
            return self._decide_on_grpc(now)
        if now >= self._move_at():
            self._moved_at = now
            return Action.MOVE
        if self._may_call and now >= self._call_at and self._is_udp_of_no_use(now):
            self._begin_on_grpc(now)
            return Action.FALL_BACK
        return Action.NOTHING

    def _decide_on_grpc(self, now: float) -> Action:
        enough_units = self.trial_units if self._has_call_given else 1
        if self._passed_units >= enough_units or now < self._call_at:  # a call has failed
            self._begin_on_udp()
            return Action.RETURN
        if now >= self._hung_at():
            self._awaited_at = math.inf
            self._doubt = min(2 * self._doubt, MOST_DOUBT)
            self._is_reconnecting = not self._has_reconnected
            return Action.RECONNECT if self._is_reconnecting else Action.END_CALL
        if now >= self._probe_at():
            self._retry_udp_at, self._is_trying_udp, self._passed_units = now + UDP_RETRY_S, True, 0
            return Action.PROBE
        return Action.NOTHING

    def _begin_on_grpc(self, now: float) -> None:
        self.on_grpc = True
        self._sieve.reset()
        self._passed_units = 0
        self._is_trying_udp = False
        self._has_call_given = self._is_reconnecting = self._has_reconnected = False
        self._awaited_at = math.inf
        self._retry_udp_at = now + UDP_RETRY_S

    def _begin_on_udp(self) -> None:
        self.on_grpc = False
        self._is_seen_to_pass, self._udp_began_at, self._udp_bytes = False, math.inf, 0
        self._is_trying_udp = False

    # UDP.

    def _give_up_s(self) -> float:
        """Return how long a silence shows that UDP does not pass."""
        return max(GIVE_UP_AFTER_S * (1.0 if self.is_alive else HASTE), ROUND_TRIPS * self.rtt_s)

    def _is_udp_of_no_use(self, now: float) -> bool:
        if self._receiver is None or self._sieve.is_closed:
            return True
        return now >= min(self._first_limit(), self._silent_at()) or self._is_trickle(now)

    def _silent_at(self) -> float:
        """Return when a silence shows that UDP does not pass; infinity before there were enough probes."""
        receiver = self._receiver
        if receiver is None or not receiver.gauge.outstanding_bytes:
            return math.inf
        if receiver.probes_unanswered < GIVE_UP_PROBES:
            return math.inf
        return receiver.last_heard_at + self._give_up_s()

    def _is_over(self, now: float) -> bool:
        return now >= self._udp_heard_at + STREAM_ENDS_S

    def _first_limit(self) -> float:
        """Return until when the first DATA must come."""
        receiver = self._receiver
        if receiver is None or receiver.arrived or receiver.first_pull_at is None:
            return math.inf
        times = BESIDE_OTHERS if self.passes_for_others else 1.0
        return receiver.first_pull_at + times * max(FALLBACK_AFTER_S, ROUND_TRIPS * self.rtt_s)

    def _trickle_at(self) -> float:
        """Return when to see whether more than a trickle comes."""
        return math.inf if self._is_seen_to_pass else self._udp_began_at + TRICKLE_S

    def _watch_trickle(self, size: int, now: float) -> None:
        """Take a unit from before it is known that more than a trickle comes."""
        self._udp_began_at = min(self._udp_began_at, now)
        self._udp_bytes += size
        needed = min(self._least_bytes_per_s, self.share_bytes_per_s) / 2 * (now - self._udp_began_at)
        if self._udp_bytes - MAX_PAYLOAD >= max(needed, MAX_PAYLOAD):  # the first one began it
            self._is_seen_to_pass = True

    def _is_trickle(self, now: float) -> bool:
        """Return whether UDP brings too little from the start: some networks let hardly any of it through."""
        assert self._receiver is not None
        if now < self._trickle_at():
            return False
        self._is_seen_to_pass = not self._receiver.gauge.outstanding_bytes
        return not self._is_seen_to_pass

    def _move_at(self) -> float:
        receiver = self._receiver
        if receiver is None or not receiver.arrived or not receiver.gauge.outstanding_bytes:
            return math.inf
        if self._moved_at >= receiver.last_heard_at:  # already
            return math.inf
        after_s = MOVE_AFTER_S * (1.0 if self.is_alive else HASTE)
        return receiver.last_heard_at + max(after_s, ROUND_TRIPS * self.rtt_s / 2)

    # gRPC.

    def _hung_at(self) -> float:
        silent_since = max(self._awaited_at, self.heard_at)
        patience_s = max(HUNG_AFTER_S, HUNG_SILENCES * self._silence_s)
        if not self._has_call_given:
            patience_s = HUNG_FIRST_S
        return silent_since + self._doubt * max(patience_s, ROUND_TRIPS * self.rtt_s)

    def _probe_at(self) -> float:
        """Return when to try UDP again, unless that takes a new stream, or the radio may sleep."""
        is_resting = self._awaited_at == math.inf
        if self._receiver is None or is_resting or self._is_over(self._retry_udp_at):
            return math.inf
        return self._retry_udp_at
