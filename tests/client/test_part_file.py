"""The file of a fetch, and the part that an earlier try left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.client.part_file import PartFile

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
