"""When to look for further sources of a track, and whom to leave out.

A peer that lied is never taken again. One that was of no use rests, each time for twice as long, so that
a peer which opens tracks and sends nothing costs little; once it has served it is forgiven. To look for
sources costs a handshake with each peer asked, so looking is spaced out, further while it finds nobody;
but never so far that music which waits for a source waits much longer than it must.

An outage is no reason to give a track up, however long it is. That peers answer, and nobody has the track,
is one, once it has been so for as long as a server may need to be started again.

Call order: `due` is when to look; `on_look` begins it and tells whom to leave out,
`on_found` notes each source, `on_looked` ends it. `on_lost` and `hurry` bring the
next look nearer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, TypeVar

from lightpeer.core.trust.identity import PeerId

LOOK_AGAIN_S: Final = 3.0
MAX_LOOK_AGAIN_S: Final = 60.0
MAX_LOOK_AGAIN_WITHOUT_S: Final = 15.0  # without any source: a look wakes the radio for about ten seconds
LEAST_AGAIN_S: Final = 1.0  # after a look that took long: what it hung on may be over
REST_S: Final = 10.0
MAX_REST_WITHOUT_S: Final = 15.0  # without any source: it may be the only one there is
T = TypeVar("T")

REMEMBERED: Final = 64  # as many as the peer cache holds
GONE_S: Final = 60.0  # of answers that nobody has the track,
GONE_LOOKS: Final = 4  # and so many of them in a row


class Supply:
    """The search for sources of one track. Peer ids may be None where a peer has not named itself."""

    def __init__(self) -> None:
        self._banned: dict[PeerId | None, None] = {}
        self._resting: dict[PeerId | None, tuple[float, float]] = {}  # since when, and for how long
        self._due = math.inf
        self._looked_at = -math.inf
        self._again_s = LOOK_AGAIN_S
        self._looking = False
        self._only_liars = True
        self._nobody_since = math.inf  # when the first of some answers came that nobody has it
        self._nobody_looks = 0

    @property
    def due(self) -> float:
        """When to look, infinity while there is no need or a search is under way."""
        return math.inf if self._looking else self._due

    @property
    def only_liars(self) -> bool:
        """Whether somebody lied, and nobody was lost for another reason."""
        return bool(self._banned) and self._only_liars

    def is_hurried(self, now: float) -> bool:
        """Return whether, since a look began, something has made the next one due."""
        return now >= self._due

    def begin(self, now: float) -> None:
        """Look at once."""
        self._due = now

    def on_look(self, present: Iterable[PeerId | None], now: float) -> list[PeerId]:
        """Begin to look; return whom to leave out: those present, liars, and those who rest."""
        here = set(present)
        self._looking, self._looked_at, self._due = True, now, math.inf
        self._again_s = min(2 * self._again_s, MAX_LOOK_AGAIN_S)
        longest_s = math.inf if here else MAX_REST_WITHOUT_S
        resting = {
            peer_id
            for peer_id, (since, rest_s) in self._resting.items()
            if now < since + min(rest_s, longest_s)
        }
        return [peer_id for peer_id in {*here, *self._banned, *resting} if peer_id is not None]

    def on_found(self) -> None:
        """Somebody was found: looking is worth it again."""
        self._again_s = LOOK_AGAIN_S

    def is_pointless(self, now: float) -> bool:
        """Return whether peers have answered for long enough that nobody has the track."""
        return self._nobody_looks >= GONE_LOOKS and now >= self._nobody_since + GONE_S

    def on_looked(self, now: float, *, have_any: bool, was_answered: bool, was_cut: bool = False) -> None:
        """End looking; without any source at all, look again soon.

        Args:
            now: the time in seconds.
            have_any: whether there is a source now.
            was_answered: whether peers could be asked, and had nobody to name that serves the track.
            was_cut: whether it ended for another look that is due.
        """
        self._looking = False
        if was_answered and not have_any:
            self._nobody_since = min(self._nobody_since, now)
            self._nobody_looks += 1
        else:
            self._nobody_since, self._nobody_looks = math.inf, 0
        again_at = self._looked_at + min(self._again_s / 2, MAX_LOOK_AGAIN_WITHOUT_S)
        asked_for = self._due if was_cut else math.inf
        self._due = min(asked_for, math.inf if have_any else max(now + LEAST_AGAIN_S, again_at))

    def on_lost(self, peer_id: PeerId | None, now: float, *, lied: bool, was_useful: bool) -> None:
        """Note that a source is gone, and why."""
        self._only_liars &= lied
        if lied:
            _remember(self._banned, peer_id, None)
        if was_useful:
            self._resting.pop(peer_id, None)
        else:
            self.rest(peer_id, now)
        self._due = max(now, self._looked_at + LOOK_AGAIN_S)

    def rest(self, peer_id: PeerId | None, now: float) -> None:
        """Leave a peer alone for a while, each time for longer."""
        _, last_s = self._resting.get(peer_id, (0.0, REST_S / 2))
        _remember(self._resting, peer_id, (now, 2 * last_s))

    def hurry(self, *, none_delivers: bool = False) -> None:
        """Look as soon as the spacing allows: the present sources do not suffice, or none delivers."""
        longest_s = MAX_LOOK_AGAIN_WITHOUT_S if none_delivers else MAX_LOOK_AGAIN_S
        self._due = min(self._due, self._looked_at + min(self._again_s, longest_s))


def _remember(table: dict[PeerId | None, T], peer_id: PeerId | None, value: T) -> None:
    table.pop(peer_id, None)
    table[peer_id] = value
    if len(table) > REMEMBERED:
        del table[next(iter(table))]
