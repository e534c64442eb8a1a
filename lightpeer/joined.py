"""The networks that the person has joined: invites, a line each, in a file of the state directory.

They are tried as if they stood in the configuration, which `lightpeer join` leaves as the person wrote it.
The file may be edited: `#` begins a comment, and a line that is no invite is reported and skipped.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from lightpeer.core.trust.contact import INVITE_SCHEME, Contact, parse_contacts
from lightpeer.safe_files import read_ordinary

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

JOINED_FILE: Final = "joined"
MAX_JOINED: Final = 8  # invites; the latest come first
MAX_FILE_BYTES: Final = 16 * 1024


def read_joined(state_dir: Path) -> list[str]:
    """Return the invites that are kept in a state directory, the latest first."""
    path = state_dir / JOINED_FILE
    try:
        lines = read_ordinary(path, MAX_FILE_BYTES).decode(errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        logger.warning("cannot read the joined networks %s: %s", path, error.strerror)
        return []
    return [text for line in lines if (text := line.partition("#")[0].strip())][:MAX_JOINED]


def contacts_of(invites: list[str], state_dir: Path) -> tuple[Contact, ...]:
    """Return the contacts in invites; one that makes no sense is reported as a line of the file."""
    contacts: list[Contact] = []
    for invite in invites:
        try:
            contacts += parse_contacts(invite)
        except ValueError as error:
            logger.warning("%s: %r is not %s", state_dir / JOINED_FILE, invite, error)
    return tuple(contacts)


def with_invite(invites: list[str], invite: str) -> list[str]:
    """Return the invites with another first; it replaces those to the same peer."""
    return [invite, *without_invite(invites, invite)][:MAX_JOINED]


def without_invite(invites: list[str], name: str) -> list[str]:
    """Return the invites except those to a peer; `name` is an invite, an address or an id."""
    return [invite for invite in invites if invite != name and _peer(invite) != _peer(name)]


def to_bytes(invites: list[str]) -> bytes:
    """Return the contents of the file."""
    return "".join(f"{invite}\n" for invite in invites).encode()


def _peer(invite: str) -> str:
    """Return the id in an invite or contact, or all of an address."""
    return invite.partition("@")[0].removeprefix(INVITE_SCHEME).removeprefix("//")
