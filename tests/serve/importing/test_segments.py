from __future__ import annotations

import pytest

from lightpeer.audio.opus import OpusHead, build_opus_tags, packet_samples
from lightpeer.core.content.manifest import TABLE_SEGMENTS, served_tables
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing import segments as segments_module
from lightpeer.serve.importing.segments import SERIAL, RenditionWriter
from lightpeer.serve.importing.tags import Tags
from tests.serve.media import packets

HEAD = OpusHead(channels=1, pre_skip=312)
MS_20, MS_60, MS_2_5 = b"\xf8", b"\x18", b"\xe0"  # TOC bytes: CELT 20 ms, SILK 60 ms, CELT 2.5 ms, one frame


def write(path, body, total_samples, tags=Tags("T", "Å", "")):  # noqa: B008 (frozen)
    with RenditionWriter(path, HEAD, tags) as writer:
        writer.add_all(body)
        writer.finish(total_samples)
    return writer


def cut(path, writer):
    """The segments, by the table file's sizes."""
    data, tables = path.read_bytes(), path.with_suffix(".tables").read_bytes()
    at, found = len(writer.header), []
    for entry in range(0, len(tables), 18):
        size = int.from_bytes(tables[entry : entry + 2], "big")
        found.append(data[at : at + size])
        at += size
    assert at == len(data)
    return found


def test_segment_k_holds_the_packets_that_start_in_second_k(tmp_path):
    path = tmp_path / "0.opus"
    writer = write(path, [MS_60 + bytes([n]) for n in range(40)], 40 * 2880)
    found = cut(path, writer)
    assert writer.segment_count == len(found) == 3
    start = 0
    for second, segment in enumerate(found):
        for packet in packets(writer.header + segment, holes=min(second, 1))[2:]:
            assert start // 48000 == second
            start += packet_samples(packet.data)
    assert start == 40 * 2880


def test_granules_count_samples_and_the_last_page_ends_the_stream(tmp_path):
    path = tmp_path / "0.opus"
    writer = write(path, [MS_20 + b"x"] * 75, 72000 - 500)
    found = packets(path.read_bytes())
    assert [p.granule for p in found if p.granule > 0] == [48000, 71500]
    assert [n for n, p in enumerate(found) if p.eos] == [76]
    for segment in cut(path, writer):
        assert segment.startswith(b"OggS")
        assert int.from_bytes(segment[14:18], "little") == SERIAL
        assert segment.count(b"OggS") == 1


def test_header_pages(tmp_path):
    writer = write(tmp_path / "0.opus", [MS_20] * 60, 57000)
    first, second = packets(writer.header)
    assert first.data.startswith(b"OpusHead")
    assert second.data == build_opus_tags("lightpeer", {"TITLE": ["T"], "ARTIST": ["Å"]})


def test_many_short_packets_take_several_pages(tmp_path):
    path = tmp_path / "0.opus"
    writer = write(path, [MS_2_5] * 800, 96000)
    assert [segment.count(b"OggS") for segment in cut(path, writer)] == [2, 2]


def test_tables_of_64(tmp_path):
    writer = write(tmp_path / "0.opus", [MS_20] * 50 * (TABLE_SEGMENTS + 1), 48000 * (TABLE_SEGMENTS + 1))
    assert [len(table) for table in writer.tables] == [TABLE_SEGMENTS * 18, 18]


def test_the_tables_of_a_long_file_are_stored_with_their_paths(tmp_path):
    path, seconds = tmp_path / "0.opus", 64 * TABLE_SEGMENTS + 1
    writer = write(path, [MS_60] * (seconds * 50 // 3), seconds * 48000 - 960)
    assert len(writer.tables) == 65
    assert path.with_suffix(".tables").read_bytes() == b"".join(served_tables(writer.tables))
    assert len(path.with_suffix(".tables").read_bytes()) == seconds * 18 + 65 * 7 * 16


def test_packets_beyond_the_end_fall_away(tmp_path):
    path = tmp_path / "0.opus"
    write(path, [MS_20] * 60, 48001)
    assert len(packets(path.read_bytes())) == 2 + 51


@pytest.mark.parametrize("total_samples", [48000, 60 * 960 + 1])
def test_a_length_that_the_packets_do_not_have(tmp_path, total_samples):
    with pytest.raises(UnreadableError):
        write(tmp_path / "0.opus", [MS_20] * 60, total_samples)


def test_bounds(tmp_path, monkeypatch):
    with pytest.raises(UnreadableError, match="64 kB"):
        write(tmp_path / "0.opus", [MS_20 + bytes(1400)] * 50, 48000)
    monkeypatch.setattr(segments_module, "MAX_SEGMENTS", 2)
    with pytest.raises(UnreadableError, match="longer than"):
        write(tmp_path / "0.opus", [MS_20] * 101, 101 * 960)
