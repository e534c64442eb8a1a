"""Addresses: their text forms, the network that each is valid in, and groups under one control.

A *host* is a name or a numeric address. An *endpoint* is a host and a port. A host's *scope* says how narrow
a network it is valid in. Hosts are grouped in three ways, for different purposes:

- `network_of`: as much as one site is given, an IPv4 address or an IPv6 /48. Its hosts may be strangers to
  each other, behind one translator or at one provider.
- `network_group`: as much as hosts under one control are likely to share. A limit on a group cannot be evaded
  with many addresses, but a group may include strangers.
- `joined_network`: a network that we are in ourselves, recognised by the address that it gave us.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from lightpeer.errors import BadMessageError

Endpoint: TypeAlias = tuple[str, int]
"""A host (a name, or a numeric address without brackets) and a port."""

DEFAULT_PORT: Final = 47474  # where lightpeer-serve listens unless told otherwise
MAX_PORT: Final = 65535
MAX_HOST_CHARS: Final = 253  # RFC 1035 §2.3.4
PRIVATE_SCOPE: Final = 1  # of a private or link-local address
LOOPBACK_SCOPE: Final = 2
LOCAL_GROUP: Final = "local"
_PORT = re.compile(r"[1-9][0-9]{0,4}")  # in one form only, as limits go by text
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")  # resolvers take it for a part of an IPv4 address
_SHARED = IPv4Network("100.64.0.0/10")  # RFC 6598: carriers' NATs, and private overlays
_SITE = IPv6Network("fec0::/10")  # RFC 3879: site-local, deprecated and still private
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: may lead to a network's own hosts
_SIX_TO_FOUR = IPv6Network("2002::/16")
_ENDS_IN_IPV4 = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
_HOST_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")


# Text forms.


def parse_endpoint(text: str, least_port: int = 1, default_port: int = DEFAULT_PORT) -> Endpoint:
    """Return the host and port of `HOST`, `HOST:PORT`, `[IPV6]:PORT` or `IPV6`.

    Args:
        text: what a person wrote.
        least_port: 0 for an address to listen on, where 0 means any port.
        default_port: where none is given.

    Raises:
        ValueError: it is no such address.
    """
    host, port, is_sound = _split_endpoint(text.strip())
    is_number = port.isascii() and port.isdigit() and len(port) < 10
    number = int(port) if is_number else -1 if port else default_port
    is_host_sound = 0 < len(host) <= MAX_HOST_CHARS and host.isprintable() and " " not in host
    is_host_sound = is_host_sound and (":" not in host or not is_name(host))  # only IPv6 has colons
    if not is_sound or not is_host_sound or number < 0:
        raise ValueError("HOST:PORT, such as music.example.org:47474 or [2001:db8::1]:47474")
    if not least_port <= number <= MAX_PORT:
        raise ValueError(f"HOST:PORT with a port from {least_port} to {MAX_PORT}")
    return host, number


def _split_endpoint(text: str) -> tuple[str, str, bool]:
    """Return the host, the port or "", and whether brackets and colons are in their places."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        return host, port, bool(bracket) and (colon, bool(port)) in {("", False), (":", True)}
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port, bool(port)
    return text, "", True


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


# Kinds of hosts.


def is_host(host: str) -> bool:
    """Return whether a host is a unicast address, or has the form of a name (RFC 1123 §2.1).

    A link-local IPv6 address is not: it needs a zone, which is valid on one computer only.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return _is_host_name(host)
    is_of_one_link = isinstance(address, IPv6Address) and address.is_link_local
    return not (is_of_one_link or "%" in host or address.is_unspecified or address.is_multicast)


def _is_host_name(host: str) -> bool:
    labels = host.split(".")
    return (
        len(host) <= MAX_HOST_CHARS
        and _HOST_CHARS.issuperset(host)
        and all(0 < len(label) < 64 and label[0] != "-" != label[-1] for label in labels)
        and not _NUMBER.fullmatch(labels[-1])  # a malformed or disguised numeric address
    )


def is_name(host: str) -> bool:
    """Return whether a host has to be resolved."""
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def is_wildcard(host: str) -> bool:
    """Return whether a listening address means every address of the machine."""
    return not host if is_name(host) else ip_address(host).is_unspecified


def family_of(host: str) -> int:
    """Return the IP version of a numeric address, 4 or 6."""
    return ip_address(host).version


def scope_of(host: str) -> int:
    """Return a host's scope: 0 for the internet, or a name; PRIVATE_SCOPE; LOOPBACK_SCOPE."""
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
    """Return the IPv4 address that an IPv6 address leads to, by its form or through a translator.

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


# Groups.


@lru_cache(maxsize=1024)
def network_of(host: str) -> str:
    """Return the network of a numeric host, as one site is given: its IPv4 address or IPv6 /48 (RFC 6177)."""
    return str(IPv6Network((host.partition("%")[0], 48), strict=False)) if ":" in host else host


@lru_cache(maxsize=1024)  # cheap under a flood, whose seals cost enough
def network_group(host: str) -> str:
    """Return the group of hosts that are likely to be under one control: a prefix, or the end of a name."""
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


def joined_network(own_host: str) -> str:
    """Return the prefix of the network that gave us an address: /24 of IPv4, /64 of IPv6."""
    address = ip_address(own_host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = 64 if isinstance(address, IPv6Address) else 24
    return str(ip_network(f"{address}/{bits}", strict=False))
