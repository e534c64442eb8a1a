"""The file of one kept track: whole blocks or none, whoever writes and whatever the disk does."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from lightpeer.core.content.kept_blocks import MOST_OBJECTS, build_block
from lightpeer.core.content.kept_index import UNWRITTEN
from lightpeer.state import kept_file as module
from lightpeer.state.kept_file import MANIFEST, KeptFile
from tests.pair import made_track

MADE = made_track(5)
TRACK_ID = MADE.track.track_id
SEGMENTS = MADE.segments[0]


def kept(folder: Path) -> KeptFile:
    return KeptFile(folder, TRACK_ID, lambda _file: None)


def path_in(folder: Path, ending: str = ".kept") -> Path:
    return folder / (TRACK_ID.hex() + ending)


def written(folder: Path, *numbers: int) -> KeptFile:
    file = kept(folder)
    for number in numbers:
        file.put((0, number), SEGMENTS[number])
    file.write()
    return file


def here(file: KeptFile) -> list[int]:
    return [n for n, data in enumerate(SEGMENTS) if file.read((0, n), len(data)) == data]


def test_what_was_put_in_is_here_before_and_after_it_is_written(tmp_path) -> None:
    told: list[KeptFile] = []
    file = KeptFile(tmp_path, TRACK_ID, told.append)
    assert (file.track, here(file)) == (None, [])
    file.put(MANIFEST, MADE.manifest)
    file.put((0, 3), SEGMENTS[3])
    assert told == [file, file]
    assert (file.track, here(file), file.unwritten_bytes) == (
        MADE.track,
        [3],
        len(MADE.manifest) + len(SEGMENTS[3]),
    )
    assert file.index.offset((0, 3)) == UNWRITTEN
    size = file.write()
    assert size == path_in(tmp_path).stat().st_size
    assert path_in(tmp_path).stat().st_mode & 0o777 == 0o600
    assert (here(file), file.unwritten) == ([3], {})
    file.put((0, 3), b"another")
    assert len(told) == 2, "it is here"
    again = kept(tmp_path)
    assert (again.track, here(again)) == (MADE.track, [3])


def test_two_that_write_append_each_to_what_the_other_wrote(tmp_path) -> None:
    one, other = kept(tmp_path), kept(tmp_path)
    for file, number in [(one, 0), (other, 1), (one, 2), (other, 3)]:
        file.put((0, number), SEGMENTS[number])
        file.write()
    assert (here(one), here(other), here(kept(tmp_path))) == ([0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3])


def test_while_another_writes_it_waits(tmp_path) -> None:
    file = written(tmp_path, 0)
    file.put((0, 1), SEGMENTS[1])
    with path_in(tmp_path).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            file.write()
        assert here(file) == [0, 1]
    file.write()
    assert here(kept(tmp_path)) == [0, 1]


@pytest.mark.parametrize("torn", [5, 30, 5000])
def test_what_a_crash_has_torn_is_cut_by_the_next_that_writes(tmp_path, torn, caplog) -> None:
    written(tmp_path, 0)
    path, sound = path_in(tmp_path), path_in(tmp_path).stat().st_size
    with path.open("ab") as file:
        file.write(build_block([((0, 1), SEGMENTS[1])])[:torn])
    again = kept(tmp_path)
    assert here(again) == [0]
    assert path.stat().st_size == sound + torn, "another may be writing it just now"
    again.put((0, 2), SEGMENTS[2])
    again.write()
    assert here(kept(tmp_path)) == [0, 2]
    assert f"cut to {sound} bytes" in caplog.text


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch) -> None:
    file = written(tmp_path, 0)
    before = path_in(tmp_path).read_bytes()
    file.put((0, 1), SEGMENTS[1])
    pwrite = os.pwrite

    def fill(descriptor: int, data: bytes, at: int) -> int:
        if at > len(before):
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data[:100], at)

    monkeypatch.setattr(module.os, "pwrite", fill)
    with pytest.raises(OSError, match="No space left"):
        file.write()
    assert path_in(tmp_path).read_bytes() == before
    file.refuse()
    file.put((0, 2), SEGMENTS[2])
    assert (here(file), file.unwritten) == ([0], {})


def test_memory_is_bounded_while_nothing_can_be_written(tmp_path) -> None:
    file = kept(tmp_path)
    for number in range(100):
        file.put((0, number), bytes(60_000))
    assert file.unwritten_bytes == 18 * 60_000


def test_many_objects_take_several_blocks(tmp_path) -> None:
    file = kept(tmp_path)
    for number in range(MOST_OBJECTS + 1):
        file.put((1, number), b"%d" % number)
    file.write(flushes=True)
    again = kept(tmp_path)
    assert again.read((1, MOST_OBJECTS), 3) == b"256"


def test_a_file_that_was_evicted_or_begun_anew_gives_nothing_false(tmp_path) -> None:
    file = written(tmp_path, 0, 1, 2)
    path_in(tmp_path).unlink()
    assert file.read((0, 0), len(SEGMENTS[0])) is None
    written(tmp_path, 3)
    assert file.read((0, 1), len(SEGMENTS[1])) is None, "it is another file"
    file.put((0, 4), SEGMENTS[4])
    file.write()
    assert (here(file), here(kept(tmp_path))) == ([3, 4], [3, 4])


def test_what_is_cut_short_is_not_here(tmp_path) -> None:
    file = written(tmp_path, 0)
    path_in(tmp_path).write_bytes(path_in(tmp_path).read_bytes()[:-1])
    assert here(file) == []
    assert here(kept(tmp_path)) == []


def test_a_false_manifest_is_none_and_damage_is_said_once(tmp_path, caplog) -> None:
    file = kept(tmp_path)
    file.put(MANIFEST, b"junk")
    file.put((0, 0), SEGMENTS[0])
    file.write()
    again = kept(tmp_path)
    assert again.track is None
    assert again.index.offset(MANIFEST) is None
    again.drop((0, 0))
    assert here(again) == []
    assert caplog.text.count("damaged") == 1


def test_a_pinned_track_has_another_name_and_stays_one_file(tmp_path) -> None:
    file, other = written(tmp_path, 0), kept(tmp_path)
    assert file.rename(pinned=True)
    assert file.rename(pinned=True)
    other.put((0, 1), SEGMENTS[1])
    other.write()
    assert os.listdir(tmp_path) == [path_in(tmp_path, ".pinned").name]  # noqa: PTH208
    assert here(kept(tmp_path)) == [0, 1]
    assert file.rename(pinned=False)
    assert path_in(tmp_path).exists()
    path_in(tmp_path).unlink()
    assert not file.rename(pinned=False)


def test_what_is_heard_is_the_youngest(tmp_path) -> None:
    file = written(tmp_path, 0)
    os.utime(path_in(tmp_path), (1, 1))
    file.touch()
    assert path_in(tmp_path).stat().st_mtime > 1


def test_a_link_in_its_place_is_neither_read_nor_written(tmp_path) -> None:
    target = tmp_path / "target"
    target.write_bytes(build_block([((0, 0), SEGMENTS[0])]))
    path_in(tmp_path).symlink_to(target)
    file = kept(tmp_path)
    assert here(file) == []
    file.put((0, 1), SEGMENTS[1])
    with pytest.raises(OSError, match="link"):
        file.write()
    assert target.read_bytes() == build_block([((0, 0), SEGMENTS[0])])
