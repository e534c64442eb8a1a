"""The file of a fetch, and the part that an earlier try left."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from lightpeer.client.part_file import FinishedFile, PartFile, PipedFile, destination
from lightpeer.errors import UsageError

HEADER = b"header--"
SEGMENTS = [b"one" * 10, b"two" * 20, b"three" * 5]
RENDITION = SimpleNamespace(header=HEADER)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.opus"


@pytest.fixture
def part_path(tmp_path):
    return tmp_path / "x.opus.part"


def written(path, segments=SEGMENTS, number=0):
    part = PartFile(path)
    part.begin(number, RENDITION)
    for data in segments:
        part.write(SimpleNamespace(data=data, was_kept=False))
    return part


def test_it_has_its_name_once_it_is_complete(path, part_path):
    part = written(path)
    assert not path.exists()
    assert part_path.exists()
    part.finish()
    assert path.read_bytes() == HEADER + b"".join(SEGMENTS)
    assert not part_path.exists()
    assert (part.size_bytes, part.kept_bytes) == (path.stat().st_size, 0)
    part.close()


@pytest.mark.parametrize("has_links", [True, False])
def test_what_another_program_has_put_there_meanwhile_is_not_replaced(
    path, part_path, has_links, monkeypatch
):
    if not has_links:
        monkeypatch.setattr(os, "link", raising(OSError(errno.EPERM, "no links on this disk")))
    part = written(path)
    path.write_text("theirs")
    with pytest.raises(UsageError, match="is something else"):
        part.finish()
    assert path.read_text() == "theirs"
    assert part_path.exists()
    part.close()
    path.unlink()
    written(path).finish()
    assert path.exists()
    part = PartFile(path, replaces=True)
    part.begin(0, RENDITION)
    part.write(SimpleNamespace(data=SEGMENTS[0], was_kept=False))
    part.finish()
    assert path.read_bytes() == HEADER + SEGMENTS[0]
    assert not part_path.exists()


def raising(error):
    def raise_it(*_):
        raise error

    return raise_it


def test_a_part_with_segments_stays_and_an_empty_one_goes(path, part_path):
    written(path, SEGMENTS[:1]).close()
    assert part_path.read_bytes() == HEADER + SEGMENTS[0]
    part_path.unlink()
    written(path, []).close()
    assert not part_path.exists()


def test_what_an_earlier_try_left_is_read_in_order_and_not_written_again(path):
    written(path, SEGMENTS[:2]).close()
    part = PartFile(path)
    assert part.has_begun_before
    assert part.read(0, 0, 30) is None, "it has not begun"
    part.begin(0, RENDITION)
    sizes = list(map(len, SEGMENTS))
    assert part.read(1, 0, sizes[0]) is None, "another rendition"
    assert part.read(0, 1, sizes[1]) is None, "out of order"
    assert [part.read(0, n, size) for n, size in enumerate(sizes)] == [*SEGMENTS[:2], None]
    for data in SEGMENTS:
        part.write(SimpleNamespace(data=data, was_kept=False))
    assert part.kept_bytes == sizes[0] + sizes[1]
    part.finish()
    assert path.read_bytes() == HEADER + b"".join(SEGMENTS)


def test_a_part_of_another_rendition_is_begun_anew(path, part_path):
    part_path.write_bytes(b"another header, and more of it")
    part = written(path)
    part.finish()
    assert path.read_bytes() == HEADER + b"".join(SEGMENTS)


def test_what_is_longer_than_the_track_is_cut(path, part_path):
    part_path.write_bytes(HEADER + b"".join(SEGMENTS) + b"more")
    written(path).finish()
    assert path.read_bytes() == HEADER + b"".join(SEGMENTS)


def test_a_link_in_its_place_is_not_followed(path, part_path, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    part_path.symlink_to(victim)
    with pytest.raises(OSError, match=r"(?i)link|not an ordinary file"):
        PartFile(path).begin(0, RENDITION)
    assert victim.read_bytes() == b"mine"


class Beside:
    """What the cache has."""

    def __init__(self, *objects):
        self.objects, self.dropped = list(objects), []

    def best(self, segment):
        return 0 if segment in self.objects else None

    def read(self, rendition, number, size):
        return b"c" * size if number in self.objects else None

    def drop(self, rendition, number):
        self.dropped.append((rendition, number))


def test_damage_is_told_of_the_file_that_has_it(path, caplog):
    """Whoever was told that the cache is damaged looked for a fault of the disk in another folder."""
    written(path, SEGMENTS[:2]).close()
    part, beside = PartFile(path), Beside(2, 3)
    part.begin(0, RENDITION, beside)
    part.drop(0, 0)
    assert beside.dropped == [(0, 0)], "the part has given nothing yet"
    for number, size in enumerate((30, 60)):
        assert part.read(0, number, size) == SEGMENTS[number]
        part.drop(0, number)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}.part was damaged on the disk: what is lost is fetched again"
    ]
    assert part.read(0, 2, 10) == b"c" * 10
    part.drop(0, 2)
    part.drop(1, 1)
    assert beside.dropped == [(0, 0), (0, 2), (1, 1)]
    part.close()


def test_a_destination_is_what_suits_the_name(path):
    assert isinstance(destination(None, replaces=False), PipedFile)
    assert type(destination(path, replaces=False)) is PartFile
    path.touch()
    assert type(destination(path, replaces=True)) is PartFile
    finished = destination(path, replaces=False)
    assert isinstance(finished, FinishedFile)
    assert (finished.is_finished, finished.has_begun_before) == (True, True)
    finished.close()


def test_a_finished_file_gives_its_segments_and_is_compared(path, caplog):
    path.write_bytes(HEADER + b"".join(SEGMENTS))
    file = FinishedFile(path)
    file.begin(0, RENDITION)
    for number, data in enumerate(SEGMENTS):
        assert file.read(0, number, len(data)) == data
        file.write(SimpleNamespace(data=data))
    file.finish()
    assert (file.size_bytes, file.kept_bytes) == (path.stat().st_size, sum(map(len, SEGMENTS)))
    file.drop(0, 2)
    assert not caplog.records, "it is compared, and not healed"
    with pytest.raises(UsageError, match="is something else"):
        file.write(SimpleNamespace(data=b"more"))
    file.close()
    file.close()
