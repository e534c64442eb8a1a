"""Why peers did not answer one search, so that the person can be told.

Each search has its own setbacks: several run at a time, and one that looks for sources goes on for as long as
its track plays. Of several peers, the one that the person named first is told of: its address may be wrong.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lightpeer.errors import (
    BadMessageError,
    NoPeerError,
    NothingFoundError,
    RpcError,
    StreamFailedError,
    Unreached,
)
from lightpeer.peering.reasons import unreached_sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.addresses import Endpoint
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.errors import RemoteError
    from lightpeer.peering.peer import Peer

ANOTHER: Final = "name another with --bootstrap HOST:PORT"
NOBODY_KNOWN: Final = (
    "no peer is known: join one by its invite (lightpeer join INVITE), name one with --bootstrap HOST:PORT, "
    "or serve music on this network (lightpeer-serve DIR --listen PORT)"
)


class Setbacks:
    """The peers that did not answer: the latest of each kind, as a sentence.

    Attributes:
        was_refused: whether a peer that the person named refused to answer us.
        too_often: the peer that was asked too often, as a sentence; None: there is none.
    """

    def __init__(self) -> None:
        self._unsound: str | None = None  # it broke the protocol
        self._stranger: str | None = None  # another peer answered at its address
        self._misnamed: str | None = None  # likewise, at one that the person gave
        self._refused: str | None = None  # it answers others, but not us
        self._unreached: tuple[str, str] | None = None  # what is so, what to do
        self._unreached_rank = math.inf
        self._failed: str | None = None
        self.was_refused = False
        self.too_often: str | None = None

    def on_error(
        self, peer: Peer, error: RemoteError, rank: int | None, own_id: Callable[[], PeerId]
    ) -> None:
        """Note why a peer did not answer.

        Args:
            peer: the peer.
            error: its failure.
            rank: its place in the list that the person gave, None if it is not there.
            own_id: gives our id.
        """
        from lightpeer.core.rpc.status import StatusCode

        if isinstance(error, BadMessageError):
            self.on_unsound(peer, error)
        if not isinstance(error, RpcError):
            return
        match error.code():
            case StatusCode.PERMISSION_DENIED:
                reason = error.details().partition(":")[0]
                self.on_refused(peer, reason, own_id(), is_given=rank is not None)
            case StatusCode.RESOURCE_EXHAUSTED:
                self.on_too_often(peer)
            case StatusCode.DEADLINE_EXCEEDED:
                self.on_unreached(peer.address, Unreached.SILENT, rank)
            case _ if error.unreached is not None:
                self.on_unreached(peer.address, error.unreached, rank)
            case StatusCode.UNIMPLEMENTED | StatusCode.UNKNOWN | StatusCode.INTERNAL:
                self.on_failed(peer, error.details() or str(error))

    def on_unsound(self, peer: Peer, error: BadMessageError) -> None:
        """Note that a peer broke the protocol."""
        self._unsound = f"{peer.name} answered, but not by the protocol ({error})"

    def on_stranger(self, peer: Peer, *, is_given: bool) -> None:
        """Note that another peer answers at a peer's address; `is_given`: the person named both."""
        from lightpeer.core.addresses import format_endpoint

        self._stranger = f"another peer than {peer.name} answers at {format_endpoint(peer.address)}"
        if is_given:
            self._misnamed = self._stranger

    def on_too_often(self, peer: Peer) -> None:
        """Note that a peer answers, but that we have asked it too often."""
        self.too_often = f"{peer.name} was asked too often"

    def on_unreached(self, address: Endpoint, unreached: Unreached, rank: int | None) -> None:
        """Note that nobody was reached at an address.

        Args:
            address: where.
            unreached: why.
            rank: its place in the list that the person gave, None if it is not there.
        """
        place = math.inf if rank is None else rank
        if self._unreached is None or place < self._unreached_rank:
            self._unreached = unreached_sentence(unreached, address)
            self._unreached_rank = place

    def on_failed(self, peer: Peer, why: str) -> None:
        """Note that something answers at a peer's address, but not as a peer does."""
        self._failed = self._failed or f"{peer.name} answers, but not as a peer ({why})"

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
            return StreamFailedError(f"{self._unsound}: {ANOTHER}")
        if self._stranger:
            return NoPeerError(f"{self._stranger}: check the id, or {ANOTHER}")
        if self.too_often:
            return NoPeerError(f"no peer answers now, as {self.too_often}: wait a minute, or {ANOTHER}")
        if self._failed:
            return NoPeerError(f"{self._failed}: check the port, or {ANOTHER}")
        if self._unreached:
            what, remedy = self._unreached
            return NoPeerError(f"no peer can be reached, as {what}: {remedy}, or {ANOTHER}")
        if not is_any_known:
            return NoPeerError(NOBODY_KNOWN, may_pass=False)
        return NoPeerError(f"no peer can be reached: check the network, or {ANOTHER}")
