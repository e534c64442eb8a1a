"""The peers that one search asks, one after another, with head starts (`core/search/head_start.py`).

An answer that comes after the head start counts all the same. A peer may be silent because its connection
hangs, so it is asked again over a new one where no other peer is known. Once others have answered without
it, it is scored down as if it had timed out. A peer that has begun to answer has a bounded time to finish
(`query.py`).
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.setbacks import Setbacks
from lightpeer.core.search.head_start import LONGEST_HEAD_START_S, HeadStart
from lightpeer.errors import RemoteError, RpcError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.client.reach import Reach
    from lightpeer.peering.peer import Peer

UNHEARD_S: Final = 10.0  # for the first replies of the peers at hand, before others are looked for


async def wait_for(event: trio.Event, reach: Reach, peer: Peer, longest_s: float) -> None:
    """Wait for an event, or until a peer's head start is over.

    Args:
        event: set by what is waited for.
        reach: counts the bytes that come.
        peer: the peer that is asked; its round trips lengthen its head start.
        longest_s: the wait at most.
    """
    head_start = HeadStart(peer.rtt_s, longest_s, trio.current_time())
    while not event.is_set():
        until = head_start.wait_until(trio.current_time(), reach.received_bytes)
        if until is None:
            break
        with trio.move_on_at(until):
            await event.wait()


class Inquiry:
    """One peer that is asked.

    Attributes:
        peer: the peer.
        has_answered: whether it has begun to answer.
        heard: set once it has answered, or failed.
        over: set once the next peer may be asked.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.has_answered = False
        self.heard = trio.Event()
        self.over = trio.Event()

    def on_answer(self) -> None:
        """Note that the peer has begun to answer."""
        self.has_answered = True
        self.heard.set()


class Inquiries:
    """The peers that one search asks.

    Attributes:
        answered: how many have answered, to the end.
        setbacks: why others have not.
    """

    def __init__(self, reach: Reach, ask: Callable[[Inquiry], Awaitable[None]]) -> None:
        """Ask nobody yet; `ask` asks one peer and raises RemoteError where it fails."""
        self._reach = reach
        self._ask = ask
        self.answered = 0
        self.setbacks = Setbacks()
        self._under_way: list[Inquiry] = []

    async def run(self, is_enough: Callable[[], bool]) -> None:
        """Ask until there is enough, or no peer is left; inquiries that still run then are cancelled."""
        silent: list[Inquiry] = []
        try:
            async with (
                open_nursery() as nursery,
                aclosing(self._reach.peers(self.setbacks, all_answered=self._all_over)) as peers,
            ):
                async for peer in peers:
                    inquiry = Inquiry(peer)
                    self._under_way.append(inquiry)
                    nursery.start_soon(self._run_one, inquiry, is_enough, nursery.cancel_scope)
                    await wait_for(inquiry.heard, self._reach, peer, LONGEST_HEAD_START_S)
                    if inquiry.heard.is_set():
                        await inquiry.over.wait()
                    else:
                        silent.append(inquiry)
                        self._reach.on_silence(peer)
        finally:
            answered = {inquiry.peer for inquiry in self._under_way if inquiry.has_answered}
            for inquiry in silent:
                if answered and inquiry.peer not in answered and not inquiry.heard.is_set():
                    self._reach.on_error(inquiry.peer, _silence(), self.setbacks)
            if answered:
                self._reach.warn(self.setbacks)

    def _answered_elsewhere(self, inquiry: Inquiry) -> bool:
        """Return whether a peer that is silent here has answered over another connection."""
        return any(other.peer is inquiry.peer and other.has_answered for other in self._under_way)

    async def _all_over(self) -> None:
        """Wait until no answer is hoped for; one that sends bytes but no reply is not waited for long."""
        with trio.move_on_after(UNHEARD_S):
            for inquiry in self._under_way:
                await inquiry.heard.wait()
        for inquiry in self._under_way:
            if inquiry.heard.is_set():
                await inquiry.over.wait()

    async def _run_one(
        self, inquiry: Inquiry, is_enough: Callable[[], bool], scope: trio.CancelScope
    ) -> None:
        try:
            await self._ask(inquiry)
        except RemoteError as error:
            if not (_is_silence(error) and self._answered_elsewhere(inquiry)):
                self._reach.on_error(inquiry.peer, error, self.setbacks)
        else:
            self.answered += 1
        inquiry.heard.set()
        if is_enough():
            scope.cancel()
        inquiry.over.set()


def _is_silence(error: RemoteError) -> bool:
    from lightpeer.core.rpc.status import StatusCode

    return isinstance(error, RpcError) and error.code() == StatusCode.DEADLINE_EXCEEDED


def _silence() -> RpcError:
    from lightpeer.core.rpc.status import StatusCode

    return RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer said nothing while others answered")
