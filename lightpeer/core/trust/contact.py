"""Where a peer is to be met, and which: as a person, a record or a neighbour named it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lightpeer.core.addresses import Endpoint, parse_endpoint
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import PeerId


class Contact(NamedTuple):
    """An address, and who must answer there; None: whoever does."""

    address: Endpoint
    peer_id: PeerId | None = None


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
