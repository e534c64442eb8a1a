"""A contact: the address of a peer, and optionally its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lightpeer.core.addresses import Endpoint, parse_endpoint
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import PeerId


class Contact(NamedTuple):
    """An address, and the id of the peer that must answer there; None: any peer."""

    address: Endpoint
    peer_id: PeerId | None = None


def parse_contact(text: str) -> Contact:
    """Return the peer of `HOST:PORT` or `L<id>@HOST:PORT`; raise ValueError."""
    name, at, place = text.strip().rpartition("@")
    if not at:
        return Contact(parse_endpoint(place))
    from lightpeer.core.trust.identity import parse_peer_id  # loads the curve, and few contacts name an id

    try:
        return Contact(parse_endpoint(place), parse_peer_id(name))
    except UsageError as error:
        raise ValueError(f"HOST:PORT or ID@HOST:PORT, where {error}") from error
