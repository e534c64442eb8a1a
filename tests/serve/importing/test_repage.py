from __future__ import annotations

import random

import pytest

from lightpeer.audio.ogg import Muxer
from lightpeer.audio.opus import OpusHead, build_opus_head, build_opus_tags
from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.repage import StoppedError, repage_opus, survey_opus
from lightpeer.serve.importing.segments import RenditionWriter
from lightpeer.serve.importing.tags import Tags
from tests.serve.media import FRAMES_60_MS, decoded, packets, write_opus

MS_20 = b"\xf8"


def mux(path, pages, *, first_granule=0, trim=0, end=True):
    """A file of 20 ms packets, `pages` giving how many on each page."""
    with Muxer(7) as muxer:
        muxer.add(build_opus_head(OpusHead(1, 312)), 0)
        data = muxer.flush()
        muxer.add(build_opus_tags("x", {}), 0)
        data += muxer.flush()
        granule = first_granule
        for number, count in enumerate(pages):
            last = number == len(pages) - 1
            for n in range(count):
                granule += 960
                ends = last and end and n == count - 1
                muxer.add(MS_20 + b"data", granule - trim if ends else granule, eos=ends)
            data += muxer.flush()
    path.write_bytes(data)
    return path


def repaged(source, target, survey):
    with RenditionWriter(target, survey.head, Tags("x")) as writer:
        repage_opus(source, survey, writer)
    return writer


def test_what_an_encoder_wrote(tmp_path):
    source = write_opus(tmp_path / "x.opus", 2.5, kbps=64)
    survey = survey_opus(source)
    assert survey.head.pre_skip == 312
    assert survey.total_samples == 120_000 + 312
    assert survey.bitrate_bps == pytest.approx(64_000, rel=0.02)
    assert survey.on_the_second
    assert survey.fits
    assert survey.whole


def test_a_copy_decodes_to_the_same_samples(tmp_path):
    source = write_opus(tmp_path / "x.opus", 2.3, channels=2)
    writer = repaged(source, tmp_path / "0.opus", survey_opus(source))
    assert decoded(tmp_path / "0.opus") == decoded(source)
    assert [p.data for p in packets((tmp_path / "0.opus").read_bytes())[2:]] == [
        p.data for p in packets(source.read_bytes())[2:]
    ]
    assert writer.segment_count == 3


def test_the_largest_segment_is_as_large_as_the_writer_makes_it(tmp_path):
    source = write_opus(tmp_path / "x.opus", 2.0, kbps=256)
    survey = survey_opus(source)
    writer = repaged(source, tmp_path / "0.opus", survey)
    sizes = [int.from_bytes(writer.tables[0][n : n + 2], "big") for n in range(0, len(writer.tables[0]), 18)]
    assert max(sizes) == survey.largest_segment


def test_60_ms_frames_do_not_start_on_the_second(tmp_path):
    assert not survey_opus(write_opus(tmp_path / "x.opus", 2.0, frames=FRAMES_60_MS)).on_the_second


@pytest.mark.parametrize(
    ("pages", "options", "total"),
    [
        ([50, 50], {}, 96000),
        ([50, 50], {"trim": 500}, 95500),
        ([50, 1], {"trim": 959}, 48001),
        ([60], {"trim": 100}, 57500),
        ([50, 50], {"first_granule": 10_000_000, "trim": 500}, 95500),  # the middle of a broadcast
        ([50, 50], {"end": False}, 96000),
        ([50, 50], {"trim": 60_000}, 48000),  # more than the last page has
        ([50, 50], {"trim": -7}, 96000),
    ],
)
def test_length(tmp_path, pages, options, total):
    survey = survey_opus(mux(tmp_path / "x.opus", pages, **options))
    assert survey.total_samples == total
    assert survey.whole == options.get("end", True)


def test_a_file_cut_mid_page_has_its_whole_pages(tmp_path):
    source = mux(tmp_path / "x.opus", [50, 50, 50])
    source.write_bytes(source.read_bytes()[:-20])
    survey = survey_opus(source)
    assert survey.total_samples == 96_000
    assert not survey.whole
    assert repaged(source, tmp_path / "0.opus", survey).segment_count == 2


def test_damage_in_the_middle_is_left_out_and_the_rest_closes_up(tmp_path):
    source = mux(tmp_path / "x.opus", [25] * 6, trim=100)
    data = bytearray(source.read_bytes())
    pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    data[pages[4] + 40] ^= 0xFF  # the third page of sound fails its checksum
    source.write_bytes(data)
    survey = survey_opus(source)
    assert survey.total_samples == 5 * 25 * 960 - 100
    assert not survey.whole
    repaged(source, tmp_path / "0.opus", survey)
    assert len(packets((tmp_path / "0.opus").read_bytes())) == 2 + 125


@pytest.mark.parametrize("kept", [0, 20, 60, 100])
def test_a_file_without_sound(tmp_path, kept):
    source = mux(tmp_path / "x.opus", [50])
    source.write_bytes(source.read_bytes()[:kept])
    with pytest.raises(UnreadableError, match="before its first sound"):
        survey_opus(source)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UnreadableError, match="cannot be read"):
        survey_opus(tmp_path / "none.opus")


def test_a_bad_header(tmp_path):
    source = mux(tmp_path / "x.opus", [50])
    with Muxer(7) as muxer:
        muxer.add(b"OpusHead\xff" + bytes(10), 0)
        bad = muxer.flush()
    source.write_bytes(bad + source.read_bytes()[47:])
    with pytest.raises(UnreadableError, match="damaged"):
        survey_opus(source)


def test_it_can_be_stopped(tmp_path):
    with pytest.raises(StoppedError):
        survey_opus(mux(tmp_path / "x.opus", [50]), lambda: True)


def test_any_bytes_give_a_survey_or_one_error(tmp_path):
    data = mux(tmp_path / "x.opus", [50, 50]).read_bytes()
    random_bytes = random.Random(2)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(random_bytes.randrange(1, 20)):
            broken[random_bytes.randrange(len(broken))] = random_bytes.randrange(256)
        source = tmp_path / "y.opus"
        source.write_bytes(broken)
        try:
            survey = survey_opus(source)
        except UnreadableError:
            continue
        assert 0 < survey.total_samples <= 96_000
