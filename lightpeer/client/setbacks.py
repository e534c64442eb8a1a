"""Why peers did not answer one search, so that the person can be told.

Each search has its own setbacks: several run at a time, and one that looks for sources goes on for as long as
its track plays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightpeer.errors import BadMessageError, NoPeerError, NothingFoundError, StreamFailedError

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.peering.peer import Peer


class Setbacks:
    """The peers that did not answer: the latest of each kind, as a sentence.

    Attributes:
        was_refused: whether a peer that the person named refused to answer us.
    """

    def __init__(self) -> None:
        self._unsound: str | None = None  # it broke the protocol
        self._stranger: str | None = None  # another peer answered at its address
        self._misnamed: str | None = None  # likewise, at one that the person gave
        self._refused: str | None = None  # it answers others, but not us
        self.was_refused = False

    def on_unsound(self, peer: Peer, error: BadMessageError) -> None:
        """Note that a peer broke the protocol."""
        self._unsound = f"{peer.name} answered, but not by the protocol ({error})"

    def on_stranger(self, peer: Peer, *, is_given: bool) -> None:
        """Note that another peer answers at a peer's address; `is_given`: the person named both."""
        from lightpeer.core.addresses import format_endpoint

        self._stranger = f"another peer than {peer.name} answers at {format_endpoint(peer.address)}"
        if is_given:
            self._misnamed = self._stranger

    @property
    def warning(self) -> str | None:
        """What the person should know though other peers answered: one that they named is another."""
        return None if self._misnamed is None else f"{self._misnamed}: check the id in --bootstrap"

    def on_refused(self, peer: Peer, reason: str, own_id: PeerId, *, is_given: bool) -> None:
        """Note that a peer answers, but not us (`proto/README.md`, section 3.3).

        Args:
            peer: the peer that refused.
            reason: its reason, `private` or `denied`.
            own_id: our id.
            is_given: whether the person named it.
        """
        from lightpeer.core.trust.identity import format_peer_id

        own = format_peer_id(own_id)
        sentences = {
            "private": f"{peer.name} is private: ask its operator to let in this peer's id, {own}",
            "denied": f"{peer.name} does not answer this peer, {own}: its operator has shut it out",
        }
        if reason in sentences and not self.was_refused:  # a peer that the person named comes first
            self._refused = sentences[reason]
            self.was_refused = is_given

    def error(self, *, is_any_known: bool) -> NoPeerError | NothingFoundError | StreamFailedError:
        """Return the error that says why no peer could be asked; `is_any_known`: some address was tried."""
        if self._refused and self.was_refused:  # any other is one of many, and another may come back
            return NothingFoundError(self._refused)
        if self._unsound:
            return StreamFailedError(f"{self._unsound}: name another peer with --bootstrap HOST:PORT")
        if self._stranger:
            return NoPeerError(f"{self._stranger}: check the id, or name another with --bootstrap HOST:PORT")
        if not is_any_known:
            return NoPeerError("no peer is known: name one with --bootstrap HOST:PORT", may_pass=False)
        return NoPeerError(
            "no peer can be reached: check the network, or name another with --bootstrap HOST:PORT"
        )
