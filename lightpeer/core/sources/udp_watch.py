"""Whether UDP still brings what is asked of one source.

It does not if no DATA comes in time from the start, if DATA stops while probes go unanswered, if hardly
anything passes (`Sieve`), or if no more than a trickle comes at first. A silence may also mean that our
address has changed: then another socket is tried first.

Call order: `on_units` and `on_lost` as things happen, in their order; at `next_deadline` see whether
`move_at` has come, or whether UDP `is_useless`. `begin` and `leave` frame each time that UDP is used.

A stream lasts for ten minutes without a PULL, but a full server ends one that rests sooner, and says nothing.
So one that is silent after a rest is to be opened anew once other data comes, rather than tried again. An
outage after a rest looks alike; then no other data comes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lightpeer.core.sources.path_state import HASTE, ROUND_TRIPS, PathState
from lightpeer.core.udp.datagram import MAX_PAYLOAD

if TYPE_CHECKING:
    from lightpeer.core.udp.receiver import Receiver

FALLBACK_AFTER_S: Final = 1.0  # without any DATA; or three round trips, if they are longer
BESIDE_OTHERS: Final = 3.0  # times as long where UDP passes for other sources: a unit or two were lost
MOVE_AFTER_S: Final = 1.5  # without an answer: longer than a radio's handover takes
GIVE_UP_AFTER_S: Final = 2.5  # of silence, a second of it over the new socket,
GIVE_UP_PROBES: Final = 4  # and so many probes in vain: UDP does not pass any more
TRICKLE_S: Final = 2.0  # from the first DATA on: half the bitrate of the least rendition must come once
STREAM_ENDS_S: Final = 595.0  # after which a server has ended our stream: 600 s, less what a PULL may take
GIVES_WAY_S: Final = 55.0  # without a unit, after which a silent stream has probably ended
TIMES_AS_MANY: Final = 5  # units lost for each that came: nothing plays at such a loss
MIN_ROUNDS: Final = 2  # in a row: one is what the end of a dead zone looks like
MIN_UNITS: Final = 24  # in these: more than a burst of losses, and than what single units could say


class Sieve:
    """Whether a network lets hardly anything of UDP through, as those do that police it.

    A policed path still delivers a few packets, so silence is no signal. Instead, most of the requested units
    are lost, round after round. On a lossy link far more units arrive than are lost, and at the end of a dead
    zone all losses are found in one round.

    Call order: count `arrived`, and call `on_lost` as units are found to be lost; `is_closed` is the
    outcome, until `reset`.
    """

    def __init__(self) -> None:
        self._rounds = 0  # with hardly any arrivals, in a row
        self._lost = 0  # in these
        self.is_closed = False  # UDP is of no use for now
        self.arrived = 0  # units since the last loss, for the caller to count

    def on_lost(self, units: int) -> None:
        """Note units that are found to be lost at one time."""
        if units < TIMES_AS_MANY * self.arrived:
            self._rounds = self._lost = 0
        else:
            self._rounds += 1
            self._lost += units
        self.arrived = 0
        self.is_closed = self._rounds >= MIN_ROUNDS and self._lost >= MIN_UNITS

    def reset(self) -> None:
        """Judge anew: UDP is tried again."""
        self.arrived = self._rounds = self._lost = 0
        self.is_closed = False


class UdpWatch:
    """The watch over one source's UDP stream, which may be missing."""

    def __init__(
        self, receiver: Receiver | None, least_bytes_per_s: float, path: PathState, now: float
    ) -> None:
        """Begin to watch.

        Args:
            receiver: of the stream; None without one.
            least_bytes_per_s: what the smallest rendition takes.
            path: what else is known of the path.
            now: the time in seconds.
        """
        self.has_stream = receiver is not None
        self._receiver = receiver
        self._least_bytes_per_s = least_bytes_per_s
        self._path = path
        self._sieve = Sieve()
        self._moved_at = -math.inf
        self._heard_at = now  # a unit that was asked for
        self._is_seen_to_pass = False  # more than a trickle
        self._began_at = math.inf  # with the first DATA
        self._bytes = 0  # since then
        self._has_given_way = False  # or so it seems

    def silent_s(self, now: float) -> float:
        """Return for how long nothing has come of what is outstanding."""
        return 0.0 if self._receiver is None else self._receiver.silent_s(now)

    def is_over(self, now: float) -> bool:
        """Return whether the server has ended the stream by now, or there is none."""
        return self._receiver is None or now >= self._heard_at + STREAM_ENDS_S

    def may_be_over(self, now: float) -> bool:
        """Return whether the stream is over, or had given way when UDP was left."""
        return self._has_given_way or self.is_over(now)

    def seems_over(self, now: float) -> bool:
        """Return whether nothing comes of what was asked for, and nothing has come for long."""
        silent_at = math.inf if self._receiver is None else self._silent_at(self._receiver)
        return now >= max(silent_at, self._heard_at + GIVES_WAY_S)

    def begin(self) -> None:
        """Use UDP from now on: judge anew whether more than a trickle comes."""
        self._is_seen_to_pass, self._began_at, self._bytes = False, math.inf, 0

    def leave(self, now: float) -> None:
        """Use UDP no more: forget its losses."""
        self._sieve.reset()
        receiver = self._receiver
        has_rested = receiver is not None and receiver.last_heard_at >= self._heard_at + GIVES_WAY_S
        self._has_given_way = has_rested and self.seems_over(now)

    def on_units(self, arrivals: Sequence[tuple[int, float]]) -> None:
        """Note units that were asked for and came: size in bytes and time of each, oldest first."""
        self._sieve.arrived += len(arrivals)
        self._heard_at = arrivals[-1][1]
        self._has_given_way = False
        if not self._is_seen_to_pass:
            self._watch_trickle(arrivals)

    def on_lost(self, units: int) -> None:
        """Note units that were asked for and will not come."""
        self._sieve.on_lost(units)

    def next_deadline(self, leave_from: float) -> float:
        """Return when to move, or when UDP may turn out to be useless, but that not before `leave_from`."""
        receiver = self._receiver
        if receiver is None or self._sieve.is_closed:
            return min(self.move_at(), leave_from)
        useless_at = min(self._first_limit(receiver), self._silent_at(receiver), self._trickle_at())
        return min(self.move_at(), max(useless_at, leave_from))

    def move_at(self) -> float:
        """Return when to take another socket, infinity if that has been done or nothing is outstanding."""
        receiver = self._receiver
        if receiver is None or not receiver.arrived or not receiver.gauge.outstanding_bytes:
            return math.inf
        if self._moved_at >= receiver.last_heard_at:
            return math.inf
        after_s = MOVE_AFTER_S * (1.0 if self._path.is_alive else HASTE)
        return receiver.last_heard_at + max(after_s, ROUND_TRIPS * self._path.rtt_s / 2)

    def on_moved(self, now: float) -> None:
        """Note that another socket was taken."""
        self._moved_at = now

    def is_useless(self, now: float) -> bool:
        """Return whether UDP does not bring what is asked for."""
        receiver = self._receiver
        if receiver is None or self._sieve.is_closed:
            return True
        if now >= min(self._first_limit(receiver), self._silent_at(receiver)):
            return True
        if now < self._trickle_at():
            return False
        # If there was no more to bring, little is no trickle.
        self._is_seen_to_pass = not receiver.gauge.outstanding_bytes
        return not self._is_seen_to_pass

    def _first_limit(self, receiver: Receiver) -> float:
        """Return until when the first DATA must come."""
        if receiver.arrived or receiver.first_pull_at is None:
            return math.inf
        times = BESIDE_OTHERS if self._path.passes_for_others else 1.0
        return receiver.first_pull_at + times * self._path.patience_s(FALLBACK_AFTER_S)

    def _silent_at(self, receiver: Receiver) -> float:
        """Return when a silence shows that UDP does not pass; infinity before there were enough probes."""
        if not receiver.gauge.outstanding_bytes or receiver.probes_unanswered < GIVE_UP_PROBES:
            return math.inf
        return receiver.last_heard_at + self._path.silence_s(GIVE_UP_AFTER_S)

    def _trickle_at(self) -> float:
        """Return when to see whether more than a trickle comes: some networks let hardly any UDP through."""
        return math.inf if self._is_seen_to_pass else self._began_at + TRICKLE_S

    def _watch_trickle(self, arrivals: Sequence[tuple[int, float]]) -> None:
        """Judge units that came before it was known that more than a trickle comes."""
        least_bytes_per_s = min(self._least_bytes_per_s, self._path.share_bytes_per_s) / 2
        for size, now in arrivals:
            self._began_at = min(self._began_at, now)
            self._bytes += size
            needed = least_bytes_per_s * (now - self._began_at)
            if self._bytes - MAX_PAYLOAD >= max(needed, MAX_PAYLOAD):  # the first one began the watch
                self._is_seen_to_pass = True
