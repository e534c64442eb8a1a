"""One search for something to play: what is asked, what is opened, and which of it is chosen."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio

from lightpeer.client.choosing import TRACKS_WANTED, Chooser
from lightpeer.client.holders import Outcome
from lightpeer.client.query import RECORDS_TO_OPEN
from lightpeer.core.search.choice import SECOND_ANSWER_S, Standing
from lightpeer.core.search.head_start import BUSY_BYTES, HEAD_START_S
from lightpeer.core.search.walks import DEFAULT_BUDGET, GREATEST_BUDGET
from lightpeer.errors import HolderAwayError, NoPeerError, RpcError
from tests.core.search.made import PEERS, track
from tests.pair import made_track
from tests.rpc.service import run

SONG = made_track(1, title="Song", artist="Somebody", album="Album").track
SPAM = made_track(1, title="Spam", artist="Nobody", album="Album").track


class FakePeer:
    rtt_s = None

    def __init__(self, number: int) -> None:
        self.number = number
        self.peer_id = PEERS[number].peer_id


class Stage:
    """Peers that answer in turn: each with hits after a while, or an error; and holders that open, or do not.

    A plan says of a holder, by its number, when it opens, and which track; None: never.
    """

    def __init__(self, *answers: object, known: tuple[int, ...] = ()) -> None:
        self.answers = answers
        self.plans: dict[int, tuple[float, object]] = {}
        self.known = {PEERS[number].peer_id for number in known}
        self.received_bytes = 0
        self.asked: list[tuple[int, object]] = []
        self.begun: list[tuple[float, str, int]] = []
        self.judged: list[int] = []
        self.errors: list[int] = []
        self.tried: set[bytes] = set()
        self.chooser = Chooser(self, self, "some song", self)
        self.chooser._holders = self

    is_any_away = False
    opens_with_hit: object = None  # the track that comes with its hit

    def away(self) -> HolderAwayError:
        return HolderAwayError("its holders are away")

    def standing(self, peer_id: bytes) -> Standing:
        return Standing.KNOWN if peer_id in self.known else Standing.STRANGER

    def entropy(self, n: int) -> bytes:
        return b"\1" * n

    async def peers(self, _setbacks, *, all_answered):
        for number in range(len(self.answers)):
            yield FakePeer(number)
        await all_answered()

    def on_error(self, peer, _error, _setbacks) -> None:
        self.errors.append(peer.number)

    def on_silence(self, _peer) -> None:
        """It may answer yet."""

    def warn(self, setbacks) -> None:
        assert setbacks.warning is None

    def nobody(self, _setbacks) -> NoPeerError:
        return NoPeerError("no peer can be reached")

    def begin(self) -> str:
        return "opening"

    def request(self, opening: str) -> str:
        return f"request of {opening}"

    async def replies(self, inquiry, query):
        assert (query.text, query.limit, query.records) == ("some song", TRACKS_WANTED, RECORDS_TO_OPEN)
        assert query.wanted == "request of opening"
        number = inquiry.peer.number
        self.asked.append((number, query.budget))
        answer = self.answers[number]
        if isinstance(answer, Exception):
            raise answer
        inquiry.on_answer()
        for wait_s, *found in answer:
            await trio.sleep(wait_s)
            opens = self.opens_with_hit and bool(found)
            yield (
                found,
                SimpleNamespace(HasField=lambda name, opens=opens: opens and name == "open", open="it"),
            )

    def accept_untrusted(self, opening: str, reply: str, track_id: bytes, peer: FakePeer) -> SimpleNamespace:
        assert (opening, reply, track_id[:4], peer.number) == ("opening", "it", b"Song", 0)
        return SimpleNamespace(track=self.opens_with_hit)

    async def open(self, found, holder, _leads) -> Outcome:
        number = [peer.peer_id for peer in PEERS].index(holder.peer_id)
        self.begun.append((trio.current_time(), found.title, number))
        self.tried.add(holder.peer_id)
        after_s, opened = self.plans.get(number, (0.0, SONG))
        await trio.sleep(after_s)
        if opened is None:
            return Outcome(None, is_refuted=True)
        source = f"peer {number}", SimpleNamespace(track=opened)
        return Outcome(source, is_false=not found.is_said_by(opened))

    def judge(self, leads) -> None:
        self.judged.append(leads.told_by.number)

    async def chosen(self) -> tuple[str | None, float]:
        """Return who serves the track that is chosen, None if none is, and after how long that was known."""
        began_at = trio.current_time()
        source = await self.chooser.run()
        return source and source[0], trio.current_time() - began_at


def test_the_track_of_a_peer_that_the_person_knows_is_played_at_once():
    async def main():
        on = Stage([(0, track("Song", PEERS[1]))], [(0, track("Song", PEERS[2]))], known=(1,))
        assert await on.chosen() == ("peer 1", 0.0)
        assert on.asked == [(0, DEFAULT_BUDGET)]

    run(main)


def test_a_hit_without_holders_is_held_by_the_peer_that_sent_it():
    async def main():
        on = Stage([(0, track("Song"))], known=(0,))
        assert await on.chosen() == ("peer 0", 0.0)

    run(main)


def test_for_a_strangers_track_a_second_answer_is_waited_for_a_moment():
    async def main():
        on = Stage([(0, track("Song", PEERS[1])), (9, track("Song", PEERS[2]))])
        assert await on.chosen() == ("peer 1", SECOND_ANSWER_S)

    run(main)


def test_a_better_track_of_that_answer_is_chosen_though_it_opens_later():
    better = made_track(1, title="Better", artist="Somebody", album="Album").track

    async def main():
        on = Stage([(0, track("Song", PEERS[1])), (0.1, track("Better", PEERS[2]))], known=(2,))
        on.plans[2] = 0.5, better
        assert await on.chosen() == ("peer 2", pytest.approx(0.6))

    run(main)


def test_a_strangers_word_for_its_own_track_is_not_enough_to_ask_nobody_else():
    async def main():
        on = Stage([(0, track("Song"))], [(0, track("Other", PEERS[1]))], known=(1,))
        on.plans[0] = 0.05, SONG
        await on.chosen()
        assert [number for number, _ in on.asked] == [0, 1]

    run(main)


def test_a_holder_that_fails_or_is_silent_is_followed_by_another():
    async def main():
        on = Stage([(0, track("Song", *PEERS[1:4])), (60,)])
        on.plans = {1: (0.0, SONG), 2: (0.2, None), 3: (50.0, SONG)}
        assert (await on.chosen())[0] == "peer 1"
        times = {number: at for at, _, number in on.begun}
        assert times == {2: 0.0, 3: 0.2, 1: pytest.approx(0.2 + HEAD_START_S)}

    run(main)


@pytest.mark.parametrize(("more_bytes", "after_s"), [(BUSY_BYTES, 0.9), (BUSY_BYTES - 1, 0.0)])
def test_a_busy_link_lengthens_the_head_start_of_a_holder(more_bytes, after_s):
    async def main():
        on = Stage([(0, track("Song", *PEERS[1:3])), (60,)])
        on.plans = {1: (0.0, SONG), 2: (50.0, SONG)}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.chosen)
            await trio.sleep(0.9)
            on.received_bytes += more_bytes
            on.chooser._tell()
        assert [number for *_, number in on.begun] == [2, 1]
        assert on.begun[1][0] == pytest.approx(after_s + HEAD_START_S)

    run(main)


@pytest.mark.parametrize(("opened", "is_chosen"), [(SONG, True), (SPAM, False)])
def test_a_track_of_another_name_is_played_only_if_it_fits_the_words(opened, is_chosen):
    """A hit may have named it wrongly, and still have led to what was sought."""
    sought = made_track(1, title="Some Song", artist="Else").track if opened is SONG else opened

    async def main():
        on = Stage([(0, track("Mislabelled", PEERS[1]))])
        on.plans[1] = 0.0, sought
        assert (await on.chosen())[0] == ("peer 1" if is_chosen else None)

    run(main)


def test_a_track_that_comes_with_its_hit_costs_no_other_open():
    async def main():
        on = Stage([(0, track("Song"))], known=(0,))
        on.opens_with_hit = SONG
        peer, opened = await on.chooser.run()
        assert (peer.number, opened.track, on.begun) == (0, SONG, [])
        assert trio.current_time() == 0

    run(main)


def test_one_that_its_hit_contradicts_is_a_lie_of_the_peer_that_sent_both():
    async def main():
        on = Stage([(0, track("Song"))], [(0,)], known=(0,))
        on.opens_with_hit = SPAM
        assert (await on.chosen())[0] is None
        assert on.errors == [0]

    run(main)


def test_nothing_found_is_none_and_everybody_was_asked_as_far_as_it_goes():
    async def main():
        on = Stage([(0,)], [(0,)])
        assert (await on.chosen())[0] is None
        assert on.asked == [(0, DEFAULT_BUDGET), (1, GREATEST_BUDGET)]
        assert on.judged == [0, 1]

    run(main)


def test_where_no_peer_answers_that_is_the_error():
    async def main():
        on = Stage(RpcError(14, "gone"), RpcError(14, "gone"))
        with pytest.raises(NoPeerError):
            await on.chosen()
        assert on.errors == [0, 1]

    run(main)


def test_a_refusal_by_a_peer_that_was_named_counts_though_others_have_nothing():
    async def main():
        on = Stage([(0,)])
        on.chooser._inquiries.setbacks.was_refused = True
        with pytest.raises(NoPeerError):
            await on.chosen()

    run(main)


def test_holders_that_are_away_may_have_it_all_the_same():
    async def main():
        on = Stage([(0, track("Song", PEERS[1]))])
        on.plans[1] = 0.0, None
        on.is_any_away = True
        with pytest.raises(HolderAwayError, match="its holders are away"):
            await on.chosen()

    run(main)
