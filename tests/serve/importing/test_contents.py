"""The digests by which files, and parts of them, are known again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.errors import UnreadableError
from lightpeer.serve.importing import contents
from lightpeer.serve.importing.contents import content_digest
from lightpeer.serve.importing.repage import StoppedError
from tests.serve.cues import write_cue
from tests.serve.media import write_wav


def no() -> bool:
    return False


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    one, same = write_wav(tmp_path / "1.wav"), write_wav(tmp_path / "2.wav")
    other = write_wav(tmp_path / "3.wav", 2.6)
    assert content_digest(one, no) == content_digest(same, no) != content_digest(other, no)
    with pytest.raises(UnreadableError, match="it cannot be read: No such file"):
        content_digest(tmp_path / "gone.wav", no)


def test_it_looks_at_a_stop_each_megabyte(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(contents, "_READ_BYTES", 1000)
    path = tmp_path / "x"
    path.write_bytes(bytes(2500))
    asked = iter([False, False, True])
    with pytest.raises(StoppedError):
        content_digest(path, lambda: next(asked))


def test_a_part_is_known_by_its_files_bytes_and_its_range(tmp_path: Path, monkeypatch) -> None:
    write_wav(tmp_path / "x.wav")
    cue = write_cue(tmp_path / "x.cue", "x.wav", "00:00:00", "00:01:00")
    first, second = (tmp_path / "x.wav" / number for number in ("01", "02"))
    before = content_digest(first, no)
    assert before != content_digest(second, no)
    write_cue(cue, "x.wav", "00:00:00", "00:01:00", titles=["Other", "Names"])
    monkeypatch.setattr(contents, "_digest_of", None)
    assert content_digest(first, no) == before, "the file is not read again"
    write_cue(cue, "x.wav", "00:00:00", "00:01:01")
    assert content_digest(first, no) != before
    cue.unlink()
    with pytest.raises(UnreadableError, match="the next scan"):
        content_digest(first, no)
