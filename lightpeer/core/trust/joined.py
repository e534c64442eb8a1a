"""The networks that a person has joined: invites, a line each, as a file of the state directory keeps them.

They are tried as if they stood in the configuration, which `lightpeer join` leaves as the person wrote it.
The file may be edited: `#` begins a comment.
"""

from __future__ import annotations

from typing import Final

from lightpeer.core.trust.contact import INVITE_SCHEME, Contact, parse_contacts

MAX_JOINED: Final = 8  # invites; the latest come first


def parse_joined(data: bytes) -> list[str]:
    """Return the invites in a file, the latest first; whether they make sense is not looked at."""
    lines = data.decode(errors="replace").splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())][:MAX_JOINED]


def contacts_in(invites: list[str]) -> tuple[list[Contact], list[str]]:
    """Return the contacts in invites, and a complaint of each that makes no sense."""
    contacts: list[Contact] = []
    complaints: list[str] = []
    for invite in invites:
        try:
            contacts += parse_contacts(invite)
        except ValueError as error:
            complaints.append(f"{invite!r} is not {error}")
    return contacts, complaints


def build_joined(invites: list[str]) -> bytes:
    """Return the contents of the file."""
    return "".join(f"{invite}\n" for invite in invites).encode()


def with_invite(invites: list[str], invite: str) -> list[str]:
    """Return the invites with another first; it replaces those to the same peer."""
    return [invite, *without_invite(invites, invite)][:MAX_JOINED]


def without_invite(invites: list[str], name: str) -> list[str]:
    """Return the invites except those to a peer; `name` is an invite, an address or an id."""
    return [invite for invite in invites if _peer(invite) != _peer(name)]


def _peer(invite: str) -> str:
    """Return the id in an invite or contact, or all of an address."""
    return invite.partition("@")[0].removeprefix(INVITE_SCHEME).removeprefix("//")
