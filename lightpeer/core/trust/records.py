"""Peer records: a peer's own signed statement of its addresses and roles.

A record is sealed by its subject and relayed by any peer, so it proves what the subject says and nothing
more. A newer one, by sequence, replaces an older one. It lives a week at most, so that peers that left are
forgotten. `proto/README.md`, "Peer records", is the normative text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from itertools import islice
from typing import Final

from lightpeer.core.addresses import Endpoint, format_endpoint, parse_endpoint_untrusted, scope_of
from lightpeer.core.trust.bounds import MAX_RECORD_BYTES, MAX_RECORDS
from lightpeer.core.trust.identity import ID_BYTES, Identity, PeerId
from lightpeer.core.trust.messages import parse_body_untrusted, parse_message_untrusted
from lightpeer.core.trust.seals import open_record_untrusted, seal_record
from lightpeer.errors import BadMessageError, UsageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

MAX_ENDPOINTS: Final = 4
MAX_LIFETIME_S: Final = 7 * 86_400
MAX_AHEAD_S: Final = 600  # a sequence, of our clock: as much as a seal, and as much again for relays


class Role(IntFlag):
    """The roles of a peer, as bits. Unknown bits are kept and ignored."""

    SERVES = 1


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A verified record.

    Attributes:
        peer_id: its subject.
        endpoints: the addresses, best first.
        roles: bits of `Role`.
        sequence: greater in a newer record.
        expires_s: Unix time.
        data: the sealed bytes, to be relayed.
    """

    peer_id: PeerId
    endpoints: tuple[Endpoint, ...]
    roles: int
    sequence: int
    expires_s: int
    data: bytes

    @property
    def serves(self) -> bool:
        """Whether the peer answers searches and streams."""
        return bool(self.roles & Role.SERVES)


def build_record(
    identity: Identity, endpoints: Sequence[Endpoint], roles: int, sequence: int, expires_s: int
) -> bytes:
    """Return the sealed record of `identity`.

    Args:
        identity: the subject.
        endpoints: its 1 to 4 addresses, best first.
        roles: bits of `Role`.
        sequence: the Unix time of sealing, in seconds; a record's age is counted from it.
        expires_s: Unix time, at most a week ahead.

    Raises:
        UsageError: no peer would accept the record.
    """
    texts = [format_endpoint(endpoint) for endpoint in endpoints]
    body = pb.PeerRecord(endpoints=texts, roles=roles, sequence=sequence, expires_s=expires_s)
    data = seal_record(identity, body.SerializeToString())
    try:
        _record_untrusted(identity.peer_id, body, data)
    except BadMessageError as error:
        raise UsageError(f"cannot announce {', '.join(texts) or 'no address'}: {error}") from error
    return data


def parse_record_untrusted(data: bytes, now_unix_s: float) -> PeerRecord:
    """Return a record; raise BadMessageError unless its subject sealed it and it has not expired."""
    if len(data) > MAX_RECORD_BYTES:
        raise BadMessageError("a peer record larger than one may be")
    subject, body = open_record_untrusted(data)
    record = _record_untrusted(subject, parse_body_untrusted(pb.PeerRecord, body), data)
    if not now_unix_s < record.expires_s <= now_unix_s + MAX_LIFETIME_S:
        raise BadMessageError("a peer record that has expired, or lives longer than one may")
    if record.sequence > now_unix_s + MAX_AHEAD_S:
        raise BadMessageError("a peer record from the future")
    return record


def restore_record_untrusted(data: bytes) -> PeerRecord:
    """Return a record that was verified before it was stored; raise BadMessageError if it is invalid.

    Its seal and its time are not checked.
    """
    message = parse_message_untrusted(pb.PeerRecord, data)
    if len(message.seal.signer) != ID_BYTES:
        raise BadMessageError("a peer record without its subject")
    return _record_untrusted(PeerId(message.seal.signer), message, data)


def _record_untrusted(subject: PeerId, message: pb.PeerRecord, data: bytes) -> PeerRecord:
    if not 1 <= len(message.endpoints) <= MAX_ENDPOINTS:
        raise BadMessageError("a peer record has 1 to 4 addresses")
    if len(data) > MAX_RECORD_BYTES:
        raise BadMessageError("a peer record larger than one may be")
    endpoints = tuple(parse_endpoint_untrusted(text) for text in message.endpoints)
    return PeerRecord(subject, endpoints, message.roles, message.sequence, message.expires_s, data)


def check_scope_untrusted(record: PeerRecord, source_host: str) -> None:
    """Raise BadMessageError if a record names addresses of a narrower network than it came from.

    Otherwise a stranger far away could have us, and others, connect to services on this computer or in this
    home. `source_host` is the numeric address of the peer that sent the record.
    """
    scope = scope_of(source_host)
    if any(scope_of(host) > scope for host, _ in record.endpoints):
        raise BadMessageError("a peer record with an address that means nothing where it came from")


def told_record_untrusted(data: bytes, now_unix_s: float, source_host: str) -> PeerRecord:
    """Return a record that a peer sent; raise BadMessageError unless it can be believed.

    Args:
        data: the record, sealed.
        now_unix_s: the time, in seconds.
        source_host: the numeric address of the peer that sent it, its subject or a relay.
    """
    record = parse_record_untrusted(data, now_unix_s)
    check_scope_untrusted(record, source_host)
    return record


def told_records_untrusted(
    records: Iterable[bytes], now_unix_s: float, source_host: str, on_bad: Callable[[BadMessageError], None]
) -> list[PeerRecord]:
    """Return those of a message's records that can be believed.

    Args:
        records: the records, sealed; all beyond the sixteenth are left out.
        now_unix_s: the time, in seconds.
        source_host: the numeric address of the peer that sent them.
        on_bad: called with the error of each of the others.
    """
    sound = []
    for data in islice(records, MAX_RECORDS):
        try:
            sound.append(told_record_untrusted(data, now_unix_s, source_host))
        except BadMessageError as error:
            on_bad(error)
    return sound
