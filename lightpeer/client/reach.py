"""Whom a light client can ask: the peers at hand, in the order in which they are worth asking.

It knows a few addresses (the bootstrap list) and the remembered peers. Those that are connected
come first, then the list, then the cache, each best first; each has a head start over the next. When all
of these are used up, the other addresses of names have their turn, and those that were met are asked
for their neighbours, until one names somebody new. Who knows nobody at all looks around on the local
network. What becomes of each attempt is scored, and whoever says nothing loses its connection, so
that it is not the first to be asked the next time.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.setbacks import Setbacks
from lightpeer.core.addresses import Endpoint, is_name
from lightpeer.core.trust.contact import Contact
from lightpeer.errors import (
    BadMessageError,
    LightpeerError,
    NoPeerError,
    RemoteError,
    RpcError,
    SealError,
)
from lightpeer.net.names import MAX_ADDRESSES, numeric_untrusted
from lightpeer.peering.connections import Connections, Terms
from lightpeer.tasks.racing import first_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lightpeer.config import Settings
    from lightpeer.core.search.choice import Standing
    from lightpeer.core.trust.identity import Identity, PeerId
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.net.network import Network
    from lightpeer.peering.peer import Peer
    from lightpeer.state.peers import RememberedPeers

logger = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 8  # a phone asks two peers and streams from three
IDLE_S: Final = 10.0  # 3G radios stay up for about that long after a packet: our goodbye wakes none
RACING: Final = 3  # connections under way at a time
HEAD_START_S: Final = 1.0  # over the next: two round trips of a slow 3G link and some
MAX_ASKED: Final = 8  # peers that one search may cost
CLOCK_ERROR_S: Final = 86_400.0  # of a clock that is set: a time zone, or a battery that was empty
LOOK_S: Final = 1.5  # answers take 20 to 120 ms (RFC 6762, section 6); a question is repeated after 1 s
RECORDS_WANTED: Final = 8  # when others have to be asked: 1 kB
SPARES: Final = 3
GIVEN_TASTE: Final = 2.5  # tracks listened to, that it counts for to be named by the person: some are skipped
UNTRIED_SCORE: Final = 1 / 16  # of a peer that nobody tried, see `PeerEntry.score`


class Reach:
    """The peers that can be asked."""

    def __init__(
        self,
        settings: Settings,
        network: Network,
        nursery: trio.Nursery,
        identity: Callable[[], Identity],
        remembered: RememberedPeers,
    ) -> None:
        """Take the nursery that connections live in, how to get our key, and the peers of earlier."""
        terms = Terms(MAX_CONNECTIONS, IDLE_S, settings.connect_timeout_s, settings.call_timeout_s)
        self.connections = Connections(terms, network, nursery, identity)
        self._settings = settings
        self._identity = identity
        self._network = network
        self.nursery = nursery
        self._remembered = remembered
        self._moved_in: set[Endpoint] = set()  # where a known peer has gone, and another answers
        self._further: list[Contact] = []  # found out only when nobody else was left
        self._has_exchanged = False  # records, with anybody

    def begin(self) -> None:
        """Start to connect to the first bootstrap peer, while the caller still loads what it needs."""
        if self._settings.bootstrap:
            self.nursery.start_soon(self.connect, self._given()[0])

    async def peers(
        self,
        setbacks: Setbacks,
        limit: int = MAX_ASKED,
        *,
        all_answered: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> AsyncGenerator[Peer, None]:
        """Yield connected peers, those at hand first, then their neighbours.

        Args:
            setbacks: where it is noted why somebody cannot be asked.
            limit: how many at most.
            all_answered: returns once no answer of those at hand is hoped for, before others are looked for.
        """
        tried: set[Contact] = set()
        met: list[Peer] = []
        if not self._candidates():
            await self._look_around()
        for depth in range(3):
            while waiting := [c for c in self._candidates() if c not in tried]:
                peer = await self._first_of(waiting[:RACING], tried)
                if peer is None or (peer in met and not peer.was_silent):
                    continue  # one that was silent may answer over a new connection
                met.append(peer)
                yield peer
                if peer.address in self._moved_in:
                    self._moved_in.discard(peer.address)
                    tried.discard(Contact(peer.address))  # if anybody will do there
                if len(met) >= limit:
                    return
            await all_answered()
            if depth == 0:
                await self._resolve_names({peer.host for peer in met})
            if depth < 2:
                for peer in [peer for peer in met if self.connections.holds(peer)][:2]:
                    await self.exchange(peer, setbacks=setbacks)
                    if any(c not in tried and c.peer_id != peer.peer_id for c in self._candidates()):
                        break

    async def connect(self, contact: Contact, scope: int | None = None) -> Peer | None:
        """Return the peer at an address, connected; None, and a worse score, if it cannot be reached.

        Args:
            contact: where it is, and who it is if that is known.
            scope: how narrow a network a name may lead into, unless the person gave it; None: as remembered.
        """
        try:
            if not self._is_given(contact.address) and is_name(
                contact.address[0]
            ):  # else no cache is read for it
                scope = self._remembered.cache.scope(contact.peer_id) if scope is None else scope
                address = await numeric_untrusted(self._network, contact.address, scope)
                contact = Contact(address, contact.peer_id)
            return await self.connections.connect(contact)
        except (OSError, RemoteError) as error:
            logger.info("cannot reach %s:%s: %s", *contact.address, error)
            if contact.peer_id is not None:
                self._remembered.cache.on_failure(contact.peer_id, self._now_s())
                self._remembered.note_change()
            return None

    def _is_given(self, address: Endpoint) -> bool:
        return any(address == given.address for given in self._settings.bootstrap)

    async def holder(self, record: PeerRecord, source: Peer) -> Peer | None:
        """Return the subject of a record, connected, if it is at one of its addresses.

        A newer record counts more: others may relay one of a place that it has left. A name may lead into a
        narrower network than the one that its record came from: nobody is met there.
        """
        from lightpeer.core.addresses import scope_of

        newest = self._newest(record)
        places = [Contact(endpoint, record.peer_id) for endpoint in newest.endpoints]
        peer = await self._first_of(places, set(), scope_of(source.host))
        if peer is not None:
            peer.learn_places(newest)
        return peer

    async def exchange(
        self, peer: Peer, want: int = RECORDS_WANTED, setbacks: Setbacks | None = None
    ) -> bool:
        """Ask a peer for so many of the records that it knows, at random; tell whether it answered.

        Args:
            peer: which.
            want: how many.
            setbacks: of the search that this is for.
        """
        from lightpeer.core.rpc.status import StatusCode
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        started = trio.current_time()
        try:
            reply = await peer.exchange(pb.ExchangeRequest(want=want))
        except RemoteError as error:
            asked_too_often = isinstance(error, RpcError) and error.code() == StatusCode.RESOURCE_EXHAUSTED
            if not asked_too_often:
                self.on_error(peer, error, setbacks)
            return False
        self.learn(self._sound_untrusted(reply.records, peer), peer)
        self.on_answer(peer, trio.current_time() - started)
        self._has_exchanged = True
        return True

    async def find_spares(self, peer: Peer) -> None:
        """Ask a peer for a few others, once a run, if there is hardly anybody to turn to when it is gone."""
        known = self._remembered.cache.best(SPARES + 1, self._now_s())
        if not self._has_exchanged and len(known) <= SPARES and self.connections.holds(peer):
            await self.exchange(peer, SPARES)

    # What became of it.

    def record_time(self, source: Peer) -> float:
        """Return the Unix time by which a peer's records are judged.

        It is the peer's where that is somewhat different, for our clock may well be wrong; but a set one is
        not wrong by days, and by another time a peer could have old records taken for new.
        """
        from lightpeer.core.overlay.peer_entry import NOT_BEFORE_S

        now = self._now_s()
        if now < NOT_BEFORE_S:
            return source.unix_time()
        return min(max(source.unix_time(), now - CLOCK_ERROR_S), now + CLOCK_ERROR_S)

    def learn(self, records: Iterable[PeerRecord | None], source: Peer) -> None:
        """Remember the peers that a peer told of, by their own verified records."""
        for record in records:
            if record is None:
                continue
            self._remembered.cache.add(record, source.peer_id or record.peer_id, self._now_s(), source.host)
            self._remembered.note_change()
            if record.peer_id == source.peer_id:
                source.learn_places(self._newest(record))

    def on_answer(self, peer: Peer, rtt_s: float) -> None:
        """Score a peer up for an answer that took so long."""
        if peer.peer_id is not None:
            self._remembered.cache.on_success(peer.peer_id, rtt_s, self._now_s())
            self._remembered.note_change()

    def on_served(self, peer: Peer, size: int, seconds: float) -> None:
        """Score a peer up for what it delivered."""
        if peer.peer_id is not None:
            self._remembered.cache.on_delivery(peer.peer_id, size, seconds, self._now_s())
            self._remembered.note_change()

    def on_error(self, peer: Peer, error: RemoteError, setbacks: Setbacks | None = None) -> None:
        """Score a peer down; one that said nothing in time is not at hand any more.

        Args:
            peer: which.
            error: what it did.
            setbacks: of the search that asked it.
        """
        from lightpeer.core.rpc.status import StatusCode

        setbacks = setbacks or Setbacks()

        logger.info("%s: %s", peer.name, error)
        if isinstance(error, SealError) and error.reason == "foreign":
            setbacks.on_stranger(peer)
            self._on_stranger(peer)
            return
        if isinstance(error, RpcError) and error.code() == StatusCode.PERMISSION_DENIED:
            reason = error.details().partition(":")[0]
            is_given = self._is_given(peer.address)
            setbacks.on_refused(peer, reason, self._identity().peer_id, is_given=is_given)
        if isinstance(error, BadMessageError):
            setbacks.on_unsound(peer, error)
        if isinstance(error, RpcError) and error.code() == StatusCode.DEADLINE_EXCEEDED:
            self.on_silence(peer)
        if peer.peer_id is None:
            return
        self._remembered.note_change()
        if isinstance(error, RpcError):
            self._remembered.cache.on_failure(peer.peer_id, self._now_s())
        else:
            self._remembered.cache.on_misbehaviour(peer.peer_id, self._now_s())

    @property
    def received_bytes(self) -> int:
        """What has come so far, from anybody."""
        return self._network.counters.rx_bytes()

    def on_silence(self, peer: Peer) -> None:
        """Have a peer that says nothing come after others, and be asked over a new connection.

        It may be the connection that hangs; what goes on over that goes on.
        """
        peer.was_silent = True
        peer.renew()

    def _on_stranger(self, peer: Peer) -> None:
        """Note that somebody else is at a peer's address, for which that peer is not to blame."""
        self._moved_in.add(peer.address)
        self.connections.drop(peer)
        if peer.peer_id is not None:
            self._remembered.cache.on_failure(peer.peer_id, self._now_s())
            self._remembered.note_change()

    def on_hollow_hits(self, told_by: Peer) -> None:
        """Score a peer down a little, once a search, if nothing that it told led anywhere.

        It may itself have been told so, and yet others are of more use.
        """
        if told_by.peer_id is not None:
            self._remembered.cache.on_failure(told_by.peer_id, self._now_s())
            self._remembered.note_change()

    def on_listened(self, peer: Peer) -> None:
        """Score a peer up for a track that words had found and that was listened to."""
        if peer.peer_id is not None:
            self._remembered.cache.on_listened(peer.peer_id, self._now_s())
            self._remembered.note_change()

    def on_skipped(self, peer: Peer) -> None:
        """Score a peer down for one that was skipped at once."""
        if peer.peer_id is not None:
            self._remembered.cache.on_skipped(peer.peer_id, self._now_s())
            self._remembered.note_change()

    def standing(self, peer_id: PeerId) -> Standing:
        """Return what is known of a holder of music: by what was listened to, or from the person."""
        from lightpeer.core.search.choice import Standing

        entry = self._remembered.cache.get(peer_id)
        taste = GIVEN_TASTE if self._was_given(peer_id) else 0.0
        if entry is not None:
            taste += entry.taste(self._now_s())
        if taste < 0:
            return Standing.SKIPPED
        return Standing.KNOWN if taste > 0 else Standing.STRANGER

    def _was_given(self, peer_id: PeerId) -> bool:
        """Tell whether the person named a peer, or the address that it answers at."""
        given = {contact.address for contact in self._settings.bootstrap}
        named = any(contact.peer_id == peer_id for contact in self._settings.bootstrap)
        return named or any(peer.address in given for peer in self.connections.peers(peer_id))

    def nobody(self, setbacks: Setbacks) -> LightpeerError:
        """Return the error that tells why nobody could be asked."""
        if told := setbacks.told():
            return told
        if not self._settings.bootstrap and not self._remembered.cache.entries():
            return NoPeerError("no peer is known: name one with --bootstrap HOST:PORT")
        return NoPeerError(
            "no peer can be reached: check the network, or name another with --bootstrap HOST:PORT"
        )

    # Connecting.

    async def _first_of(
        self, candidates: list[Contact], tried: set[Contact], scope: int | None = None
    ) -> Peer | None:
        """Return the first that can be reached; each has a head start over the next (as in RFC 8305)."""

        async def attempt(candidate: Contact) -> Peer | None:
            peer = await self.connect(candidate, scope)
            tried.add(candidate)
            return peer

        reached = await first_of([partial(attempt, candidate) for candidate in candidates], HEAD_START_S)
        return reached[0] if reached else None

    def _candidates(self) -> list[Contact]:
        """Return whom to try, best first: the connected, the bootstrap list, the cache."""
        cached = [
            Contact(endpoint, record.peer_id)
            for record in self._remembered.cache.best(MAX_ASKED, self._now_s())
            for endpoint in record.endpoints[:2]  # one of each family, where it has both
        ]
        return [*self.connections.alive(), *self._given(), *cached, *self._further]

    def _given(self) -> list[Contact]:
        """Return the bootstrap list, best first by what is remembered of who was there."""
        given = list(self._settings.bootstrap)
        if len(given) < 2:
            return given  # else the cache is read before the first packet leaves
        now = self._now_s()
        entries = {
            endpoint: entry
            for entry in self._remembered.cache.entries()
            for endpoint in entry.record.endpoints
        }

        def rank(contact: Contact) -> tuple[bool, float]:
            entry = entries.get(contact.address)
            return (False, -UNTRIED_SCORE) if entry is None else (entry.waits(now), -entry.score(now))

        return sorted(given, key=rank)

    async def _look_around(self) -> None:
        """Look for peers on the local network, until the first is found."""
        async with self._network.lan() as lan:
            if lan.is_looking and not lan.contacts:
                with trio.move_on_after(LOOK_S):
                    await lan.changed.wait()
            self._further = lan.contacts

    async def _resolve_names(self, met: set[str]) -> None:
        """Find the addresses of bootstrap names beyond those that were met."""
        if self._further:
            return
        for (host, port), peer_id in self._settings.bootstrap:
            try:
                addresses = (await self._network.resolve(host))[:MAX_ADDRESSES]
            except OSError:
                continue
            self._further += [Contact((a, port), peer_id) for a in addresses if a not in {host, *met}]

    def _newest(self, record: PeerRecord) -> PeerRecord:
        """Return the newest record that is known of a record's subject."""
        known = self._remembered.cache.get(record.peer_id)
        return known.record if known is not None and known.record.sequence > record.sequence else record

    def _sound_untrusted(self, records: Iterable[bytes], source: Peer) -> list[PeerRecord]:
        """Return the records that are their subjects' own, and mean something where they came from."""
        from lightpeer.core.trust.records import told_records_untrusted

        return told_records_untrusted(
            records,
            self.record_time(source),
            source.host,
            lambda error: logger.info("a bad record from %s: %s", source.name, error),
        )

    def _now_s(self) -> float:
        return self._network.unix_time()
