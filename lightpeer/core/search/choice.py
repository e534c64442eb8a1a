"""The choice of the track to play, of those that words find, and of the holder to open it at.

A track can be published under any title, and a liar answers first. So where the first holder is a stranger, a
second answer is waited for. That takes a moment, while the first track is being opened. Then these count, in
this order:

- The standing of the holders: those that were listened to, before strangers, before those whose music was
  skipped at once.
- The number of networks in which the track is held, as far as that many replies said so. Once an alleged
  holder turns out not to hold it, only a successful Open counts.
- The order of the hits, as the asked peer put the best first.

Holders get head starts: the next is tried once one has failed, or has been silent for a second, unless the
link is busy. Of several strangers that are said to hold a track, the next is picked at random, so that an
invented holder is found out as often as not.

A hit that the track's manifest contradicts is dropped, and so is the track, as its title is in its manifest.

Call order: `add` for each hit, `add_opened` for one that came with its track opened. `next_attempt` returns
an Open to make; report its outcome by `on_opened`, `on_failed` or `on_false`. Ask for `chosen` after each of
these, at `due`, and after `end`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.search.head_start import HEAD_START_S, LONGEST_HEAD_START_S
from lightpeer.core.search.hits import group_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.core.search.hits import FoundTrack, Holder
    from lightpeer.core.trust.identity import PeerId

SECOND_ANSWER_S: Final = 0.15  # if the first holder is a stranger: some hops of a walk
BETTER_ANSWER_S: Final = 1.5  # if its music was skipped before: about a walk
GIVEN_TASTE: Final = 2.5  # a peer that the person named counts as so many tracks listened to
MAX_ATTEMPTS: Final = 8  # Opens of one search: each is a connection to a stranger


class Standing(IntEnum):
    """The standing of a holder."""

    SKIPPED = 0  # its tracks were skipped at once more often than listened to
    STRANGER = 1
    KNOWN = 2  # the person named it, or listened to its tracks


def standing_of(taste: float, *, was_given: bool) -> Standing:
    """Return a holder's standing.

    Args:
        taste: how many more of its tracks were listened to than skipped at once.
        was_given: whether the person named it.
    """
    taste += GIVEN_TASTE if was_given else 0.0
    if taste < 0:
        return Standing.SKIPPED
    return Standing.KNOWN if taste > 0 else Standing.STRANGER


class Attempt(NamedTuple):
    """An Open: a track, one of its alleged holders, and the peer that said so."""

    track: FoundTrack
    holder: Holder
    told_by: PeerId

    @property
    def key(self) -> tuple[bytes, PeerId]:
        """Its identity: the track and the holder, whichever peer said so."""
        return self.track.track_id, self.holder.peer_id


@dataclass(slots=True)
class _Claim:
    """A claim that a peer holds a track."""

    attempt: Attempt
    group: str  # the holder's network
    is_open: bool = False


@dataclass(slots=True)
class _Candidate:
    """A track that was found."""

    replies: int = 0  # with a hit for it
    was_refuted: bool = False  # an alleged holder does not hold it
    claims: dict[PeerId, _Claim] = field(default_factory=dict)  # those that have not failed

    @property
    def opened(self) -> Attempt | None:
        """The successful Open, if there is one."""
        return next((claim.attempt for claim in self.claims.values() if claim.is_open), None)

    @property
    def networks(self) -> int:
        """The number of networks in which it is held, as far as that is believed."""
        if self.was_refuted:
            return int(self.opened is not None)
        return min(self.replies, len({claim.group for claim in self.claims.values()}))


class Choice:
    """The hits of one search by words, from all peers that were asked."""

    def __init__(self, standing: Callable[[PeerId], Standing], pick: Callable[[int], int]) -> None:
        """Choose nothing yet; `standing` judges a holder, `pick(n)` returns a random number below n."""
        self._standing = standing
        self._pick = pick
        self._candidates: dict[bytes, _Candidate] = {}
        self._tried: set[tuple[bytes, PeerId]] = set()
        self._attempts = 0
        self._under_way: dict[tuple[bytes, PeerId], float] = {}  # when its head start began
        self._began_at: dict[tuple[bytes, PeerId], float] = {}  # when it began itself
        self._false: set[bytes] = set()  # tracks whose manifests contradict a hit
        self._found_at = math.inf  # the first hit
        self._has_ended = False

    def add(self, track: FoundTrack, told_by: PeerId, now: float) -> None:
        """Add a hit of a reply.

        Args:
            track: the track, with those of its holders that can be reached.
            told_by: the peer that sent the reply.
            now: the time in seconds.
        """
        if track.track_id in self._false or not track.holders:
            return
        self._found_at = min(self._found_at, now)
        candidate = self._candidates.setdefault(track.track_id, _Candidate())
        candidate.replies += 1
        for holder in track.holders:
            attempt = Attempt(track, holder, told_by)
            if attempt.key not in self._tried:
                candidate.claims.setdefault(holder.peer_id, _Claim(attempt, group_of(holder)))

    def add_opened(self, attempt: Attempt, now: float) -> None:
        """Add a hit that came with its track opened, by the peer that sent it."""
        self.add(replace(attempt.track, holders=(attempt.holder,)), attempt.told_by, now)
        self._begin(attempt, now)
        self.on_opened(attempt)

    def end(self) -> None:
        """Note that no more hits will come."""
        self._has_ended = True

    # Opening.

    def next_attempt(self, now: float) -> Attempt | None:
        """Return an Open to make now, if any; it counts as under way."""
        for candidate in self._ranked():
            if candidate.opened is not None or self._has_head_start(candidate, now):
                return None
            if untried := self._untried(candidate):
                attempt = self._one_of_the_best(untried)
                self._begin(attempt, now)
                return attempt
        return None

    def _begin(self, attempt: Attempt, now: float) -> None:
        self._attempts += 1
        self._tried.add(attempt.key)
        self._under_way[attempt.key] = self._began_at[attempt.key] = now

    def on_busy(self, now: float) -> None:
        """Note that many bytes have come recently: Opens under way may wait behind them.

        Their head starts begin anew, up to a bound, since a holder could send just enough to keep others
        away.
        """
        for key in self._under_way:
            latest = self._began_at[key] + LONGEST_HEAD_START_S - HEAD_START_S
            self._under_way[key] = max(self._under_way[key], min(now, latest))

    def on_opened(self, attempt: Attempt) -> None:
        """Note that an Open succeeded, so its peer does hold the track.

        The same Open may succeed twice: a peer that is asked again meanwhile can send it with its hit.
        """
        self._under_way.pop(attempt.key, None)
        claim = self._candidates[attempt.track.track_id].claims.get(attempt.holder.peer_id)
        if claim is not None:
            claim.is_open = True

    def on_failed(self, attempt: Attempt, *, is_refuted: bool, may_try_again: bool = False) -> None:
        """Note that an Open failed.

        Args:
            attempt: the Open.
            is_refuted: whether its holder is not there, or does not have the track.
            may_try_again: whether it may be tried again once another hit names it.
        """
        self._under_way.pop(attempt.key, None)
        candidate = self._candidates[attempt.track.track_id]
        claim = candidate.claims.get(attempt.holder.peer_id)
        if claim is not None and claim.is_open:  # meanwhile, by its hit
            return
        if may_try_again:
            self._tried.discard(attempt.key)
        candidate.claims.pop(attempt.holder.peer_id, None)
        candidate.was_refuted |= is_refuted

    def on_false(self, attempt: Attempt) -> None:
        """Note that an Open brought a manifest that contradicts the hit, and does not fit the query."""
        self._under_way.pop(attempt.key, None)
        self._false.add(attempt.track.track_id)
        self._candidates[attempt.track.track_id].claims.clear()

    # Choosing.

    def chosen(self, now: float) -> Attempt | None:
        """Return the Open whose track is to be played, once there is nothing better to wait for."""
        for candidate in self._ranked():
            if candidate.opened is not None:
                return candidate.opened if self._is_settled(candidate, now) else None
            if self._has_head_start(candidate, now) or self._untried(candidate):
                return None
        return None

    @property
    def has_opened(self) -> bool:
        """Whether there is something to play."""
        return any(candidate.opened is not None for candidate in self._candidates.values())

    def is_promising(self, now: float) -> bool:
        """Return whether a known track may soon be open: there is more to try, and no Open hangs."""
        if any(now >= since + HEAD_START_S for since in self._under_way.values()):
            return False
        return bool(self._under_way) or any(map(self._untried, self._candidates.values()))

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and nothing more will come."""
        return self._has_ended and not self._under_way

    @property
    def is_self_praise(self) -> bool:
        """Whether only strangers answered, each with its own tracks."""
        claims = [claim.attempt for each in self._candidates.values() for claim in each.claims.values()]
        return all(
            claim.told_by == claim.holder.peer_id and self._standing(claim.told_by) < Standing.KNOWN
            for claim in claims
        )

    def due(self, now: float) -> float:
        """Return when the result of `next_attempt` or `chosen` may change though nothing has happened."""
        times = [since + HEAD_START_S for since in self._under_way.values()]
        times += [self._found_at + SECOND_ANSWER_S, self._found_at + BETTER_ANSWER_S]
        return min((time for time in times if time > now), default=math.inf)

    def _ranked(self) -> list[_Candidate]:
        found = [candidate for candidate in self._candidates.values() if candidate.claims]
        return sorted(found, key=lambda each: (-self._best_standing(each), -each.networks))

    def _best_standing(self, candidate: _Candidate) -> Standing:
        return max(map(self._standing, candidate.claims))

    def _is_settled(self, candidate: _Candidate, now: float) -> bool:
        """Return whether a candidate that is open need not wait for a second answer."""
        standing = self._best_standing(candidate)
        if self._has_ended or standing == Standing.KNOWN:
            return True
        if standing == Standing.SKIPPED:
            return now >= self._found_at + BETTER_ANSWER_S
        groups = {claim.group for each in self._candidates.values() for claim in each.claims.values()}
        answers = min(len(groups), sum(each.replies for each in self._candidates.values()))
        return answers > 1 or now >= self._found_at + SECOND_ANSWER_S

    def _has_head_start(self, candidate: _Candidate, now: float) -> bool:
        """Return whether one of a candidate's holders is being asked and still has its head start."""
        began = (self._under_way.get(claim.attempt.key, -math.inf) for claim in candidate.claims.values())
        return now < max(began) + HEAD_START_S

    def _untried(self, candidate: _Candidate) -> list[Attempt]:
        if self._attempts >= MAX_ATTEMPTS:
            return []
        attempts = [claim.attempt for claim in candidate.claims.values()]
        return [attempt for attempt in attempts if attempt.key not in self._tried]

    def _one_of_the_best(self, attempts: list[Attempt]) -> Attempt:
        standings = [self._standing(attempt.holder.peer_id) for attempt in attempts]
        best = [a for a, standing in zip(attempts, standings, strict=True) if standing == max(standings)]
        return best[self._pick(len(best))]
