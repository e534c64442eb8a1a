"""Opening what is due: with what is known of the link, for how long, and what is made of each failure."""

from __future__ import annotations

import math
from collections import deque
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.client.start import INLINE_BYTES
from lightpeer.client.stream import BUFFER_BYTES
from lightpeer.core.segments.retries import ANSWERS, LONGEST_S
from lightpeer.core.segments.skips import LEAST_INLINE_BYTES, SETTLED_S
from lightpeer.errors import (
    HolderAwayError,
    NoPeerError,
    NothingFoundError,
)
from lightpeer.playback.deck import first_segment
from lightpeer.playback.events import SourceLost
from lightpeer.playback.listener import LISTENED_S, SKIPPED_S
from lightpeer.playback.opener import OPENING_BYTES
from tests.pair import made_track
from tests.playback.steps import PIECE_S, FakeDeck, FakeSession, Stage, titles


def test_a_session_is_given_all_that_it_needs(run):
    async def main(on: Stage) -> None:
        await on.player.play(["one"], start_s=10.0)
        (session,) = FakeSession.made
        network, find = session.given
        assert network is on.client.network
        download = session.download
        assert download.buffer.most_bytes == BUFFER_BYTES
        bandwidth = download.bandwidth
        assert bandwidth is on.player._engine.decks.opener.bandwidth
        assert bandwidth.rate_bytes_per_s == 7_000.0, "what is remembered of the network"
        assert callable(find)
        callbacks = session.callbacks
        assert (callbacks.on_lie, callbacks.on_served) == ("on_lie", "on_served")
        callbacks.on_event(SourceLost("Lx", "it is gone"))
        assert on.events[-1] == SourceLost("Lx", "it is gone")
        assert session.cursor == first_segment(10.0)
        assert on.client.opened == [(0.0, "one", INLINE_BYTES, first_segment(10.0))]

    run(main)


def test_the_latest_rate_counts_for_the_next_track_and_is_noted_at_the_end(run):
    async def main(on: Stage) -> None:
        def measure() -> None:
            on.player._engine.decks.opener.bandwidth.on_streamed(55_000, 0.0, 1.0)

        FakeDeck.script["one"] = [1, measure]
        await on.player.play(["one", "two"])
        one, two = FakeSession.made
        assert one.download.bandwidth is two.download.bandwidth
        assert on.client.noted == [(on.client.peer, 55_000.0)]

    run(main, {})


def test_where_nothing_is_remembered_a_later_track_looks_again(run):
    async def main(on: Stage) -> None:
        def learn() -> None:
            on.client.remembered = 9_000.0
            on.player.next()

        on.client.remembered = 0.0
        FakeDeck.script["one"] = [1, learn]
        await on.player.play(["one", "two"])
        one, two = FakeSession.made
        assert one.download.bandwidth.rate_bytes_per_s == 0.0
        assert two.download.bandwidth.rate_bytes_per_s == 9_000.0

    run(main, {})


def test_how_the_first_reply_came_tells_the_rate(run):
    async def main(on: Stage) -> None:
        on.client.peer.burst = SimpleNamespace(rate_bytes_per_s=33_000.0)
        await on.player.play(["one"])
        assert FakeSession.made[0].download.bandwidth.rate_bytes_per_s == 33_000.0

    run(main)


def test_skips_that_belong_together_open_one_track_when_they_are_over(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [4, on.player.next, 9]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two", "three", "four"])
            await trio.sleep(2.25)  # the second is being played
            assert on.player.status.title == "two"
            on.player.next()
            await trio.testing.wait_all_tasks_blocked()
            assert on.player.status.state == "opening"
            await trio.sleep(0.1)
            on.player.next()
        assert [item for _, item, *_ in on.client.opened] == ["one", "two", "four"]
        assert on.client.opened[1][0] == 2.0, "at once"
        assert on.client.opened[2][0] == pytest.approx(2.35 + SETTLED_S)
        assert on.client.opened[0][2] == INLINE_BYTES
        assert on.client.opened[2][2] == max(LEAST_INLINE_BYTES, 3500), "half a second of the link"
        assert on.sink.pieces == 4 + 1 + 3
        assert len({session.download.bandwidth for session in FakeSession.made}) == 1, (
            "what is known of the link is kept"
        )

    run(main, {})


def test_a_next_track_that_cannot_be_opened_yet_is_told_of_when_it_is_due(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NothingFoundError("nothing")] * 2 * ANSWERS)

        def fetched() -> None:
            FakeSession.made[0].fetched.set()

        FakeDeck.script["one"] = [1, fetched, 40]
        await on.player.play(["one", "two", "three"])
        assert len([item for _, item, *_ in on.client.opened if item == "two"]) == 2 * ANSWERS
        assert on.kinds().count("waiting") == 1
        assert on.told("warning") == [{"message": "nothing"}]
        assert [told["title"] for told in on.told("playing")] == ["one", "three"]
        opening = [told["item"] for told in on.told("opening")]
        assert opening == ["one", "two"], "the third was opened ahead"

    run(main, {})


def test_a_network_that_is_away_is_waited_for_and_that_is_told_once(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NoPeerError("no network")] * 4)
        on.client.takes_s = 0.25
        await on.player.play(["one", "two"])
        times = [at for at, item, *_ in on.client.opened if item == "two"]
        # Each time later, of which the try itself is a part.
        assert times == [1.75, 3.0, 5.0, 9.0, 17.0]
        assert on.told("waiting") == [
            {"since_s": 0.0, "reason": "no network", "next_try_s": 1.0},
        ]
        assert on.told("resumed") == [{"after_s": 15.25}]
        assert on.told("warning") == []
        assert [told["title"] for told in on.told("playing")] == ["one", "two"]

    run(main)


def test_a_first_contact_is_waited_for_so_long_and_no_longer(run):
    async def main(on: Stage) -> None:
        on.client.errors["one"] = deque([NoPeerError("no network")] * 5)
        with pytest.raises(NoPeerError, match=r"^no network$"):
            await on.player.play(["one", "two"])
        assert [at for at, *_ in on.client.opened] == [0.0, 1.0, 3.0, 7.0, 15.0]
        assert on.kinds() == ["opening", "waiting"]
        on.client.errors["one"] = deque([NoPeerError("no network")])
        await on.player.play(["one"])
        assert on.client.opened[-1][0] == 16.0, "who plays again has the whole wait again"

    run(main)


def test_a_speaker_waits_for_its_first_contact_for_ever(run):
    async def main(on: Stage) -> None:
        on.client.errors["one"] = deque([NoPeerError("none is known", may_pass=False)] * 100)
        await on.player.play(["one"])
        assert on.client.opened[-1][0] == 1 + 2 + 4 + 8 + 96 * LONGEST_S
        assert on.kinds() == ["opening", "waiting", "playing", "resumed", "ended"]

    run(main, first_contact_wait_s=math.inf)


def test_where_no_peer_is_known_waiting_is_pointless(run):
    async def main(on: Stage) -> None:
        on.client.errors["one"] = deque([NoPeerError("none is known", may_pass=False)])
        with pytest.raises(NoPeerError, match=r"^none is known$"):
            await on.player.play(["one"])
        assert on.kinds() == ["opening"]

    run(main)


@pytest.mark.parametrize(("bytes_come", "ends_at_s"), [(False, 15.0), (True, 40.0)])
def test_a_first_try_that_hangs_is_ended_unless_something_comes(run, bytes_come, ends_at_s):
    async def main(on: Stage) -> None:
        on.client.takes_s = 40.0
        if bytes_come:
            on.player._engine.decks.opener.contact._received_bytes = trio.current_time
        on.client.errors["one"] = deque([NoPeerError("at last")])
        with pytest.raises(NoPeerError, match="at last" if bytes_come else "no peer can be reached"):
            await on.player.play(["one"])
        assert trio.current_time() == ends_at_s

    run(main)


def test_what_peers_answer_again_and_again_is_believed(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NothingFoundError("gone")] * 2 * ANSWERS)
        await on.player.play(["one", "two", "three"])
        times = [at for at, item, *_ in on.client.opened if item == "two"]
        assert times == [1.5, 2.5, 4.5, 8.5, 8.5, 9.5, 11.5, 15.5], "ahead, and when it is due"
        assert on.told("warning") == [{"message": "gone"}]
        assert on.told("waiting") == [{"since_s": 0.0, "reason": "gone", "next_try_s": 1.0}]

    run(main)


def test_whom_words_led_to_is_judged_once_by_what_the_listener_makes_of_it(run):
    async def main(on: Stage) -> None:
        id_alone = made_track(60, title="by its id").track
        skips = [1, on.player.next, 9]
        FakeDeck.script |= {
            "skipped": list(skips),
            "heard": [round(LISTENED_S / PIECE_S), lambda: judged.append(list(on.client.judged)), *skips],
            "left later": [round(SKIPPED_S / PIECE_S) + 1, on.player.next, 9],
            id_alone.track_id.hex(): list(skips),
        }
        judged: list[list[object]] = []
        items = ["skipped", "heard", "left later", id_alone.uri, "short"]
        await on.player.play(items)
        peer = on.client.peer
        assert judged == [[("skipped", peer), ("listened", peer)]]
        assert on.client.judged == judged[0]

    run(main, {})


def test_what_holds_up_a_turn_is_known_until_it_is_open(run):
    async def main(on: Stage) -> None:
        opener = on.player._engine.decks.opener
        on.client.errors["two"] = deque([NothingFoundError("nobody has it")])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two"])
            await trio.sleep(1.75)
            this, (following,) = on.player.queue.turn, on.player.queue.following(1)
            assert opener.setback(following) == "nobody has it"
            assert opener.setback(this) == "", "it is of one turn alone"
            await trio.sleep(1)
            assert opener.setback(following) == ""

    run(main)


def test_others_are_left_until_each_entry_was_missed(run):
    async def main(on: Stage) -> None:
        queue, opener = on.player.queue, on.player._engine.decks.opener
        queue.add(["one", "two", "three"])
        queue.start()
        turn = queue.turn
        assert opener.has_others(turn)
        opener.missed.add(2)
        assert opener.has_others(turn)
        opener.missed.add(3)
        assert not opener.has_others(turn)
        queue.delete([3])
        assert not opener.has_others(turn), "one that is gone is no other"
        queue.add(["four"])
        assert opener.has_others(turn)

    run(main)


def test_what_is_due_begins_with_sound_and_what_is_ahead_with_little(run):
    async def main(on: Stage) -> None:
        def fetched() -> None:
            FakeSession.made[0].fetched.set()

        FakeDeck.script["one"] = [2, fetched, 4]
        await on.player.play(["one", "two"])
        assert [(item, inline) for _, item, inline, _ in on.client.opened] == [
            ("one", INLINE_BYTES),
            ("two", OPENING_BYTES),
        ]

    run(main, {})


@pytest.mark.parametrize("is_lasting", [False, True])
def test_holders_that_are_away_are_nothing_found_where_another_track_follows(run, is_lasting):
    async def main(on: Stage) -> None:
        times = 99 if is_lasting else 1
        on.client.errors["two"] = deque([HolderAwayError("its holder is away")] * times)
        await on.player.play(["one", "two", "three"])
        assert titles(on) == ["one", "three"] if is_lasting else ["one", "two", "three"]
        told = on.told("warning")
        assert told == [{"message": "its holder is away"}] * is_lasting

    run(main)


def test_the_last_track_is_waited_for_though_its_holders_are_away(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([HolderAwayError("its holder is away")] * 20)
        await on.player.play(["one", "two"])
        assert titles(on) == ["one", "two"]
        assert len([item for _, item, *_ in on.client.opened if item == "two"]) == 21

    run(main)
