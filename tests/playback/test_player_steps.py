"""The player step by step on virtual time: what it opens, decodes, tells and closes, and when.

The client, the sessions, the decks and the sink here do what they are told; the player alone is real.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.cli.events import fields_of, name_of
from lightpeer.client import stream
from lightpeer.client.start import INLINE_BYTES, Start
from lightpeer.client.stream import BUFFER_BYTES
from lightpeer.config import Settings
from lightpeer.core.content.manifest import MAX_SEGMENTS, SAMPLE_RATE, Rendition
from lightpeer.core.queue.modes import Modes, Switch
from lightpeer.core.segments.download import Download
from lightpeer.core.segments.retries import ANSWERS, LONGEST_S
from lightpeer.core.segments.skips import LEAST_INLINE_BYTES, SETTLED_S
from lightpeer.download.session import Callbacks
from lightpeer.errors import (
    AudioError,
    NoPeerError,
    NothingFoundError,
    StateMisuseError,
    StreamFailedError,
    UsageError,
)
from lightpeer.playback import opener, sound
from lightpeer.playback.deck import first_segment
from lightpeer.playback.events import NotPlayed, PlayerEvent, Rebuffering, Resumed, Slowed, SourceLost
from lightpeer.playback.listener import LISTENED_S, SKIPPED_S
from lightpeer.playback.player import RESTART_AFTER_S, Player
from lightpeer.playback.sound import MAX_VOLUME_DB, MIN_VOLUME_DB
from lightpeer.playback.status import Status
from tests.client.nothing_kept import NothingKept
from tests.pair import made_track

PIECE_S = 0.5
IDLE = Status(used_mb=0.011)
PIECE = bytes(round(PIECE_S * SAMPLE_RATE) * 4)


class FakeSession:
    made: list[FakeSession]

    def __init__(self, download: Download, network: object, find: object, callbacks: Callbacks) -> None:
        self.download, self.given, self.callbacks = download, (network, find), callbacks
        self.track, self.cursor = download.track, 0
        self.playout = download.playout
        self.playout.playing = True
        self.buffer_s, self.source_count, self.transport = 12.5, 2, "udp"
        self.stats = SimpleNamespace(
            audio_bytes=100,
            fetched_bytes=100,
            kept_bytes=0,
            replaced_bytes=0,
            switches=0,
            fetching_s=1.0,
            segments=1,
            bitrate_seconds=48.0,
            retransmitted_units=0,
            duplicate_units=0,
            sources=1,
            transports={"udp"},
        )
        self.fetched = trio.Event()
        self.silent_since: float | None = None
        FakeSession.made.append(self)

    @property
    def complete(self) -> bool:
        return self.fetched.is_set()

    def release(self) -> None:
        self.download.buffer.is_held = False

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        await self.fetched.wait()
        assert is_so()

    def seek(self, segment: int) -> None:
        self.cursor = segment


class FakeDeck:
    """Gives pieces of half a second, does what is among them, and raises what is an error; three at first."""

    made: list[FakeDeck]
    script: dict[str, list[object]]
    on_seek: Callable[[], None]

    def __init__(self, session: FakeSession) -> None:
        self.session, self.track = session, session.track
        self.started = False
        self.in_hand_s = 0.25
        self.channels = 2
        self.position_s = 0.0
        self.rendition = Rendition(48_510, b"", ())
        self.log: list[object] = []
        self.todo = deque(FakeDeck.script.pop(self.track.title, [3]))
        FakeDeck.made.append(self)

    async def run(self, *given: object) -> None:
        self.log.append(("run", *given))

    def load(self, *, gain_q8_db: int, channels: int | None) -> None:
        self.log.append(("load", gain_q8_db, channels))

    def set_gain(self, gain_q8_db: int) -> None:
        self.log.append(("gain", gain_q8_db))

    async def next_piece(self) -> bytes | None:
        await trio.lowlevel.checkpoint()
        while self.todo:
            match self.todo[0]:
                case int(left) if left > 0:
                    self.todo[0] = left - 1
                    self.position_s += PIECE_S
                    return PIECE
                case int():
                    self.todo.popleft()
                case Exception() as error:
                    raise error
                case act:
                    self.todo.popleft()
                    act()
                    await trio.lowlevel.checkpoint()
        self.session.fetched.set()
        return None

    @property
    def has_plenty(self) -> bool:
        return self.session.complete

    def is_at(self, position_s: float) -> bool:
        return self.position_s == position_s and (self.started or not self.session.cursor)

    def seek(self, position_s: float) -> None:
        self.log.append(("seek", position_s))
        FakeDeck.on_seek()
        self.position_s = position_s

    def close(self) -> None:
        self.log.append("closed")


class FakeSink:
    realtime = True
    keeps_mono = may_return = False
    opens_in_s = closes_in_s = 0.0

    def __init__(self) -> None:
        self.latency_s = 0.125
        self.failures: deque[AudioError] = deque()
        self.open_failures: deque[AudioError | None] = deque()
        self.log: list[object] = []
        self.pieces = 0

    async def open(self, *given: int) -> None:
        await trio.sleep(self.opens_in_s)
        if self.open_failures and (error := self.open_failures.popleft()):
            raise error
        self.log.append(("open", *given))

    async def write(self, _pcm: bytes) -> None:
        if self.failures:
            raise self.failures.popleft()
        self.pieces += 1
        await trio.sleep(PIECE_S)

    async def drain(self) -> None:
        self.log.append("drain")

    def flush(self) -> None:
        self.log.append("flush")

    def pause(self, paused: bool) -> None:
        self.log.append(("pause", paused))

    async def aclose(self) -> None:
        await trio.sleep(self.closes_in_s)
        self.log.append("closed")


class FakeClient(NothingKept):
    """Opens a track for each item, or raises what is planned for it."""

    def __init__(self) -> None:
        self.opened: list[tuple[float, object, int, int]] = []
        self.errors: dict[object, deque[Exception | float]] = {}
        self.takes_s = 0.0
        self.connecting = trio.Event()
        self.connecting.set()
        self.network = SimpleNamespace(
            counters=SimpleNamespace(
                rx_bytes=lambda: 10_000, tx_bytes=lambda: 1_000, total_bytes=lambda: 11_000
            )
        )
        self.meter: object = None
        self.limits = lambda: None
        self.first_packet_at = 5.0
        self.noted: list[tuple[object, float]] = []
        self.remembered = 7_000.0
        self.peer = SimpleNamespace(name="peer", burst=None)
        self.judged: list[tuple[str, object]] = []
        self.on_listened = lambda peer: self.judged.append(("listened", peer))
        self.on_skipped = lambda peer: self.judged.append(("skipped", peer))
        self.on_lie = "on_lie"
        self.on_served = "on_served"
        self.downlink = SimpleNamespace(
            rate_bytes_per_s=lambda peer: self.remembered * (peer is self.peer),
            note=lambda *told: self.noted.append(told),
        )
        self.gain = 0

    async def open_query(self, item: str, start: Start):
        self.opened.append((trio.current_time(), item, start.inline_bytes, start.first_segment))
        await trio.sleep(self.takes_s)
        planned = self.errors.get(item)
        while planned:
            raise planned.popleft()
        made = made_track(60, title=str(item))
        track = made.track.__class__(
            **{name: getattr(made.track, name) for name in made.track.__slots__} | {"gain_q8_db": self.gain}
        )
        return self.peer, SimpleNamespace(track=track)

    async def open_track(self, track_id: bytes, start: Start, *, track: None = None):
        yield await self.open_query(track_id.hex(), start)


class Stage:
    def __init__(self, **chosen: object) -> None:
        self.client, self.sink = FakeClient(), FakeSink()
        self.made_sinks = 0
        self.events: list[PlayerEvent] = []
        self.settings = Settings(state_dir=Path("unused"), **chosen)
        self.player = Player(self.client, self.make_sink, self.settings, on_event=self.events.append)

    def make_sink(self) -> FakeSink:
        self.made_sinks += 1
        return self.sink

    def kinds(self) -> list[str]:
        return [name_of(event) for event in self.events]

    def told(self, kind: str) -> list[dict[str, object]]:
        return [fields_of(event) for event in self.events if name_of(event) == kind]


@pytest.fixture
def run(monkeypatch):
    """Run a function with a stage on virtual time, with what the tracks of some titles do."""
    loaded: list[bool] = []

    async def at_once(function: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        function()

    monkeypatch.setattr(stream, "Session", FakeSession)
    monkeypatch.setattr(opener, "Deck", FakeDeck)
    monkeypatch.setattr(sound, "_load_audio", lambda: loaded.append(True))
    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)

    def run_it(
        main: Callable[[Stage], Awaitable[None]],
        script: dict[str, list[object]] | None = None,
        **chosen: object,
    ) -> Stage:
        FakeDeck.on_seek = staticmethod(lambda: None)
        FakeSession.made, FakeDeck.made, FakeDeck.script = [], [], script if script is not None else {}
        stages: list[Stage] = []

        async def body() -> None:
            stages.append(Stage(**chosen))
            await main(stages[0])

        trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))
        return stages[0]

    return run_it


def test_a_queue_is_opened_decoded_heard_and_closed(run):
    async def main(on: Stage) -> None:
        assert on.player.status == IDLE
        await on.player.play(["one", "two"])
        one, two = FakeDeck.made
        assert on.client.opened == [(0.0, "one", INLINE_BYTES, 0), (1.5, "two", INLINE_BYTES, 0)]
        assert on.kinds() == ["opening", "playing", "ended", "playing", "ended"]
        assert on.told("opening") == [{"item": "one"}]
        assert on.told("ended") == [
            {"uri": one.track.uri, "position_s": 1.5},
            {"uri": two.track.uri, "position_s": 1.5},
        ]
        assert on.told("playing")[0] == {
            "title": "one",
            "artist": "Somebody",
            "album": "",
            "uri": one.track.uri,
            "duration_s": 60.0,
            "bitrate_kbps": 49,
            "transport": "udp",
        }
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "drain", "closed"]
        assert on.sink.pieces == 6
        assert on.made_sinks == 1
        for deck in (one, two):
            assert deck.log[:2] == [("run", (on.client.peer, deck.log[0][1][1])), ("load", 0, 2)] or deck.log[
                :2
            ] == [("load", 0, 2), ("run", (on.client.peer, deck.log[1][1][1]))]
            assert deck.log[-1] == "closed"
            assert deck.started
            assert deck.session.playout.realtime is True
        assert on.player.status == IDLE
        assert on.client.noted == [(on.client.peer, 0.0)]

    run(main)


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


def test_a_track_alone_keeps_its_channels_and_an_id_is_opened_as_one(run):
    async def main(on: Stage) -> None:
        track = made_track(3).track
        on.sink.keeps_mono = True
        await on.player.play([track.uri])
        assert on.client.opened == [(0.0, track.track_id.hex(), INLINE_BYTES, 0)]
        assert ("load", 0, None) in FakeDeck.made[0].log
        on.sink.keeps_mono = False
        await on.player.play([track.uri])
        assert ("load", 0, 2) in FakeDeck.made[1].log, "a device may take two channels alone"

    run(main)


def test_into_a_file_nothing_plays_in_real_time(run):
    async def main(on: Stage) -> None:
        on.sink.realtime = False
        await on.player.play(["one"])
        assert FakeSession.made[0].playout.realtime is False

    run(main)


def test_sound_is_loaded_once_the_first_packet_has_left(run):
    async def main(on: Stage) -> None:
        on.client.connecting = on.player._engine.sound._connecting = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.testing.wait_all_tasks_blocked()
            assert on.made_sinks == 0
            assert FakeDeck.made
            on.client.connecting.set()
        assert on.made_sinks == 1
        assert on.sink.pieces == 3

    run(main)


# What is told while it plays.


def test_the_status_of_what_plays(run):
    async def main(on: Stage) -> None:
        seen: list[Status] = []

        def look() -> None:
            seen.append(on.player.status)

        FakeDeck.script["one"] = [2, look, 1]
        await on.player.play(["one"])
        assert seen == [
            Status(
                state="playing",
                entry=1,
                item="one",
                number=1,
                count=1,
                title="one",
                artist="Somebody",
                uri=FakeDeck.made[0].track.uri,
                position_s=1.0 - 0.125,
                duration_s=60.0,
                buffer_s=12.5,
                bitrate_kbps=49,
                goodput_kbps=7_000 * 8 / 1000,
                sources=2,
                transport="udp",
                volume_db=-3.0,
                lowest_kbps=FakeDeck.made[0].track.renditions[0].bitrate_kbps,
                used_mb=0.011,
                mb_per_hour=11_000 * 3600 / 13.75 / 1e6,  # of a second that was heard, and what is here
            )
        ]

    run(main, {}, volume_db=-3.0)


def test_what_is_left_of_a_cap_is_shown_and_that_it_is_near_is_told(run):
    async def main(on: Stage) -> None:
        def watch(on_slowed: Callable[[str], None]) -> None:
            FakeDeck.script["one"] = [look, lambda: on_slowed("it is near"), 1]

        def look() -> None:
            assert on.player.status.left_mb == 5.25
            on.client.meter.left_bytes = None
            assert on.player.status.left_mb is None

        on.client.meter = SimpleNamespace(left_bytes=5_250_000, watch=watch)
        await on.player.play(["one"])
        assert Slowed("it is near: going on in the lowest quality") in on.events
        assert FakeSession.made[0].callbacks.limits is on.client.limits

    run(main)


def test_the_status_while_it_opens_waits_for_data_or_is_paused(run):
    async def main(on: Stage) -> None:
        seen: list[Status] = []

        def look() -> None:
            seen.append(on.player.status)

        def stall() -> None:
            FakeSession.made[0].playout.playing = False
            look()
            on.player.toggle_pause()
            look()

        on.client.takes_s = 1.0
        FakeDeck.script["one"] = [look, stall]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: on.player.play(["one"], start_s=4.0))
            await trio.testing.wait_all_tasks_blocked()
            look()
        assert seen[0] == Status(
            "opening",
            1,
            "one",
            1,
            1,
            position_s=4.0,
            goodput_kbps=seen[0].goodput_kbps,
            volume_db=2.0,
            used_mb=0.011,
        )
        assert [status.state for status in seen] == ["opening", "playing", "buffering", "paused"]
        assert seen[1].position_s == 4.0 - 0.125

    run(main, {}, volume_db=2.0)


def test_what_is_not_heard_yet_is_in_hand_and_in_the_sink(run):
    async def main(on: Stage) -> None:
        ahead: list[float] = []
        FakeDeck.script["one"] = [1, lambda: ahead.append(FakeSession.made[0].callbacks.sink_ahead_s())]
        await on.player.play(["one"])
        ahead.append(FakeSession.made[0].callbacks.sink_ahead_s())
        assert ahead == [0.25 + 0.125, 0.0]

    run(main, {})


def test_a_place_before_the_beginning_is_the_beginning(run):
    async def main(on: Stage) -> None:
        on.sink.latency_s = 9.0
        seen: list[float] = []
        FakeDeck.script["one"] = [1, lambda: seen.append(on.player.status.position_s)]
        await on.player.play(["one"])
        assert seen == [0.0]

    run(main, {})


def test_what_was_played_is_measured(run):
    async def main(on: Stage) -> None:
        during: list[dict[str, object]] = []
        FakeDeck.script["two"] = [1, lambda: during.append(on.player.stats()), 1]
        await on.player.play(["one", "two"])
        assert during[0]["played_s"] == 2.0
        assert during[0]["audio_bytes"] == 200, "of the track that goes on too"
        stats = on.player.stats()
        assert stats["played_s"] == 2.5
        assert stats["audio_bytes"] == 200
        assert (stats["rx_bytes"], stats["tx_bytes"], stats["transport"]) == (10_000, 1_000, "udp")
        assert on.player._engine.decks.stats.first_packet_at == 5.0
        assert on.player._engine.decks.stats.first_audio_at is not None

    run(main, {})


# Places: deck and queue.


def test_it_begins_where_it_is_told_to_and_tells_so(run):
    async def main(on: Stage) -> None:
        await on.player.play(["one", "two"], start_s=2.5)
        one, two = FakeDeck.made
        assert ("seek", 2.5) in one.log
        assert on.told("seeked") == [{"position_s": 2.5}]
        assert not any(entry[0] == "seek" for entry in two.log)

    run(main)


def test_a_track_that_was_opened_for_another_place_is_sought_to_this_one(run):
    """It was opened for its second 2; the wish changed to its beginning meanwhile."""

    async def main(on: Stage) -> None:
        on.client.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: on.player.play(["one"], start_s=1.5))
            await trio.testing.wait_all_tasks_blocked()
            on.player.seek_by(-9.0)
        assert FakeSession.made[0].cursor == 1
        assert [entry for entry in FakeDeck.made[0].log if entry[0] == "seek"] == [("seek", 0.0)]
        assert len(FakeDeck.made) == 1

    run(main)


def test_a_seek_goes_from_what_is_heard_and_flushes_the_sink(run):
    async def main(on: Stage) -> None:
        states: list[str] = []
        FakeDeck.on_seek = staticmethod(lambda: states.append(on.player.status.state))
        FakeDeck.script["one"] = [4, lambda: on.player.seek_by(10.0), 2]
        await on.player.play(["one"])
        (deck,) = FakeDeck.made
        assert [entry for entry in deck.log if entry[0] == "seek"] == [("seek", 2.0 - 0.125 + 10.0)]
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "flush", "drain", "closed"]
        assert on.told("seeked") == [{"position_s": 11.875}]
        assert len(on.told("playing")) == 1
        assert states == ["playing"], "it was open all the time"

    run(main, {})


@pytest.mark.parametrize(
    ("pieces", "latency_s", "item"),
    [(6, 0.0, 1), (6, -0.01, 2), (1, 0.0, 1)],
)
def test_previous_is_the_track_before_or_near_its_beginning_this_one(run, pieces, latency_s, item):
    async def main(on: Stage) -> None:
        def press() -> None:
            on.sink.latency_s = latency_s
            on.player.previous()
            assert (on.player.status.entry, on.player.status.position_s) == (item, 0.0)

        assert RESTART_AFTER_S == 6 * PIECE_S
        FakeDeck.script["two"] = [pieces, press, 1]
        await on.player.play(["one", "two"])

    run(main, {})


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


def test_next_after_the_last_ends_and_what_comes_then_is_too_late(run):
    async def main(on: Stage) -> None:
        def leave() -> None:
            on.player.next()
            on.player.seek_by(1.0)
            on.player.previous()

        FakeDeck.script["one"] = [1, leave, 5]
        await on.player.play(["one"])
        assert on.sink.pieces == 1
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "flush", "drain", "closed"]
        assert "ended" not in on.kinds()

    run(main, {})


def test_the_next_track_is_opened_once_this_one_is_fetched_and_kept(run):
    async def main(on: Stage) -> None:
        def fetched() -> None:
            FakeSession.made[0].fetched.set()

        FakeDeck.script["one"] = [2, fetched, 4]
        await on.player.play(["one", "two", "three"])
        assert [(at, item) for at, item, *_ in on.client.opened][:2] == [(0.0, "one"), (1.0, "two")]
        assert len(on.client.opened) == 3
        assert on.told("opening") == [{"item": "one"}], "nobody waited for the others"
        assert [deck.log.count("closed") for deck in FakeDeck.made] == [1, 1, 1]

    run(main, {})


def test_a_seek_in_this_track_keeps_the_next_one_and_a_skip_leaves_others(run):
    async def main(on: Stage) -> None:
        def fetched() -> None:
            FakeSession.made[0].fetched.set()

        FakeDeck.script["one"] = [
            2,
            fetched,
            1,
            lambda: on.player.seek_by(5.0),
            1,
            on.player.next,
            1,
        ]
        FakeDeck.script["two"] = [1, on.player.previous, 1]
        await on.player.play(["one", "two"])
        titles = [item for _, item, *_ in on.client.opened]
        assert titles[:3] == ["one", "two", "one"], "the first was left, and is opened anew"
        one, two, *_ = FakeDeck.made
        assert one.log[-1] == two.log[-1] == "closed"

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


# Pausing, stopping, turning the volume.


def test_a_pause_goes_to_the_sink_once_it_is_open(run):
    async def main(on: Stage) -> None:
        on.player.toggle_pause()
        assert on.events == []
        FakeDeck.script["one"] = [1, on.player.toggle_pause, 1, on.player.toggle_pause]
        await on.player.play(["one"])
        assert on.sink.log[:3] == [("open", SAMPLE_RATE, 2), ("pause", True), ("pause", False)]
        assert [kind for kind in on.kinds() if "pause" in kind] == ["paused", "unpaused"]

    run(main, {})


def test_a_pause_before_the_sink_is_open_holds_it_as_it_opens(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [on.player.toggle_pause, 1]
        await on.player.play(["one"])
        assert on.sink.log[:2] == [("open", SAMPLE_RATE, 2), ("pause", True)]
        on.sink.log.clear()
        FakeDeck.script["one"] = [1]
        await on.player.play(["one"])
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "drain", "closed"], "the next play is not paused"

    run(main, {})


def test_stop_ends_at_once_and_closes_all(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [2, on.player.stop, 9]
        on.player.stop()
        await on.player.play(["one", "two"])
        assert on.sink.pieces == 2
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "closed"]
        assert FakeDeck.made[0].log[-1] == "closed"
        kept = on.player.status
        assert (kept.state, kept.entry, kept.number, kept.count) == ("stopped", 1, 1, 2)
        assert kept.position_s == 1.0 - on.sink.latency_s, "what was heard"
        await on.player.play(["two"])
        assert on.sink.pieces == 2 + 3

    run(main, {})


def test_a_sink_that_is_being_opened_is_opened_and_then_closed(run):
    async def main(on: Stage) -> None:
        on.sink.opens_in_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.sleep(0.5)
            on.player.stop()
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "closed"]

    run(main)


def test_a_sink_is_closed_however_it_ends(run):
    async def main(on: Stage) -> None:
        on.sink.closes_in_s = 1.0
        with trio.move_on_after(0.75):
            await on.player.play(["one"])
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "closed"]

    run(main)


def test_a_track_without_sound_opens_no_sink(run):
    async def main(on: Stage) -> None:
        await on.player.play(["one"])
        assert on.kinds() == ["opening", "ended"]
        assert on.sink.log == ["closed"]

    run(main, {"one": []})


def test_one_queue_at_a_time(run):
    async def main(on: Stage) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(
                StateMisuseError, match=r"^a player plays one queue at a time: stop it first$"
            ):
                await on.player.play(["two"])

    run(main)


@pytest.mark.parametrize(("normalize", "gain"), [(True, 100), (False, 0)])
def test_the_volume_and_the_tracks_gain_are_what_is_decoded_with(run, normalize, gain):
    async def main(on: Stage) -> None:
        on.client.gain = 100
        FakeDeck.script["one"] = [
            1,
            lambda: on.player.change_volume(-2.25),
            lambda: on.player.change_volume(0.5),
        ]
        await on.player.play(["one"])
        (deck,) = FakeDeck.made
        assert ("load", 256 + gain, 2) in deck.log
        gains = [entry[1] for entry in deck.log if entry[0] == "gain"]
        assert gains == [round(-1.25 * 256) + gain, round(-0.75 * 256) + gain]
        on.player.change_volume(1000)
        assert on.player.status.volume_db == MAX_VOLUME_DB
        on.player.change_volume(-1000)
        assert on.player.status.volume_db == MIN_VOLUME_DB
        assert len([entry for entry in deck.log if entry[0] == "gain"]) == 2, "it is played no more"

    run(main, {}, volume_db=1.0, normalize=normalize)


# What cannot be had.


def test_where_nothing_can_be_played_the_last_failure_is_raised_and_the_others_are_told(run):
    async def main(on: Stage) -> None:
        on.client.errors = {item: deque([NothingFoundError(f"no {item}")]) for item in ("one", "two")}
        with pytest.raises(NothingFoundError, match=r"^no two$"):
            await on.player.play(["one", "two"])
        assert on.told("warning") == [{"message": "no one"}]
        assert NotPlayed("one", "no one") in on.events
        assert on.kinds() == ["opening", "warning", "opening"]
        assert on.client.noted == [], "there was no network"
        assert on.player.status == IDLE

    run(main)


def test_once_something_was_played_a_failure_ends_nothing(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["one"] = [1, StreamFailedError("it broke off")]
        FakeDeck.script["three"] = [1, StreamFailedError("this too")]
        await on.player.play(["one", "two", "three"])
        assert [told["message"] for told in on.told("warning")] == ["it broke off", "this too"]
        assert [told["title"] for told in on.told("playing")] == ["one", "two", "three"]
        assert on.sink.log[-2:] == ["drain", "closed"]

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


def test_a_later_silence_is_given_up_where_that_was_asked_for(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NoPeerError("no network")] * 99)
        with pytest.raises(NoPeerError, match=r"^no sound for 60 s, given up: no network$"):
            await on.player.play(["one", "two"])
        assert trio.current_time() == 1.5 + 60.0
        assert on.kinds() == ["opening", "playing", "ended", "waiting"]

    run(main, give_up_s=60.0)


def test_a_pause_costs_no_patience(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NoPeerError("no network")] * 999)

        async def pause() -> None:
            await trio.sleep(30.0)
            on.player.toggle_pause()
            await trio.sleep(1000.0)
            on.player.toggle_pause()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pause)
            with pytest.raises(NoPeerError):
                await on.player.play(["one", "two"])
        assert trio.current_time() == 1030.0 + 60.0

    run(main, give_up_s=60.0)


def test_what_does_not_come_is_told_of_and_shown(run):
    async def main(on: Stage) -> None:
        def fall_silent() -> None:
            (session,) = FakeSession.made
            session.silent_since = trio.current_time() - 4.0
            session.callbacks.on_silence()
            assert (on.player.status.awaited, on.player.status.awaited_s) == ("network", 4.0)
            session.callbacks.on_silence()
            session.callbacks.on_event(Rebuffering())

        def come_again() -> None:
            (session,) = FakeSession.made
            session.silent_since = None
            session.callbacks.on_silence()
            session.callbacks.on_event(Resumed(2.0))
            assert on.player.status.awaited == "network", "until it is heard"

        FakeDeck.script["one"] = [10, fall_silent, come_again, 2]
        await on.player.play(["one"])
        assert on.kinds() == ["opening", "playing", "waiting", "rebuffering", "resumed", "ended"]
        assert on.told("waiting") == [{"since_s": 4.0, "reason": "nothing comes from the network"}]
        assert on.told("resumed") == [{"after_s": 4.0}]

    run(main, {})


def test_into_a_file_nothing_is_left_once_the_network_is_silent(run):
    async def main(on: Stage) -> None:
        on.sink.realtime = False

        def fall_silent() -> None:
            (session,) = FakeSession.made
            session.silent_since = trio.current_time()
            session.callbacks.on_silence()
            assert on.player._engine.weather._waits.silent_since == trio.current_time()

        FakeDeck.script["one"] = [1, fall_silent, 1]
        await on.player.play(["one"])

    run(main, {})


def test_a_sound_device_that_goes_is_waited_for(run):
    async def main(on: Stage) -> None:
        on.sink.may_return = True
        on.sink.failures = deque([AudioError("unplugged")])
        on.sink.open_failures = deque([None, AudioError("none there"), AudioError("none there"), None])
        await on.player.play(["one"])
        assert on.told("waiting") == [
            {"since_s": 0.0, "reason": "unplugged", "next_try_s": 1.0},
            {"since_s": 1.0, "reason": "none there", "next_try_s": 2.0},
        ]
        assert on.told("resumed") == [{"after_s": 7.0 + PIECE_S}]
        assert on.kinds()[-1] == "ended"
        assert on.sink.pieces == 3, "none is left out"

    run(main)


def test_a_sound_device_that_stays_away_is_given_up(run):
    async def main(on: Stage) -> None:
        on.sink.may_return = True
        on.sink.failures = deque([AudioError("unplugged")] * 99)
        with pytest.raises(AudioError, match=r"^no sound for 20 s, given up: unplugged$"):
            await on.player.play(["one"])

    run(main, give_up_s=20.0)


def test_what_peers_answer_again_and_again_is_believed(run):
    async def main(on: Stage) -> None:
        on.client.errors["two"] = deque([NothingFoundError("gone")] * 2 * ANSWERS)
        await on.player.play(["one", "two", "three"])
        times = [at for at, item, *_ in on.client.opened if item == "two"]
        assert times == [1.5, 2.5, 4.5, 8.5, 8.5, 9.5, 11.5, 15.5], "ahead, and when it is due"
        assert on.told("warning") == [{"message": "gone"}]
        assert on.told("waiting") == [{"since_s": 0.0, "reason": "gone", "next_try_s": 1.0}]

    run(main)


def test_a_sink_that_cannot_be_made_ends_it(run):
    async def main(on: Stage) -> None:
        def fail() -> FakeSink:
            raise AudioError("no sound")

        on.player._engine.sound._sink_factory = fail
        with pytest.raises(AudioError, match=r"^no sound$"):
            await on.player.play(["one"])
        assert on.player.status.state == "stopped"

    run(main)


def test_nothing_to_play_is_over_at_once(run):
    async def main(on: Stage) -> None:
        await on.player.play([])
        assert on.events == []
        assert on.sink.log == []

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


# A queue that is changed while it plays.


def titles(on: Stage) -> list[object]:
    return [told["title"] for told in on.told("playing")]


def test_what_is_added_and_moved_is_played_where_it_is_then(run):
    async def main(on: Stage) -> None:
        def change() -> None:
            assert on.player.queue.add(["new", "last"], 1) == [4, 5]
            on.player.queue.move([5], 4)
            assert on.player.status.number == 1

        FakeDeck.script["one"] = [1, change, 1]
        await on.player.play(["one", "two", "three"])
        assert titles(on) == ["one", "new", "two", "three", "last"]
        assert on.told("queue") == [{"version": 3, "length": 5}, {"version": 4, "length": 5}]
        assert on.sink.log == [("open", SAMPLE_RATE, 2), "drain", "closed"], "nothing was interrupted"

    run(main, {})


def test_where_what_plays_is_removed_what_follows_is_heard_at_once(run):
    async def main(on: Stage) -> None:
        def remove() -> None:
            on.player.queue.delete([1, 2])

        FakeDeck.script["one"] = [1, remove, 9]
        await on.player.play(["one", "two", "three"])
        assert titles(on) == ["one", "three"]
        assert on.sink.pieces == 1 + 3
        assert "flush" in on.sink.log

    run(main, {})


def test_what_is_being_opened_may_be_removed_and_an_empty_queue_ends(run):
    async def main(on: Stage) -> None:
        on.client.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two"])
            await trio.sleep(0.5)
            on.player.queue.delete([1])
            await trio.sleep(0.5)
            assert (on.player.status.state, on.player.status.item) == ("opening", "two")
            on.player.queue.clear()
        assert titles(on) == []
        assert on.player.status == IDLE

    run(main)


def test_the_status_while_a_track_is_opened_comes_from_memory(run):
    async def main(on: Stage) -> None:
        on.client.takes_s = 1.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two", "three"])
            await trio.sleep(0.5)
            on.player.go(2, 7.0)
            status = on.player.status
            assert (status.state, status.entry, status.item, status.number, status.count) == (
                *("opening", 2, "two", 2, 3),
            )
            assert (status.position_s, status.next_title) == (7.0, "three")
            on.player.seek(9.0)
            assert on.player.status.position_s == 9.0
            on.player.stop()

    run(main)


def test_a_stop_keeps_the_queue_and_the_place_and_it_goes_on_from_there(run):
    async def main(on: Stage) -> None:
        FakeDeck.script["two"] = [4, on.player.stop, 9]
        await on.player.play(["one", "two", "three"])
        status = on.player.status
        assert (status.state, status.item, status.position_s) == ("stopped", "two", 2.0 - 0.125)
        FakeDeck.script["two"] = [1]
        await on.player.run()
        assert titles(on) == ["one", "two", "two", "three"]
        assert on.told("seeked") == [{"position_s": 1.875}]
        assert on.client.opened[-2][3] == first_segment(1.875)
        await on.player.run()
        assert titles(on)[-3:] == ["one", "two", "three"], "from the beginning, after an end"

    run(main, {})


def test_commands_while_nothing_is_played_change_where_it_begins(run):
    async def main(on: Stage) -> None:
        on.player.queue.add(["one", "two", "three"])
        on.player.go(1)
        on.player.next()
        on.player.next()
        on.player.previous()
        on.player.seek(5.0)
        on.player.toggle_pause()
        await on.player.run()
        assert titles(on) == ["two", "three"]
        assert on.told("seeked") == [{"position_s": 5.0}]
        assert on.told("queue") == [{"version": 2, "length": 3}]
        assert on.client.judged == []

    run(main)


def test_an_entry_is_gone_to_and_one_that_is_not_there_is_refused(run):
    async def main(on: Stage) -> None:
        def go() -> None:
            with pytest.raises(UsageError, match="no entry 9"):
                on.player.go(9)
            on.player.go(3, 1.0)

        FakeDeck.script["one"] = [1, go, 9]
        await on.player.play(["one", "two", "three"])
        assert titles(on) == ["one", "three"]
        assert on.client.judged == [("skipped", on.client.peer)]

    run(main, {})


def test_a_queue_repeats_without_a_gap_until_it_is_stopped(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(repeat=True)
        assert on.told("modes") == [{"random": False, "repeat": True, "single": "0", "consume": "0"}]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two"])
            await trio.sleep(6.25)
            assert titles(on) == ["one", "two", "one", "two", "one"]
            assert [told["item"] for told in on.told("opening")] == ["one"], "the others were opened ahead"
            on.player.stop()
        assert "flush" not in on.sink.log

    run(main)


def test_one_track_repeats_too(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(repeat=True, single=Switch.ON)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one", "two"])
            await trio.sleep(4.75)
            assert titles(on) == ["one", "one", "one", "one"]
            assert on.kinds().count("opening") == 1
            on.player.queue.modes = Modes()
        assert titles(on)[-2:] == ["one", "two"]

    run(main)


def test_single_stops_after_each_and_consume_removes_it(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(single=Switch.ON, consume=Switch.ON)
        await on.player.play(["one", "two"])
        assert titles(on) == ["one"]
        assert (on.player.status.state, on.player.status.item, on.player.status.count) == (
            "stopped",
            "two",
            1,
        )
        assert on.sink.log[-2:] == ["drain", "closed"], "it is heard to its end"
        await on.player.run()
        assert titles(on) == ["one", "two"]
        assert on.player.status == IDLE
        assert len(on.player.queue.entries) == 0

    run(main)


def test_at_random_all_are_played_once(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(random=True)
        items = [str(number) for number in range(8)]
        await on.player.play(items)
        assert sorted(titles(on)) == items

    run(main)


def test_a_queue_that_repeats_and_of_which_nothing_can_be_had_ends(run):
    async def main(on: Stage) -> None:
        on.client.errors = {item: deque([NothingFoundError(f"no {item}")] * 99) for item in ("one", "two")}
        on.player.queue.modes = Modes(repeat=True)
        with pytest.raises(NothingFoundError, match=r"^no two$"):
            await on.player.play(["one", "two"])
        assert on.told("warning") == [{"message": "no one"}]

    run(main)


def test_what_is_consumed_in_vain_does_not_count_against_what_is_left(run):
    async def main(on: Stage) -> None:
        on.client.errors = {item: deque([NothingFoundError(f"no {item}")] * 9) for item in ("one", "two")}
        on.player.queue.modes = Modes(consume=Switch.ON)
        await on.player.play(["one", "two", "three", "four"])
        assert titles(on) == ["three", "four"]

    run(main)


def test_one_that_repeats_and_cannot_be_had_is_looked_for_once(run):
    async def main(on: Stage) -> None:
        on.client.errors = {"one": deque([NothingFoundError("no one")] * 99)}
        on.player.queue.modes = Modes(repeat=True, single=Switch.ON)
        with pytest.raises(NothingFoundError, match=r"^no one$"):
            await on.player.play(["one", *map(str, range(50))])
        assert len(on.client.opened) == 1

    run(main)


def test_a_queue_that_repeats_and_has_no_sound_ends(run):
    async def main(on: Stage) -> None:
        on.player.queue.modes = Modes(repeat=True)
        await on.player.play(["one", "two"])
        assert titles(on) == ["one"], "the first time it had sound"
        assert on.kinds().count("ended") == 3

    class SilentAgain(dict[str, list[object]]):
        def pop(self, title: str, _default: object) -> list[object]:
            return super().pop(title, [])

    run(main, SilentAgain(one=[1]))


def test_one_that_is_chosen_at_the_very_end_is_heard(run):
    async def main(on: Stage) -> None:
        drained = trio.Event()

        async def drain() -> None:
            on.sink.log.append("drain")
            await drained.wait()

        on.sink.drain = drain
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.player.play, ["one"])
            await trio.sleep(5)
            assert on.sink.log[-1] == "drain"
            on.player.next()
            on.player.queue.add(["two"])
            await trio.sleep(1)
            assert titles(on) == ["one"], "an end is an end"
            on.player.go(2)
            await trio.sleep(5)
            assert titles(on) == ["one", "two"]
            drained.set()
        assert on.sink.log == [*2 * [("open", SAMPLE_RATE, 2), "drain", "closed"]]

    run(main)


def test_what_is_added_later_has_the_channels_of_the_sink(run):
    async def main(on: Stage) -> None:
        on.sink.keeps_mono = True
        FakeDeck.script["one"] = [1, lambda: on.player.queue.add(["two"]), 1]
        await on.player.play(["one"])
        one, two = FakeDeck.made
        assert ("load", 0, None) in one.log
        assert ("load", 0, 2) in two.log

    run(main, {})


@pytest.mark.parametrize(
    ("items", "start_s"),
    [(["loud:malformed"], 0.0), (["one"], -1.0), (["one"], MAX_SEGMENTS + 1.0), (["one"], math.nan)],
)
def test_what_cannot_be_played_is_refused_and_the_queue_stays(run, items, start_s):
    async def main(on: Stage) -> None:
        on.player.queue.add(["before"])
        with pytest.raises(UsageError):
            await on.player.play(items, start_s=start_s)
        assert [entry.item for entry in on.player.queue.entries] == ["before"]

    run(main)
