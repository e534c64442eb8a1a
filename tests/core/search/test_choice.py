"""Which of the tracks that words found is played, on a literal clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightpeer.core.search.choice import (
    BETTER_ANSWER_S,
    GIVEN_TASTE,
    MAX_ATTEMPTS,
    SECOND_ANSWER_S,
    Attempt,
    Choice,
    Standing,
    standing_of,
)
from lightpeer.core.search.head_start import HEAD_START_S, LONGEST_HEAD_START_S
from lightpeer.core.search.hits import FoundTrack, Holder
from lightpeer.core.trust.identity import Identity, PeerId
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted

NOW = 1_750_000_000


def holder(number: int, network: int | None = None) -> Holder:
    """A holder in a network of its own, unless it is given."""
    identity = Identity(number.to_bytes(32, "big"))
    host = f"5.{number if network is None else network}.1.{number}"
    data = build_record(identity, [(host, 1)], Role.SERVES, NOW, NOW + 60)
    return Holder(identity.peer_id, parse_record_untrusted(data, NOW))


ASKED, *HOLDERS = (holder(number) for number in range(1, 13))
SONG = FoundTrack(b"Song".ljust(32), "Song", "Somebody", "", 1000, (24,), ())
SPAM = replace(SONG, track_id=b"Spam".ljust(32))


class Stage:
    """A choice whose hits are told by one peer; of strangers the first is picked."""

    def __init__(self) -> None:
        self.standings: dict[PeerId, Standing] = {}
        self.choice = Choice(lambda peer_id: self.standings.get(peer_id, Standing.STRANGER), self._pick)
        self.picks: list[int] = []

    def _pick(self, n: int) -> int:
        self.picks.append(n)
        return 0

    def add(self, track: FoundTrack, *holders: Holder, now: float = 0.0) -> None:
        self.choice.add(replace(track, holders=holders), ASKED.peer_id, now)

    def begin(self, now: float = 0.0) -> tuple[FoundTrack, Holder]:
        """Begin the next Open; return what and where."""
        self.attempt = self.choice.next_attempt(now)
        assert self.attempt is not None
        return self.attempt.track.track_id, self.attempt.holder

    def open(self, now: float = 0.0) -> Attempt:
        """Begin the next Open, which succeeds."""
        self.begin(now)
        self.choice.on_opened(self.attempt)
        return self.attempt


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_stranger_that_answers_first_is_opened_while_a_second_answer_is_waited_for(stage):
    assert stage.choice.next_attempt(0.0) is None
    assert stage.choice.chosen(0.0) is None
    stage.add(SPAM, HOLDERS[0], now=1.0)
    assert stage.begin(1.0) == (SPAM.track_id, HOLDERS[0])
    assert stage.choice.next_attempt(1.0) is None
    assert stage.choice.due(1.0) == 1.0 + SECOND_ANSWER_S
    stage.choice.on_opened(stage.attempt)
    assert stage.choice.chosen(1.0 + SECOND_ANSWER_S - 0.01) is None
    assert stage.choice.chosen(1.0 + SECOND_ANSWER_S) == stage.attempt
    assert stage.choice.next_attempt(2.0) is None
    assert stage.choice.due(9.0) == float("inf")


def test_whom_one_knows_is_not_waited_with_and_comes_first(stage):
    stage.standings[HOLDERS[1].peer_id] = Standing.KNOWN
    stage.add(SPAM, HOLDERS[0])
    stage.open()
    stage.add(SONG, HOLDERS[1], now=0.1)
    assert stage.choice.chosen(0.1) is None, "it is not open yet"
    assert stage.open(0.1).track.track_id == SONG.track_id
    assert stage.choice.chosen(0.1) == stage.attempt


def test_what_more_networks_hold_comes_first_and_then_what_came_first(stage):
    stage.add(SPAM, HOLDERS[0])
    first = stage.open()
    stage.add(SONG, HOLDERS[1], now=0.05)
    assert stage.choice.chosen(0.05) == first, "a second answer has come, and it is no better"
    stage.add(SONG, HOLDERS[2], now=0.06)
    assert stage.choice.chosen(0.06) is None
    assert stage.open(0.06).track.track_id == SONG.track_id
    assert stage.choice.chosen(0.06) == stage.attempt


def test_one_reply_that_names_many_counts_as_one_and_so_does_one_network(stage):
    stage.add(SPAM, *HOLDERS[:4])
    stage.open()
    assert stage.choice.chosen(0.0) is None
    stage.add(SPAM, replace(holder(9, network=2)), now=0.05)
    near = Stage()
    near.add(SONG, holder(7, network=4))
    near.add(SONG, holder(8, network=4), now=0.05)
    near.open(0.05)
    assert near.choice.chosen(0.05) is None, "two of one network"


def test_whose_music_was_skipped_comes_last_and_is_waited_with_for_longer(stage):
    stage.standings[HOLDERS[0].peer_id] = Standing.SKIPPED
    stage.add(SPAM, HOLDERS[0])
    last = stage.open()
    assert stage.choice.chosen(BETTER_ANSWER_S - 0.01) is None
    stage.add(SONG, HOLDERS[1], now=1.0)
    stage.begin(1.0)
    assert stage.choice.chosen(1.9) is None
    assert stage.choice.chosen(1.0 + HEAD_START_S) == last, "the other one hangs"
    stage.choice.on_opened(stage.attempt)
    assert stage.choice.chosen(1.9) == stage.attempt


def test_a_holder_that_hangs_or_fails_gives_way_to_the_next(stage):
    stage.add(SONG, HOLDERS[0], HOLDERS[1])
    stage.add(SPAM, HOLDERS[2])
    assert stage.begin(0.0) == (SONG.track_id, HOLDERS[0])
    hanging = stage.attempt
    assert stage.choice.is_promising(0.5)
    assert stage.choice.next_attempt(HEAD_START_S - 0.01) is None
    assert not stage.choice.is_promising(HEAD_START_S)
    assert stage.begin(HEAD_START_S) == (SONG.track_id, HOLDERS[1])
    stage.choice.on_failed(stage.attempt, is_refuted=False)
    assert stage.begin(HEAD_START_S) == (SPAM.track_id, HOLDERS[2])
    stage.choice.on_failed(stage.attempt, is_refuted=True)
    assert stage.choice.next_attempt(HEAD_START_S) is None
    assert not stage.choice.is_over
    stage.choice.end()
    stage.choice.on_opened(hanging)
    assert stage.choice.is_over
    assert stage.choice.has_opened
    assert stage.choice.chosen(HEAD_START_S) == hanging


def test_on_a_busy_link_a_head_start_is_longer(stage):
    stage.add(SONG, HOLDERS[0], HOLDERS[1])
    stage.begin(0.0)
    stage.choice.on_busy(0.9)
    assert stage.choice.next_attempt(0.9 + HEAD_START_S - 0.01) is None
    assert stage.begin(0.9 + HEAD_START_S) == (SONG.track_id, HOLDERS[1])


def test_who_does_not_hold_it_takes_what_was_only_said_with_it(stage):
    for number in range(3):
        stage.add(SPAM, HOLDERS[number])
    stage.add(SONG, HOLDERS[3])
    stage.begin()
    stage.choice.on_failed(stage.attempt, is_refuted=True)
    assert stage.begin()[0] == SONG.track_id, "one that nobody has refuted is before it"
    stage.choice.on_failed(stage.attempt, is_refuted=False)
    assert stage.open().track.track_id == SPAM.track_id
    assert [count for count in stage.picks if count > 1] == [3, 2], "any of those that are alike"


def test_a_track_whose_manifest_belies_its_hits_is_out(stage):
    stage.add(SPAM, HOLDERS[0], HOLDERS[1])
    stage.begin()
    first = stage.attempt
    stage.begin(HEAD_START_S)
    stage.choice.on_false(first)
    stage.add(SPAM, HOLDERS[2])
    assert stage.choice.next_attempt(9.0) is None
    stage.choice.on_opened(stage.attempt)
    assert not stage.choice.has_opened


def test_what_came_opened_is_not_opened_again(stage):
    attempt = Attempt(SONG, replace(ASKED, record=None), ASKED.peer_id)
    stage.choice.add_opened(attempt, 0.0)
    stage.add(SONG, ASKED, HOLDERS[0])
    assert stage.choice.next_attempt(0.0) is None
    assert stage.choice.is_self_praise is False, "another is said to hold it"
    assert stage.choice.chosen(0.0) is not None


def test_a_strangers_word_for_itself_is_self_praise(stage):
    stage.add(SONG, ASKED)
    assert stage.choice.is_self_praise
    stage.standings[ASKED.peer_id] = Standing.KNOWN
    assert not stage.choice.is_self_praise


def test_a_holder_whose_connection_was_lost_is_tried_again_when_it_is_told_of_again(stage):
    stage.add(SONG, HOLDERS[0])
    stage.begin()
    stage.choice.on_failed(stage.attempt, is_refuted=False, may_try_again=True)
    assert stage.choice.next_attempt(0.0) is None
    stage.add(SONG, HOLDERS[0])
    stage.begin()
    stage.choice.on_failed(stage.attempt, is_refuted=False)
    stage.add(SONG, HOLDERS[0])
    assert stage.choice.next_attempt(0.0) is None


def test_hits_without_anybody_to_ask_and_too_many_are_left(stage):
    stage.add(SONG)
    assert not stage.choice.is_promising(0.0)
    stage.add(SONG, *HOLDERS)
    for _ in range(MAX_ATTEMPTS):
        stage.begin()
        stage.choice.on_failed(stage.attempt, is_refuted=False)
    assert stage.choice.next_attempt(0.0) is None
    assert not stage.choice.is_promising(0.0)


@pytest.mark.parametrize("end", ["opened", "failed", "refuted", "false"])
def test_a_holder_that_gives_with_its_hit_what_is_being_opened_there_may_end_that_open_too(stage, end):
    """It was asked again, over another connection, while it seemed to be silent."""
    stage.add(SONG, HOLDERS[0])
    stage.begin()
    stage.choice.add_opened(stage.attempt, 0.5)
    match end:
        case "opened":
            stage.choice.on_opened(stage.attempt)
        case "false":
            stage.choice.on_false(stage.attempt)
        case _:
            stage.choice.on_failed(stage.attempt, is_refuted=end == "refuted", may_try_again=True)
    stage.choice.end()
    assert stage.choice.is_over
    assert stage.choice.has_opened == (end != "false")
    assert stage.choice.next_attempt(1.0) is None


def test_a_link_that_is_busy_for_ever_does_not_keep_the_next_holder_out(stage):
    """The holder may itself send just so much."""
    stage.add(SONG, *HOLDERS[:2], now=1.0)
    stage.begin(1.0)
    for tenth in range(10, 200):
        stage.choice.on_busy(tenth / 10)
    assert stage.choice.next_attempt(1.0 + LONGEST_HEAD_START_S - 0.01) is None
    assert stage.choice.next_attempt(1.0 + LONGEST_HEAD_START_S) is not None


@pytest.mark.parametrize(
    ("taste", "was_given", "standing"),
    [
        (0.0, False, Standing.STRANGER),
        (0.5, False, Standing.KNOWN),
        (-0.5, False, Standing.SKIPPED),
        (0.0, True, Standing.KNOWN),
        (-GIVEN_TASTE + 0.5, True, Standing.KNOWN),
        (-GIVEN_TASTE - 0.5, True, Standing.SKIPPED),
    ],
)
def test_a_holder_stands_by_what_was_listened_to_and_by_the_persons_word(taste, was_given, standing):
    assert standing_of(taste, was_given=was_given) == standing
