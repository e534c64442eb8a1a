"""What streams send is read once, and by nobody who has something else to do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import trio
import trio.lowlevel
import trio.testing

from lightpeer.core.udp.sender import Missing
from lightpeer.errors import StateError
from lightpeer.serve.sending import segment_cache as objects_module
from lightpeer.serve.sending.segment_cache import (
    GATHER_READS_S,
    MOST_READ_AT_ONCE,
    SEGMENT_READERS,
    Objects,
)
from lightpeer.tasks.threads import Threads
from lightpeer.testing.clock import without_threads

ONE, OTHER = b"1" * 32, b"2" * 32


class Track:
    def __init__(self) -> None:
        self.reads: list[int] = []

    def holds(self, rendition: int, segment: int) -> bool:
        return segment <= 9

    def read(self, rendition: int, segment: int) -> bytes:
        self.reads.append(segment)
        return bytes([rendition, segment]) * 50


class Asker(NamedTuple):
    track_id: bytes
    track: object
    told: Callable[[int, int, bool], None]


class Reader:
    """Somebody who waits for what is not there."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.told: list[tuple[int, int, bool]] = []

    def tell(self, rendition: int, segment: int, is_sound: bool) -> None:
        self.told.append((rendition, segment, is_sound))

    async def read(self, track_id: bytes, track: Track, rendition: int, segment: int) -> bytes | Missing:
        find = partial(self._objects.find, Asker(track_id, track, self.tell), rendition, segment)
        while (found := find()) is Missing.YET:
            await trio.testing.wait_all_tasks_blocked()
        return found


def with_objects(test, max_bytes: int = 1000) -> None:
    async def main() -> None:
        objects = Objects(max_bytes)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(objects.run)
            await test(objects)
            nursery.cancel_scope.cancel()

    with without_threads():
        trio.run(main)


def test_an_object_is_read_once_for_all_and_the_least_recent_is_forgotten() -> None:
    async def test(objects: Objects) -> None:
        reader, track = Reader(objects), Track()
        for segment in (1, 2, 1, 3, 2, 1):
            assert await reader.read(ONE, track, 0, segment) == bytes([0, segment]) * 50
        assert track.reads == [1, 2, 3]
        for segment in (4, 1, 3):
            await reader.read(ONE, track, 0, segment)
        assert track.reads == [1, 2, 3, 4, 3]

    with_objects(test, 300)


def test_tracks_and_renditions_are_apart() -> None:
    async def test(objects: Objects) -> None:
        reader, track, other = Reader(objects), Track(), Track()
        assert await reader.read(ONE, track, 0, 1) != await reader.read(ONE, track, 1, 1)
        await reader.read(OTHER, other, 0, 1)
        assert (track.reads, other.reads) == ([1, 1], [1])

    with_objects(test)


def test_what_does_not_exist_is_not_looked_for_on_the_disk() -> None:
    async def test(objects: Objects) -> None:
        track = Track()
        assert await Reader(objects).read(ONE, track, 0, 10) is Missing.FOR_GOOD
        assert track.reads == []

    with_objects(test)


def test_all_who_ask_are_told_once_by_one_read() -> None:
    async def test(objects: Objects) -> None:
        track, readers = Track(), [Reader(objects), Reader(objects)]
        for reader in (*readers, readers[0]):
            assert objects.find(Asker(ONE, track, reader.tell), 0, 1) is Missing.YET
        await trio.testing.wait_all_tasks_blocked()
        assert [reader.told for reader in readers] == [[(0, 1, True)]] * 2
        assert track.reads == [1]

    with_objects(test)


def test_what_is_larger_than_all_is_given_and_makes_room_for_the_next() -> None:
    async def test(objects: Objects) -> None:
        reader, track = Reader(objects), Track()
        for segment in (1, 2, 1):
            assert await reader.read(ONE, track, 0, segment) == bytes([0, segment]) * 50
        assert track.reads == [1, 2, 1]
        assert len(objects._objects) == 1

    with_objects(test, 50)


def test_what_cannot_be_read_is_told_of_and_tried_again_when_asked(caplog) -> None:
    class Bad(Track):
        def read(self, rendition: int, segment: int) -> bytes:
            if len(self.reads) < 2:
                self.reads.append(segment)
                raise (OSError(5, "the disk is bad"), StateError("here", "it is damaged"))[
                    len(self.reads) - 1
                ]
            return super().read(rendition, segment)

    async def test(objects: Objects) -> None:
        reader, track = Reader(objects), Bad()
        assert await reader.read(ONE, track, 0, 1) == bytes([0, 1]) * 50
        assert reader.told == [(0, 1, False), (0, 1, False), (0, 1, True)]
        assert "the disk is bad" in caplog.text
        assert "it is damaged" in caplog.text

    caplog.set_level(logging.INFO)
    with_objects(test)


def test_a_read_that_fails_as_none_should_is_told_of_and_ends_no_other(caplog) -> None:
    class Faulty(Track):
        def read(self, rendition: int, segment: int) -> bytes:
            if segment == 1:
                raise ZeroDivisionError
            return super().read(rendition, segment)

    async def test(objects: Objects) -> None:
        reader, track = Reader(objects), Faulty()
        for segment in (1, 2):
            objects.find(Asker(ONE, track, reader.tell), 0, segment)
        await trio.testing.wait_all_tasks_blocked()
        assert reader.told == [(0, 1, False), (0, 2, True)]
        assert await reader.read(ONE, track, 0, 3) == bytes([0, 3]) * 50

    with_objects(test)
    assert "reading a track failed" in caplog.text


def test_without_a_thread_who_waits_is_told_and_the_next_is_read(caplog, monkeypatch) -> None:
    real = Threads.run

    async def test(objects: Objects) -> None:
        async def refuse(*_) -> None:
            raise RuntimeError("can't start new thread")

        reader, track = Reader(objects), Track()
        monkeypatch.setattr(Threads, "run", refuse)
        objects.find(Asker(ONE, track, reader.tell), 0, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert reader.told == [(0, 1, False)]
        monkeypatch.setattr(Threads, "run", real)
        assert await reader.read(ONE, track, 0, 1) == bytes([0, 1]) * 50

    with_objects(test)
    assert "can't start new thread" in caplog.text


class Gated(Track):
    """A track on a disk that answers when the gate is open."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self._gate = gate
        self.begun = 0

    def holds(self, rendition: int, segment: int) -> bool:
        return True

    def read(self, rendition: int, segment: int) -> bytes:
        self.begun += 1
        self._gate.wait()
        return bytes([segment])


def with_gate(test, monkeypatch) -> None:
    """Run a test with real threads, and note how much each is given to read."""
    gate, batches, run = threading.Event(), [], Threads.run

    async def counted(threads, function, wanted):
        batches.append(len(wanted))
        return await run(threads, function, wanted)

    async def main() -> None:
        objects = Objects()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(objects.run)
            await test(objects, gate, batches)
            nursery.cancel_scope.cancel()

    monkeypatch.setattr(Threads, "run", counted)
    try:
        trio.run(main)
    finally:
        gate.set()


async def hang(objects: Objects, track: Gated, tell) -> None:
    """Have every reader wait for the gate."""
    for number in range(SEGMENT_READERS):
        objects.find(Asker(OTHER, track, tell), 0, number)
        while track.begun <= number:
            await trio.lowlevel.checkpoint()


def test_readers_are_few_and_each_takes_much_at_once(monkeypatch) -> None:
    async def test(objects: Objects, gate: threading.Event, batches: list[int]) -> None:
        told, done = [], trio.Event()

        def tell(rendition: int, segment: int, is_sound: bool) -> None:
            told.append(segment)
            if len(told) == SEGMENT_READERS + 100:
                done.set()

        await hang(objects, track := Gated(gate), tell)
        for segment in range(100):
            objects.find(Asker(ONE, track, tell), 1, segment)
        await trio.testing.wait_all_tasks_blocked()
        assert (track.begun, batches) == (SEGMENT_READERS, [1] * SEGMENT_READERS)
        gate.set()
        await done.wait()
        assert MOST_READ_AT_ONCE in batches
        assert not objects._queue
        assert not objects._orders

    with_gate(test, monkeypatch)


def test_what_one_thread_does_not_get_to_is_read_by_another(monkeypatch) -> None:
    """Ten wait for one thread, which finds each read long."""

    async def test(objects: Objects, gate: threading.Event, batches: list[int]) -> None:
        told, done = [], trio.Event()

        def tell(rendition: int, segment: int, is_sound: bool) -> None:
            told.append(segment)
            if len(told) == 10:
                done.set()

        for segment in range(10):
            objects.find(Asker(ONE, Track(), tell), 0, segment)
        await done.wait()
        assert sorted(told) == list(range(10))
        assert batches == list(range(10, 0, -1))

    monkeypatch.setattr(objects_module, "LONG_READ_S", -1.0)
    with_gate(test, monkeypatch)


def test_what_is_looked_for_ahead_gathers_until_something_is_needed_or_a_moment_is_over() -> None:
    batches: list[int] = []

    async def main() -> None:
        objects, told = Objects(), []

        async def counted(function, wanted):
            batches.append(len(wanted))
            return function(wanted)

        def tell(rendition: int, segment: int, is_sound: bool) -> None:
            told.append(segment)

        objects._threads.run = counted
        async with trio.open_nursery() as nursery:
            nursery.start_soon(objects.run)
            for segment in range(3):
                objects.find(Asker(ONE, Track(), tell), 0, segment, is_ahead=True)
                await trio.sleep(GATHER_READS_S / 10)
            assert told == []
            objects.find(Asker(ONE, Track(), tell), 0, 1)  # the stream has come to it
            await trio.lowlevel.checkpoint()
            await trio.sleep(GATHER_READS_S / 10)
            assert told == [0, 1, 2]
            objects.find(Asker(ONE, Track(), tell), 0, 3, is_ahead=True)
            await trio.sleep(GATHER_READS_S * 1.1)
            assert told == [0, 1, 2, 3]
            for segment in range(MOST_READ_AT_ONCE):
                objects.find(Asker(ONE, Track(), tell), segment, 5, is_ahead=True)
            await trio.sleep(GATHER_READS_S / 10)
            assert len(told) == 4 + MOST_READ_AT_ONCE
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert batches == [3, 1, MOST_READ_AT_ONCE]
