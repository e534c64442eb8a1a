"""What a server tells its operator of the way to it: the invite to hand on, and whether others came by it.

The invite names the addresses that are known by then, and is told again when they change. An address is known
to work once another machine has connected to it; that is told once for each. If nobody has come after a
minute, that is told too, since a firewall or a router may be in the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.addresses import LOOPBACK_SCOPE, scope_of
from lightpeer.core.trust.contact import format_invite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.trust.identity import PeerId

UNHEARD_S: Final = 60.0  # a period of gossip: those who know of us have tried by then
MAX_TOLD: Final = 16  # addresses: more than a machine has


class Invitation:
    """The way to one server, as its operator is told of it."""

    def __init__(self, peer_id: PeerId, now: float) -> None:
        """Tell nothing yet.

        Args:
            peer_id: the server's id.
            now: the time in seconds.
        """
        self._peer_id = peer_id
        self._told_invite = ""
        self._reached: set[str] = set()  # the hosts that were told
        self._unheard_at = now + UNHEARD_S
        self._was_unheard_told = False

    def offer(self, endpoints: Iterable[Endpoint]) -> str | None:
        """Return the invite to our addresses, best first; None: there are none, or it was told."""
        known = list(dict.fromkeys(endpoints))
        invite = format_invite(self._peer_id, known) if known else self._told_invite
        if invite == self._told_invite:
            return None
        self._told_invite = invite
        return invite

    def reached(self, local_host: str, remote_host: str) -> bool:
        """Note a connection; return whether it is the first of another machine to this address of ours."""
        is_from_here = remote_host == local_host or scope_of(remote_host) == LOOPBACK_SCOPE
        if is_from_here or local_host in self._reached or len(self._reached) >= MAX_TOLD:
            return False
        self._reached.add(local_host)
        return True

    def is_unheard(self, now: float) -> bool:
        """Return whether it is to be told that nobody has come."""
        is_due = now >= self._unheard_at and not self._reached and not self._was_unheard_told
        self._was_unheard_told |= is_due
        return is_due
