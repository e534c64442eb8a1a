"""Opens the best of the tracks that words find, holder by holder, while hits still come in.

`core/search/choice.py` decides which track is tried at which holder, and when to stop waiting.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.asking import Inquiries, Inquiry
from lightpeer.client.holders import Holders, Leads, accept_with_hit_untrusted, within_reach
from lightpeer.client.query import RECORDS_TO_OPEN, Query
from lightpeer.core.search.choice import Attempt, Choice
from lightpeer.core.search.head_start import BUSY_BYTES
from lightpeer.core.search.hits import Findings, Holder
from lightpeer.core.search.walks import budget_for
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from lightpeer.client.query import Asker
    from lightpeer.client.reach import Reach
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)

TRACKS_WANTED: Final = 4  # of a peer that is asked: so that a liar's track is not the only one


class Chooser:
    """One search by words for something to play."""

    def __init__(self, asker: Asker, reach: Reach, query: str, opener: Opener) -> None:
        """Choose nothing yet.

        Args:
            asker: asks one peer.
            reach: the peers to ask.
            query: the words.
            opener: opens a track at a holder.
        """
        self._asker = asker
        self._reach = reach
        self._query = query
        self._opener = opener
        self._holders = Holders(reach, opener)
        self._choice = Choice(reach.standing, self._pick)
        self._opened: dict[tuple[bytes, PeerId], tuple[Peer, Opened]] = {}
        self._leads: dict[PeerId, Leads] = {}  # by the peer that gave them
        self._changed = trio.Event()
        self._received_bytes = reach.received_bytes
        self._inquiries = Inquiries(reach, self._ask)

    def _pick(self, n: int) -> int:
        return self._asker.entropy(1)[0] % n

    def _tell(self) -> None:
        """Wake the tasks that wait for a change."""
        self._changed.set()
        self._changed = trio.Event()

    async def run(self) -> tuple[Peer, Opened] | None:
        """Return the best track's source, None if nothing is found.

        Raises:
            LightpeerError: no peer answers, or one that is said to hold a track cannot be reached.
        """
        async with open_nursery() as nursery:
            nursery.start_soon(self._listen)
            while True:
                now = trio.current_time()  # read once, or a deadline between two reads would be missed
                self._see_whether_busy(now)
                while attempt := self._choice.next_attempt(now):
                    nursery.start_soon(self._open, attempt)
                chosen = self._choice.chosen(now)
                if chosen is not None or self._choice.is_over:
                    break
                with trio.move_on_at(self._choice.due(now)):
                    await self._changed.wait()
            nursery.cancel_scope.cancel()
        if chosen is not None:
            return self._opened[chosen.key]
        if not self._inquiries.answered or self._inquiries.setbacks.was_refused:
            raise self._reach.nobody(self._inquiries.setbacks)
        if self._holders.is_any_away:
            raise self._holders.away()
        return None

    def _see_whether_busy(self, now: float) -> None:
        if self._reach.received_bytes >= self._received_bytes + BUSY_BYTES:
            self._received_bytes = self._reach.received_bytes
            self._choice.on_busy(now)

    async def _listen(self) -> None:
        await self._inquiries.run(self._is_enough)
        self._choice.end()
        self._tell()

    def _is_enough(self) -> bool:
        """Return whether no other peer need be asked: a stranger's word for its own track is not enough."""
        return self._choice.has_opened and not self._choice.is_self_praise

    async def _ask(self, inquiry: Inquiry) -> None:
        """Add the hits of one peer to the choice, and judge it by whether they lead anywhere."""
        opener, asked = self._opener, inquiry.peer
        findings, leads = Findings(self._query, TRACKS_WANTED), Leads(asked)
        budget = budget_for(self._inquiries.answered, found_any=bool(opener.tried))
        opening = opener.begin()
        query = Query(self._query, TRACKS_WANTED, budget, RECORDS_TO_OPEN, opener.request(opening))
        async with aclosing(self._asker.replies(inquiry, query)) as replies:
            async for tracks, reply in replies:
                assert asked.peer_id is not None, "it has answered"
                self._leads[asked.peer_id] = leads
                if tracks and reply.HasField("open"):
                    opened = accept_with_hit_untrusted(opening, reply, tracks[0], asked, opener)
                    leads.led_somewhere = True
                    attempt = Attempt(tracks[0], Holder(asked.peer_id), asked.peer_id)
                    self._opened[attempt.key] = (asked, opened)
                    self._choice.add_opened(attempt, trio.current_time())
                for track in filter(None, map(findings.add, tracks)):
                    near = replace(track, holders=tuple(within_reach(track, asked)))
                    self._choice.add(near, asked.peer_id, trio.current_time())
                self._tell()
        await self._follow()
        self._holders.judge(leads)

    async def _follow(self) -> None:
        """Wait until a track is open, or none that is known is likely to open soon."""
        while not self._choice.has_opened and self._choice.is_promising(now := trio.current_time()):
            with trio.move_on_at(self._choice.due(now)):
                await self._changed.wait()

    async def _open(self, attempt: Attempt) -> None:
        leads = self._leads[attempt.told_by]
        source, is_refuted, is_false, _ = await self._holders.open(attempt.track, attempt.holder, leads)
        if source is None:
            may_try_again = leads.lost is not None
            self._choice.on_failed(attempt, is_refuted=is_refuted, may_try_again=may_try_again)
        elif is_false and not self._is_sought(source[1]):
            self._choice.on_false(attempt)
        else:
            self._opened[attempt.key] = source
            self._choice.on_opened(attempt)
        self._tell()

    def _is_sought(self, opened: Opened) -> bool:
        """Return whether an opened track fits the words, though a hit gave it another name."""
        from lightpeer.core.search.words import has_words  # few hits are false

        return has_words(self._query, opened.track.title, opened.track.artist, opened.track.album)
