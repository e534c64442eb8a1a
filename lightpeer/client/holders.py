"""Opens a track at its alleged holders, and judges the peers that named them.

A hit is hearsay. A peer that names holders that are not there, or hold nothing, is scored down a little, once
a search, since it may have been told so itself. A peer that serves a track under another name than its own
hit said has lied.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from lightpeer.errors import BadMessageError, HolderAwayError, RemoteError, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.client.reach import Reach
    from lightpeer.core.search.hits import FoundTrack, Holder
    from lightpeer.core.udp.opening import Opened, Opening
    from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
    from lightpeer.peering.opener import Opener
    from lightpeer.peering.peer import Peer

logger = logging.getLogger(__name__)

HOLDERS_S: Final = 15.0  # for the holders that one peer names: a silent one, and time for another


class Leads:
    """The hits of one peer that is asked, and whether they lead anywhere.

    Attributes:
        told_by: the peer.
        led_somewhere: one of them led to a source.
        led_nowhere: one of them did not.
        lost: the error with which the peer itself went away, before it opened a track that it holds.
    """

    def __init__(self, told_by: Peer) -> None:
        self.told_by = told_by
        self.led_somewhere = False
        self.led_nowhere = False
        self.lost: RpcError | None = None
        self._left_s = HOLDERS_S

    @property
    def are_used_up(self) -> bool:
        """Whether the time for following them is over."""
        return self._left_s <= 0

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow one of them for the length of a block, which is cancelled when the time is over."""
        began = trio.current_time()
        with trio.move_on_after(max(0.0, self._left_s)):
            yield
        self._left_s -= trio.current_time() - began


class Outcome(NamedTuple):
    """The outcome of an Open.

    Attributes:
        source: the peer that serves the track, and the Open; None if it failed.
        is_refuted: the hit was wrong about its holder.
        is_false: the hit was wrong about its track, which is not its holder's fault.
        is_away: the holder cannot be reached now, and may have the track all the same.
    """

    source: tuple[Peer, Opened] | None
    is_refuted: bool = False
    is_false: bool = False
    is_away: bool = False


class Holders:
    """The alleged holders of the tracks that one search looks for.

    Attributes:
        is_any_away: whether one of them could not be reached, and so has not said whether it has the track.
    """

    def __init__(self, reach: Reach, opener: Opener) -> None:
        """Open nothing yet; `reach` connects to holders, `opener` opens a track at one."""
        self._reach = reach
        self._opener = opener
        self.is_any_away = False

    @staticmethod
    def away() -> HolderAwayError:
        """Return the error that says so."""
        return HolderAwayError("no peer that is said to hold this can be reached: try again later")

    async def open(self, track: FoundTrack, holder: Holder, leads: Leads) -> Outcome:
        """Open a track at one of its holders, and score a failure.

        Args:
            track: the track, as a hit describes it.
            holder: the holder to try.
            leads: the hits of the peer that named it.
        """
        told_by, is_other = leads.told_by, holder.peer_id != leads.told_by.peer_id
        outcome = Outcome(None, is_refuted=True, is_away=True)  # until the holder is met
        with leads.followed() if is_other else nullcontext():  # the asked peer has its own time
            peer = await self._meet(holder, told_by) if is_other else told_by
            if peer is not None:
                started = trio.current_time()
                outcome = await self._open_at(peer, track, leads)
        if outcome.source is not None:
            leads.led_somewhere |= not outcome.is_false
            self._reach.scores.learn([holder.record] if is_other else [], outcome.source[0])
            self._reach.scores.on_answer(outcome.source[0], trio.current_time() - started)
        self.is_any_away |= outcome.is_away
        leads.led_nowhere |= outcome.is_refuted or outcome.is_false
        return outcome

    async def _meet(self, holder: Holder, told_by: Peer) -> Peer | None:
        assert holder.record is not None, "it is within reach"
        return await self._reach.holder(holder.record, told_by)

    async def _open_at(self, peer: Peer, track: FoundTrack, leads: Leads) -> Outcome:
        """Open a track at a connected peer."""
        from lightpeer.core.rpc.status import StatusCode

        try:
            opened = await self._opener.open_at(peer, track.track_id)
            if peer is leads.told_by:
                _check_said_untrusted(track, opened)
        except RpcError as error:
            if error.code() == StatusCode.NOT_FOUND:  # one of the two is wrong, or the track has just gone
                logger.info("%s does not serve what %s told: %s", peer.name, leads.told_by.name, error)
                return Outcome(None, is_refuted=True)
            gone = {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}
            is_away = error.code() in gone
            if peer is leads.told_by and is_away:
                leads.lost = error
                self._opener.tried.discard(peer.peer_id)  # at another address it may be reached
            else:
                self._reach.on_error(peer, error)
            return Outcome(None, is_away=is_away)
        except RemoteError as error:
            self._reach.on_error(peer, error)
        else:
            return Outcome((peer, opened), is_false=not track.is_said_by(opened.track))
        return Outcome(None)

    def judge(self, leads: Leads) -> None:
        """Score the peer that named holders, once that leads no further; raise RpcError if it went away."""
        if leads.lost is not None:  # it did answer, but its answer is of no use any more
            raise leads.lost
        if leads.led_nowhere and not leads.led_somewhere:
            self._reach.scores.on_failure(leads.told_by.peer_id)


def _check_said_untrusted(track: FoundTrack, opened: Opened) -> None:
    """Raise BadMessageError if a hit for a track and the track's own manifest differ."""
    if not track.is_said_by(opened.track):
        raise BadMessageError("a hit that the track's manifest contradicts")


def accept_with_hit_untrusted(
    opening: Opening, reply: pb.SearchReply, hit: FoundTrack, peer: Peer, opener: Opener
) -> Opened:
    """Return a track that came opened with its hit.

    Args:
        opening: the exchange that was begun for it.
        reply: the reply that brought both.
        hit: the hit.
        peer: the peer that replied.
        opener: what checks the Open.

    Raises:
        RemoteError: the Open is not sound, or the hit contradicts the manifest.
    """
    opened = opener.accept_untrusted(opening, reply.open, hit.track_id, peer)
    _check_said_untrusted(hit, opened)
    return opened


def within_reach(track: FoundTrack, told_by: Peer) -> list[Holder]:
    """Return the holders of a track that can be reached; a hit without any means the peer that sent it."""
    from lightpeer.core.search.hits import Holder

    assert told_by.peer_id is not None, "it has answered"
    if not track.holders:
        return [Holder(told_by.peer_id)]
    return [each for each in track.holders if each.record is not None or each.peer_id == told_by.peer_id]
