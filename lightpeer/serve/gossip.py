"""A server's place in the network: whom it knows, and who knows it.

Once a period it shuffles its view with its oldest neighbour (`core/membership.py`): one Exchange, our
own record sealed anew ahead of what is given away. What comes from others, in a shuffle or an
announcement, is dialled back before it enters the view (`meeting.py`), so that everything in the view
may be recommended. Few shuffles are accepted a period, of one peer, of one network and in all; the
others get their answer, and we keep what we have.

A server with few neighbours joins: it meets the bootstrap peers, whoever it remembers, and whoever was
found on the local network, announces itself to them, and takes over what they recommend. That is
repeated with growing pauses while the neighbours are few. No peer is needed after that.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.contacts import Contact
from lightpeer.core.fairness import Fairness
from lightpeer.core.identity import PeerId
from lightpeer.core.membership import CAPACITY, SHUFFLE_LENGTH, Shuffle, View
from lightpeer.core.records import PeerRecord, format_endpoint, scope_of
from lightpeer.errors import RemoteError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.meeting import MAX_RECORDS, Meetings, source_group
from lightpeer.serve.own_record import OwnRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lightpeer.core.identity import Identity
    from lightpeer.core.own_address import OwnAddress
    from lightpeer.core.peers import PeerCache
    from lightpeer.wire.network import Network

logger = logging.getLogger(__name__)

PERIOD_S: Final = 60.0  # 4 kB a minute; who crashed is out of all views within the half hour
PERIOD_JITTER: Final = 0.1  # so that servers started together do not shuffle together
FEW_NEIGHBOURS: Final = 4  # below that, a view may be cut off by a few crashes
JOIN_AGAIN_S: Final = 5.0  # doubles
MAX_JOIN_AGAIN_S: Final = 600.0
REMEMBERED_ASKED: Final = 8  # of the peers from before, in one round of joining
ACCEPTED_AT_ONCE: Final = 2  # shuffles of one peer; twice as many of one network, four times in all
MAX_TO_VERIFY: Final = 32  # sets of records that wait to be dialled back: 256 kB
DIAL_BACKS: Final = 4  # under way at a time, one for each source's network


class Gossip:
    """What this server knows of others; `run` keeps it true."""

    def __init__(
        self,
        *,
        network: Network,
        identity: Identity,
        place: OwnAddress,
        port: int,
        peers: PeerCache,
        period_s: float = PERIOD_S,
    ) -> None:
        """Take who and where we are, our port for RPC, and the memory of how others did.

        Raises UsageError for an address that nobody could use.
        """
        self.view: View[PeerRecord] = View(identity.peer_id)
        self._network = network
        self._peers = peers
        self._meetings = Meetings(network, identity, peers, place, port)
        self.own = OwnRecord(identity, place, port, self._meetings.unix_time)
        self._period_s = period_s
        self._accepted = Fairness(1 / period_s, ACCEPTED_AT_ONCE, group_shares=2, total_shares=4)
        self._to_verify, self._verify_next = trio.open_memory_channel[_Told](MAX_TO_VERIFY)
        self._verifying: set[str] = set()  # the sources' networks

    def unix_time(self) -> float:
        """Return the Unix time that we go by."""
        return self._meetings.unix_time()

    # What others are told.

    def own_records(self) -> list[bytes]:
        """Return our own record, if we know an address of ours."""
        record = self.own.current()
        return [] if record is None else [record]

    def neighbours(self, n: int) -> list[PeerRecord]:
        """Return up to `n` serving peers at random; all of them have answered at their addresses."""
        return self.view.neighbours(n, self._network.entropy)

    def sample(self, n: int, caller: PeerId, caller_host: str) -> list[PeerRecord]:
        """Return up to `n` neighbours at random that mean something where the caller is."""
        return _fit(self.neighbours(CAPACITY), caller, caller_host)[:n]

    def answer(self, n: int, told: Sequence[PeerRecord], caller_host: str) -> list[PeerRecord]:
        """Take a shuffle that a peer started, its own record first; return up to `n` records for it."""
        caller = told[0].peer_id
        shuffle = self.view.answer(caller, self._network.entropy)
        shuffle = replace(shuffle, sent=tuple(_fit(shuffle.sent, caller, caller_host)[:n]))
        if not told[0].serves:
            self._withdraw(told[0])
        else:
            self._verify_later(_Told(caller, caller_host, list(told), shuffle))
        return list(shuffle.sent)

    def announced(self, record: PeerRecord, caller_host: str) -> None:
        """Take a peer's own record from itself."""
        if not record.serves:
            self._withdraw(record)
        else:
            self._verify_later(_Told(record.peer_id, caller_host, [record], None))

    def _withdraw(self, record: PeerRecord) -> None:
        """Believe a peer that it serves no longer; that much needs no proof."""
        known = self._peers.get(record.peer_id)
        if known is None or known.record.sequence <= record.sequence:
            self._peers.add(record, record.peer_id, self.unix_time())
            self.view.remove(record.peer_id)

    # Verification.

    def _verify_later(self, told: _Told) -> None:
        """Queue records to be dialled back, unless too many wait: they will be told again."""
        group = source_group(told.source, told.source_host)
        if not self._accepted.admit(told.source, group, 1, self.unix_time()):
            return
        try:
            self._to_verify.send_nowait(told)
        except trio.WouldBlock:
            logger.info("too many records wait to be dialled back")

    async def _verify_told(self) -> None:
        async for told in self._verify_next:
            group = source_group(told.source, told.source_host)
            if group in self._verifying:
                continue
            self._verifying.add(group)
            try:
                sound = await self._verified(told.records, told.source, told.source_host)
            finally:
                self._verifying.discard(group)
            if told.shuffle is not None and sound and sound[0].peer_id == told.source:
                self.view.finish_shuffle(told.shuffle, sound)
            for record in sound:
                self.view.add(record)

    async def _verified(
        self, records: Sequence[PeerRecord], source: PeerId, source_host: str
    ) -> list[PeerRecord]:
        verified = [await self._meetings.verify(record, source, source_host) for record in records]
        return [record for record in verified if record is not None]

    # The periodic part.

    async def run(self, contacts: Callable[[], Sequence[Contact]]) -> None:
        """Join, and shuffle once a period, for ever; `contacts` gives whom to join through."""
        async with trio.open_nursery() as nursery:
            for _ in range(DIAL_BACKS):
                nursery.start_soon(self._verify_told)
            nursery.start_soon(self._keep_joined, contacts)
            while True:
                await trio.sleep(self._period_s * (1 + PERIOD_JITTER * (2 * self._random() - 1)))
                self.view.expire(self.unix_time())
                if self.own.serves:
                    await self._shuffle()

    async def _keep_joined(self, contacts: Callable[[], Sequence[Contact]]) -> None:
        pause_s = JOIN_AGAIN_S
        while True:
            if len(self.view) < FEW_NEIGHBOURS:
                await self._join(contacts())
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_JOIN_AGAIN_S)
            else:
                pause_s = JOIN_AGAIN_S
                await trio.sleep(self._period_s)

    async def _join(self, contacts: Sequence[Contact]) -> None:
        """Meet all whom we were pointed to, and of those from before as many as are needed."""
        for contact in contacts:
            for host in await self._addresses(contact):
                await self._join_through(Contact((host, contact.address[1]), contact.peer_id))
        for record in self._peers.best(REMEMBERED_ASKED, self.unix_time()):
            if len(self.view) >= FEW_NEIGHBOURS:
                return
            if record.peer_id not in self.view:
                await self._join_through(Contact(record.endpoints[0], record.peer_id))

    async def _addresses(self, contact: Contact) -> list[str]:
        try:
            return await self._meetings.resolve(contact.address[0])
        except OSError as error:
            logger.info("%s leads nowhere: %s", contact.address[0], error)
            return []

    async def _join_through(self, contact: Contact) -> None:
        own = self._announced()
        try:
            met = await self._meetings.meet(contact, pb.ExchangeRequest(records=own, want=MAX_RECORDS - 1))
            if not own and (own := self._announced()):  # they have told us where we are
                await self._meetings.meet(contact, pb.ExchangeRequest(records=own))
        except (OSError, RemoteError) as error:
            logger.info("cannot join through %s: %s", format_endpoint(contact.address), error)
            return
        told = [record for record in (met.own, *met.others) if record is not None]
        for record in await self._verified(told, met.peer_id, met.host):
            self.view.add(record)

    async def _shuffle(self) -> None:
        shuffle = self.view.start_shuffle(self._network.entropy)
        if shuffle is None or shuffle.contact is None:
            return
        address = shuffle.contact.endpoints[0]
        own = self._announced()
        given = _fit(shuffle.sent, shuffle.partner, address[0]) if own else []
        shuffle = replace(shuffle, sent=tuple(given))
        request = pb.ExchangeRequest(records=own + [record.data for record in given], want=SHUFFLE_LENGTH)
        try:
            met = await self._meetings.meet(Contact(address, shuffle.partner), request)
        except (OSError, RemoteError) as error:
            logger.info("a neighbour is gone: %s: %s", format_endpoint(address), error)
            self.view.fail_shuffle(shuffle)
            return
        others = met.others[:SHUFFLE_LENGTH]
        self.view.finish_shuffle(shuffle, await self._verified(others, met.peer_id, met.host))
        if met.own is not None and met.own.serves:
            self.view.add(met.own)  # while there is room, as in a network of a few

    def _announced(self) -> list[bytes]:
        """Return our record, sealed just now, if we serve and know where."""
        record = self.own.fresh() if self.own.serves else None
        return [] if record is None else [record]

    async def tell_neighbours(self) -> None:
        """Tell all neighbours at once what we do now."""
        record = self.own.fresh()
        if record is None:
            return
        async with trio.open_nursery() as nursery:
            for neighbour in self.view.records:
                nursery.start_soon(self._meetings.announce, neighbour, record)

    def _random(self) -> float:
        return int.from_bytes(self._network.entropy(4), "big") / 2**32


@dataclass(frozen=True, slots=True)
class _Told:
    """Records that wait to be dialled back, from whom they are, and the shuffle that they came in."""

    source: PeerId
    source_host: str
    records: list[PeerRecord]
    shuffle: Shuffle[PeerRecord] | None


def _fit(records: Iterable[PeerRecord], reader: PeerId, reader_host: str) -> list[PeerRecord]:
    """Return those of some records that tell the reader of others, in networks that it can reach."""
    scope = scope_of(reader_host)
    return [r for r in records if r.peer_id != reader and scope_of(r.endpoints[0][0]) <= scope]
