"""The seals of incoming calls: nothing of a request is looked at before its seal has been opened.

    call = calls.begin(context)
    request = call.open(data, pb.SearchRequest)     # RpcError unless it is its caller's, and sound
    return call.seal(pb.SearchReply(...))

A stale seal is answered with our time, so that a computer without a clock can ask again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lightpeer.core.identity import Identity, PeerId, ReplayGuard, ServerSeals
from lightpeer.core.messages import parse_body_untrusted
from lightpeer.core.status import StatusCode
from lightpeer.errors import BadMessageError, RpcError, SealError
from lightpeer.wire.peer import TIME_METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from lightpeer.serve.rpc import Context
    from lightpeer.wire.network import Network

    M = TypeVar("M", bound=Message)


class SealedCalls:
    """Opens the seals of all calls to one server; it has the memory that shows a replay."""

    def __init__(self, identity: Identity, network: Network) -> None:
        """Take whose replies are sealed, and whose clock is gone by."""
        self._identity = identity
        self._network = network
        self._guard = ReplayGuard(since_ms=self._now_ms())

    def begin(self, context: Context) -> SealedCall:
        """Return the seals of a call."""
        return SealedCall(ServerSeals(self._identity, context.path, self._guard), self._now_ms, context.prove)

    def _now_ms(self) -> int:
        return int(self._network.unix_time() * 1000)


class SealedCall:
    """One call: requests in, replies out. Make it with `SealedCalls.begin`."""

    def __init__(self, seals: ServerSeals, now_ms: Callable[[], int], on_opened: Callable[[], None]) -> None:
        self._seals = seals
        self._now_ms = now_ms
        self._on_opened = on_opened

    @property
    def peer_id(self) -> PeerId:
        """Who calls; known once a request is open."""
        assert self._seals.peer_id is not None
        return self._seals.peer_id

    def open(self, data: bytes, kind: type[M]) -> M:
        """Return the request in its sealed bytes; raise RpcError if it is not its caller's or not sound."""
        now_ms = self._now_ms()
        try:
            body = self._seals.open_request_untrusted(data, now_ms)
            self._on_opened()
            return parse_body_untrusted(kind, body)
        except SealError as error:
            time = [(TIME_METADATA, str(now_ms))] if error.reason == "stale" else []
            raise RpcError(StatusCode.UNAUTHENTICATED, f"{error.reason}: {error}", time) from error
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error

    def seal(self, reply: Message) -> bytes:
        """Return a reply's sealed bytes."""
        return self._seals.seal_reply(reply.SerializeToString())
