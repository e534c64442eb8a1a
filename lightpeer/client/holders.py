"""Opens a track at those who are said to hold it, and judges who said so.

A hit is somebody's word. Who names holders that are not there, or hold nothing, is scored down a little,
once a search, for it may itself have been told so. Who serves a track under another name than it gave it
has lied.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from lightpeer.errors import BadMessageError, RemoteError, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import FoundTrack, Holder
    from lightpeer.core.udp.opening import Opened, Opening
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)

HOLDERS_S: Final = 15.0  # for the holders that one peer names: one that is silent, and time for another


class Leads:
    """The hits of one peer that is asked: how long they may keep us, and whether they lead anywhere."""

    def __init__(self, told_by: Peer) -> None:
        self.told_by = told_by
        self.led_somewhere = False
        self.led_nowhere = False  # some of them
        self.lost: RpcError | None = None  # how the peer itself went away, before it opened what it holds
        self._left_s = HOLDERS_S

    @property
    def are_used_up(self) -> bool:
        """Whether the time is over."""
        return self._left_s <= 0

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow one, for as long as there is time."""
        began = trio.current_time()
        with trio.move_on_after(max(0.0, self._left_s)):
            yield
        self._left_s -= trio.current_time() - began


class Outcome(NamedTuple):
    """What became of an Open.

    Attributes:
        source: who serves the track, if it does.
        is_refuted: what the hit said of its holder is not so.
        is_false: what it said of its track is not so; who serves it need not have said that.
    """

    source: tuple[Peer, Opened] | None
    is_refuted: bool = False
    is_false: bool = False


class Holders:
    """Those who are said to hold what one search looks for."""

    def __init__(self, reach: Reach, opener: Opener) -> None:
        """Take how they are met, and what is asked of them."""
        self._reach = reach
        self._opener = opener

    async def open(self, track: FoundTrack, holder: Holder, leads: Leads) -> Outcome:
        """Open a track at one of its holders; a failure is scored."""
        told_by, is_other = leads.told_by, holder.peer_id != leads.told_by.peer_id
        outcome = Outcome(None, is_refuted=True)  # nobody is there
        with leads.followed() if is_other else nullcontext():  # its own silence bounds the other
            peer = await self._meet(holder, told_by) if is_other else told_by
            if peer is not None:
                started = trio.current_time()
                outcome = await self._open_at(peer, track, leads)
        if outcome.source is not None:
            leads.led_somewhere |= not outcome.is_false
            self._reach.learn([holder.record] if is_other else [], outcome.source[0])
            self._reach.on_answer(outcome.source[0], trio.current_time() - started)
        leads.led_nowhere |= outcome.is_refuted or outcome.is_false
        return outcome

    async def _meet(self, holder: Holder, told_by: Peer) -> Peer | None:
        assert holder.record is not None, "it is within reach"
        return await self._reach.holder(holder.record, told_by)

    async def _open_at(self, peer: Peer, track: FoundTrack, leads: Leads) -> Outcome:
        """Open a track at a peer that is said to hold it."""
        from lightpeer.core.rpc.status import StatusCode

        try:
            opened = await self._opener.open_at(peer, track.track_id)
            if peer is leads.told_by:
                _check_said_untrusted(track, opened)
        except RpcError as error:
            if error.code() == StatusCode.NOT_FOUND:  # one of the two was wrong, or the track has just gone
                logger.info("%s does not serve what %s told: %s", peer.name, leads.told_by.name, error)
                return Outcome(None, is_refuted=True)
            gone = {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}
            if peer is leads.told_by and error.code() in gone:
                leads.lost = error
                self._opener.tried.discard(peer.peer_id)  # another address of its may do
            else:
                self._reach.on_error(peer, error)
        except RemoteError as error:
            self._reach.on_error(peer, error)
        else:
            return Outcome((peer, opened), is_false=not track.is_said_by(opened.track))
        return Outcome(None)

    def judge(self, leads: Leads) -> None:
        """Score who told of holders, once nothing more comes of it; raise RpcError if it went away itself."""
        if leads.lost is not None:  # it has answered, but that is no answer to who holds the track
            raise leads.lost
        if leads.led_nowhere and not leads.led_somewhere:
            self._reach.on_hollow_hits(leads.told_by)


def _check_said_untrusted(track: FoundTrack, opened: Opened) -> None:
    """Raise BadMessageError if a peer said of a track that it serves what its manifest does not say."""
    if not track.is_said_by(opened.track):
        raise BadMessageError("a hit that says of its track what the manifest does not")


def accept_with_hit_untrusted(
    opening: Opening, reply: pb.SearchReply, hit: FoundTrack, peer: Peer, opener: Opener
) -> Opened:
    """Return what came opened with its hit; raise RemoteError if it is not sound."""
    opened = opener.accept_untrusted(opening, reply.open, hit.track_id, peer)
    _check_said_untrusted(hit, opened)
    return opened


def within_reach(track: FoundTrack, told_by: Peer) -> list[Holder]:
    """Return the holders of a track that can be asked; who names none holds it itself."""
    from lightpeer.core.search.hits import Holder

    assert told_by.peer_id is not None, "it has answered"
    if not track.holders:
        return [Holder(told_by.peer_id)]
    return [each for each in track.holders if each.record is not None or each.peer_id == told_by.peer_id]
