"""A contact: the address of a peer, and optionally its id; and an invite, which has several of one peer.

An invite is what a server's operator hands on: `loudp2p:L…@HOST:PORT,HOST:PORT`, in one word, so that it fits
a message and a QR code. The id proves who answers, at whichever of the addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.addresses import Endpoint, format_endpoint, parse_endpoint
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightpeer.core.trust.identity import PeerId

INVITE_SCHEME: Final = "loudp2p:"
MAX_INVITED: Final = 4  # addresses in an invite: two of each family; more would not fit a small QR code


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


def parse_contacts(text: str) -> list[Contact]:
    """Return the contacts of an invite, or the one of `HOST:PORT` or `L<id>@HOST:PORT`; raise ValueError."""
    text = text.strip()
    if not text.startswith(INVITE_SCHEME):
        return [parse_contact(text)]
    name, at, places = text.removeprefix(INVITE_SCHEME).removeprefix("//").partition("@")
    if not at or places.count(",") >= MAX_INVITED:
        raise ValueError(f"an invite, {INVITE_SCHEME}L…@HOST:PORT, with at most {MAX_INVITED} addresses")
    return [parse_contact(f"{name}@{place}") for place in places.rstrip("/").split(",")]


def split_contacts(text: str) -> list[str]:
    """Return the contacts and invites of a list with commas; an invite has commas too, between addresses."""
    items: list[str] = []
    for part in text.split(","):
        continues = bool(items) and items[-1].lstrip().startswith(INVITE_SCHEME)
        if continues and "@" not in part and part.strip():
            items[-1] += "," + part.strip()
        else:
            items.append(part)
    return [item for item in items if item.strip()]


def format_invite(peer_id: PeerId, endpoints: Sequence[Endpoint]) -> str:
    """Return the invite of a peer to its addresses, best first; those above the limit are left out."""
    from lightpeer.core.trust.identity import format_peer_id

    places = ",".join(map(format_endpoint, endpoints[:MAX_INVITED]))
    return f"{INVITE_SCHEME}{format_peer_id(peer_id)}@{places}"
