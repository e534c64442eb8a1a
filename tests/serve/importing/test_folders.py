"""The music folders beside the library: what is new, what is settled, and what is out of sight."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lightpeer.serve.importing.folders import Control, Folders, Look, outermost
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.library.library import Library

SECOND_NS = 1_000_000_000


@pytest.fixture
def music(tmp_path: Path) -> Path:
    (tmp_path / "music" / "album").mkdir(parents=True)
    for name in ("a.opus", "album/b.flac", "album/notes.txt"):
        (tmp_path / "music" / name).write_bytes(b"x")
    return tmp_path / "music"


@pytest.fixture
def library(tmp_path: Path, music: Path) -> Iterator[Library]:
    made = Library(tmp_path / "state", music)
    yield made
    made.close()


@pytest.fixture
def look(library: Library) -> Callable[..., Look]:
    """Returns a function that makes a look at the library's folder and others."""

    def look(*more: Path, **control: object) -> Look:
        return Look(library, Control(**control), Folders(more=more))

    return look


def names(keys: list) -> list[str]:
    return sorted(Path(os.fsdecode(key.path)).name for key in keys)


def test_folders_within_others_and_their_other_names_count_once(tmp_path: Path, monkeypatch) -> None:
    for name in ("music/rock", "musical"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("music/rock")
    monkeypatch.chdir(tmp_path)
    music, musical = tmp_path / "music", tmp_path / "musical"
    assert outermost([Path("music")]) == [music]
    assert set(outermost([music, Path("musical"), music / "rock", Path("link")])) == {music, musical}
    assert outermost([tmp_path / "link", music / "rock"]) == [tmp_path / "link"], "as given first"
    assert set(outermost([music / "rock", tmp_path / "gone", music])) == {tmp_path / "gone", music}


def test_all_music_of_all_folders_is_new_at_first(look, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.mp3").write_bytes(b"x")
    first = look(tmp_path / "more")
    assert names(first.find()) == ["a.opus", "b.flac", "c.mp3"]
    assert (first.found, first.unread, first.out_of_sight()) == (3, [], [])


def test_a_folder_is_told_before_it_is_read(look, music: Path) -> None:
    told: list[Path] = []
    look(on_folder=told.append).find()
    assert told == [music, music / "album"]


def test_a_stop_ends_it_between_files(look) -> None:
    with pytest.raises(StoppedError):
        look(should_stop=lambda: True).find()


def test_a_folder_without_music_is_out_of_sight_and_not_gone(look, tmp_path: Path, music: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "cover.jpg").write_bytes(b"x")
    here = look(tmp_path / "more")
    here.find()
    assert here.out_of_sight() == [os.fsencode(tmp_path / "more")]


@pytest.mark.parametrize(
    ("age_s", "is_settled"), [(0.0, False), (4.9, False), (5.1, True), (-60.0, True), (3600.0, True)]
)
def test_what_was_just_written_waits_unless_its_clock_is_ahead(
    look, music: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, is_settled: bool
) -> None:
    """A time in the future is a wrong clock, and would else keep a file out for as long."""
    begun_ns = 1_750_000_000 * SECOND_NS
    monkeypatch.setattr("time.time_ns", lambda: begun_ns)
    stamp_ns = begun_ns - int(age_s * SECOND_NS)
    os.utime(music / "a.opus", ns=(stamp_ns, stamp_ns))
    here = look()
    (key,) = [key for key in here.find() if key.path.endswith(b"a.opus")]
    assert here.is_settled(key, 5.0) is is_settled
    assert here.is_settled(key, 0.0), "nothing waits where nothing is to settle"
