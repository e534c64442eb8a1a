"""Which files are music that an operator means to publish."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightpeer.errors import StateError, UsageError
from lightpeer.serve.importing import finder as finder_module
from lightpeer.serve.importing.finder import Finder, require_folder


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(finder: Finder, folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path, _ in finder.files(folder)]


def test_music_comes_in_the_order_of_names_and_nothing_else_does(music: Path) -> None:
    touched(
        music / "b.OPUS", music / "a.flac", music / "a" / "c.wav", music / "notes.txt", music / "cover.jpg"
    )
    touched(music / ".hidden.wav", music / ".folder" / "d.wav")
    assert found(Finder([music], []), music) == ["a.flac", "b.OPUS", "a/c.wav"]


def test_a_folder_that_is_entered_by_two_ways_is_read_once_and_told(music: Path) -> None:
    touched(music / "one" / "a.wav")
    (music / "two").symlink_to(music / "one")
    skipped: list[tuple[Path, str]] = []
    assert found(Finder([music], skipped), music) == ["one/a.wav"]
    assert skipped == [(music / "two", "it links to a folder that has been scanned already")]


def test_a_link_within_the_folder_is_followed_and_one_out_of_it_is_counted(
    music: Path, tmp_path: Path
) -> None:
    touched(music / "a.wav", tmp_path / "secret.wav", tmp_path / "private" / "b.wav", tmp_path / "notes.txt")
    (music / "in.wav").symlink_to(music / "a.wav")
    (music / "out.wav").symlink_to(tmp_path / "secret.wav")
    (music / "out").symlink_to(tmp_path / "private")
    (music / "notes").symlink_to(tmp_path / "notes.txt")  # no music, so that nobody asks
    finder = Finder([music], [])
    assert found(finder, music) == ["a.wav", "in.wav"]
    assert finder.led_out == 2
    assert finder.first_led_out == (music / "out", tmp_path / "private")


def test_with_links_all_music_is_followed_but_not_upwards_nor_into_the_kernel(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched(music / "a.wav", tmp_path / "more" / "b.wav", tmp_path / "proc" / "c.wav")
    monkeypatch.setattr(finder_module, "_KERNELS_OWN", (tmp_path / "proc",))
    for name, target in (("more", "more"), ("up", "."), ("kernel", "proc")):
        (music / name).symlink_to(tmp_path / target)
    skipped: list[tuple[Path, str]] = []
    finder = Finder([music], skipped, follow_links=True)
    assert found(finder, music) == ["a.wav", "more/b.wav"]
    assert [(path.name, reason.partition(", which ")[2]) for path, reason in skipped] == [
        ("kernel", "is the system's"),
        ("up", "your music folder is in"),
    ]
    assert finder.led_out == 0


def test_a_link_into_another_music_folder_is_found_there(music: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    touched(other / "b.wav")
    (music / "b.wav").symlink_to(other / "b.wav")
    finder = Finder([music, other], [])
    assert (found(finder, music), found(finder, other)) == ([], ["b.wav"])
    assert finder.led_out == 0


def test_what_cannot_be_looked_into_may_still_hold_music(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched(music / "open" / "a.wav", music / "shut" / "b.wav", music / "c.wav")
    iterdir, lstat = Path.iterdir, Path.lstat

    def refuse_folder(path: Path):
        if path.name == "shut":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    def refuse_file(path: Path) -> os.stat_result:
        if path.name == "c.wav":
            raise PermissionError(13, "Permission denied")
        return lstat(path)

    monkeypatch.setattr(Path, "iterdir", refuse_folder)
    monkeypatch.setattr(Path, "lstat", refuse_file)
    skipped: list[tuple[Path, str]] = []
    finder = Finder([music], skipped)
    assert found(finder, music) == ["open/a.wav"]
    assert sorted(finder.closed) == sorted(map(os.fsencode, (music / "c.wav", music / "shut")))
    assert {reason for _, reason in skipped} == {"it cannot be read: Permission denied"}


def test_behind_a_link_that_leads_to_nothing_there_may_be_music_again(music: Path) -> None:
    (music / "dangling.wav").symlink_to(music / "nowhere.wav")
    (music / "dangling").symlink_to(music / "nowhere")
    skipped: list[tuple[Path, str]] = []
    finder = Finder([music], skipped)
    assert found(finder, music) == []
    assert finder.closed == [os.fsencode(music / "dangling"), os.fsencode(music / "dangling.wav")]
    assert [path.name for path, _ in skipped] == ["dangling.wav"]


def test_what_is_removed_while_it_looks_holds_no_music_any_more(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched(music / "a.wav", music / "b.wav")
    lstat = Path.lstat

    def remove_first(path: Path) -> os.stat_result:
        if path.name == "a.wav":
            path.unlink()
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", remove_first)
    finder = Finder([music], [])
    assert found(finder, music) == ["b.wav"]
    assert finder.closed == []


def test_folders_are_told_of_and_those_on_another_disk_noted(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched(music / "a" / "x.wav", music / "disk" / "y.wav")
    stat = Path.stat

    def on_another_disk(path: Path, **more: bool) -> os.stat_result:
        status = stat(path, **more)
        if path.name != "disk":
            return status
        return os.stat_result([*status[:2], status.st_dev + 1, *status[3:]])

    monkeypatch.setattr(Path, "stat", on_another_disk)
    entered: list[Path] = []
    finder = Finder([music], [], on_folder=entered.append)
    assert found(finder, music) == ["a/x.wav", "disk/y.wav"]
    assert entered == [music, music / "a", music / "disk"]
    assert finder.mounts == [os.fsencode(music / "disk")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_with_the_name_of_music_is_skipped(music: Path) -> None:
    os.mkfifo(music / "endless.wav")
    skipped: list[tuple[Path, str]] = []
    assert found(Finder([music], skipped), music) == []
    assert skipped == [(music / "endless.wav", "it is not an ordinary file")]


@pytest.mark.parametrize(("name", "reason"), [("none", "does not exist"), ("file", "is not a folder")])
def test_a_music_folder_has_to_be_one(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"{reason}: give the folder"):
        require_folder(tmp_path / name)
    with pytest.raises(StateError, match=reason):
        next(Finder([tmp_path / name], []).files(tmp_path / name))
