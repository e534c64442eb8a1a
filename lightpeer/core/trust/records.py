"""Peer records: a peer's own signed word on where it is and what it does.

A record is sealed by its subject and relayed by anyone, so it is believed for what
the subject says and for nothing more; a newer one (by sequence) replaces an older.
It lives a week at most, so that those who left are forgotten. `proto/README.md`,
"Peer records", is the normative text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import Final, TypeAlias

from lightpeer.core.trust.identity import ID_BYTES, Identity, PeerId, open_record_untrusted, seal_record
from lightpeer.core.trust.messages import parse_body_untrusted, parse_message_untrusted
from lightpeer.errors import BadMessageError, UsageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

Endpoint: TypeAlias = tuple[str, int]

MAX_RECORD_BYTES: Final = 512
MAX_RECORDS: Final = 16  # of one message, either way: 8 kB; a seal costs a Pi Zero a millisecond or two
MAX_ENDPOINTS: Final = 4
MAX_HOST_CHARS: Final = 253  # RFC 1035 §2.3.4
MAX_LIFETIME_S: Final = 7 * 86_400
PRIVATE_SCOPE: Final = 1  # of an address in a network at home, or of one link
LOOPBACK_SCOPE: Final = 2
MAX_AHEAD_S: Final = 600  # of our clock, for a sequence: what a seal may be off by, and as much for relays
MAX_PORT: Final = 65535
_PORT = re.compile(r"[1-9][0-9]{0,4}")  # of one form alone, so that what is limited has one name
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")  # what resolvers take for a part of an IPv4 address
_SHARED = IPv4Network("100.64.0.0/10")  # RFC 6598: carriers' NATs, and private overlays
_SITE = IPv6Network("fec0::/10")  # RFC 3879: site-local once, and private still
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: whatever a network leads there, its own hosts too
_SIX_TO_FOUR = IPv6Network("2002::/16")
_ENDS_IN_IPV4 = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
_HOST_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")


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


def scope_of(host: str) -> int:
    """Return how narrow a network is: 0 for the internet, or a name; PRIVATE_SCOPE; LOOPBACK_SCOPE."""
    try:
        address = ip_address(host)
    except ValueError:
        return LOOPBACK_SCOPE if f".{host.lower()}".endswith(".localhost") else 0
    if isinstance(address, IPv6Address):
        address = _embedded(address) or address
    if address.is_loopback:
        return LOOPBACK_SCOPE
    own = (_SHARED,) if isinstance(address, IPv4Address) else (_SITE, _LOCAL_NAT64)
    is_own = address.is_private or address.is_link_local or any(address in network for network in own)
    return PRIVATE_SCOPE if is_own else 0


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, by its form or by way of a translator.

    These forms are IPv4-mapped ::ffff:a.b.c.d, IPv4-compatible ::a.b.c.d, which is deprecated (RFC 4291
    section 2.5.5), IPv4-translated ::ffff:0:a.b.c.d (RFC 2765 section 2.1), NAT64 64:ff9b::a.b.c.d (RFC 6052
    section 2.1), and 6to4 2002:aabb:ccdd:: (RFC 3056 section 2).
    """
    value = int(address)
    if address in _SIX_TO_FOUR:
        return IPv4Address(value >> 80 & 0xFFFFFFFF)
    if any(address in network for network in _ENDS_IN_IPV4) and value > 1:
        return IPv4Address(value & 0xFFFFFFFF)
    return None


def format_endpoint(endpoint: Endpoint) -> str:
    """Return `host:port`, with brackets around an IPv6 address."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_endpoint_untrusted(text: str) -> Endpoint:
    """Return host and port of an endpoint that can be connected to; raise BadMessageError otherwise."""
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > MAX_PORT:
        raise BadMessageError("an address without a port from 1 to 65535")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if (":" in bare) != (bare is not host) or not is_host(bare):
        raise BadMessageError("an address whose host cannot be connected to")
    return bare, int(port)


def is_host(host: str) -> bool:
    """Tell whether a host is a unicast address, or has the form of a name (RFC 1123 §2.1).

    An IPv6 address of one link is none: it leads somewhere by its zone alone, which is its computer's own.
    """
    try:
        address = ip_address(host)
    except ValueError:
        labels = host.split(".")
        return (
            len(host) <= MAX_HOST_CHARS
            and _HOST_CHARS.issuperset(host)
            and all(0 < len(label) < 64 and label[0] != "-" != label[-1] for label in labels)
            and not _NUMBER.fullmatch(labels[-1])  # a numeric address gone wrong, or in disguise
        )
    is_of_one_link = isinstance(address, IPv6Address) and address.is_link_local
    return not (is_of_one_link or "%" in host or address.is_unspecified or address.is_multicast)
