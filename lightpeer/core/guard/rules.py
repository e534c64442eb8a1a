"""Decides by the operator's lists (`rule_lists.py`) who may listen, and to what.

`Rules` holds all lists in force and never changes; a new `Rules` replaces it. An entry that denies
outweighs one that allows. If there is a list of allowed peers, nobody else is allowed, so an empty one
leaves only the server itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lightpeer.core.lists.rule_lists import RuleList
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.trust.records import PeerRecord


class Refusal(StrEnum):
    """Why a call is refused: the first word of the status message (`proto/README.md`, section 3.3)."""

    PRIVATE = "private"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Rules:
    """All lists in force.

    Attributes:
        own: the server's id; a call of its own is always answered.
        allow: the lists of allowed peers; None allows everybody.
        deny: the lists of denied peers, publishers, networks and tracks.
    """

    own: PeerId
    allow: tuple[RuleList, ...] | None = None
    deny: tuple[RuleList, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether this server answers only peers that it names."""
        return self.allow is not None

    @property
    def deny_tracks(self) -> bool:
        """Whether any track is denied."""
        return any(entries.tracks for entries in self.deny)

    def refusal(self, caller: PeerId, host: str) -> Refusal | None:
        """Return why a caller is not answered, or None if it is.

        Args:
            caller: the peer that sealed the request.
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
        """Return whether an address is in no denied network."""
        return not any(len(entries.networks) and host in entries.networks for entries in self.deny)

    def serves(self, track_id: bytes) -> bool:
        """Return whether a track may be served, announced, or fetched."""
        return not any(track_id in entries.tracks for entries in self.deny)

    def takes_from(self, peer_id: PeerId, hosts: Iterable[str] = ()) -> bool:
        """Return whether tracks may be taken from a peer, or passed on as held by it.

        Args:
            peer_id: the peer that offers them.
            hosts: its known numeric addresses.
        """
        return not any(
            peer_id in entries.peers or peer_id in entries.publishers for entries in self.deny
        ) and (all(map(self.admits_host, hosts)))

    def may_know(self, record: PeerRecord) -> bool:
        """Return whether another server may be asked, and recommended to others."""
        return self.takes_from(record.peer_id, (host for host, _ in record.endpoints))
