"""The service Discovery: a server introduces itself by its record, a light client gets a random sample.

A light client brings no record, and no server remembers it. `gossip.py` decides on introductions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from lightpeer.core.addresses import format_endpoint
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.bounds import MAX_RECORDS
from lightpeer.core.trust.messages import PACKAGE
from lightpeer.core.trust.records import told_record_untrusted, told_records_untrusted
from lightpeer.errors import BadMessageError, RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.server import Context, MethodHandler, unary_unary

if TYPE_CHECKING:
    from lightpeer.serve.overlay.gossip import Gossip
    from lightpeer.serve.services.sealed import SealedCalls

logger = logging.getLogger(__name__)

ANNOUNCE_AGAIN_S: Final = 600  # for servers that do not introduce themselves otherwise
_SERVICE = PACKAGE + "Discovery/"


class Discovery:
    """Exchange and Announce of one server."""

    def __init__(self, calls: SealedCalls, gossip: Gossip) -> None:
        self._calls = calls
        self._gossip = gossip

    def handlers(self) -> dict[str, MethodHandler]:
        """Return the handlers by their full method paths."""
        return {
            _SERVICE + "Exchange": unary_unary(self.exchange),
            _SERVICE + "Announce": unary_unary(self.announce),
        }

    async def exchange(self, data: bytes, context: Context) -> bytes:
        """Return our own record and some others; a server that sends its own is introduced."""
        call = self._calls.begin(context)
        request = call.open(data, pb.ExchangeRequest)
        if len(request.records) > MAX_RECORDS:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"at most {MAX_RECORDS} records at once")
        wanted = min(request.want, MAX_RECORDS - 1)
        host = context.peer_address[0]
        told = told_records_untrusted(
            request.records[:1],
            self._gossip.unix_time(),
            host,
            lambda error: logger.info("a bad record from a caller: %s", error),
        )
        if told and told[0].peer_id == call.peer_id:
            given = self._gossip.introduce(told[0], host, wants_name=wanted > 0)
        else:
            given = self._gossip.sample(wanted, call.peer_id, host)
        return call.seal(
            pb.ExchangeReply(
                records=[*self._gossip.own_records(), *(record.data for record in given)],
                observed=format_endpoint(context.peer_address),
            )
        )

    async def announce(self, data: bytes, context: Context) -> bytes:
        """Process a peer's own record, sent by itself."""
        call = self._calls.begin(context)
        request = call.open(data, pb.Announcement)
        host = context.peer_address[0]
        try:
            record = told_record_untrusted(request.record, self._gossip.unix_time(), host)
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        if record.peer_id != call.peer_id:
            raise RpcError(StatusCode.PERMISSION_DENIED, "a peer announces itself and nobody else")
        self._gossip.introduce(record, host, wants_name=False)
        return call.seal(pb.AnnounceReply(again_s=ANNOUNCE_AGAIN_S))
