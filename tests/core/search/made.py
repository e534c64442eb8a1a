"""Peers and tracks that the tests of searches are about."""

from __future__ import annotations

from lightpeer.core.content.uri import format_uri
from lightpeer.core.search.hits import FoundTrack, Holder
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import PeerRecord, Role, build_record, parse_record_untrusted

NOW = 1_750_000_000
FAR, HOME = "9.8.7.6", "192.168.1.9"
URI = format_uri(b"Song".ljust(32))


def peer(number: int, host: str = "5.6.7.8") -> PeerRecord:
    identity = Identity(number.to_bytes(32, "big"))
    return parse_record_untrusted(build_record(identity, [(host, number)], Role.SERVES, NOW, NOW + 60), NOW)


PEERS = [peer(number) for number in range(1, 9)]


def track(name: str = "Song", *holders: PeerRecord) -> FoundTrack:
    told = tuple(Holder(record.peer_id, record) for record in holders)
    return FoundTrack(name.encode().ljust(32), name, "Somebody", "Album", 1000, (24, 48), told)
