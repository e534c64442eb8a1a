"""Open renditions are many and small, and their segments are where the tables say."""

from __future__ import annotations

import errno
import gc
import os
import tracemalloc
from pathlib import Path
from random import Random

import pytest

from lightpeer.core.content import manifest
from lightpeer.core.content.manifest import (
    TABLE_BASE,
    TABLE_SEGMENTS,
    Description,
    build_manifest,
    build_table,
    served_tables,
    table_bytes,
    track_id_of,
)
from lightpeer.core.content.manifest import parse_manifest_untrusted as parse
from lightpeer.errors import StateError
from lightpeer.serve.library import store
from lightpeer.serve.library.store import RenditionFiles, StoredTrack


def write_track(
    folder: Path, count: int, seed: int = 1, header: bytes = b"the header", bitrate_bps: int = 24_000
) -> list[bytes]:
    """Write a track of one rendition, with segments of a few bytes; return those."""
    random = Random(seed)
    segments = [random.randbytes(random.randint(1, 900)) for _ in range(count)]
    tables = [build_table(segments[i : i + TABLE_SEGMENTS]) for i in range(0, count, TABLE_SEGMENTS)]
    folder.mkdir()
    (folder / "0.opus").write_bytes(header + b"".join(segments))
    (folder / "0.tables").write_bytes(b"".join(served_tables(tables)))
    data = build_manifest(
        Description(
            title="T",
            artist="",
            album="",
            duration_samples=count * 48_000,
            gain_q8_db=0,
            segment_count=count,
        ),
        renditions=[(bitrate_bps, header, tables)],
    )
    (folder / "manifest").write_bytes(data)
    return segments


def stored(folder: Path, files: RenditionFiles, set_aside=None) -> StoredTrack:
    data = (folder / "manifest").read_bytes()
    return StoredTrack(data, parse(data, track_id_of(data)), folder, files, set_aside)


@pytest.mark.parametrize("count", [1, 64, 65, 200])
def test_segments_and_tables_are_found_in_any_order(tmp_path, count):
    segments = write_track(tmp_path / "t", count)
    wanted = [*range(count), *range(TABLE_BASE, TABLE_BASE + -(-count // TABLE_SEGMENTS))]
    orders = [wanted, wanted[::-1], *(Random(seed).sample(wanted, len(wanted)) for seed in range(20))]
    for order in orders:
        track = stored(tmp_path / "t", RenditionFiles())
        for number in order:
            first = (number - TABLE_BASE) * TABLE_SEGMENTS
            table = segments[first : first + TABLE_SEGMENTS] if number >= TABLE_BASE else []
            assert track.read(0, number) == (build_table(table) if table else segments[number])


@pytest.mark.parametrize("order", [range(65), range(64, -1, -1)])
def test_the_tables_of_a_long_track_come_with_their_paths(tmp_path, order):
    segments = write_track(tmp_path / "t", 64 * 64 + 7)
    tables = [build_table(segments[i : i + TABLE_SEGMENTS]) for i in range(0, len(segments), TABLE_SEGMENTS)]
    track = stored(tmp_path / "t", RenditionFiles())
    assert not track.holds(0, TABLE_BASE + 65)
    for number in order:
        table = track.read(0, TABLE_BASE + number)
        assert table == served_tables(tables)[number]
        assert len(table) == table_bytes(track.track, number)
        last = min(number * TABLE_SEGMENTS + 63, len(segments) - 1)
        assert track.read(0, last) == segments[last]


def test_a_long_track_of_an_older_import_has_its_tables_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "MAX_LISTED_TABLES", 1024)
    segments = write_track(tmp_path / "t", 64 * 64 + 7)
    monkeypatch.undo()
    track = stored(tmp_path / "t", RenditionFiles())
    assert track.read(0, TABLE_BASE + 64) == build_table(segments[64 * 64 :])
    assert track.read(0, 64 * 64 + 6) == segments[-1]


@pytest.fixture
def opened(monkeypatch):
    """The renditions that were opened, in order."""
    names, real = [], os.open

    def counted(path, flags):
        names.append(Path(path).parent.name)
        return real(path, flags)

    monkeypatch.setattr(store.os, "open", counted)
    return names


def test_a_hundred_open_renditions_do_not_close_each_other(tmp_path, opened):
    for number in range(100):
        write_track(tmp_path / str(number), 2, seed=number)
    files = RenditionFiles()
    tracks = [stored(tmp_path / str(number), files) for number in range(100)]
    for segment in (0, 1):
        for track in tracks:
            track.read(0, segment)
    assert len(opened) == 100


def test_the_least_recent_goes_when_there_are_too_many(tmp_path, opened):
    for name in "abc":
        write_track(tmp_path / name, 2, seed=ord(name))
    files = RenditionFiles(2)
    a, b, c = (stored(tmp_path / name, files) for name in "abc")
    for track in (a, b, a, c, a, b):
        track.read(0, 0)
    assert opened == ["a", "b", "c", "b"]
    files.forget(a.track.track_id)
    a.read(0, 0)
    assert opened[-1] == "a"


def test_an_open_rendition_of_hours_is_small(tmp_path):
    """Three hours have tables of 194 kB; of those stay the last, and where each begins."""
    write_track(tmp_path / "t", 3 * 3600)
    track = stored(tmp_path / "t", RenditionFiles())
    tracemalloc.start()
    try:
        for segment in range(0, 3 * 3600, 50):
            track.read(0, segment)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 10_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("number", "told"), [(errno.EIO, [False]), (errno.EMFILE, []), (errno.ENOMEM, [])])
def test_a_disk_that_fails_while_it_is_read_is_one_sentence(tmp_path, monkeypatch, number, told):
    """The library hears of it, but where a process is short of means: that is not the track's fault."""
    write_track(tmp_path / "t", 2)
    heard: list[bool] = []
    track = stored(tmp_path / "t", RenditionFiles(), heard.append)
    track.read(0, 0)

    def fail(*_):
        raise OSError(number, "Input/output error")

    monkeypatch.setattr(store.os, "pread", fail)
    with pytest.raises(StateError, match=r"cannot be read \(Input/output error\)"):
        track.read(0, 1)
    assert heard == told


@pytest.mark.parametrize("name", ["0.opus", "0.tables"])
def test_a_file_that_is_gone_is_damage(tmp_path, name):
    """It does not come back by itself, as an unplugged disk does."""
    write_track(tmp_path / "t", 2)
    (tmp_path / "t" / name).unlink()
    heard: list[bool] = []
    with pytest.raises(StateError, match="cannot be read"):
        stored(tmp_path / "t", RenditionFiles(), heard.append).read(0, 1)
    assert heard == [True]


def test_a_track_that_claims_less_than_it_takes_is_damage(tmp_path):
    """Listeners would take us for a liar; it is imported again, with the right claim."""
    write_track(tmp_path / "t", 2, bitrate_bps=500)
    heard: list[bool] = []
    with pytest.raises(StateError, match="damaged"):
        stored(tmp_path / "t", RenditionFiles(), heard.append).read(0, 1)
    assert heard == [True]


def test_a_bit_that_flips_anywhere_is_seen_and_spoils_no_more_than_what_it_is_in(tmp_path):
    count = 70
    segments = write_track(tmp_path / "t", count)
    numbers = [*range(count), TABLE_BASE, TABLE_BASE + 1]
    for name in ("0.opus", "0.tables"):
        path, sound = tmp_path / "t" / name, (tmp_path / "t" / name).read_bytes()
        for seed in range(20):
            random, data = Random(seed), bytearray(sound)
            data[random.randrange(10, len(data))] ^= 1 << random.randrange(8)
            path.write_bytes(data)
            heard: list[bool] = []
            track, bad = stored(tmp_path / "t", RenditionFiles(), heard.append), set()
            for number in random.sample(numbers, len(numbers)):
                try:
                    read = track.read(0, number)
                except StateError:
                    bad.add(number)
                else:
                    assert number >= TABLE_BASE or read == segments[number]
            assert bad
            assert heard == [True] * len(bad)
            assert name == "0.tables" or len(bad) == 1
        path.write_bytes(sound)


def test_one_that_another_thread_has_opened_meanwhile_is_used(tmp_path, monkeypatch):
    write_track(tmp_path / "t", 2)
    files = RenditionFiles()
    track = stored(tmp_path / "t", files)
    real = store._RenditionFile

    def slow(*args):
        monkeypatch.setattr(store, "_RenditionFile", real)
        files.open(*args_of(track))
        return real(*args)

    monkeypatch.setattr(store, "_RenditionFile", slow)
    first = files.open(*args_of(track))
    assert files.open(*args_of(track)) is first
    assert len(files._open) == 1


def args_of(track: StoredTrack):
    return track._folder, track.track, 0
