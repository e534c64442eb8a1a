"""Searches: at one good peer, which has the query carried on to others (`core/search/walks.py`).

Another peer is asked when one is silent, and with a greater budget when nothing was found (`asking.py`). A
search for a track to play carries an Open, so that the first audio comes with the hits: one round trip once
the connection stands. Where the asked peer does not hold the track itself, the track is opened at a holder
that the hit names (`holders.py`). `core/search/choice.py` decides which of the tracks found is played.
Further holders of a track are found by searching for its uri.

Holders are remembered once they have served us, not because a hit names them: the answering peer chooses
those names, and could name accomplices alone, as often as we search. A client that knows hardly any peers
asks the one that answered for a few others, after the hits or the first sound.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.asking import Inquiries, Inquiry
from lightpeer.client.query import Asker, Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import Findings
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer

PATIENCE_S: Final = 2.0  # for more, once there is something to show: walks take about one
RECORDS_TO_SHOW: Final = 1  # the asked peer's own; hits need none


class Searcher:
    """Searches at the peers within reach."""

    def __init__(self, reach: Reach, entropy: Callable[[int], bytes]) -> None:
        """Search at the peers of `reach`; `entropy` gives the ids of queries and breaks ties."""
        self._reach = reach
        self._asker = Asker(reach, entropy)

    @property
    def has_heard(self) -> bool:
        """Whether any peer has ever answered."""
        return self._asker.first_to_answer is not None

    async def find(self, query: str, limit: int, most_asked: int) -> Findings:
        """Return the tracks found.

        Args:
            query: words, or the uri of a track.
            limit: how many tracks are wanted.
            most_asked: how many peers may answer that they found nothing.

        Raises:
            NoPeerError: no peer could be asked.
        """
        from lightpeer.core.search.hits import Findings
        from lightpeer.core.search.walks import budget_for

        findings = Findings(query, limit)

        async def ask(inquiry: Inquiry) -> None:
            budget = budget_for(inquiries.answered, found_any=False)
            await self._collect(inquiry, Query(query, limit, budget, RECORDS_TO_SHOW), findings)

        inquiries = Inquiries(self._reach, ask)
        await inquiries.run(lambda: bool(findings.tracks) or inquiries.answered >= most_asked)
        if not findings.tracks and (not inquiries.answered or inquiries.setbacks.was_refused):
            raise self._reach.nobody(inquiries.setbacks)
        return findings

    async def know_others(self, after_s: float = 0) -> None:
        """Make sure, after a delay, that we know more peers than the one that answered first."""
        await trio.sleep(after_s)
        if self._asker.first_to_answer is not None:
            await self._reach.find_spares(self._asker.first_to_answer)

    async def _collect(self, inquiry: Inquiry, query: Query, findings: Findings) -> None:
        """Search at a peer until there is enough, or nothing more comes within our patience."""
        with trio.CancelScope() as patience:
            async with aclosing(self._asker.replies(inquiry, query)) as replies:
                async for tracks, reply in replies:
                    findings.note_said(reply.matches, reply.preparing)
                    for track in tracks:
                        findings.add(track)
                    if findings.missing <= 0:
                        return
                    if findings.tracks:
                        patience.deadline = min(patience.deadline, trio.current_time() + PATIENCE_S)

    async def best(self, query: str, opener: Opener) -> tuple[Peer, Opened] | None:
        """Return the best track that words find, opened at one of its holders; raise if no peer answers."""
        from lightpeer.client.choosing import Chooser

        return await Chooser(self._asker, self._reach, query, opener).run()

    async def opened(self, uri: str, limit: int, opener: Opener) -> AsyncGenerator[tuple[Peer, Opened], None]:
        """Yield the sources of a track, each once, as they are found.

        While a source has not been taken, no further peer is asked and nothing is opened.

        Args:
            uri: the track's.
            limit: how many holders are wanted of one peer.
            opener: opens the track at a holder.

        Raises:
            LightpeerError: no peer answers.
        """
        from lightpeer.client.gathering import Gatherer

        gatherer = Gatherer(self._asker, self._reach, uri, limit, opener)
        self._reach.nursery.start_soon(gatherer.run)
        try:
            gatherer.want()
            async for source in gatherer.found:
                yield source
                gatherer.want()
        finally:
            gatherer.scope.cancel()
        if gatherer.failure is not None:
            raise gatherer.failure
