"""The peers that a light client can ask, and its dealings with each of them.

`candidates.py` says which addresses to try, `rounds.py` in which order one search goes through them, and
`scores.py` keeps what is learnt of peers. Here they are connected to, asked for others, and judged by their
errors: a peer that says nothing in time loses its connection, so that it is not the first to be asked the
next time.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.client.candidates import Candidates
from lightpeer.client.scores import Scores
from lightpeer.core.addresses import is_name
from lightpeer.core.search.head_start import HEAD_START_S
from lightpeer.core.trust.contact import Contact
from lightpeer.errors import RemoteError, RpcError, SealError, Unreached
from lightpeer.peering.connections import Connections, Terms
from lightpeer.tasks import racing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from lightpeer.client.setbacks import Setbacks
    from lightpeer.config import Settings
    from lightpeer.core.search.choice import Standing
    from lightpeer.core.trust.identity import Identity, PeerId
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.errors import LightpeerError
    from lightpeer.net.network import Network
    from lightpeer.peering.peer import Peer
    from lightpeer.state.peers import RememberedPeers

logger = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 8  # a phone asks two peers and streams from three
IDLE_S: Final = 10.0  # 3G radios stay up for about that long after a packet: our goodbye wakes none
MAX_ASKED: Final = 8  # peers that one search may cost
RECORDS_WANTED: Final = 8  # when others have to be asked: 1 kB
SPARES: Final = 3


class Reach:
    """The peers within reach.

    Attributes:
        connections: those that are connected.
        scores: what is known of all of them.
    """

    def __init__(
        self,
        settings: Settings,
        network: Network,
        nursery: trio.Nursery,
        identity: Callable[[], Identity],
        remembered: RememberedPeers,
    ) -> None:
        """Connect to nobody yet.

        Args:
            settings: the bootstrap list and timeouts.
            network: the way out.
            nursery: connections live in it.
            identity: gives our key.
            remembered: the peer cache and its file.
        """
        terms = Terms(MAX_CONNECTIONS, IDLE_S, settings.connect_timeout_s, settings.call_timeout_s)
        self.connections = Connections(terms, network, nursery, identity)
        self.scores = Scores(remembered, network.unix_time)
        self.nursery = nursery
        self._candidates = Candidates(
            settings.bootstrap, network, self.connections, remembered, looks_around=settings.lan
        )
        self._network = network
        self._identity = identity
        self._has_exchanged = self._has_warned = False  # exchanged records, with any peer

    @property
    def received_bytes(self) -> int:
        """How many bytes have come so far, from any peer."""
        return self._network.counters.rx_bytes()

    # Meeting.

    def begin(self) -> None:
        """Start to connect to the first bootstrap peer, while the caller still loads what it needs."""
        if given := self._candidates.given():
            self.nursery.start_soon(self._connect, given[0])

    def peers(
        self,
        setbacks: Setbacks,
        limit: int = MAX_ASKED,
        *,
        all_answered: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> AsyncGenerator[Peer, None]:
        """Yield connected peers, those at hand first, then their neighbours.

        Args:
            setbacks: notes why a peer cannot be asked.
            limit: how many at most.
            all_answered: returns once no answer is hoped for from those at hand, before others are looked
                for.
        """
        from lightpeer.client.rounds import Rounds

        connect = partial(self.first_of, setbacks=setbacks)
        exchange = partial(self.exchange, setbacks=setbacks)
        return Rounds(self._candidates, self.connections, connect, exchange, limit).run(all_answered)

    async def holder(self, record: PeerRecord, source: Peer) -> Peer | None:
        """Return the subject of a record, connected; None if it is at none of its addresses.

        A newer record that is known counts more: `source` may relay one of a place that the peer has left. A
        name may not lead into a narrower network than the one that the record came from.
        """
        from lightpeer.core.addresses import scope_of

        newest = self.scores.newest(record)
        places = [Contact(endpoint, record.peer_id) for endpoint in newest.endpoints]
        peer = await self.first_of(places, set(), scope_of(source.host))
        if peer is not None:
            peer.learn_places(newest)
        return peer

    async def first_of(
        self,
        contacts: list[Contact],
        tried: set[Contact],
        scope: int | None = None,
        setbacks: Setbacks | None = None,
    ) -> Peer | None:
        """Return the first that can be reached; each has a head start over the next (as in RFC 8305)."""

        async def attempt(contact: Contact) -> Peer | None:
            peer = await self._connect(contact, scope, setbacks)
            tried.add(contact)
            return peer

        reached = await racing.first_of([partial(attempt, contact) for contact in contacts], HEAD_START_S)
        return reached[0] if reached else None

    async def _connect(
        self, contact: Contact, scope: int | None = None, setbacks: Setbacks | None = None
    ) -> Peer | None:
        """Return the peer at an address, connected; None, and a worse score, if it cannot be reached.

        Args:
            contact: the address, and the id to expect there.
            scope: how narrow a network a name may lead into, unless the person gave it; None: as remembered.
            setbacks: those of the search that needs the peer.
        """
        is_given = self._candidates.is_given(contact.address)
        try:
            if not is_given and is_name(contact.address[0]):  # else the cache need not be loaded
                from lightpeer.net.names import numeric_untrusted

                scope = self.scores.scope(contact.peer_id) if scope is None else scope
                address = await numeric_untrusted(self._network, contact.address, scope)
                contact = Contact(address, contact.peer_id)
            return await self.connections.connect(contact)
        except (OSError, RemoteError) as error:
            logger.info("cannot reach %s:%s: %s", *contact.address, error)
            if setbacks is not None and (unreached := _unreached_by(error)) is not None:
                setbacks.on_unreached(contact.address, unreached, self._candidates.rank(contact.address))
            self.scores.on_failure(contact.peer_id)
            return None

    # Asking for others.

    async def exchange(
        self, peer: Peer, want: int = RECORDS_WANTED, setbacks: Setbacks | None = None
    ) -> bool:
        """Ask a peer for records of others, chosen at random; return whether it answered.

        Args:
            peer: the peer to ask.
            want: how many records.
            setbacks: those of the search that needs them.
        """
        from lightpeer.core.rpc.status import StatusCode
        from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

        started = trio.current_time()
        try:
            reply = await peer.exchange(pb.ExchangeRequest(want=want))
        except RemoteError as error:
            if isinstance(error, RpcError) and error.code() == StatusCode.RESOURCE_EXHAUSTED:
                if setbacks is not None:
                    setbacks.on_too_often(peer)
            else:
                self.on_error(peer, error, setbacks)
            return False
        self.scores.learn(self.scores.sound_untrusted(reply.records, peer), peer)
        self.scores.on_answer(peer, trio.current_time() - started)
        self._has_exchanged = True
        return True

    async def find_spares(self, peer: Peer) -> None:
        """Ask a peer for a few others, once a run, if hardly any are known to turn to when it is gone."""
        if not self._has_exchanged and not self.scores.has_known(SPARES) and self.connections.holds(peer):
            await self.exchange(peer, SPARES)

    # Judging.

    def on_error(self, peer: Peer, error: RemoteError, setbacks: Setbacks | None = None) -> None:
        """Score a peer down; one that said nothing in time is asked after others from now on.

        Args:
            peer: the peer that failed.
            error: its failure.
            setbacks: those of the search that asked it.
        """
        from lightpeer.core.rpc.status import StatusCode

        logger.info("%s: %s", peer.name, error)
        if isinstance(error, SealError) and error.reason == "foreign":
            if setbacks is not None:
                setbacks.on_stranger(peer, is_given=self._candidates.is_given(peer.address))
            self._on_stranger(peer)
            return
        code = error.code() if isinstance(error, RpcError) else None
        if setbacks is not None:
            rank = self._candidates.rank(peer.address)
            setbacks.on_error(peer, error, rank, lambda: self._identity().peer_id)
        if code == StatusCode.DEADLINE_EXCEEDED:
            self.on_silence(peer)
        if isinstance(error, RpcError):
            self.scores.on_failure(peer.peer_id)
        else:
            self.scores.on_misbehaviour(peer)

    def on_silence(self, peer: Peer) -> None:
        """Have a silent peer asked after others, and over a new connection.

        The old connection may be what hangs; calls that are under way on it go on.
        """
        peer.was_silent = True
        peer.renew()

    def _on_stranger(self, peer: Peer) -> None:
        """Note that another peer answers at a peer's address, for which that peer is not to blame."""
        self._candidates.note_moved(peer.address)
        self.connections.drop(peer)
        self.scores.on_failure(peer.peer_id)

    def standing(self, peer_id: PeerId) -> Standing:
        """Return what is known of a holder: whether the person named it, or listened to its tracks."""
        from lightpeer.core.search.choice import standing_of

        return standing_of(self.scores.taste(peer_id), was_given=self._candidates.was_given(peer_id))

    def warn(self, setbacks: Setbacks) -> None:
        """Warn, once a run, of what a search that others answered would else pass over in silence."""
        if setbacks.warning is not None and not self._has_warned:
            self._has_warned = True
            logger.warning("%s", setbacks.warning)

    def nobody(self, setbacks: Setbacks) -> LightpeerError:
        """Return the error that says why no peer could be asked."""
        return setbacks.error(is_any_known=self._candidates.is_any_known)


def _unreached_by(error: OSError | RemoteError) -> Unreached | None:
    if isinstance(error, OSError):  # of resolving a name
        from lightpeer.net.reasons import unreached_by

        return unreached_by(error)
    return error.unreached if isinstance(error, RpcError) else None
