"""Finds the holders of one track, for as long as more sources are wanted."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import trio

from lightpeer.client.asking import Inquiries, Inquiry, wait_for
from lightpeer.client.holders import HOLDERS_S, Holders, Leads, accept_with_hit_untrusted, within_reach
from lightpeer.client.query import RECORDS_TO_OPEN, Asker, Query
from lightpeer.core.search.hits import Findings
from lightpeer.core.search.walks import budget_for
from lightpeer.errors import LightpeerError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import FoundTrack, Holder
    from lightpeer.core.udp.opening import Opened
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer


class Gatherer:
    """One search for the holders of a track, and their Opens, one after another with head starts.

    Attributes:
        found: gives the sources; it is closed at the end.
        scope: cancel it when no more are wanted.
        failure: the error to raise at the end, if any.
    """

    def __init__(self, asker: Asker, reach: Reach, uri: str, limit: int, opener: Opener) -> None:
        """Search for nothing until `want` and `run`.

        Args:
            asker: asks one peer.
            reach: the peers to ask.
            uri: the track's.
            limit: how many holders are wanted of one peer.
            opener: opens the track at a holder.
        """
        self._give, self.found = trio.open_memory_channel[tuple["Peer", "Opened"]](0)
        self.scope = trio.CancelScope()
        self.failure: LightpeerError | None = None
        self._asker = asker
        self._reach = reach
        self._uri = uri
        self._limit = limit
        self._opener = opener
        self._holders = Holders(reach, opener)
        self._giving = trio.Lock()
        self._wanted = trio.Event()  # set while one more is wanted
        self._gave_any = False
        self._inquiries = Inquiries(reach, self._ask)

    def want(self) -> None:
        """Have one more source found; until then no peer is asked."""
        self._wanted.set()

    async def run(self) -> None:
        """Search until no peer is left to ask."""
        inquiries = self._inquiries
        async with self._give:
            with self.scope:
                try:
                    await inquiries.run(lambda: False)
                    was_refused = inquiries.setbacks.was_refused and not self._gave_any
                    if not inquiries.answered or was_refused:
                        self.failure = self._reach.nobody(inquiries.setbacks)
                    elif self._holders.is_any_away and not self._gave_any:
                        self.failure = self._holders.away()
                except LightpeerError as error:
                    self.failure = error

    async def _ask(self, inquiry: Inquiry) -> None:
        """Open the track at the holders that a peer names: at itself by the search, at others by address.

        No more of its hits are followed than were asked for. Each leads to strangers, one connection after
        another, while the listener waits.
        """
        opener, asked = self._opener, inquiry.peer
        findings, leads = Findings(self._uri, self._limit), Leads(asked)
        budget = budget_for(self._inquiries.answered, found_any=bool(opener.tried))
        opening = opener.begin() if asked.peer_id not in opener.tried else None
        wanted = opener.request(opening) if opening is not None else None
        query = Query(self._uri, self._limit, budget, RECORDS_TO_OPEN, wanted)
        async with open_nursery() as nursery, aclosing(self._asker.replies(inquiry, query)) as replies:
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
