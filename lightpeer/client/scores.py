"""What a light client learns of peers: their records, and how they served it.

All of it is kept in the peer cache and decides who is asked first the next time. A peer whose id is not
proven yet has no score.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lightpeer.core.trust.identity import PeerId
    from lightpeer.core.trust.records import PeerRecord
    from lightpeer.peering.peer import Peer
    from lightpeer.state.peers import RememberedPeers

logger = logging.getLogger(__name__)


class Scores:
    """The records and scores of peers."""

    def __init__(self, remembered: RememberedPeers, unix_time: Callable[[], float]) -> None:
        self._remembered = remembered
        self._now_s = unix_time

    # Records.

    def learn(self, records: Iterable[PeerRecord | None], source: Peer) -> None:
        """Remember the peers whose verified records `source` sent."""
        for record in records:
            if record is None:
                continue
            self._remembered.cache.add(record, source.peer_id or record.peer_id, self._now_s(), source.host)
            self._remembered.note_change()
            if record.peer_id == source.peer_id:
                source.learn_places(self.newest(record))

    def sound_untrusted(self, records: Iterable[bytes], source: Peer) -> list[PeerRecord]:
        """Return those of the records that `source` sent which can be believed."""
        from lightpeer.core.trust.records import told_records_untrusted

        return told_records_untrusted(
            records,
            self.record_time(source),
            source.host,
            lambda error: logger.info("a bad record from %s: %s", source.name, error),
        )

    def newest(self, record: PeerRecord) -> PeerRecord:
        """Return the newest record that is known of a record's subject."""
        known = self._remembered.cache.get(record.peer_id)
        return known.record if known is not None and known.record.sequence > record.sequence else record

    def record_time(self, source: Peer) -> float:
        """Return the Unix time by which a peer's records are judged, in seconds."""
        from lightpeer.core.overlay.peer_entry import record_time

        return record_time(self._now_s(), source.unix_time())

    # Scores.

    def on_answer(self, peer: Peer, rtt_s: float) -> None:
        """Score a peer up for an answer that took so long."""
        if peer.peer_id is not None:
            self._remembered.cache.on_success(peer.peer_id, rtt_s, self._now_s())
            self._remembered.note_change()

    def on_served(self, peer: Peer, size: int, seconds: float) -> None:
        """Score a peer by the bytes of music that it delivered in some seconds of fetching."""
        if peer.peer_id is not None:
            self._remembered.cache.on_delivery(peer.peer_id, size, seconds, self._now_s())
            self._remembered.note_change()

    def on_failure(self, peer_id: PeerId | None) -> None:
        """Score a peer down a little: it was not reached, or did not answer, or its hits led nowhere."""
        if peer_id is not None:
            self._remembered.cache.on_failure(peer_id, self._now_s())
            self._remembered.note_change()

    def on_misbehaviour(self, peer: Peer) -> None:
        """Score a peer down for breaking the protocol."""
        if peer.peer_id is not None:
            self._remembered.cache.on_misbehaviour(peer.peer_id, self._now_s())
            self._remembered.note_change()

    def on_listened(self, peer: Peer) -> None:
        """Score a peer up for a track that a query had found there and the person listened to."""
        if peer.peer_id is not None:
            self._remembered.cache.on_listened(peer.peer_id, self._now_s())
            self._remembered.note_change()

    def on_skipped(self, peer: Peer) -> None:
        """Score a peer down for a track that a query had found there and the person skipped at once."""
        if peer.peer_id is not None:
            self._remembered.cache.on_skipped(peer.peer_id, self._now_s())
            self._remembered.note_change()

    def taste(self, peer_id: PeerId) -> float:
        """Return how many more of a peer's tracks were listened to than skipped."""
        entry = self._remembered.cache.get(peer_id)
        return 0.0 if entry is None else entry.taste(self._now_s())

    def scope(self, peer_id: PeerId | None) -> int:
        """Return how narrow a network a name in a peer's record may lead into."""
        return self._remembered.cache.scope(peer_id)

    def has_known(self, n: int) -> bool:
        """Return whether more than `n` peers can be asked."""
        return len(self._remembered.cache.best(n + 1, self._now_s())) > n
