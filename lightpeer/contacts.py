"""Addresses as people write them: where a peer is, and who is to be met there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

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
