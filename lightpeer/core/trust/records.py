"""Peer records: a peer's own signed word on where it is and what it does.

A record is sealed by its subject and relayed by anyone, so it is believed for what
the subject says and for nothing more; a newer one (by sequence) replaces an older.
It lives a week at most, so that those who left are forgotten. `proto/README.md`,
"Peer records", is the normative text.
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
MAX_AHEAD_S: Final = 600  # of our clock, for a sequence: what a seal may be off by, and as much for relays


class Role(IntFlag):
    """What a peer does for others; bits that are not known are kept and mean nothing."""

    SERVES = 1


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A verified record; `data` is what is relayed."""

    peer_id: PeerId
    endpoints: tuple[Endpoint, ...]  # best first
    roles: int
    sequence: int
    expires_s: int  # Unix time
    data: bytes

    @property
    def serves(self) -> bool:
        """Whether the peer answers searches and streams."""
        return bool(self.roles & Role.SERVES)


def build_record(
    identity: Identity, endpoints: Sequence[Endpoint], roles: int, sequence: int, expires_s: int
) -> bytes:
    """Return the sealed record of `identity`; raise UsageError if no peer would take it.

    Args:
        identity: the subject.
        endpoints: where it can be reached, best first, 1 to 4.
        roles: bits of `Role`.
        sequence: the Unix time at which it is sealed, in seconds; the age of a record is counted from it.
        expires_s: Unix time, at most a week ahead.
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
    """Return a record that is its subject's and alive; raise BadMessageError otherwise."""
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
    """Return a record that was verified before it was stored; raise BadMessageError if it is none.

    Neither its seal nor its time is checked.
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

    Else a stranger far away could have us connect to what listens on this computer, or in this
    home, and have others do so. `source_host` is the numeric address of whoever gave the record.
    """
    scope = scope_of(source_host)
    if any(scope_of(host) > scope for host, _ in record.endpoints):
        raise BadMessageError("a peer record with an address that means nothing where it came from")


def told_record_untrusted(data: bytes, now_unix_s: float, source_host: str) -> PeerRecord:
    """Return a record that somebody sent; raise BadMessageError unless it may be believed.

    Args:
        data: the record, sealed.
        now_unix_s: the time, in seconds.
        source_host: the numeric address of whoever gave it, or passed it on.
    """
    record = parse_record_untrusted(data, now_unix_s)
    check_scope_untrusted(record, source_host)
    return record


def told_records_untrusted(
    records: Iterable[bytes], now_unix_s: float, source_host: str, on_bad: Callable[[BadMessageError], None]
) -> list[PeerRecord]:
    """Return those of a message's records that may be believed.

    Args:
        records: sealed; all beyond the sixteenth are left out.
        now_unix_s: the time, in seconds.
        source_host: the numeric address of whoever gave them.
        on_bad: is told what is wrong with each of the others.
    """
    sound = []
    for data in islice(records, MAX_RECORDS):
        try:
            sound.append(told_record_untrusted(data, now_unix_s, source_host))
        except BadMessageError as error:
            on_bad(error)
    return sound
