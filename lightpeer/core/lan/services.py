"""Peers as services of the local network: our own records, and those of others that were heard.

A serving peer is the instance `<its id>._loudp2p._tcp.local` with the id in a TXT record too. Anybody on the
network can claim anything, so a peer that is found is only a hint whom to contact: the contact proves the id.
Addresses of other networks than the link's own are skipped, so that nobody on it can send us elsewhere, and
all tables are bounded. What is heard holds for as long as its PTR record says.

Source: RFC 6763 (DNS-SD).
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from lightpeer.core.addresses import MAX_PORT, is_host
from lightpeer.core.lan.dns import AAAA, PTR, SRV, TXT, A, Name, Question, Record, Service, folded, texts_of
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import PeerId, format_peer_id, parse_peer_id
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IPNetwork: TypeAlias = IPv4Network | IPv6Network

SERVICE: Final[Name] = (b"_loudp2p", b"_tcp", b"local")
ALL_SERVICES: Final[Name] = (b"_services", b"_dns-sd", b"_udp", b"local")
MAX_FOUND: Final = 32  # more peers than a home has, and at most a view
MAX_ADDRESSES: Final = 4  # of one peer
LONG_S: Final = 4500  # the lifetime of records that name no host (RFC 6762, section 10)
HOST_S: Final = 120  # of those that do
MAX_ASKED: Final = 2  # times after what an instance lacks
LEAVES_S: Final = 1.0  # after a goodbye (RFC 6762, section 10.1)


class Own(NamedTuple):
    """Our own service; without a host, it is at all addresses of this computer."""

    peer_id: PeerId
    host: str | None
    port: int

    @property
    def name(self) -> Name:
        """The name of the instance."""
        return (format_peer_id(self.peer_id).encode(), *SERVICE)

    @property
    def target(self) -> Name:
        """The name of the host: one of our own, so that it collides with nobody's."""
        return (format_peer_id(self.peer_id).encode(), b"local")

    def records(self, host: str) -> list[Record]:
        """Return what we say of ourselves at an address, the PTR first."""
        text = b"id=" + self.name[0]
        return [
            Record(SERVICE, PTR, LONG_S, self.name),
            Record(self.name, SRV, HOST_S, Service(self.port, self.target), is_unique=True),
            Record(self.name, TXT, LONG_S, bytes((len(text),)) + text, is_unique=True),
            Record(self.target, AAAA if ":" in host else A, HOST_S, host, is_unique=True),
            Record(ALL_SERVICES, PTR, LONG_S, SERVICE),  # for who lists what there is (section 9)
        ]


class _Heard:
    """What was heard of one instance."""

    def __init__(self, name: Name) -> None:
        self.name = name
        self.ttl_s = 0
        self.until = 0.0
        self.service: Service | None = None
        self.peer_id: PeerId | None = None
        self.addresses: list[str] = []
        self.times_asked = 0
        self.told: list[Contact] = []

    @property
    def is_in_vain(self) -> bool:
        return not self.contacts and self.times_asked >= MAX_ASKED

    @property
    def contacts(self) -> list[Contact]:
        if self.service is None or self.peer_id is None or not 0 < self.service.port <= MAX_PORT:
            return []
        return [Contact((address, self.service.port), self.peer_id) for address in self.addresses]


class Heard:
    """The services of others, by what was heard so far."""

    def __init__(self, networks: Sequence[IPNetwork], own: Name | None = None) -> None:
        """Hear nothing yet.

        Args:
            networks: those of the link, whose addresses alone are accepted.
            own: the name of our own service, which is not one of others.
        """
        self._networks = networks
        self._own = folded(own) if own is not None else None
        self._by_name: dict[Name, _Heard] = {}  # by the name in small letters

    def accepts(self, host: str) -> bool:
        """Return whether an address is one of this link that others can use."""
        return is_host(host) and any(ip_address(host) in network for network in self._networks)

    def accepts_from(self, host: str) -> bool:
        """Return whether a datagram may come from an address: one of this link, of which IPv6 has more."""
        return self.accepts(host) or (":" in host and ip_address(host).is_link_local)

    @property
    def next_end(self) -> float:
        """When the first of them ends; infinity: there is none."""
        return min((heard.until for heard in self._by_name.values()), default=float("inf"))

    @property
    def is_incomplete(self) -> bool:
        """Whether more has to be asked of an instance."""
        return any(not heard.contacts and heard.times_asked < MAX_ASKED for heard in self._by_name.values())

    def questions(self) -> list[Question]:
        """Return what is to be asked now: who is there, and what is missing of those heard."""
        questions = [Question(SERVICE, PTR)]
        for heard in self._by_name.values():
            if heard.contacts or heard.times_asked >= MAX_ASKED:
                continue
            heard.times_asked += 1
            questions += [Question(heard.name, SRV), Question(heard.name, TXT)]
            if heard.service is not None:
                kind = A if any(network.version == 4 for network in self._networks) else AAAA
                questions.append(Question(heard.service.target, kind))
        return questions

    def known(self, now: float) -> list[Record]:
        """Return the PTR records that need no answer: more than half of their time is left."""
        return [
            Record(SERVICE, PTR, int(heard.until - now), heard.name)
            for heard in self._by_name.values()
            if heard.contacts and heard.until - now > heard.ttl_s / 2
        ]

    def hear(self, records: Iterable[Record], now: float) -> list[tuple[Name, list[Contact]]]:
        """Note the records of a response; return the instances whose contacts have changed.

        Args:
            records: as they came.
            now: the time in seconds.
        """
        by_kind = sorted(records, key=lambda record: (PTR, SRV, TXT, A, AAAA).index(record.kind))
        hosts: dict[Name, list[str]] = {}  # the addresses of each, the latest first
        for record in by_kind:  # an instance before its host
            if record.kind == PTR and folded(record.name) == SERVICE:
                self._hear_instance(record, now)
            elif isinstance(record.value, str):
                if self.accepts(record.value):
                    hosts.setdefault(folded(record.name), []).insert(0, record.value)
            elif (heard := self._by_name.get(folded(record.name))) is not None:
                self._hear_of(heard, record)
        self._hear_addresses(hosts)
        return self._changed()

    def end(self, now: float) -> list[tuple[Name, list[Contact]]]:
        """Forget those whose time is over; return them, without contacts."""
        over = [key for key, heard in self._by_name.items() if heard.until <= now]
        return [(self._by_name.pop(key).name, []) for key in over]

    def _hear_instance(self, record: Record, now: float) -> None:
        name = record.value
        if not isinstance(name, tuple) or folded(name[1:]) != SERVICE:
            return
        if folded(name) == self._own:
            return
        heard = self._by_name.get(folded(name))
        if heard is None:
            if not record.ttl_s or not self._has_room():
                return
            heard = self._by_name[folded(name)] = _Heard(name)
        heard.ttl_s = min(record.ttl_s, LONG_S)
        heard.until = now + max(heard.ttl_s, LEAVES_S)

    def _has_room(self) -> bool:
        """Return whether there is room for another; one that was asked in vain makes room."""
        if len(self._by_name) < MAX_FOUND:
            return True
        in_vain = [key for key, heard in self._by_name.items() if heard.is_in_vain][:1]
        for key in in_vain:
            del self._by_name[key]
        return bool(in_vain)

    def _hear_of(self, heard: _Heard, record: Record) -> None:
        if isinstance(record.value, Service) and record.ttl_s:
            heard.service = record.value
        elif isinstance(record.value, bytes):
            try:
                heard.peer_id = parse_peer_id(texts_of(record.value).get(b"id", b"").decode("ascii"))
            except (UsageError, UnicodeDecodeError):
                heard.peer_id = None

    def _hear_addresses(self, hosts: dict[Name, list[str]]) -> None:
        for heard in self._by_name.values():
            if heard.service is not None and (latest := hosts.get(folded(heard.service.target))):
                heard.addresses = list(dict.fromkeys(latest + heard.addresses))[:MAX_ADDRESSES]

    def _changed(self) -> list[tuple[Name, list[Contact]]]:
        changed = [heard for heard in self._by_name.values() if heard.contacts != heard.told]
        for heard in changed:
            heard.told = heard.contacts
        return [(heard.name, heard.told) for heard in changed]
