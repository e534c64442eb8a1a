"""Addresses: as people write them, who is to be met there, and which of them stand under one control."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import PeerId

Endpoint: TypeAlias = tuple[str, int]
"""A host (a name, or a numeric address without brackets) and a port."""


class Contact(NamedTuple):
    """Where to find a first peer, and the id that must be met there if the person named it."""

    address: Endpoint
    peer_id: PeerId | None = None


DEFAULT_PORT = 47474  # where lightpeer-serve listens unless told otherwise


def parse_endpoint(text: str) -> Endpoint:
    """Return the host and port of `HOST`, `HOST:PORT`, `[IPV6]:PORT` or `IPV6`; raise ValueError."""
    host, port = text.strip(), ""
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        sound = bool(bracket) and (colon, bool(port)) in {("", False), (":", True)}
    else:
        if host.count(":") == 1:
            host, _, port = host.partition(":")
        sound = not text.strip().endswith(":") or host.count(":") > 1
    number = int(port) if port.isascii() and port.isdigit() else 0 if port else DEFAULT_PORT
    if not sound or not host or not host.isprintable() or " " in host or not 0 < number < 65536:
        raise ValueError("HOST:PORT, such as music.example.org:47474 or [2001:db8::1]:47474")
    return host, number


def parse_contact(text: str) -> Contact:
    """Return the peer of `HOST:PORT` or `L<id>@HOST:PORT`; raise ValueError."""
    name, at, place = text.strip().rpartition("@")
    if not at:
        return Contact(parse_endpoint(place))
    from lightpeer.core.trust.identity import parse_peer_id  # brings the messages with it; few name an id

    try:
        return Contact(parse_endpoint(place), parse_peer_id(name))
    except UsageError as error:
        raise ValueError(f"HOST:PORT or ID@HOST:PORT, where {error}") from error


LOCAL_GROUP: Final = "local"


@lru_cache(maxsize=1024)  # a flood must not cost more than its seals
def network_group(host: str) -> str:
    """Return what hosts under one control are likely to share: a prefix, or the end of a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return ".".join(host.lower().split(".")[-2:])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_private or address.is_link_local:
        return LOCAL_GROUP
    if isinstance(address, IPv4Address):
        return ".".join(str(address).split(".")[:2])
    return ":".join(address.exploded.split(":")[:2])
