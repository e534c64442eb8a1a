"""Finds those who serve one track, for as long as more are wanted."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import trio

from lightpeer.client.asking import Turn, Turns, wait_for
from lightpeer.client.budget import RECORDS_TO_OPEN, budget_for
from lightpeer.client.holders import HOLDERS_S, Holders, Leads, accept_with_hit_untrusted, within_reach
from lightpeer.errors import LightpeerError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from lightpeer.client.reach import Reach
    from lightpeer.client.replies import Asker
    from lightpeer.core.search.hits import FoundTrack, Holder
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer


class Gatherer:
    """One search for the holders of a track, and their Opens, one after another with head starts.

    Attributes:
        scope: cancel it when no more are wanted.
        failure: what is to be raised at the end.
    """

    def __init__(
        self,
        asker: Asker,
        reach: Reach,
        query: str,
        limit: int,
        opener: Opener,
        give: trio.MemorySendChannel[tuple[Peer, Opened]],
    ) -> None:
        """Take what to find, and where it goes.

        Args:
            asker: asks one peer.
            reach: whom to ask.
            query: the track's uri.
            limit: how many holders are wanted of one peer.
            opener: what is asked of them.
            give: where sources go; it is closed at the end.
        """
        self.scope = trio.CancelScope()
        self.failure: LightpeerError | None = None
        self._asker = asker
        self._reach = reach
        self._query = query
        self._limit = limit
        self._opener = opener
        self._holders = Holders(reach, opener)
        self._give = give
        self._giving = trio.Lock()
        self._wanted = trio.Event()  # set while one more is wanted
        self._gave_any = False
        self._turns = Turns(reach, self._ask)

    def want(self) -> None:
        """Have one more found; until then nobody is asked."""
        self._wanted.set()

    async def run(self) -> None:
        """Search until nobody is left to ask."""
        async with self._give:
            with self.scope:
                try:
                    await self._turns.run(lambda: False)
                    was_refused = self._turns.setbacks.was_refused and not self._gave_any
                    if not self._turns.answered or was_refused:
                        self.failure = self._reach.nobody(self._turns.setbacks)
                except LightpeerError as error:
                    self.failure = error

    async def _ask(self, turn: Turn) -> None:
        """Have those opened that a peer names: itself by the search, others at their addresses.

        Of the hits it is believed as much as was asked for: each leads to strangers, one connection after
        another, while somebody waits for music.
        """
        from lightpeer.core.search.hits import Findings

        opener, asked = self._opener, turn.peer
        findings, leads = Findings(self._query, self._limit), Leads(asked)
        budget = budget_for(self._turns.answered, found_any=bool(opener.tried))
        opening = opener.begin() if asked.peer_id not in opener.tried else None
        wanted = opener.request(opening) if opening is not None else None
        answer = self._asker.replies(turn, self._query, self._limit, budget, RECORDS_TO_OPEN, wanted)
        async with open_nursery() as nursery, aclosing(answer) as replies:
            async for tracks, reply in replies:
                is_new = asked.peer_id not in opener.tried  # it may be asked again while it is silent
                if opening is not None and is_new and tracks and reply.HasField("open"):
                    opened = accept_with_hit_untrusted(opening, reply, tracks[0], asked, opener)
                    leads.led_somewhere = True
                    await self._deliver((asked, opened), trio.Event())
                for track in filter(None, map(findings.add, tracks)):
                    for holder in within_reach(track, asked):
                        if holder.peer_id not in opener.tried and not leads.are_used_up:
                            opener.tried.add(holder.peer_id)
                            await self._begin(track, holder, leads, nursery)
                if leads.are_used_up:
                    break
        await self._wanted.wait()
        self._holders.judge(leads)

    async def _begin(self, track: FoundTrack, holder: Holder, leads: Leads, nursery: trio.Nursery) -> None:
        """Begin an Open; return when it is over, or has had its head start, and one more is wanted."""
        over = trio.Event()
        nursery.start_soon(self._open, track, holder, leads, over)
        await wait_for(over, self._reach, leads.told_by, HOLDERS_S)
        async with self._giving:
            await self._wanted.wait()

    async def _open(self, track: FoundTrack, holder: Holder, leads: Leads, over: trio.Event) -> None:
        source = (await self._holders.open(track, holder, leads)).source
        if source is not None:
            await self._deliver(source, over)
        over.set()

    async def _deliver(self, source: tuple[Peer, Opened], over: trio.Event) -> None:
        async with self._giving:
            over.set()
            await self._wanted.wait()
            self._wanted = trio.Event()
            await self._give.send(source)
            self._gave_any = True
