"""The look for further sources on virtual time: when it waits, when it ends, and what comes of an error."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.core.plan.rules import Fixed
from lightpeer.core.rate.bandwidth import Bandwidth
from lightpeer.core.segments.download import Download
from lightpeer.core.segments.policy import ANY, Policy
from lightpeer.core.segments.shared import Fault
from lightpeer.core.sources.source_search import GONE_LOOKS, GONE_S, LOOK_AGAIN_S, MAX_SOURCES
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.udp.opening import Opened
from lightpeer.download.session import Session
from lightpeer.errors import LightpeerError, NoPeerError, NothingFoundError, StreamFailedError
from tests.core.segments.scripted import names, peer_id
from tests.pair import made_track

MADE = made_track(60)
GONE = Fault("it is gone")
LIE = Fault("false bytes", is_lie=True)


class FakeCall:
    """Answers at once, unless its peer is silent."""

    heard_s = -math.inf

    def __init__(self, peer: FakePeer) -> None:
        self._peer = peer
        self._asked: list[int] = []

    async def send(self, request) -> None:
        self._asked += [wanted.first for wanted in request.ranges]

    async def receive(self):
        if self._peer.is_silent:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        segment = self._asked.pop(0)
        return SimpleNamespace(rendition=0, segment=segment, data=MADE.read(0, segment))

    def take_silence_s(self) -> float:
        return 0.0

    def cancel(self) -> None:
        pass


class FakePeer:
    """A peer that serves the track by calls."""

    rtt_s = burst = None
    is_alive, is_gone = True, False

    def __init__(self, name: str, *, is_silent: bool = False) -> None:
        self.name, self.peer_id = name, peer_id(name)
        self.is_silent = is_silent
        self.holders = 0

    def hold(self) -> None:
        self.holders += 1

    def release(self) -> None:
        self.holders -= 1

    def pull(self) -> FakeCall:
        return FakeCall(self)


class Stage:
    """A session and its looks: at which peers, and what they find."""

    def __init__(self) -> None:
        policy = Policy(Fixed(0), limits=ANY._replace(buffer_bytes=200_000))  # half of the track
        self.download = Download(MADE.track, policy, Bandwidth())
        self.session = Session(self.download, None, self.find)
        self.looks: list[tuple[float, list[bytes]]] = []  # when, and who was left out
        self.found: Sequence[FakePeer] = ()
        self.error: LightpeerError | None = None
        self.ended: list[float] = []
        self.looked: list[dict[str, bool]] = []
        on_looked = self.download.on_looked

        def note(now: float, **flags: bool) -> None:
            self.looked.append(flags)
            on_looked(now, **flags)

        self.download.on_looked = note

    async def find(self, exclude: Collection[PeerId]) -> AsyncGenerator[tuple[FakePeer, Opened], None]:
        self.looks.append((trio.current_time(), sorted(exclude)))
        try:
            for peer in self.found:
                await trio.lowlevel.checkpoint()
                yield peer, Opened(MADE.track, None, ())
            if self.error is not None:
                raise self.error
        finally:
            self.ended.append(trio.current_time())

    @asynccontextmanager
    async def running(self, first: FakePeer | None = None):
        """Stream from a first peer for the length of a block."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.session.run, (first or FakePeer("a"), Opened(MADE.track, None, ())))
            await trio.testing.wait_all_tasks_blocked()
            yield
            nursery.cancel_scope.cancel()

    @property
    def present(self) -> str:
        return names(self.download.sources._sources)

    async def lose_all(self, fault: Fault = GONE) -> None:
        for source in list(self.download.sources._sources):
            now = trio.current_time()
            self.download.on_call_failed(source, source.call.number, fault, now, is_weather=False)
        await self.session._turn()

    def want_more(self) -> None:
        self.download.sources.wants_more = lambda _now: True


def run(main: Callable[[Stage], Awaitable[None]]) -> None:
    async def body() -> None:
        await main(Stage())

    trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))


def peers(who: str, *, are_silent: bool = False) -> list[FakePeer]:
    return [FakePeer(name, is_silent=are_silent) for name in who]


def test_a_look_begins_at_once_and_takes_so_many_and_at_least_one():
    async def main(stage: Stage) -> None:
        stage.want_more()
        stage.found = peers("uvwxyz")
        async with stage.running():
            assert stage.looks == [(0.0, [peer_id("a")])]
            assert stage.present == "auvw"
            assert len(stage.present) == MAX_SOURCES
            assert len(stage.ended) == 1, "nothing more is opened"
            assert stage.looked == [{"has_failed": False, "was_answered": False}]
            await trio.sleep(100.0)
            assert len(stage.looks) == 1, "they suffice"
            stage.found = peers("xyz")
            stage.download.sources.search.begin(trio.current_time())
            stage.session.seek(0)
            await trio.sleep(1.0)
            assert stage.looks[1:] == [(100.0, [peer_id(name) for name in "auvw"])]
            assert stage.present == "auvwx"

    run(main)


def test_after_one_more_source_a_look_waits_until_another_is_of_use():
    async def main(stage: Stage) -> None:
        stage.found = peers("uv", are_silent=True)
        async with stage.running(FakePeer("a", is_silent=True)):
            await trio.sleep(0.9)
            assert stage.present == "au"
            assert stage.ended == []
            await trio.sleep(0.5)
            assert stage.present == "auv", "the first is quiet"
            assert len(stage.looks) == 1

    run(main)


@pytest.mark.parametrize("is_due", [True, False])
def test_a_look_that_waits_gives_way_to_one_that_may_find_those_that_were_lost(is_due: bool):
    async def main(stage: Stage) -> None:
        stage.found = peers("uv")
        async with stage.running():
            await trio.sleep(LOOK_AGAIN_S if is_due else LOOK_AGAIN_S - 1.0)
            assert stage.present == "au"
            stage.found = ()
            lost_at = trio.current_time()
            await stage.lose_all()
            await trio.testing.wait_all_tasks_blocked()
            if is_due:
                assert stage.looks[1:] == [(lost_at, [])], "nobody is left out, as both were useful"
            else:
                assert stage.present == "v", "it goes on, as the next is not due yet"
                assert len(stage.looks) == 1

    run(main)


@pytest.mark.parametrize(
    ("error", "flags"),
    [
        (None, {"has_failed": False, "was_answered": False}),
        (NoPeerError("no network"), {"has_failed": True, "was_answered": False}),
        (NothingFoundError("nobody has it"), {"has_failed": True, "was_answered": True}),
    ],
)
def test_what_a_look_met_is_told(error: LightpeerError | None, flags: dict[str, bool]):
    async def main(stage: Stage) -> None:
        stage.error = error
        async with stage.running():
            assert stage.looked == [flags]
            assert stage.download.failure is None
            assert stage.present == "a", "it goes on"

    run(main)


def test_after_a_look_in_vain_the_next_comes_later_until_one_finds_a_source():
    async def main(stage: Stage) -> None:
        stage.error = NoPeerError("no network")
        async with stage.running():
            await stage.lose_all()
            await trio.sleep(40.0)
            first, second, third = (at for at, _ in stage.looks[1:4])
            assert LOOK_AGAIN_S == first < second - first < third - second
            stage.error, stage.found = None, peers("b")
            await trio.sleep(20.0)
            assert stage.present == "b"
            assert stage.download.sources.search._again_s == LOOK_AGAIN_S

    run(main)


def test_where_peers_answer_again_and_again_that_nobody_has_it_it_has_failed():
    async def main(stage: Stage) -> None:
        async with stage.running():
            stage.error = NothingFoundError("nobody has it")
            await stage.lose_all()
            while await stage.session.next_segment() is not None and stage.session.buffer_s:
                pass
            with pytest.raises(StreamFailedError, match="no peer sends this track any more"):
                await stage.session.next_segment()
            failed_at = trio.current_time()
            assert LOOK_AGAIN_S + GONE_S <= failed_at == stage.ended[-1]
            assert len(stage.looks) > GONE_LOOKS
            stage.found = peers("b")
            await trio.sleep(20.0)
            assert stage.present == "b"
            assert stage.download.failure is None, "one can again"
            assert await stage.session.next_segment() is not None

    run(main)


@pytest.mark.parametrize("error", [NoPeerError("no network"), None])
def test_where_no_peer_answers_it_has_not_failed(error: LightpeerError | None):
    async def main(stage: Stage) -> None:
        stage.error = error
        async with stage.running():
            await stage.lose_all()
            await trio.sleep(2 * GONE_S)
            assert len(stage.looks) > GONE_LOOKS
            assert stage.download.failure is None

    run(main)


@pytest.mark.parametrize(("others", "has_failed"), [("", True), ("b", False)])
def test_where_all_that_offer_it_lie_a_person_is_told_what_to_do(others: str, has_failed: bool):
    async def main(stage: Stage) -> None:
        async with stage.running():
            await stage.lose_all(LIE)
            stage.found, stage.error = peers(others), NothingFoundError("nobody else")
            await trio.sleep(2 * LOOK_AGAIN_S)
            text = "every peer that offers this track sent corrupt data: name other peers with --bootstrap"
            assert stage.download.failure == (text if has_failed else None)
            assert stage.looks[1] == (LOOK_AGAIN_S, [peer_id("a")])

    run(main)


def test_a_peer_that_is_found_after_the_end_is_not_taken():
    async def main(stage: Stage) -> None:
        first, late, is_over = FakePeer("a"), FakePeer("b"), trio.Event()

        async def find(_exclude: Collection[PeerId]) -> AsyncGenerator[tuple[FakePeer, Opened], None]:
            with trio.CancelScope(shield=True):
                await is_over.wait()
            yield late, Opened(MADE.track, None, ())

        stage.session._find_sources = find
        first.release = is_over.set
        async with stage.running(first):
            pass
        assert is_over.is_set()
        assert stage.present == "a"
        assert late.holders == 0

    run(main)
