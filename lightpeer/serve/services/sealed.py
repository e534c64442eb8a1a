"""The seals of incoming calls: a request is parsed only after its seal has been opened.

    call = calls.begin(context)
    request = call.open(data, pb.SearchRequest)     # RpcError unless it is its caller's, and sound
    return call.seal(pb.SearchReply(...))

A stale seal is answered with our time, so that a computer without a clock can ask again. Callers that may
not listen are refused here too, as soon as the caller is known, and with each message of a running call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lightpeer.core.addresses import network_group, network_of
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.trust.messages import parse_body_untrusted
from lightpeer.core.trust.replay import Origin, ReplayGuard
from lightpeer.core.trust.seals import ServerSeals
from lightpeer.errors import BadMessageError, RpcError, SealError
from lightpeer.peering.sealing import TIME_METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from lightpeer.core.guard.rules import Rules
    from lightpeer.rpc.server import Context
    from lightpeer.serve.access.access import Access
    from lightpeer.serve.access.node import Node

    M = TypeVar("M", bound=Message)


class SealedCalls:
    """Opens the seals of all calls to one server; it remembers nonces, and so finds replays."""

    def __init__(self, node: Node) -> None:
        self._identity = node.identity
        self._access = node.access
        self._network = node.network
        self._guard = ReplayGuard(since_ms=self._now_ms())

    def begin(self, context: Context) -> SealedCall:
        """Return the seals of a call."""
        host = context.peer_address[0]
        origin = Origin(network_of(host), network_group(host))
        seals = ServerSeals(self._identity, context.path, self._guard, origin)
        return SealedCall(seals, self._now_ms, self._access, context)

    def _now_ms(self) -> int:
        return int(self._network.unix_time() * 1000)


class SealedCall:
    """One call: requests in, replies out. Make it with `SealedCalls.begin`."""

    def __init__(
        self, seals: ServerSeals, now_ms: Callable[[], int], access: Access, context: Context
    ) -> None:
        self._seals = seals
        self._now_ms = now_ms
        self._access = access
        self._context = context
        self._host = context.peer_address[0]
        self._let_in_by: Rules | None = None

    @property
    def peer_id(self) -> PeerId:
        """The caller's id; known once a request is open."""
        assert self._seals.peer_id is not None
        return self._seals.peer_id

    def open(self, data: bytes, kind: type[M]) -> M:
        """Return the request in sealed bytes.

        Args:
            data: the sealed bytes.
            kind: the request's class.

        Raises:
            RpcError: it is not its caller's, not sound, or from a caller that may not listen.
        """
        now_ms = self._now_ms()
        try:
            body = self._seals.open_request_untrusted(data, now_ms)
            self._context.prove()
            self._require_access()
            return parse_body_untrusted(kind, body)
        except SealError as error:
            time = [(TIME_METADATA, str(now_ms))] if error.reason == "stale" else []
            raise RpcError(StatusCode.UNAUTHENTICATED, f"{error.reason}: {error}", time) from error
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error

    def seal(self, reply: Message) -> bytes:
        """Return a reply's sealed bytes; raise RpcError if the caller may no longer listen."""
        self._require_access()
        return self._seals.seal_reply(reply.SerializeToString())

    def _require_access(self) -> None:
        """Check that the caller may listen, once for each version of the rules."""
        rules = self._access.rules
        if rules is not self._let_in_by:
            self._access.require(self.peer_id, self._host)
            self._let_in_by = rules
