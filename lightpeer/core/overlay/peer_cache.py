"""The bounded peer cache: the peers to ask.

No one neighbour, and no one network, should decide which peers we know. The cache borrows from Bitcoin's
addrman (`addrman_impl.h`) and from the attack that shaped it (Heilman et al., "Eclipse Attacks on Bitcoin's
Peer-to-Peer Network", 2015), with quotas in place of hashed buckets, which protect better at 64 entries:

- Two tables. *Tried* holds peers that have answered us, *new* those that we were told of. Hearsay never
  displaces a tried peer.
- Quotas. One source (the network group of the peer that told us, or the peer itself where it has none) holds
  at most a quarter of the cache in *new*; one network group (/16 of IPv4, /32 of IPv6, the last two labels of
  a name) at most an eighth in each table. Loopback and private addresses are one group that may fill a table,
  for networks at home and on one desk.
- An entry stays unless it is dead (expired, or failing without ever having succeeded) or its source holds
  more of a full table than the newcomer's would.
- A record is replaced only by a newer one of the same peer. At a new address the peer must answer again
  before it counts as tried.
- Hearsay of one peer is enough. A second peer that we know from the first is a liar as often as the peers
  that the first told of, and a liar tells of liars only, so a second opinion makes things worse. Others are
  asked only while too few peers are known that answer.
- Servers' records last an hour. A peer that we were told of may live longer, and is asked when no other is
  left, until its place is taken or a day is over.
- The score is the rate of success, weighed by round trip, goodput, verified bytes and misbehaviour. The
  counts decay with a half-life of a day. With each failure in a row a peer waits twice as long, and comes
  after those that do not wait.

Times are Unix seconds, since entries outlive a process. Misbehaviour counts against the peer that was proven
to have done it, never against an address.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from lightpeer.core.addresses import LOCAL_GROUP, network_group
from lightpeer.core.overlay.peer_entry import PeerEntry, pack_entry, unpack_entries_untrusted
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.trust.records import PeerRecord
from lightpeer.errors import BadMessageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.core.trust.contact import Contact

DEFAULT_CAPACITY: Final = 64  # at most 40 kB on disk; more peers than a light client asks in a week
MIN_CAPACITY: Final = 8
MAX_CAPACITY: Final = 4096  # more than a server remembers, 4 MB
SOURCE_SHARE: Final = 4  # a source may hold a quarter of the cache; at the start it is the only one
GROUP_SHARE: Final = 8
UNTRIED_SCORE: Final = 1 / 16  # of a peer that nobody tried, see `PeerEntry.score`
ENOUGH_SHARE: Final = 5  # a fifth of the cache is enough, which a single source may fill

_MAGIC = b"LPPC\x03"
_CHECK_BYTES = 16


class PeerCache:
    """At most `capacity` peers, `own` never among them."""

    def __init__(self, capacity: int = DEFAULT_CAPACITY, *, own: PeerId | None = None) -> None:
        """Make an empty cache; raise UsageError for a capacity outside 8 to 4096."""
        if not MIN_CAPACITY <= capacity <= MAX_CAPACITY:
            raise UsageError(f"a peer cache holds {MIN_CAPACITY} to {MAX_CAPACITY} peers")
        self._capacity = capacity
        self._own = own
        self._entries: dict[PeerId, PeerEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self._entries

    def get(self, peer_id: PeerId) -> PeerEntry | None:
        """Return a peer's entry."""
        return self._entries.get(peer_id)

    def scope(self, peer_id: PeerId | None) -> int:
        """Return how narrow a network a name in a peer's record may lead into (see `PeerEntry.scope`)."""
        entry = None if peer_id is None else self._entries.get(peer_id)
        return 0 if entry is None else entry.scope

    def entries(self, now: float | None = None) -> list[PeerEntry]:
        """Return all entries, best first; without `now`, by their scores when last used."""
        return sorted(self._entries.values(), key=lambda e: -e.score(e.updated_s if now is None else now))

    # Hearsay and experience.

    def add(self, record: PeerRecord, source: PeerId, now: float, source_host: str | None = None) -> bool:
        """Add a verified record; return whether it is kept.

        Args:
            record: from `parse_record_untrusted`.
            source: the peer that told us.
            now: Unix time in seconds.
            source_host: the numeric address that it told us from; its own record may say anything.
        """
        if record.peer_id == self._own:
            return False
        known = self._entries.get(record.peer_id)
        if known is not None:
            return self._replace(known, record)
        group = source.hex() if source_host is None else source_group(source, source_host)
        entry = PeerEntry(record, group, updated_s=now)
        if not self._make_room(entry, now):
            return False
        self._entries[record.peer_id] = entry
        return True

    def on_success(self, peer_id: PeerId, rtt_s: float | None, now: float) -> None:
        """Note that a peer answered; it becomes tried if there is room.

        Args:
            peer_id: the peer.
            rtt_s: the round trip; None: unknown.
            now: Unix time in seconds.
        """
        entry = self._entries.get(peer_id)
        if entry is not None:
            entry.succeed(now, rtt_s)
            if not entry.tried:
                self._promote(entry, now)

    def on_delivery(self, peer_id: PeerId, size: int, seconds: float, now: float) -> None:
        """Note that a peer delivered verified bytes of music.

        Args:
            peer_id: the peer.
            size: how many bytes.
            seconds: how long it was asked for them.
            now: Unix time in seconds.
        """
        entry = self._entries.get(peer_id)
        if entry is not None:
            entry.deliver(size, seconds, now)

    def on_listened(self, peer_id: PeerId, now: float) -> None:
        """Note that the person listened to a track that a query had found at a peer."""
        entry = self._entries.get(peer_id)
        if entry is not None:
            entry.bring_up_to_date(now)
            entry.listened += 1

    def on_skipped(self, peer_id: PeerId, now: float) -> None:
        """Note that the person skipped a track at once that a query had found at a peer."""
        entry = self._entries.get(peer_id)
        if entry is not None:
            entry.bring_up_to_date(now)
            entry.skipped += 1

    def on_failure(self, peer_id: PeerId, now: float) -> None:
        """Note that a peer could not be reached or did not answer."""
        entry = self._entries.get(peer_id)
        if entry is not None:
            entry.fail(now)

    def on_misbehaviour(self, peer_id: PeerId, now: float) -> None:
        """Note that a peer provably broke the protocol or served corrupt data."""
        entry = self._entries.get(peer_id)
        if entry is not None:
            entry.bring_up_to_date(now)
            entry.misbehaviour += 1

    # Choosing.

    def best(self, n: int, now: float) -> list[PeerRecord]:
        """Return up to `n` records of serving peers, best first.

        Those that failed recently come last, and after them those whose records have ended.
        """
        usable = [e for e in self._serving(now) if not e.is_dead(now) or e.is_last_resort(now)]
        usable.sort(key=lambda e: (e.is_last_resort(now), e.waits(now), -e.score(now)))
        return [e.record for e in usable[:n]]

    def has_enough(self, now: float) -> bool:
        """Return whether so many peers can be asked that no hearsay is needed."""
        ready = sum(not e.is_dead(now) and not e.waits(now) for e in self._serving(now))
        return ready >= self._capacity // ENOUGH_SHARE

    def _serving(self, now: float) -> list[PeerEntry]:
        return [e for e in self._entries.values() if e.record.serves and not e.is_banned(now)]

    # The file.

    def to_bytes(self) -> bytes:
        """Return the cache as bytes: magic and version, the entries, a BLAKE2b checksum."""
        body = _MAGIC + b"".join(map(pack_entry, self._entries.values()))
        return body + blake2b(body, digest_size=_CHECK_BYTES).digest()

    @classmethod
    def from_bytes_untrusted(
        cls, data: bytes, capacity: int = DEFAULT_CAPACITY, *, own: PeerId | None = None
    ) -> PeerCache:
        """Return the cache that `to_bytes` wrote.

        The records' seals were checked when they arrived. The checksum stands in for them, since checking 64
        signatures would delay the start on a small computer.

        Args:
            data: the bytes.
            capacity: as of the constructor; a smaller cache keeps the best entries.
            own: our id, which is never among them.

        Raises:
            BadMessageError: the bytes are corrupt, or of another version.
        """
        body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
        if not body.startswith(_MAGIC) or blake2b(body, digest_size=_CHECK_BYTES).digest() != check:
            raise BadMessageError("the peer cache is corrupt, or of another version")
        cache = cls(capacity, own=own)
        entries = list(unpack_entries_untrusted(body[len(_MAGIC) :]))
        entries.sort(key=lambda e: (not e.tried, -e.score(e.updated_s)))
        for entry in entries[:capacity]:
            if entry.record.peer_id != own:
                cache._entries[entry.record.peer_id] = entry
        return cache

    # Making room.

    def _replace(self, known: PeerEntry, record: PeerRecord) -> bool:
        if record.sequence <= known.record.sequence:
            return False
        if record.endpoints[0] != known.record.endpoints[0]:
            known.tried = False  # only its own word says that it is there
            known.failures_in_row = 0
        known.record = record
        return True

    def _make_room(self, newcomer: PeerEntry, now: float) -> bool:
        """Remove dead entries; return whether the quotas leave a place in *new*."""
        for peer_id in [i for i, e in self._entries.items() if e.is_dead(now)]:
            del self._entries[peer_id]
        new = [e for e in self._entries.values() if not e.tried]
        sources = Counter(e.source for e in new)
        if sources[newcomer.source] >= self._capacity // SOURCE_SHARE:
            return False
        if sum(e.group == newcomer.group for e in new) >= self._group_quota(newcomer.group):
            return False
        if len(new) < self._capacity // 2 and len(self._entries) < self._capacity:
            return True
        return self._displace(new, sources, newcomer, now)

    def _displace(self, new: list[PeerEntry], sources: Counter[str], newcomer: PeerEntry, now: float) -> bool:
        """Replace the worst entry of the source that holds most of a full table, if that is fairer."""
        most = max(sources.values(), default=0)
        if most <= sources[newcomer.source] + 1:
            return False
        worst = min((e for e in new if sources[e.source] == most), key=lambda e: e.score(now))
        del self._entries[worst.record.peer_id]
        return True

    def _promote(self, entry: PeerEntry, now: float) -> None:
        """Mark an entry as tried; beyond a bound, only in place of one with a worse score."""
        tried = [e for e in self._entries.values() if e.tried]
        group = [e for e in tried if e.group == entry.group]
        if len(group) >= self._group_quota(entry.group):
            rivals = group
        elif len(tried) >= self._capacity // 2:
            rivals = tried
        else:
            rivals = []
        if rivals:
            worst = min(rivals, key=lambda e: e.score(now))
            if worst.score(now) >= entry.score(now):
                return
            del self._entries[worst.record.peer_id]
        entry.tried = True

    def _group_quota(self, group: str) -> int:
        return self._capacity // (2 if group == LOCAL_GROUP else GROUP_SHARE)


def ordered(contacts: Iterable[Contact], entries: Iterable[PeerEntry], now: float) -> list[Contact]:
    """Return contacts, best first by the entries of the peers at their addresses.

    Args:
        contacts: addresses that the person named, say.
        entries: those of a cache.
        now: Unix time in seconds.
    """
    known = {endpoint: entry for entry in entries for endpoint in entry.record.endpoints}

    def rank(contact: Contact) -> tuple[bool, float]:
        entry = known.get(contact.address)
        return (False, -UNTRIED_SCORE) if entry is None else (entry.waits(now), -entry.score(now))

    return sorted(contacts, key=rank)


def source_group(source: PeerId, host: str) -> str:
    """Return the group that answers for a peer's statements and requests: its network, or itself at home.

    Args:
        source: the peer's id.
        host: the numeric address that it used.
    """
    group = network_group(host)
    return source.hex() if group == LOCAL_GROUP else group
