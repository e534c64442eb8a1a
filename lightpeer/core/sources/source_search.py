"""When to look for further sources of a track, whom to leave out, and when to end a look.

A peer that lied is never used again. A useless one rests, each time for twice as long, so that a peer which
opens tracks and sends nothing costs little; once it has served it is forgiven. A look costs a handshake with
each peer asked, so looks are spaced out, further while they find nobody; but never so far that music which
waits for a source waits much longer than it must.

An outage is no reason to give a track up, however long it is. If peers answer, and nobody has the track, that
is a reason, once it has been so for as long as a server may need to be started again.

A look leaves out the sources that were there when it began, and those that it has opened. Once one of them
is lost and another look is due, this one gives way: the next one finds that peer again, and it may be the
only one.

Call order: `due` is when to look. `on_look` begins a look and returns the peers to leave out. Each peer found
is added, and ends the look if `on_found` says so; else wait until more are wanted, and end it if `on_waited`
says so. `on_looked` closes it. `on_lost`, `on_expired` and `hurry` bring the next look nearer.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final, TypeVar

from lightpeer.core.trust.identity import PeerId

MAX_SOURCES: Final = 4  # each costs a handshake of about 1.5 kB; four slow uplinks fill a downlink of 3G
LOOK_AGAIN_S: Final = 3.0
MAX_LOOK_AGAIN_S: Final = 60.0
MAX_LOOK_AGAIN_WITHOUT_S: Final = 10.0  # without any source: the network is back for so long at most
LEAST_AGAIN_S: Final = 1.0  # after a look that took long: what it hung on may be over
REST_S: Final = 10.0
MAX_REST_WITHOUT_S: Final = 10.0  # without any source: it may be the only one there is
T = TypeVar("T")

REMEMBERED: Final = 64  # as many as the peer cache holds
GONE_S: Final = 60.0  # of answers that nobody has the track,
GONE_LOOKS: Final = 4  # and so many of them in a row


class SourceSearch:
    """The search for sources of one track. Peer ids may be None where a peer has not named itself.

    Attributes:
        is_needed: whether sources are looked for from the beginning on: False while what is kept is enough.
        due: when to look; infinity while there is no need, or a look is under way.
    """

    def __init__(self) -> None:
        self.is_needed = True
        self.due = math.inf
        self._banned: dict[PeerId | None, None] = {}  # have lied
        self._resting: dict[PeerId | None, tuple[float, float]] = {}  # since when, and for how long
        self._next_at = math.inf  # the next look, even while one is under way
        self._looked_at = -math.inf
        self._again_s = LOOK_AGAIN_S
        self._is_looking = False
        self._enough = MAX_SOURCES  # sources, to end this look
        self._has_lost = False  # a source, since it began
        self._was_cut = False  # for the next one
        self._honest: dict[PeerId | None, None] = {}  # were lost, and have not lied
        self._nobody_since = math.inf  # when the first of some answers came that nobody has it
        self._nobody_looks = 0

    def is_hurried(self, now: float) -> bool:
        """Return whether, since a look began, something has made the next one due."""
        return now >= self._next_at

    def begin(self, now: float) -> None:
        """Look at once, if sources are needed from the beginning on."""
        if self.is_needed:
            self._look_at(now)

    def on_wanted(self, now: float, *, have_any: bool) -> None:
        """Note that something is wanted: look at once if there is no source, and nobody has looked yet."""
        if not have_any and self._looked_at == -math.inf and self._next_at == math.inf:
            self._look_at(now)

    def on_look(self, present: Collection[PeerId | None], now: float) -> list[PeerId]:
        """Begin to look; return the peers to leave out: the present sources, liars, and those that rest."""
        here = set(present)
        self._enough = max(MAX_SOURCES, len(present) + 1)
        self._has_lost = self._was_cut = False
        self._is_looking, self._looked_at = True, now
        self._look_at(math.inf)
        self._again_s = min(2 * self._again_s, MAX_LOOK_AGAIN_S)
        longest_s = math.inf if here else MAX_REST_WITHOUT_S
        resting = {
            peer_id
            for peer_id, (since, rest_s) in self._resting.items()
            if now < since + min(rest_s, longest_s)
        }
        return [peer_id for peer_id in {*here, *self._banned, *resting} if peer_id is not None]

    def on_found(self, sources: int) -> bool:
        """Note that a source was found, one of `sources` now; return whether to end the look."""
        self._again_s = LOOK_AGAIN_S
        return sources >= self._enough

    def on_waited(self, now: float) -> bool:
        """Return whether to end the look for the next one, which may find a lost source again."""
        self._was_cut = self._has_lost and self.is_hurried(now)
        return self._was_cut

    def failure(self, now: float) -> str | None:
        """Return why, without any source, looking on is pointless, as a sentence; None while it is not."""
        if self._banned and not self._honest:
            return "every peer that offers this track sent corrupt data: name other peers with --bootstrap"
        if self._nobody_looks >= GONE_LOOKS and now >= self._nobody_since + GONE_S:
            return "no peer sends this track any more"
        return None

    def on_looked(self, now: float, *, have_any: bool, was_answered: bool) -> None:
        """Note that the look is over; without any source, the next one is soon.

        Args:
            now: the time in seconds.
            have_any: whether there is a source now.
            was_answered: whether peers could be asked, and named nobody that serves the track.
        """
        self._is_looking = False
        if was_answered and not have_any:
            self._nobody_since = min(self._nobody_since, now)
            self._nobody_looks += 1
        else:
            self._nobody_since, self._nobody_looks = math.inf, 0
        again_at = self._looked_at + min(self._again_s / 2, MAX_LOOK_AGAIN_WITHOUT_S)
        asked_for = self._next_at if self._was_cut else math.inf
        self._look_at(min(asked_for, math.inf if have_any else max(now + LEAST_AGAIN_S, again_at)))

    def on_lost(self, peer_id: PeerId | None, now: float, *, lied: bool, was_useful: bool) -> None:
        """Note that a source is gone.

        Args:
            peer_id: the peer's id.
            now: the time in seconds.
            lied: whether it sent false bytes, or broke the protocol.
            was_useful: whether it had delivered anything.
        """
        self._has_lost = True
        if lied:
            self._honest.pop(peer_id, None)
            _remember(self._banned, peer_id, None)
        else:
            _remember(self._honest, peer_id, None)
        if was_useful:
            self._resting.pop(peer_id, None)
        else:
            self.rest(peer_id, now)
        self._look_at(max(now, self._looked_at + LOOK_AGAIN_S))

    def on_expired(self, now: float) -> None:
        """Note that a source's stream has ended: look at once, to open the track at the peer anew."""
        self._has_lost = True
        self._look_at(now)

    def rest(self, peer_id: PeerId | None, now: float) -> None:
        """Leave a peer alone for a while, each time for longer."""
        _, last_s = self._resting.get(peer_id, (0.0, REST_S / 2))
        _remember(self._resting, peer_id, (now, 2 * last_s))

    def hurry(self, *, none_delivers: bool = False) -> None:
        """Look as soon as the spacing allows: the present sources do not suffice, or none delivers."""
        longest_s = MAX_LOOK_AGAIN_WITHOUT_S if none_delivers else MAX_LOOK_AGAIN_S
        self._look_at(min(self._next_at, self._looked_at + min(self._again_s, longest_s)))

    def _look_at(self, at: float) -> None:
        self._next_at = at
        self.due = math.inf if self._is_looking else at


def _remember(table: dict[PeerId | None, T], peer_id: PeerId | None, value: T) -> None:
    table.pop(peer_id, None)
    table[peer_id] = value
    if len(table) > REMEMBERED:
        del table[next(iter(table))]
