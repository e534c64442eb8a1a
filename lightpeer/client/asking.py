"""Whom one search asks: peer after peer, each when the one before is through, or silent for a second.

So a silent peer costs that second and not the patience that a slow link needs; where the link is busy with
something else, that may be why nothing is heard. What it says later
counts all the same. It may be its connection that hangs, so it is itself asked again over another where
nobody else is known. Once others have answered without it, it is scored down as if that patience were over.
One that says something has a bounded time to come to its end (`search.py`).
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.setbacks import Setbacks
from lightpeer.core.search.choice import HEAD_START_S, LONGEST_HEAD_START_S
from lightpeer.errors import RemoteError, RpcError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.client.reach import Reach
    from lightpeer.peering.peer import Peer

ROUND_TRIPS: Final = 3.0  # at least, as far as they are known
UNHEARD_S: Final = 10.0  # for the first replies of those at hand, before others are looked for
BUSY_BYTES: Final = 1000  # in that time: a link that carries as much may be what makes the peer wait


async def wait_for(event: trio.Event, reach: Reach, peer: Peer, longest_s: float) -> None:
    """Wait for an event, until a head start is over in which hardly anything came from anybody.

    Args:
        event: what is hoped for.
        reach: knows what comes.
        peer: who is asked: none answers sooner than in a few of its round trips.
        longest_s: the wait at most.
    """
    end_s = trio.current_time() + longest_s
    head_start_s = max(HEAD_START_S, ROUND_TRIPS * (peer.rtt_s or 0.0))
    while not event.is_set() and trio.current_time() < end_s:
        before = reach.received_bytes
        with trio.move_on_at(min(trio.current_time() + head_start_s, end_s)):
            await event.wait()
        if reach.received_bytes < before + BUSY_BYTES:
            break


class Turn:
    """One peer that is asked."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.has_answered = False
        self.heard = trio.Event()
        """Set once it has answered, or failed."""
        self.over = trio.Event()
        """Set once the next may be asked."""

    def on_answer(self) -> None:
        """Note that it has said something."""
        self.has_answered = True
        self.heard.set()


class Turns:
    """The peers that one search asks.

    `answered` is how many have, to the end; `setbacks` is why others have not.
    """

    def __init__(self, reach: Reach, ask: Callable[[Turn], Awaitable[None]]) -> None:
        """Take where they come from, and what is asked; that raises RemoteError where a peer fails."""
        self._reach = reach
        self._ask = ask
        self.answered = 0
        self.setbacks = Setbacks()
        self._under_way: list[Turn] = []

    async def run(self, is_enough: Callable[[], bool]) -> None:
        """Ask until there is enough, or nobody is left; whoever is still being asked then is left alone."""
        silent: list[Turn] = []
        try:
            async with (
                open_nursery() as nursery,
                aclosing(self._reach.peers(self.setbacks, all_answered=self._all_over)) as peers,
            ):
                async for peer in peers:
                    turn = Turn(peer)
                    self._under_way.append(turn)
                    nursery.start_soon(self._take, turn, is_enough, nursery.cancel_scope)
                    await wait_for(turn.heard, self._reach, peer, LONGEST_HEAD_START_S)
                    if turn.heard.is_set():
                        await turn.over.wait()
                    else:
                        silent.append(turn)
                        self._reach.on_silence(peer)
        finally:
            answered = {turn.peer for turn in self._under_way if turn.has_answered}
            for turn in silent:
                if answered and turn.peer not in answered and not turn.heard.is_set():
                    self._reach.on_error(turn.peer, _silence(), self.setbacks)

    def _answered_elsewhere(self, turn: Turn) -> bool:
        """Tell whether who is silent in a turn has answered in another, over another connection."""
        return any(other.peer is turn.peer and other.has_answered for other in self._under_way)

    async def _all_over(self) -> None:
        """Wait until nothing is hoped for: who sends bytes, but never a reply, is not waited for long."""
        with trio.move_on_after(UNHEARD_S):
            for turn in self._under_way:
                await turn.heard.wait()
        for turn in self._under_way:
            if turn.heard.is_set():
                await turn.over.wait()

    async def _take(self, turn: Turn, is_enough: Callable[[], bool], scope: trio.CancelScope) -> None:
        try:
            await self._ask(turn)
        except RemoteError as error:
            if not (_is_silence(error) and self._answered_elsewhere(turn)):
                self._reach.on_error(turn.peer, error, self.setbacks)
        else:
            self.answered += 1
        turn.heard.set()
        if is_enough():
            scope.cancel()
        turn.over.set()


def _is_silence(error: RemoteError) -> bool:
    from lightpeer.core.rpc.status import StatusCode

    return isinstance(error, RpcError) and error.code() == StatusCode.DEADLINE_EXCEEDED


def _silence() -> RpcError:
    from lightpeer.core.rpc.status import StatusCode

    return RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer said nothing while others answered")
