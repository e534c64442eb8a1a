"""What streams send is read once, and by nobody who has something else to do."""

from __future__ import annotations

import threading
from functools import partial

import trio
import trio.lowlevel
import trio.testing

from lightpeer.errors import StateError
from lightpeer.serve.objects import MOST_AT_ONCE, READERS, Missing, Objects
from tests.sim.clock import without_threads

ONE, OTHER = b"1" * 32, b"2" * 32


class Track:
    def __init__(self) -> None:
        self.reads: list[int] = []

    def holds(self, rendition: int, segment: int) -> bool:
        return segment <= 9

    def read(self, rendition: int, segment: int) -> bytes:
        self.reads.append(segment)
        return bytes([rendition, segment]) * 50


class Reader:
    """Somebody who waits for what is not there."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.told: list[tuple[int, int, bool]] = []

    def tell(self, rendition: int, segment: int, is_sound: bool) -> None:
        self.told.append((rendition, segment, is_sound))

    async def read(self, track_id: bytes, track: Track, rendition: int, segment: int) -> bytes | Missing:
        find = partial(self._objects.find, track_id, track, self.tell, rendition, segment)
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
            assert objects.find(ONE, track, reader.tell, 0, 1) is Missing.YET
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

    with_objects(test)


def test_threads_are_few_and_share_what_waits() -> None:
    """While all of them hang, a hundred more wait; then each takes several at once."""
    gate, lock, begun = threading.Event(), threading.Lock(), []

    class Gated(Track):
        def holds(self, rendition: int, segment: int) -> bool:
            return True

        def read(self, rendition: int, segment: int) -> bytes:
            with lock:
                begun.append(segment)
            gate.wait()
            return bytes([segment])

    async def main() -> None:
        objects, told, done = Objects(), [], trio.Event()
        batches: list[int] = []
        run = objects._threads.run

        async def counted(function, wanted):
            batches.append(len(wanted))
            return await run(function, wanted)

        def tell(rendition: int, segment: int, is_sound: bool) -> None:
            told.append(segment)
            if len(told) == READERS + 100:
                done.set()

        objects._threads.run = counted
        async with trio.open_nursery() as nursery:
            nursery.start_soon(objects.run)
            for segment in range(READERS):
                objects.find(ONE, Gated(), tell, 0, segment)
                while len(begun) <= segment:
                    await trio.lowlevel.checkpoint()
            for segment in range(100):
                objects.find(ONE, Gated(), tell, 1, segment)
            await trio.testing.wait_all_tasks_blocked()
            assert len(begun) == READERS
            assert batches == [1] * READERS
            gate.set()
            await done.wait()
            assert max(batches) == MOST_AT_ONCE
            assert not objects._queue
            assert not objects._orders
            nursery.cancel_scope.cancel()

    try:
        trio.run(main)
    finally:
        gate.set()
