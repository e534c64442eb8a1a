from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path

import pytest

from lightpeer.audio import _native
from lightpeer.errors import MissingLibraryError, StateError
from lightpeer.serve.importing import decoders as sources
from lightpeer.serve.importing import ingest
from lightpeer.serve.importing import scan as importer
from lightpeer.serve.importing.scan import Folders, ImportReport, ProgressLine, scan
from lightpeer.serve.library.library import Library
from tests.serve.media import fixture, write_opus, write_wav


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def library(tmp_path, music):
    made = Library(tmp_path / "state", music, (24,), complexity=0)
    yield made
    made.close()


@pytest.fixture
def encoded(monkeypatch):
    """The bitrates of every encoder that was made."""
    made = []

    class Counted(ingest.OpusEncoder):
        def __init__(self, pcm, bitrate_bps, complexity):
            made.append(bitrate_bps)
            super().__init__(pcm, bitrate_bps, complexity)

    monkeypatch.setattr(ingest, "OpusEncoder", Counted)
    return made


def skipped(report):
    return {path.name: reason for path, reason in report.skipped}


def titles(library):
    return sorted(library.track(track_id).track.title for track_id in library.track_ids())


def test_a_folder_of_everything(library, music):
    (music / "a" / "b").mkdir(parents=True)
    fixture("tone.flac", music / "a")
    fixture("tone.ogg", music / "a" / "b")
    write_opus(music / "x.OPUS")
    write_wav(music / "y.wav")
    (music / "cover.jpg").write_bytes(b"no music")
    report = scan(library)
    assert (report.imported, report.unchanged, report.removed, report.skipped) == (4, 0, 0, [])
    assert titles(library) == ["Prélude", "Söndag", "tone", "y"]
    assert len(library.index.search("son", 5)) == 1


def test_an_unchanged_file_is_not_encoded_twice(library, music, encoded):
    write_wav(music / "a.wav")
    write_wav(music / "b.wav")
    assert scan(library).imported == 2
    assert len(encoded) == 2
    report = scan(library)
    assert (report.imported, report.unchanged) == (0, 2)
    assert len(encoded) == 2
    write_wav(music / "b.wav", 3.0)
    report = scan(library)
    assert (report.imported, report.unchanged) == (1, 1)
    assert len(encoded) == 3
    assert titles(library) == ["a", "b"]
    os.utime(music / "a.wav", ns=(1, 1))
    assert scan(library).imported == 1
    assert len(encoded) == 4


def test_another_ladder_is_imported_anew(library, music, tmp_path, encoded):
    write_wav(music / "a.wav")
    scan(library)
    library.close()
    again = Library(tmp_path / "state", music, (24, 32), complexity=0)
    assert scan(again).imported == 1
    assert encoded == [24000, 24000, 32000]
    (track_id,) = again.track_ids()
    assert len(again.track(track_id).track.renditions) == 2
    again.close()


def test_an_interrupted_import_resumes(library, music, tmp_path, encoded, monkeypatch):
    for name in "abc":
        write_wav(music / f"{name}.wav")
    real = importer.make_track

    def dies_at_b(source, *args):
        real(source, *args)
        if source.name == "b.wav":
            raise KeyboardInterrupt

    monkeypatch.setattr(importer, "make_track", dies_at_b)
    with pytest.raises(KeyboardInterrupt):
        scan(library)
    library.close()
    monkeypatch.setattr(importer, "make_track", real)
    assert list((tmp_path / "state" / "incoming").iterdir())
    again = Library(tmp_path / "state", music, (24,), complexity=0)
    assert not (tmp_path / "state" / "incoming").exists()
    assert titles(again) == ["a"]
    report = scan(again)
    assert (report.imported, report.unchanged) == (2, 1)
    assert len(encoded) == 4
    again.close()


def test_it_stops_when_asked_and_goes_on_later(library, music):
    write_wav(music / "a.wav", 2.0)
    write_wav(music / "b.wav", 2.0)
    asked = iter([False] * 5 + [True])
    report = scan(library, should_stop=lambda: next(asked))
    assert (report.imported, report.stopped, report.skipped) == (1, True, [])
    assert titles(library) == ["a"]
    report = scan(library)
    assert (report.imported, report.unchanged, report.stopped) == (1, 1, False)


def test_bad_files_are_named_and_skipped(library, music):
    (music / "zero.opus").write_bytes(b"")
    (music / "random.flac").write_bytes(b"\x93\x11\x27" * 999)
    (music / "random.wav").write_bytes(b"RIFF\x10\0\0\0WAVE" + b"\x93\x11" * 99)
    (music / "gone.ogg").symlink_to("nowhere")
    os.mkfifo(music / "pipe.wav")
    (music / "loop").symlink_to(music)
    (music / ".hidden.wav").write_bytes(b"")
    write_opus(music / "short.opus", 0.5)
    write_wav(music / "good.wav")
    report = scan(library)
    assert report.imported == 1
    reasons = skipped(report)
    assert reasons.keys() == {
        "zero.opus",
        "random.flac",
        "random.wav",
        "gone.ogg",
        "pipe.wav",
        "loop",
        "short.opus",
    }
    assert reasons["zero.opus"] == "it is empty"
    assert "no FLAC file" in reasons["random.flac"]
    assert "cannot be read: No such file" in reasons["gone.ogg"]
    assert reasons["pipe.wav"] == "it is not an ordinary file"
    assert "scanned already" in reasons["loop"]
    assert "less than a second" in reasons["short.opus"]
    assert f"skipped {music / 'zero.opus'}: it is empty" in report.notes()


def test_a_truncated_opus_file_is_imported_in_part_and_named(library, music):
    path = write_opus(music / "cut.opus", 5.0)
    path.write_bytes(path.read_bytes()[:-9000])
    report = scan(library)
    assert report.imported == 1
    assert [(path.name, "cut short" in reason) for path, reason in report.damaged] == [("cut.opus", True)]
    assert report.notes()[0].startswith("imported in part ")


def test_an_opus_file_truncated_before_its_first_second_is_skipped(library, music):
    path = write_opus(music / "cut.opus", 5.0)
    path.write_bytes(path.read_bytes()[:3000])
    report = scan(library)
    assert report.imported == 0
    assert list(skipped(report)) == ["cut.opus"]


def test_what_cannot_be_looked_into_keeps_its_tracks(library, music, monkeypatch):
    (music / "private").mkdir()
    write_wav(music / "private" / "a.wav")
    write_wav(music / "b.wav")
    scan(library)
    real = importer.Path.iterdir

    def refuse(path):
        if path.name == "private":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(importer.Path, "iterdir", refuse)
    report = scan(library)
    assert skipped(report) == {"private": "it cannot be read: Permission denied"}
    assert report.removed == 0
    assert titles(library) == ["a", "b"]


def test_a_file_without_permission(library, music, monkeypatch):
    write_wav(music / "a.wav")
    real = sources.Path.open

    def refuse(path, *args, **kwargs):
        if path.name == "a.wav":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(sources.Path, "open", refuse)
    assert skipped(scan(library)) == {"a.wav": "it cannot be read: Permission denied"}


@pytest.fixture
def elsewhere(tmp_path):
    """A folder with music that is none of ours."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    write_wav(folder / "private.wav")
    return folder


def test_links_that_lead_out_of_the_folder_are_passed_over_and_told_of_once(library, music, elsewhere):
    """What was published by one before is withdrawn, also if it was all there was."""
    (music / "link").symlink_to(elsewhere)
    (music / "b.wav").symlink_to(elsewhere / "private.wav")
    (music / "cover.jpg").symlink_to("/etc/passwd")
    assert scan(library, Folders(follow_links=True)).imported == 2
    report = scan(library)
    assert (report.imported, report.removed, report.kept, report.skipped) == (0, 2, False, [])
    assert titles(library) == []
    (note,) = report.notes()
    named = f"2 links that lead out of the folder, such as {music / 'b.wav'} to {elsewhere / 'private.wav'}"
    assert note == f"skipped {named}: name where it leads as one more folder, or give --follow-links"
    (music / "b.wav").unlink()
    assert scan(library).notes()[0].startswith("skipped 1 link that leads out of the folder")


def test_where_a_link_leads_may_be_a_folder_of_its_own(library, music, elsewhere):
    (music / "link").symlink_to(elsewhere)
    write_wav(music / "a.wav")
    report = scan(library, Folders([elsewhere, music / ".", music / "link", elsewhere / "below"]))
    assert (report.imported, report.notes()) == (2, [])
    assert titles(library) == ["a", "private"]
    assert scan(library, Folders([elsewhere])).unchanged == 2


def test_a_folder_that_is_empty_all_at_once_keeps_its_tracks_beside_another(library, music, elsewhere):
    write_wav(music / "a.wav")
    scan(library, Folders([elsewhere]))
    (elsewhere / "private.wav").unlink()
    report = scan(library, Folders([elsewhere]))
    assert (report.kept, report.removed, report.unchanged) == (True, 0, 1)
    assert titles(library) == ["a", "private"]
    assert scan(library).removed == 1, "it is no folder of ours any more"


def test_links_within_the_folder_are_followed(library, music):
    (music / "a").mkdir()
    write_wav(music / "a" / "x.wav")
    (music / "b").symlink_to("a")
    (music / "y.wav").symlink_to("a/x.wav")
    assert scan(library).imported == 2
    assert library.count_tracks() == 2, "by two names"


def test_the_folder_may_be_a_link_itself(tmp_path, elsewhere):
    (tmp_path / "music").symlink_to(elsewhere)
    library = Library(tmp_path / "state", tmp_path / "music", (24,), complexity=0)
    assert scan(library).imported == 1
    library.close()


@pytest.mark.parametrize("target", ["/", "..", "../..", "/proc", "/proc/self", "/sys", "/dev"])
def test_no_link_is_followed_to_what_holds_the_folder_or_is_the_systems(library, music, target):
    (music / "below").mkdir()
    (music / "below" / "link").symlink_to(music / target)
    write_wav(music / "a.wav")
    report = scan(library, Folders(follow_links=True))
    assert (report.imported, len(report.skipped)) == (1, 1)
    (reason,) = skipped(report).values()
    assert ("is the system's" if target[1:2] in {"p", "s", "d"} else "your music folder is in") in reason


def test_a_name_that_is_not_utf_8(library, music):
    write_wav(music / os.fsdecode(b"caf\xe9.wav"))
    (music / os.fsdecode(b"bad\xe9\n.wav")).write_bytes(b"")
    report = scan(library)
    assert titles(library) == ["caf\N{REPLACEMENT CHARACTER}"]
    (note,) = report.notes()
    assert note.isprintable()
    assert scan(library).unchanged == 1


def test_files_for_ffmpeg_without_it_are_told_once(library, music, monkeypatch):
    monkeypatch.setattr(sources.shutil, "which", lambda _name: None)
    for name in "abc":
        (music / f"{name}.mp3").write_bytes(b"\xff\xfb" * 999)
    report = scan(library)
    assert report.need_ffmpeg == len(report.skipped) == 3
    assert report.notes()[-1] == "3 files need ffmpeg: apt install ffmpeg"
    assert ImportReport(need_ffmpeg=1).notes() == ["1 file needs ffmpeg: apt install ffmpeg"]


def test_a_missing_decoder_skips_its_files_a_missing_encoder_ends_it(library, music, monkeypatch):
    real = _native.load_library
    fixture("tone.flac", music)
    write_wav(music / "a.wav")
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == "FLAC" else real(name))
    report = scan(library)
    assert report.imported == 1
    assert "install" in skipped(report)["tone.flac"]
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == "opusenc" else real(name))
    with pytest.raises(MissingLibraryError, match="libopusenc"):
        scan(library)


def test_a_file_that_changes_while_it_is_read(library, music, monkeypatch):
    write_wav(music / "a.wav")
    real = importer.make_track

    def and_meanwhile(source, *args):
        result = real(source, *args)
        os.utime(source, ns=(5, 5))
        return result

    monkeypatch.setattr(importer, "make_track", and_meanwhile)
    assert "changed while it was read" in skipped(scan(library))["a.wav"]
    monkeypatch.setattr(importer, "make_track", real)
    assert scan(library).imported == 1


def test_a_fault_of_ours_costs_one_file(library, music, monkeypatch):
    write_wav(music / "a.wav")
    write_wav(music / "b.wav")
    real = importer.make_track

    def faulty(source, *args):
        if source.name == "a.wav":
            raise ZeroDivisionError("oh")
        return real(source, *args)

    monkeypatch.setattr(importer, "make_track", faulty)
    report = scan(library)
    assert report.imported == 1
    assert skipped(report) == {"a.wav": "it cannot be imported (ZeroDivisionError: oh)"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_sentence_and_loses_nothing(library, music, monkeypatch, code):
    write_wav(music / "a.wav")
    write_wav(music / "b.wav")
    real = importer.make_track

    def full(source, tags, recipe, folder, should_stop):
        if source.name == "b.wav":
            raise OSError(code, "No space left on device")
        return real(source, tags, recipe, folder, should_stop)

    monkeypatch.setattr(importer, "make_track", full)
    with pytest.raises(StateError, match="is full: free some space"):
        scan(library)
    assert titles(library) == ["a"]
    monkeypatch.setattr(importer, "make_track", real)
    assert scan(library).imported == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_writing_to_a_full_disk(library, music, monkeypatch):
    write_wav(music / "a.wav")
    real = library.workspace

    def full():
        folder = real()
        (folder / "0.opus").symlink_to("/dev/full")
        return folder

    monkeypatch.setattr(library, "workspace", full)
    with pytest.raises(StateError, match="is full: free some space"):
        scan(library)
    assert list(library.track_ids()) == []


@pytest.mark.parametrize(("name", "reason"), [("none", "does not exist"), ("file", "is not a folder")])
def test_the_music_folder_is_not_there(tmp_path, name, reason):
    (tmp_path / "file").write_bytes(b"")
    library = Library(tmp_path / "state", tmp_path / name, (24,))
    with pytest.raises(StateError, match=reason):
        scan(library)
    library.close()


def test_tracks_stay_while_the_music_folder_is_away(library, music):
    write_wav(music / "a.wav")
    scan(library)
    music.rename(music.with_name("unmounted"))
    with pytest.raises(StateError):
        scan(library)
    assert titles(library) == ["a"]


def test_progress(library, music):
    write_wav(music / "A - B.wav")
    (music / "zero.wav").write_bytes(b"")
    calls = []
    scan(library, progress=lambda *call: calls.append(call))
    assert calls == [(0, 2, "A - B"), (1, 2, "zero"), (2, 2, "")]


def test_a_folder_may_be_named_in_another_way(tmp_path, music, monkeypatch):
    write_wav(music / "a.wav", 1)
    monkeypatch.chdir(tmp_path)
    for name, imported in (("music", 1), (f"{music}/", 0), ("./music/../music", 0)):
        library = Library(tmp_path / "state", Path(name), (24,), complexity=0)
        report = scan(library)
        library.close()
        assert (report.imported, report.removed) == (imported, 0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_progress_line(monkeypatch):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((40, 24)))
    stream = Terminal()
    line = ProgressLine(stream)
    line(5, 10, "An\x1b artist - A title that is long")
    assert stream.getvalue() == "\r\x1b[K[##########          ] 6/10  An? artist"[: 4 + 38] + "\u2026"
    line(6, 10, "\u65e5" * 30)
    assert stream.getvalue().endswith("7/10  " + "\u65e5" * 4 + "\u2026"), "two columns each"
    line(10, 10, "")
    assert stream.getvalue().endswith("\r\x1b[K")
    line.close()
    pipe = io.StringIO()
    ProgressLine(pipe)(5, 10, "x")
    assert pipe.getvalue() == ""


def test_an_empty_folder_is_no_wish_to_forget_everything(library, music):
    """A disk that is not mounted leaves an empty folder behind."""
    write_wav(music / "song.wav")
    assert scan(library).imported == 1
    (music / "song.wav").unlink()
    report = scan(library)
    assert (report.kept, report.removed, library.count_tracks()) == (True, 0, 1)
    assert "kept" in report.notes()[0]
    write_wav(music / "other.wav", 3.0)
    report = scan(library)
    assert (report.kept, report.removed, report.imported) == (False, 1, 1)
