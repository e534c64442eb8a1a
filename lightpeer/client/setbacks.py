"""What kept one search from being answered, so that a person is told of it.

Each search has its own: several run at a time, and one that looks for sources goes on for as long as its
track plays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.errors import BadMessageError, NoPeerError, NothingFoundError, StreamFailedError

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.peering.peer import Peer


class Setbacks:
    """The last peer of each kind that was met instead of one that answers."""

    def __init__(self) -> None:
        self._unsound: str | None = None  # what one that broke the protocol did
        self._stranger: str | None = None  # where somebody else answered than the peer that was named
        self._refused: str | None = None  # which peer answers others, but not us
        self.was_refused = False
        """Whether one did that a person named."""

    def on_unsound(self, peer: Peer, error: BadMessageError) -> None:
        """Note that a peer broke the protocol."""
        self._unsound = f"{peer.name} answered, but not by the protocol ({error})"

    def on_stranger(self, peer: Peer) -> None:
        """Note that somebody else answers where a peer was expected."""
        from lightpeer.core.addresses import format_endpoint

        self._stranger = f"another peer than {peer.name} answers at {format_endpoint(peer.address)}"

    def on_refused(self, peer: Peer, reason: str, own_id: PeerId, *, is_given: bool) -> None:
        """Note that a peer answers, but not us (`proto/README.md`, section 3.3).

        Args:
            peer: which.
            reason: the word that it gave.
            own_id: ours.
            is_given: a person named it.
        """
        from lightpeer.core.trust.identity import format_peer_id

        own = format_peer_id(own_id)
        sentences = {
            "private": f"{peer.name} is private: ask who runs it to let in this peer's id, {own}",
            "denied": f"{peer.name} does not answer this peer, {own}: who runs it has shut it out",
        }
        if reason in sentences and not self.was_refused:  # what a person named is told of first
            self._refused = sentences[reason]
            self.was_refused = is_given

    def told(self) -> NoPeerError | NothingFoundError | StreamFailedError | None:
        """Return the error that tells of them; None if there were none that a person can mend."""
        if self._refused and self.was_refused:  # else it is one of many, and another may come back
            return NothingFoundError(self._refused)
        if self._unsound:
            return StreamFailedError(f"{self._unsound}: name another peer with --bootstrap HOST:PORT")
        if self._stranger:
            return NoPeerError(f"{self._stranger}: check the id, or name another with --bootstrap HOST:PORT")
        return None
