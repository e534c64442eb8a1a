"""Who may listen, and to what: what the lists of an operator (`rule_lists.py`) decide.

`Rules` are all lists that are in force, and never change: another `Rules` takes their place. An entry that
denies counts more than one that allows. Where there is a list of who is allowed, nobody else is, so an
empty one leaves the server to itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lightpeer.core.lists.rule_lists import RuleList
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.trust.records import PeerRecord


class Refusal(StrEnum):
    """Why a call is refused, in the word that begins the status message (`proto/README.md`, section 3.3)."""

    PRIVATE = "private"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Rules:
    """All lists that are in force. `own` is the server's id, by which it calls itself: always let in."""

    own: PeerId
    allow: tuple[RuleList, ...] | None = None  # None: everybody
    deny: tuple[RuleList, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether this server answers only whom it names."""
        return self.allow is not None

    @property
    def deny_tracks(self) -> bool:
        """Whether there is any track that is not served."""
        return any(entries.tracks for entries in self.deny)

    def refusal(self, caller: PeerId, host: str) -> Refusal | None:
        """Return why a caller is not answered, or None if it is.

        Args:
            caller: who sealed the request.
            host: the numeric address that it came from.
        """
        if caller == self.own:
            return None
        if any(caller in entries.peers for entries in self.deny) or not self.admits_host(host):
            return Refusal.DENIED
        if self.allow is not None and not any(caller in entries.peers for entries in self.allow):
            return Refusal.PRIVATE
        return None

    def admits_host(self, host: str) -> bool:
        """Tell whether an address is in none of the networks that are denied."""
        return not any(len(entries.networks) and host in entries.networks for entries in self.deny)

    def serves(self, track_id: bytes) -> bool:
        """Tell whether a track may be served, told of, or fetched."""
        return not any(track_id in entries.tracks for entries in self.deny)

    def takes_from(self, peer_id: PeerId, hosts: Iterable[str] = ()) -> bool:
        """Tell whether tracks may be taken from a peer, or passed on as held by it.

        Args:
            peer_id: who offers them.
            hosts: its addresses, as far as they are known.
        """
        return not any(
            peer_id in entries.peers or peer_id in entries.publishers for entries in self.deny
        ) and (all(map(self.admits_host, hosts)))

    def may_know(self, record: PeerRecord) -> bool:
        """Tell whether another server may be asked, and recommended."""
        return self.takes_from(record.peer_id, (host for host, _ in record.endpoints))
