"""Searches: at one good peer, which has the query carried on to others (`core/search/walks.py`).

Another peer is asked when one says nothing, and with a greater budget when nothing was found
(`asking.py`). A search for what is about to be played carries an Open, so that the first audio
comes with the hits: one round trip once the connection stands. When the asked peer does not hold the track
itself, it is opened at a holder that the hit names (`holders.py`). Which of the tracks that words
find is played, is decided in `core/search/choice.py`. Who else holds a track is found by searching for its
uri.

Holders are remembered once they have served us, and not because hits name them: whom those
name is up to whoever answers, who may name accomplices alone, as often as we search. Who knows
hardly anybody has the asked peer tell of a few instead, after the hits or the first sound.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.asking import Turn, Turns
from lightpeer.client.budget import budget_for
from lightpeer.client.replies import Asker

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import Findings
    from lightpeer.core.search.walks import Budget
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer

PATIENCE_S: Final = 2.0  # for more, once there is something to show: walks take about one
RECORDS_TO_SHOW: Final = 1  # the asked peer's own; hits need none


class Searcher:
    """Searches at the peers within reach."""

    def __init__(self, reach: Reach, entropy: Callable[[int], bytes]) -> None:
        """Take whom to ask, and entropy for the ids of queries and for what is left to chance."""
        self._reach = reach
        self._asker = Asker(reach, entropy)

    async def find(self, query: str, limit: int, most_asked: int) -> Findings:
        """Return what is found; raise NoPeerError if nobody could be asked.

        Args:
            query: words, or the uri of a track.
            limit: how many tracks are wanted.
            most_asked: how many peers may answer that they found nothing.
        """
        from lightpeer.core.search.hits import Findings

        findings = Findings(query, limit)

        async def ask(turn: Turn) -> None:
            budget = budget_for(turns.answered, found_any=False)
            await self._collect(turn, query, limit, budget, findings)

        turns = Turns(self._reach, ask)
        await turns.run(lambda: bool(findings.tracks) or turns.answered >= most_asked)
        if not findings.tracks and (not turns.answered or turns.setbacks.was_refused):
            raise self._reach.nobody(turns.setbacks)
        return findings

    async def know_others(self, after_s: float = 0) -> None:
        """See to it that we know others than who answered first."""
        await trio.sleep(after_s)
        if self._asker.first_to_answer is not None:
            await self._reach.find_spares(self._asker.first_to_answer)

    async def _collect(self, turn: Turn, query: str, limit: int, budget: Budget, findings: Findings) -> None:
        """Search at a peer until there is enough, or nothing more within our patience."""
        with trio.CancelScope() as patience:
            async with aclosing(self._asker.replies(turn, query, limit, budget, RECORDS_TO_SHOW)) as replies:
                async for tracks, _ in replies:
                    for track in tracks:
                        findings.add(track)
                    if findings.missing <= 0:
                        return
                    if findings.tracks:
                        patience.deadline = min(patience.deadline, trio.current_time() + PATIENCE_S)

    async def best(self, query: str, opener: Opener) -> tuple[Peer, Opened] | None:
        """Return the best of what words find, opened at one of its holders; raise if nobody answers."""
        from lightpeer.client.choosing import Chooser

        return await Chooser(self._asker, self._reach, query, opener).run()

    async def opened(
        self, query: str, limit: int, opener: Opener
    ) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield those who serve the track of a uri, each once, as they are found; raise if nobody answers.

        Nobody is asked, and nothing opened, while what was found has not been taken.
        """
        from lightpeer.client.gathering import Gatherer

        give, found = trio.open_memory_channel[tuple["Peer", "Opened"]](0)
        gatherer = Gatherer(self._asker, self._reach, query, limit, opener, give)
        self._reach.nursery.start_soon(gatherer.run)
        try:
            gatherer.want()
            async for source in found:
                yield source
                gatherer.want()
        finally:
            gatherer.scope.cancel()
        if gatherer.failure is not None:
            raise gatherer.failure
