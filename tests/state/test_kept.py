"""The folder of what is kept: written seldom, bounded, shared with other processes."""

from __future__ import annotations

import errno
import fcntl
import gc
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from lightpeer.core.content.eviction import KeptTrack
from lightpeer.errors import StateError
from lightpeer.state import kept as module
from lightpeer.state import kept_file
from lightpeer.state.files import Losses, is_kept
from lightpeer.state.kept import GATHERED_BYTES, LOCK_TRIES, WRITE_AGAIN_S, KeptTracks
from lightpeer.state.kept_file import MANIFEST, KeptFile
from tests.pair import MadeTrack, made_track

MB = 1_000_000
SONGS = [made_track(3, title=f"Song {n}", artist="Ann", seed=n) for n in range(4)]
A, B, C, D = SONGS


@pytest.fixture(autouse=True)
def _threads_take_no_time(monkeypatch) -> None:
    """A disk is slow by the machine's clock, which virtual time does not wait for."""

    async def run_at_once(work: Callable[..., object], *given: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*given)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_at_once)


def run(folder: Path, act: Callable[[KeptTracks], Awaitable[None]], asked_bytes: int | None = MB) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await act(KeptTracks(folder, asked_bytes, nursery, Losses()))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def fill(kept: KeptTracks, made: MadeTrack, segments: int = 3) -> KeptFile:
    file = kept.open(made.track.track_id)
    file.put(MANIFEST, made.manifest)
    file.put((0, 0xFF0000), made.tables[0][0])
    for number in range(segments):
        file.put((0, number), made.segments[0][number])
    return file


def store(kept: KeptTracks, *songs: MadeTrack) -> None:
    """Have some tracks kept, the first of them for longest."""
    for age, made in enumerate(reversed(songs)):
        fill(kept, made)
        kept.save()
        gc.collect()
        for path in kept._folder.glob(made.track.track_id.hex() + "*"):
            os.utime(path, (1_000_000 - age, 1_000_000 - age))


def titles(kept: KeptTracks) -> list[str]:
    return [track.title for _, _, track in kept.described()]


def test_what_comes_is_gathered_for_some_seconds(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        file = fill(kept, A, segments=1)
        await trio.sleep(WRITE_AGAIN_S - 0.1)
        assert not is_kept(tmp_path, A.track.track_id)
        file.put((0, 1), A.segments[0][1])
        await trio.sleep(0.2)
        assert is_kept(tmp_path, A.track.track_id)
        assert file.unwritten == {}
        file.put((0, 2), A.segments[0][2])
        await trio.sleep(WRITE_AGAIN_S + 0.1)
        assert file.unwritten == {}

    run(tmp_path, act)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_much_is_written_at_once(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        file = kept.open(A.track.track_id)
        for number in range(3):
            file.put((0, number), bytes(GATHERED_BYTES // 3 + 1))
        with trio.fail_after(1.0):
            while file.unwritten:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)
        await kept.make_way(file)
        for number in range(3, 6):
            file.put((0, number), bytes(GATHERED_BYTES // 3 + 1))
        await kept.make_way(file)
        assert file.unwritten == {}

    run(tmp_path, act)


def test_the_end_writes_the_rest_and_all_share_a_file(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        kept.save()
        assert kept.tracks() == []
        file = fill(kept, A)
        assert kept.open(A.track.track_id) is file
        kept.save()

    async def again(kept: KeptTracks) -> None:
        ((found, file, track),) = kept.described()
        assert track == A.track
        assert found == KeptTrack(track.track_id, found.size_bytes, found.used_ns, False)
        assert file.index.covers(range(3), range(1))

    run(tmp_path, act)
    run(tmp_path, again)


def test_what_another_process_writes_to_waits_for_the_next_time(tmp_path, monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append)

    async def act(kept: KeptTracks) -> None:
        file = fill(kept, A, segments=1)
        kept.save()
        file.put((0, 1), A.segments[0][1])
        (path,) = (tmp_path / "cache").iterdir()
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept.save()
            assert file.unwritten
            with pytest.raises(StateError, match="another process writes"):
                kept.flush(A.track.track_id)
            assert len(slept) == LOCK_TRIES
        await trio.sleep(WRITE_AGAIN_S + 0.1)
        assert file.unwritten == {}

    run(tmp_path, act)


def test_the_oldest_makes_room_but_not_what_is_pinned_or_open(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        store(kept, A, B, C)
        assert titles(kept) == ["Song 2", "Song 1", "Song 0"]
        size = kept.tracks()[0].size_bytes
        kept._bound_bytes = round(3.3 * size)
        kept.pin(A.track.track_id, size)
        fill(kept, D)
        kept.save()
        assert set(titles(kept)) == {"Song 0", "Song 2", "Song 3"}
        used = sum(track.size_bytes for track in kept.tracks())
        assert kept._used_bytes == used
        open_file = kept.open(C.track.track_id)
        refused = fill(kept, B)
        kept._bound_bytes = round(2.2 * size)
        other = kept.open(D.track.track_id)
        kept.save()
        assert refused.is_refused, "nothing may go"
        assert set(titles(kept)) == {"Song 0", "Song 2", "Song 3"}
        assert open_file is not other

    run(tmp_path, act)


def test_the_bound_suits_the_disk(tmp_path, monkeypatch) -> None:
    async def act(kept: KeptTracks) -> None:
        disk = SimpleNamespace(f_bavail=5000, f_frsize=1000)
        monkeypatch.setattr(module.os, "statvfs", lambda path: disk if path.exists() else 0)
        assert kept.bound_bytes() == MB // 2

    run(tmp_path / "not" / "there", act, None)


def test_words_find_what_is_whole(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        fill(kept, A)
        fill(kept, B, segments=2)
        kept.save()
        assert kept.find("ann SONG 0") == A.track.track_id
        assert kept.find("song 1") is None
        assert kept.find("song 2") is None

    run(tmp_path, act)


def test_other_files_are_passed_over(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        store(kept, A)
        folder = tmp_path / "cache"
        for name in ("notes", "00.kept", f"{'0' * 64}.other", "x" * 64 + ".kept"):
            (folder / name).touch()
        (folder / f"{'1' * 64}.kept").mkdir()
        (folder / f"{'2' * 64}.kept").touch()
        assert [track.track_id.hex()[:1] for track in kept.tracks()][:1] == ["2"]
        assert len(kept.tracks()) == 2
        assert titles(kept) == ["Song 0"]

    run(tmp_path, act)


def test_pins_are_refused_beyond_the_bound_and_let_go_again(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        store(kept, A, B)
        kept.pin(A.track.track_id, 600_000)
        kept.pin(A.track.track_id, MB)
        with pytest.raises(StateError, match="more do not fit"):
            kept.pin(B.track.track_id, MB - 1000)
        assert [track.is_pinned for track in kept.tracks()] == [False, True]
        assert is_kept(tmp_path, A.track.track_id)
        assert kept.unpin(A.track.track_id)
        assert not kept.unpin(C.track.track_id)
        kept.pin(A.track.track_id, 600_000)
        assert kept.clear() == 1
        assert [track.track_id for track in kept.tracks()] == [A.track.track_id], "it is pinned"
        assert kept.clear(pinned=True) == 1
        assert kept.tracks() == []

    run(tmp_path, act)


def test_a_folder_that_is_cleared_while_a_track_is_pinned_is_told(tmp_path, monkeypatch) -> None:
    async def act(kept: KeptTracks) -> None:
        store(kept, A)
        monkeypatch.setattr(kept, "flush", lambda _track_id: kept.clear())
        with pytest.raises(StateError, match="try again"):
            kept.pin(A.track.track_id, 1000)

    run(tmp_path, act)


def test_what_cannot_be_removed_is_told(tmp_path, monkeypatch) -> None:
    def refuse(_path: Path, *, missing_ok: bool) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    async def act(kept: KeptTracks) -> None:
        store(kept, A)
        monkeypatch.setattr(Path, "unlink", refuse)
        with pytest.raises(StateError, match="cannot be cleared"):
            kept.clear()

    run(tmp_path, act)


def test_a_full_disk_is_said_once_and_nothing_more_is_kept(tmp_path, monkeypatch, caplog) -> None:
    def refuse(*_given: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def act(kept: KeptTracks) -> None:
        monkeypatch.setattr(kept_file.os, "pwrite", refuse)
        one, other = fill(kept, A), fill(kept, B)
        await trio.sleep(WRITE_AGAIN_S + 0.1)
        assert (one.is_refused, other.is_refused) == (True, True)
        with pytest.raises(StateError, match="No space left"):
            kept.flush(A.track.track_id)

    with caplog.at_level(logging.DEBUG):
        run(tmp_path, act)
    told = [record for record in caplog.records if "cannot save state" in record.message]
    assert [record.levelname for record in told] == ["WARNING"]


def test_a_disk_that_does_not_flush_is_told(tmp_path, monkeypatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def act(kept: KeptTracks) -> None:
        file = fill(kept, A)
        monkeypatch.setattr(kept_file.os, "fsync", refuse)
        with pytest.raises(StateError, match="Input/output error"):
            kept.flush(file.track_id)

    run(tmp_path, act)


def test_a_pin_for_which_there_is_no_room_says_so(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        file = fill(kept, A)
        with pytest.raises(StateError, match="full"):
            kept.flush(A.track.track_id)
        assert file.is_refused

    run(tmp_path, act, 100)


def test_a_failure_that_nobody_thought_of_ends_the_writing_alone(tmp_path, monkeypatch, caplog) -> None:
    async def act(kept: KeptTracks) -> None:
        monkeypatch.setattr(kept, "_write_one", lambda _file: 1 / 0)
        fill(kept, A)
        await trio.sleep(WRITE_AGAIN_S + 0.1)

    run(tmp_path, act)
    assert "could not be written" in caplog.text


def test_pins_that_cannot_be_noted_are_told(tmp_path, monkeypatch) -> None:
    def refuse(*_given: object, **_more: object) -> bool:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(KeptFile, "rename", refuse)

    async def act(kept: KeptTracks) -> None:
        with pytest.raises(StateError, match="cannot be written"):
            kept.unpin(A.track.track_id)

    run(tmp_path, act)


def test_a_pin_that_is_larger_than_all_there_is_room_for_says_where_to_make_some(tmp_path) -> None:
    async def act(kept: KeptTracks) -> None:
        store(kept, A)
        with pytest.raises(StateError, match=r"5.0 MB do not fit in 1.0 MB: make room on the disk"):
            kept.pin(A.track.track_id, 5 * MB)

    run(tmp_path, act)
