"""A server's place in the network: the servers that it knows, and that know it.

Twice a period it introduces itself to another server, as `core/overlay/view.py` has it, by one Exchange with
its own record. A server that introduces itself here is dialled back before it enters the view (`meeting.py`),
network by network (`core/guard/waiting.py`), and servers that others name are met first. So the whole view
may be recommended. The number of introductions that are accepted in a period is limited: of one peer, of one
network and in all.

`joining.py` finds the first neighbours.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.addresses import LOCAL_GROUP, network_group, scope_of
from lightpeer.core.guard.fairness import Fairness
from lightpeer.core.guard.waiting import Waiting
from lightpeer.core.overlay.peer_cache import source_group
from lightpeer.core.overlay.view import CAPACITY, View
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.trust.records import PeerRecord
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.operator.settings import PERIOD_S
from lightpeer.serve.overlay.agreed_clock import AgreedClock
from lightpeer.serve.overlay.joining import Joining
from lightpeer.serve.overlay.meeting import Meetings
from lightpeer.serve.overlay.own_record import OwnRecord
from lightpeer.tasks.supervision import contained, kept_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lightpeer.core.overlay.peer_cache import PeerCache
    from lightpeer.serve.access.node import Node
    from lightpeer.serve.overlay.place import Place

logger = logging.getLogger(__name__)

INTRODUCTIONS: Final = 2  # a period
PERIOD_JITTER: Final = 0.1  # so that servers started together do not meet in step
ACCEPTED_AT_ONCE: Final = 2  # introductions by one peer, then one a period; below, by one network and in all
ACCEPTED_PER_NETWORK: Final = 2
ACCEPTED_IN_ALL: Final = 16  # honest servers make two a period, and must not be crowded out
ASKS_PER_S: Final = 0.1  # samples for one light client, which needs one in a session
ASKS_AT_ONCE: Final = 10
MAX_TO_VERIFY: Final = (
    32  # introductions that wait to be dialled back: 16 kB, and more than are accepted at once
)
DIAL_BACKS: Final = 4  # at once, each for another network
DIAL_BACK_S: Final = 3.0  # covers a lost SYN and a slow server's answer


class Gossip:
    """The server's knowledge of others; `run` keeps it up to date."""

    def __init__(
        self,
        node: Node,
        place: Place,
        peers: PeerCache,
        *,
        period_s: float = PERIOD_S,
        on_change: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin without neighbours.

        Args:
            node: this server; peers that its rules deny are neither asked nor recommended, and a private
                server is not announced to strangers.
            place: where it is reached.
            peers: the memory of other servers and how they did.
            period_s: in which it introduces itself twice.
            on_change: called when `peers` has changed.

        Raises:
            UsageError: an address that no peer could use.
        """
        self.view: View[PeerRecord] = View(node.peer_id, group_of=_group_of)
        self._access = node.access
        self._entropy = node.network.entropy
        self._peers = peers
        self._clock = AgreedClock(node.network)
        self._meetings = Meetings(node, peers, place, self._clock, on_change)
        self.own = OwnRecord(node.identity, place, self._clock.unix_time)
        self._period_s = period_s
        self._accepted = Fairness(
            1 / period_s, ACCEPTED_AT_ONCE, group_shares=ACCEPTED_PER_NETWORK, total_shares=ACCEPTED_IN_ALL
        )
        self._asked = Fairness(ASKS_PER_S, ASKS_AT_ONCE)
        self._to_verify: Waiting[tuple[PeerRecord, str]] = Waiting(MAX_TO_VERIFY)
        self._introduced = trio.lowlevel.ParkingLot()  # unparked when there is more to verify
        self._named_by_host = ""  # of the peer that named the next contact
        self._joining = Joining(self.view, peers, self._meetings, self._announced, node.network.entropy)

    def unix_time(self) -> float:
        """Return the Unix time that the server goes by."""
        return self._clock.unix_time()

    # For others.

    def own_records(self) -> list[bytes]:
        """Return our own record, if we know an address of ours."""
        record = self.own.current()
        return [] if record is None else [record]

    def neighbours(self, n: int) -> list[PeerRecord]:
        """Return up to `n` serving peers at random; all of them have answered at their addresses."""
        known = self.view.neighbours(n, self._entropy)
        return list(filter(self._access.rules.may_know, known))

    def scope(self, peer_id: PeerId) -> int:
        """Return how narrow a network a name in a peer's record may lead into."""
        return self._peers.scope(peer_id)

    def sample(self, n: int, caller: PeerId, caller_host: str) -> list[PeerRecord]:
        """Return random neighbours that the caller can reach.

        Args:
            n: how many at most.
            caller: its id.
            caller_host: its numeric address.

        Raises:
            RpcError: RESOURCE_EXHAUSTED, for a caller that asks too often.
        """
        if not self._asked.admit(caller, source_group(caller, caller_host), 1, trio.current_time()):
            raise RpcError(StatusCode.RESOURCE_EXHAUSTED, "you have asked for peers too often: wait a minute")
        return _fit(self.neighbours(CAPACITY), caller, caller_host)[:n]

    def introduce(self, record: PeerRecord, host: str, *, wants_name: bool) -> list[PeerRecord]:
        """Process the introduction of a peer; return a server that we name to it, if it wants one.

        Args:
            record: its own, with addresses that are reachable where it came from.
            host: the numeric address that it came from.
            wants_name: whether it wants to be named another server.
        """
        if not record.serves:
            self._withdraw(record)
            return []
        known = self.view.get(record.peer_id)
        if known is not None and known.endpoints == record.endpoints:
            self.view.introduce(record)  # it is where it was: nothing to verify, and nothing to gain by it
            return []
        if not self._accepted.admit(
            record.peer_id, source_group(record.peer_id, host), 1, trio.current_time()
        ):
            return []
        self._to_verify.put(source_group(record.peer_id, host), (record, host))
        self._introduced.unpark()
        name = self.view.name_for(record.peer_id) if wants_name else None
        return [] if name is None else _fit([name], record.peer_id, host)

    def _withdraw(self, record: PeerRecord) -> None:
        """Believe a peer that it no longer serves; that needs no proof."""
        known = self._peers.get(record.peer_id)
        if known is not None and known.record.sequence <= record.sequence:
            self._peers.add(record, record.peer_id, self.unix_time())
        neighbour = self.view.get(record.peer_id)
        if neighbour is not None and neighbour.sequence <= record.sequence:
            self.view.remove(record.peer_id)

    def on_lie(self, peer_id: PeerId) -> None:
        """Lower the score of a neighbour that broke the protocol, and drop it from the view."""
        self._peers.on_misbehaviour(peer_id, self.unix_time())
        self.view.remove(peer_id)

    # The periodic part.

    def join_soon(self) -> None:
        """Join again soon if neighbours are few: there is a new peer to join through."""
        self._joining.join_soon()

    async def run(self, contacts: Callable[[], Sequence[Contact]]) -> None:
        """Join, and introduce the server twice a period, for ever; `contacts` gives peers to join through."""
        async with trio.open_nursery() as nursery:
            for _ in range(DIAL_BACKS):
                nursery.start_soon(kept_up, "dialling back", self._dial_back)
            joined, whole = self._joining.keep_joined, self._joining.keep_whole
            nursery.start_soon(kept_up, "joining the network", joined, contacts, self._period_s)
            nursery.start_soon(kept_up, "looking beyond the neighbours", whole, contacts)
            nursery.start_soon(kept_up, "introducing ourselves", self._keep_introducing)

    async def _keep_introducing(self) -> None:
        while True:
            jitter = PERIOD_JITTER * (2 * int.from_bytes(self._entropy(4), "big") / 2**32 - 1)
            await trio.sleep(self._period_s / INTRODUCTIONS * (1 + jitter))
            self.view.expire(self.unix_time())
            if own := self._announced():
                await self._introduce_ourselves(own)

    async def _dial_back(self) -> None:
        while True:
            while (taken := self._to_verify.take()) is None:
                await self._introduced.park()
            group, (record, host) = taken
            verified = None
            try:
                with trio.move_on_after(DIAL_BACK_S):
                    verified = await self._meetings.verify(record, record.peer_id, host)
            finally:
                self._to_verify.done(group)
                self._introduced.unpark()  # the next of its network may have waited
            if verified is not None:
                self.view.introduce(verified)

    async def _introduce_ourselves(self, own: bytes) -> None:
        introduction = self.view.next_introduction()
        if introduction is None:
            return
        record = introduction.record
        is_ours = introduction.wants_name
        scope = self.scope(record.peer_id) if is_ours else scope_of(self._named_by_host)
        request = pb.ExchangeRequest(records=[own], want=int(is_ours))
        met = await self._meetings.try_to_meet(
            Contact(record.endpoints[0], record.peer_id), request, scope=scope
        )
        if met is None:
            return
        self._named_by_host = met.host
        self.view.on_answer(introduction, next((other for other in met.others if other.serves), None))
        if met.own is None or met.peer_id not in self.view:
            return
        if met.own.serves:
            self.view.add(met.own)  # a newer record of itself
        else:
            self.view.remove(met.peer_id)

    # Our role.

    async def tell_neighbours(self) -> None:
        """Send our new record to all neighbours at once."""
        record = self.own.fresh()
        if record is None:
            return
        async with trio.open_nursery() as nursery:
            for neighbour in self.view.records:
                nursery.start_soon(contained, "an announcement", self._meetings.announce, neighbour, record)

    def _announced(self) -> bytes | None:
        """Return a fresh record, if we serve everybody and know an address of ours."""
        return self.own.fresh() if self.own.serves and not self._access.rules.is_private else None


def _group_of(record: PeerRecord) -> str | None:
    """Return a server's network group; None for a local network, which has no limit."""
    group = network_group(record.endpoints[0][0])
    return None if group == LOCAL_GROUP else group


def _fit(records: Iterable[PeerRecord], reader: PeerId, reader_host: str) -> list[PeerRecord]:
    """Return the records of other servers in networks that the reader can reach."""
    scope = scope_of(reader_host)
    return [r for r in records if r.peer_id != reader and scope_of(r.endpoints[0][0]) <= scope]
