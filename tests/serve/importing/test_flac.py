from __future__ import annotations

import pytest

from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.flac import open_flac
from tests.serve.media import fixture


def test_blocks_come_one_by_one_and_join_to_the_whole(tmp_path):
    with open_flac(fixture("tone.flac", tmp_path), in_ogg=False) as pcm:
        blocks = list(pcm.blocks)
    assert (pcm.rate, pcm.channels, pcm.is_float, pcm.damage) == (8000, 1, False, "")
    assert len(blocks) > 1
    assert sum(map(len, blocks)) == 20_000 * pcm.frame_bytes


def test_each_container_has_its_own_reader(tmp_path):
    for name, in_ogg in [("tone.flac", True), ("tone24.oga", False)]:
        with (
            pytest.raises(UnreadableError, match="finds no sound"),
            open_flac(fixture(name, tmp_path), in_ogg=in_ogg),
        ):
            pass


def test_a_file_that_is_not_there_cannot_be_opened(tmp_path):
    with (
        pytest.raises(UnreadableError, match="cannot open it"),
        open_flac(tmp_path / "x.flac", in_ogg=False),
    ):
        pass


def test_a_reader_may_stop_before_the_end(tmp_path):
    with open_flac(fixture("tone.flac", tmp_path), in_ogg=False) as pcm:
        assert next(pcm.blocks)
    assert pcm.damage == ""


def test_missing_frames_are_noted_as_damage_once_the_end_is_reached(tmp_path):
    path = fixture("tone.flac", tmp_path)
    path.write_bytes(path.read_bytes()[:9000])
    with open_flac(path, in_ogg=False) as pcm:
        next(pcm.blocks)
        assert pcm.damage == ""
        assert sum(map(len, pcm.blocks)) > 0
    assert pcm.damage == "parts of it are damaged"
