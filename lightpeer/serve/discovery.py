"""The service Discovery: records in, a random sample of records out.

Those who announce themselves are remembered in a `PeerCache`, whose quotas hold for them too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from lightpeer.core.identity import PeerId
from lightpeer.core.peers import PeerCache, parse_record_untrusted
from lightpeer.core.records import check_scope_untrusted, format_endpoint
from lightpeer.core.status import StatusCode
from lightpeer.errors import BadMessageError, RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.rpc import Context, MethodHandler, unary_unary

if TYPE_CHECKING:
    from lightpeer.serve.sealed import SealedCalls
    from lightpeer.wire.network import Network

logger = logging.getLogger(__name__)

MAX_RECORDS: Final = 16  # in one Exchange, either way: 8 kB
ANNOUNCE_AGAIN_S: Final = 600
_SERVICE = "/loudp2p.v1.Discovery/"


class Discovery:
    """Exchange and Announce of one server."""

    def __init__(
        self,
        *,
        calls: SealedCalls,
        network: Network,
        peers: PeerCache,
        own_record: Callable[[], bytes | None],
    ) -> None:
        """Take whom we know; `own_record` gives None while we know no address of ours."""
        self._calls = calls
        self._network = network
        self._peers = peers
        self._own_record = own_record

    def handlers(self) -> dict[str, MethodHandler]:
        """Return the handlers by their full method paths."""
        return {
            _SERVICE + "Exchange": unary_unary(self.exchange),
            _SERVICE + "Announce": unary_unary(self.announce),
        }

    async def exchange(self, data: bytes, context: Context) -> bytes:
        """Take records in; give our own and a random sample of those that announced themselves."""
        call = self._calls.begin(context)
        request = call.open(data, pb.ExchangeRequest)
        if len(request.records) > MAX_RECORDS:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"at most {MAX_RECORDS} records at once")
        self._learn_untrusted(request.records, call.peer_id, context.peer_address[0])
        return call.seal(
            pb.ExchangeReply(
                records=[*self.own_records(), *self._sample(request.want, call.peer_id)],
                observed=format_endpoint(context.peer_address),
            )
        )

    async def announce(self, data: bytes, context: Context) -> bytes:
        """Remember a serving peer by its own record."""
        call = self._calls.begin(context)
        request = call.open(data, pb.Announcement)
        now = self._network.unix_time()
        try:
            record = parse_record_untrusted(request.record, now)
            check_scope_untrusted(record, context.peer_address[0])
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        if record.peer_id != call.peer_id:
            raise RpcError(StatusCode.PERMISSION_DENIED, "a peer announces itself and nobody else")
        self._peers.add(record, call.peer_id, now)
        self._peers.on_success(call.peer_id, None, now)
        return call.seal(pb.AnnounceReply(again_s=ANNOUNCE_AGAIN_S))

    def own_records(self) -> list[bytes]:
        """Return our own record, if there is one."""
        record = self._own_record()
        return [] if record is None else [record]

    def _sample(self, want: int, caller: PeerId) -> list[bytes]:
        """Return records of announced peers; what we know from hearsay alone we do not recommend."""
        wanted = min(want, MAX_RECORDS - 1)
        now = self._network.unix_time()
        sample = self._peers.sample(wanted + 1, self._network.entropy, now, tried_only=True)
        return [r.data for r in sample if r.peer_id != caller][:wanted]

    def _learn_untrusted(self, records: Sequence[bytes], source: PeerId, source_host: str) -> None:
        now = self._network.unix_time()
        for data in records:
            try:
                record = parse_record_untrusted(data, now)
                check_scope_untrusted(record, source_host)
                self._peers.add(record, source, now)
            except BadMessageError as error:
                logger.info("a bad record in an exchange: %s", error)
