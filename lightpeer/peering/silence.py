"""How long to wait for an answer: while its connection is not silent for too long.

A reply that is on its way has time, however slow the link is, and so has one behind others. Where a whole
reply stood in one queue, TCP repeats what was lost at its end only after three times as long as it came
(RFC 6298: a round trip, and four times its variation, which is half of it at first). So a silence in the
middle of a reply may be longer, up to twice the usual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lightpeer.rpc.call import Call

T = TypeVar("T")

_REPEATED_TIMES: Final = 3.0  # as long as a reply came, TCP's timer may be
_MOST_TIMES: Final = 2.0  # as long a silence


async def within_silence(silence_s: float, answer: Awaitable[T], call: Call) -> T:
    """Return an answer to a call.

    Args:
        silence_s: without a byte on the call's connection.
        answer: what to wait for.
        call: the call.

    Raises:
        RpcError: DEADLINE_EXCEEDED, the connection was silent for so long; or what the call ended with.
    """
    async with open_nursery() as nursery:
        nursery.start_soon(watch_silence, silence_s, call, nursery.cancel_scope)
        result = await answer
        nursery.cancel_scope.cancel()
        return result
    raise RpcError(StatusCode.DEADLINE_EXCEEDED, "the peer said nothing in time")


async def watch_silence(silence_s: float, call: Call, scope: trio.CancelScope) -> None:
    """Cancel a scope when a call's connection is silent for too long.

    Args:
        silence_s: without a byte; in the middle of a reply it may be up to twice as long.
        call: the call.
        scope: what to cancel.
    """
    began_s = heard_s = trio.current_time()
    while True:
        repeated_s = min(_REPEATED_TIMES * (heard_s - began_s), _MOST_TIMES * silence_s)
        await trio.sleep_until(heard_s + max(silence_s, repeated_s))
        if call.heard_s <= heard_s:
            break
        heard_s = call.heard_s
    scope.cancel()
