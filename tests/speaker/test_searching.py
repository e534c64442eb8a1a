"""Searches: answered in time, made once, and told of when they come late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lightpeer.client.models import Hit
from lightpeer.core.mpd.catalogue import Catalogue
from lightpeer.core.mpd.song import Song
from lightpeer.errors import NoPeerError
from lightpeer.speaker.searching import ANSWER_S, LONGEST_S, MAX_SEARCHES, Searches, song_of

HIT = Hit(b"", "loud:x", "T", "A", "B", 9.5, [48], [], 3, 1, 9, "C", 1999)


class Stage:
    """Searches whose answers take a while, and what came of them."""

    def __init__(self, nursery: trio.Nursery, after_s: float, hits: list[Hit] | None) -> None:
        self.catalogue = Catalogue()
        self.asked: list[str] = []
        self.late_at_s: list[float] = []
        self._after_s = after_s
        self._hits = hits
        self.searches = Searches(self._find, self.catalogue, lambda: 100.0, nursery)
        self.searches.on_late = lambda: self.late_at_s.append(trio.current_time())

    async def _find(self, words: str) -> list[Hit]:
        self.asked.append(words)
        await trio.sleep(self._after_s)
        if self._hits is None:
            raise NoPeerError("nobody is there")
        return self._hits

    async def timed(self, words: str = "x") -> float:
        """How long an answer takes."""
        began_s = trio.current_time()
        await self.searches.ask(words)
        return trio.current_time() - began_s


def perform(act: Callable[[Stage], Awaitable[None]], after_s: float, hits: list[Hit] | None) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await act(Stage(nursery, after_s, hits))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_hit_is_a_song():
    assert song_of(HIT) == Song("loud:x", "T", "A", "B", "C", 3, 1, 1999, 9.5)


def test_what_is_found_in_time_is_no_news_to_others():
    async def act(on: Stage) -> None:
        assert await on.timed() == 2.0
        assert [song.uri for song in on.catalogue.hits("x")] == ["loud:x"]
        assert on.late_at_s == []

    perform(act, 2.0, [HIT])


def test_an_answer_does_not_wait_for_what_is_late():
    async def act(on: Stage) -> None:
        assert await on.timed() == ANSWER_S
        assert on.catalogue.hits("x") == []
        await trio.sleep(10.0)
        assert [song.uri for song in on.catalogue.hits("x")] == ["loud:x"]
        assert on.late_at_s == [7.0]

    perform(act, 7.0, [HIT])


def test_late_without_news_is_not_told():
    async def act(on: Stage) -> None:
        on.catalogue.note_search("x", [song_of(HIT)], 1.0)
        await on.timed()
        await trio.sleep(10.0)
        assert on.late_at_s == []

    perform(act, 7.0, [HIT])


def test_the_same_words_are_searched_for_once_at_a_time():
    async def act(on: Stage) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(on.timed)
        assert on.asked == ["x"]
        await on.timed()
        assert on.asked == ["x", "x"]

    perform(act, 2.0, [])


def test_where_nobody_answers_nothing_is_noted():
    async def act(on: Stage) -> None:
        assert await on.timed() == 2.0
        assert on.catalogue.searches == on.late_at_s == []

    perform(act, 2.0, None)


def test_no_search_goes_on_for_ever():
    async def act(on: Stage) -> None:
        await on.timed()
        await trio.sleep(LONGEST_S)
        assert on.catalogue.searches == []
        await on.timed()
        assert on.asked == ["x", "x"]

    perform(act, LONGEST_S * 2, [HIT])


def test_searches_are_bounded():
    async def act(on: Stage) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(MAX_SEARCHES):
                nursery.start_soon(on.timed, f"w{number}")
            await wait_all_tasks_blocked()
            assert await on.timed("more") == 0.0
        assert len(on.asked) == MAX_SEARCHES

    perform(act, 2.0, [])
