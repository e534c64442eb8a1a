"""When to look for further sources of a track, and whom to leave out.

Whoever lied is never taken again. Whoever was of no use rests, each time for
twice as long, so that a peer which opens tracks and sends nothing costs little. To
look for sources costs a handshake with each peer asked, so looking is spaced out,
further while it finds nobody.

Call order: `due` is when to look; `on_look` begins it and tells whom to leave out,
`on_found` notes each source, `on_looked` ends it. `on_lost` and `hurry` bring the
next look nearer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

from lightpeer.core.identity import PeerId

LOOK_AGAIN_S = 3.0
MAX_LOOK_AGAIN_S = 60.0
REST_S = 10.0
T = TypeVar("T")

REMEMBERED = 64  # as many as the peer cache holds


class Supply:
    """The search for sources of one track. Peer ids may be None where a peer has not named itself."""

    def __init__(self) -> None:
        self._banned: dict[PeerId | None, None] = {}
        self._resting: dict[PeerId | None, tuple[float, float]] = {}  # until when, and for how long
        self._due = math.inf
        self._looked_at = -math.inf
        self._again_s = LOOK_AGAIN_S
        self._looking = False
        self._only_liars = True

    @property
    def due(self) -> float:
        """When to look, infinity while there is no need or a search is under way."""
        return math.inf if self._looking else self._due

    @property
    def only_liars(self) -> bool:
        """Whether somebody lied, and nobody was lost for another reason."""
        return bool(self._banned) and self._only_liars

    def begin(self, now: float) -> None:
        """Look at once."""
        self._due = now

    def on_look(self, present: Iterable[PeerId | None], now: float) -> list[PeerId]:
        """Begin to look; return whom to leave out: those present, liars, and those who rest."""
        self._looking, self._looked_at = True, now
        self._again_s = min(2 * self._again_s, MAX_LOOK_AGAIN_S)
        resting = {peer_id for peer_id, (until, _) in self._resting.items() if now < until}
        return [peer_id for peer_id in {*present, *self._banned, *resting} if peer_id is not None]

    def on_found(self) -> None:
        """Somebody was found: looking is worth it again."""
        self._again_s = LOOK_AGAIN_S

    def on_looked(self, now: float, *, have_any: bool) -> None:
        """End looking; without any source at all, look again soon."""
        self._looking = False
        self._due = math.inf if have_any else now + LOOK_AGAIN_S

    def on_lost(self, peer_id: PeerId | None, now: float, *, lied: bool, was_useful: bool) -> None:
        """Note that a source is gone, and why."""
        self._only_liars &= lied
        if lied:
            _remember(self._banned, peer_id, None)
        if not was_useful:
            self.rest(peer_id, now)
        self._due = max(now, self._looked_at + LOOK_AGAIN_S)

    def rest(self, peer_id: PeerId | None, now: float) -> None:
        """Leave a peer alone for a while, each time for longer."""
        _, last_s = self._resting.get(peer_id, (0.0, REST_S / 2))
        _remember(self._resting, peer_id, (now + 2 * last_s, 2 * last_s))

    def hurry(self) -> None:
        """Look as soon as the spacing allows: the present sources do not suffice."""
        self._due = min(self._due, self._looked_at + self._again_s)


def _remember(table: dict[PeerId | None, T], peer_id: PeerId | None, value: T) -> None:
    table.pop(peer_id, None)
    table[peer_id] = value
    if len(table) > REMEMBERED:
        del table[next(iter(table))]
