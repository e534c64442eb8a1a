from __future__ import annotations

import errno
import os
import sys
import zlib
from pathlib import Path

import pytest
from mutagen.flac import FLAC

from lightpeer.audio import _native
from lightpeer.audio.opus import OpusHead
from lightpeer.errors import MissingLibraryError, StateError
from lightpeer.serve.importing import cue_sheets, ingest
from lightpeer.serve.importing import decoders as sources
from lightpeer.serve.importing import jobs as importer
from lightpeer.serve.importing import scan as importer_of_all
from lightpeer.serve.importing.finder import Finder
from lightpeer.serve.importing.folders import Control, Folders
from lightpeer.serve.importing.scan import import_wanted, mend, scan
from lightpeer.serve.importing.segments import RenditionWriter
from lightpeer.serve.importing.tags import Tags
from lightpeer.serve.library import waiting
from lightpeer.serve.library.library import Library
from lightpeer.serve.library.removal import prune
from tests.serve import media
from tests.serve.cues import cue_text, write_cue
from tests.serve.media import decoded, fixture, write_opus


def write_wav(path, seconds=2.5):
    """A file like no other: its length depends on its name."""
    return media.write_wav(path, seconds + 0.001 * (zlib.crc32(os.fsencode(path.stem)) % 100))


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
    report = scan(library)
    assert (report.imported, report.known) == (0, 1), "its bytes are the same"
    assert len(encoded) == 3


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
    asked = iter([False] * 7 + [True])  # in the second file
    report = scan(library, control=Control(should_stop=lambda: next(asked)))
    assert (report.imported, report.stopped, report.skipped) == (1, True, [])
    assert titles(library) == ["a"]
    report = scan(library)
    assert (report.imported, report.unchanged, report.stopped) == (1, 1, False)


def test_it_stops_while_it_compares_a_large_file_too(library, music):
    write_wav(music / "a.wav", 40.0)
    asked = []

    def should_stop():
        asked.append(1)
        return len(asked) == 4

    report = scan(library, control=Control(should_stop=should_stop))
    assert (report.imported, report.stopped) == (0, True)
    assert len(asked) == 4, "after the folder and the file, in its second megabyte"


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
    real = Path.iterdir

    def refuse(path):
        if path.name == "private":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
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
    report = scan(library, Folders(follow_links=True))
    assert (report.imported, report.known) == (1, 1), "they are the same file"
    report = scan(library)
    assert (report.imported, report.removed, report.dropped.away, report.skipped) == (0, 2, 0, [])
    assert titles(library) == []
    removed, note = report.notes()
    assert removed.startswith("2 files are gone")
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
    assert (report.dropped.away, report.removed, report.unchanged) == (1, 0, 1)
    assert titles(library) == ["a", "private"]
    assert scan(library).removed == 1, "it is no folder of ours any more"


def test_links_within_the_folder_are_followed(library, music):
    (music / "a").mkdir()
    write_wav(music / "a" / "x.wav")
    (music / "b").symlink_to("a")
    (music / "y.wav").symlink_to("a/x.wav")
    report = scan(library)
    assert (report.imported, report.known) == (1, 1)
    assert titles(library) == ["x", "y"], "by two names"


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
    assert scan(library).unchanged == 2


def test_files_for_ffmpeg_without_it_are_told_in_a_line(library, music, monkeypatch):
    monkeypatch.setattr(sources.shutil, "which", lambda _name: None)
    for name in range(40):
        (music / f"{name:02}.mp3").write_bytes(b"\xff\xfb" * (999 + name))
    report = scan(library)
    (note,) = report.notes()
    assert note == (
        f"40 files skipped: ffmpeg is not installed: sudo apt install ffmpeg (such as {music / '00.mp3'})"
    )
    assert scan(library).notes() == [], "they are not tried again"
    library.imported.forget_skipped()
    assert len(scan(library).skipped) == 40


def test_without_mutagen_files_wait_for_it_in_a_line_for_each_kind(library, music, monkeypatch):
    write_wav(music / "a.wav")
    for name in range(6):
        write_opus(music / f"{name}.opus", 1.0 + name / 10)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "mutagen", None)
        report = scan(library)
        assert report.imported == 1
        (note,) = report.notes()
        sentence = "tags of OPUS files are not read: pip install 'lightpeer[serve]'"
        assert note == f"6 files skipped: {sentence} (such as {music / '0.opus'})"
    library.imported.forget_skipped()
    assert scan(library).imported == 6
    (music / "0.opus").rename(music / "moved.opus")
    monkeypatch.setitem(sys.modules, "mutagen", None)
    assert skipped(scan(library)) == {"moved.opus": sentence}


def test_a_missing_decoder_skips_its_files_a_missing_encoder_ends_it(library, music, monkeypatch):
    real = _native.load_library
    fixture("tone.flac", music)
    write_wav(music / "a.wav")
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == "FLAC" else real(name))
    report = scan(library)
    assert report.imported == 1
    assert "install" in skipped(report)["tone.flac"]
    write_wav(music / "b.wav")
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

    def full(number):
        folder = real(number)
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
    assert scan(library).dropped.away == 1
    assert titles(library) == ["a"]


def test_progress(library, music):
    write_wav(music / "A - B.wav")
    (music / "zero.wav").write_bytes(b"")
    calls = []
    scan(library, control=Control(progress=lambda *call: calls.append(call)))
    assert calls == [(0, 2, "A - B"), (1, 2, "zero"), (2, 2, "")]


def test_a_folder_may_be_named_in_another_way(tmp_path, music, monkeypatch):
    write_wav(music / "a.wav", 1)
    monkeypatch.chdir(tmp_path)
    for name, imported in (("music", 1), (f"{music}/", 0), ("./music/../music", 0)):
        library = Library(tmp_path / "state", Path(name), (24,), complexity=0)
        report = scan(library)
        library.close()
        assert (report.imported, report.removed) == (imported, 0)


def test_an_empty_folder_is_no_wish_to_forget_everything(library, music):
    """A disk that is not mounted leaves an empty folder behind."""
    write_wav(music / "song.wav")
    assert scan(library).imported == 1
    (music / "song.wav").unlink()
    report = scan(library)
    assert (report.dropped.away, report.removed, library.imported.count_tracks()) == (1, 0, 1)
    assert "out of sight" in report.notes()[0]
    write_wav(music / "other.wav", 3.0)
    report = scan(library)
    assert (report.dropped.away, report.removed, report.imported) == (0, 1, 1)
    assert report.notes() == [f"1 file is gone, such as {music / 'song.wav'}: removed from the library"]


def no_encoding(*_):
    pytest.fail("it was encoded again")


def test_a_moved_folder_is_known_by_its_content(library, music, monkeypatch):
    (music / "old").mkdir()
    write_wav(music / "old" / "a.wav")
    write_wav(music / "old" / "b.wav", 3.0)
    scan(library)
    before = list(library.track_ids())
    (music / "old").rename(music / "new")
    os.utime(music / "new" / "a.wav", ns=(1, 1))  # as a copy may have it
    monkeypatch.setattr(importer, "make_track", no_encoding)
    report = scan(library)
    assert (report.known, report.removed, report.imported) == (2, 0, 0)
    assert list(library.track_ids()) == before


def test_a_renamed_file_without_tags_has_another_title_and_the_same_sound(library, music, monkeypatch):
    write_wav(music / "Someone - Before.wav")
    scan(library)
    (old,) = map(library.track, library.track_ids())
    sound = [old.read(0, number) for number in range(old.track.segment_count)]
    (music / "Someone - Before.wav").rename(music / "Someone - After.wav")
    monkeypatch.setattr(importer, "make_track", no_encoding)
    assert scan(library).known == 1
    (new,) = map(library.track, library.track_ids())
    assert (new.track.title, new.track.artist) == ("After", "Someone")
    assert [new.read(0, number) for number in range(new.track.segment_count)] == sound
    samples = decoded(library.folder_of(new.track.track_id) / "0.opus")
    assert len(samples) == new.track.duration_samples
    assert [hit.title for hit in library.search("after", 5).hits] == ["After"]
    assert library.search("before", 5).hits == []
    (music / "Someone - After.wav").rename(music / "Someone - Later.wav")
    assert scan(library).known == 1, "what came of another is known too"


def test_a_track_that_is_damaged_is_not_taken_for_another_file(library, music, tmp_path):
    write_wav(music / "a.wav")
    scan(library)
    (track_id,) = library.track_ids()
    (library.folder_of(track_id) / "0.tables").unlink()
    (music / "a.wav").rename(music / "b.wav")
    report = scan(library)
    assert (report.imported, report.known) == (1, 0)
    assert titles(library) == ["b"]


def test_a_manifest_with_a_wrong_byte_is_not_taken_for_another_file(library, music):
    write_wav(music / "a.wav")
    scan(library)
    (track_id,) = library.track_ids()
    assert library.track(track_id) is not None, "it stays open"
    manifest = library.folder_of(track_id) / "manifest"
    manifest.write_bytes(manifest.read_bytes().replace(b"OpusHead", b"OpusHeap"))
    (music / "a.wav").rename(music / "b.wav")
    report = scan(library)
    assert (report.imported, report.known) == (1, 0)
    assert titles(library) == ["b"]


def test_what_lies_behind_a_link_stays_while_its_disk_is_away(library, music, tmp_path):
    disk = tmp_path / "disk"
    (disk / "album").mkdir(parents=True)
    write_wav(disk / "album" / "a.wav")
    (music / "link").symlink_to(disk)
    write_wav(music / "b.wav")
    where = Folders(follow_links=True)
    assert scan(library, where).imported == 2
    disk.rename(tmp_path / "unplugged")
    report = scan(library, where)
    assert (report.removed, report.dropped.away, titles(library)) == (0, 1, ["a", "b"])
    (note,) = report.notes()
    assert note.startswith(f"1 file is out of sight, such as {music / 'link' / 'album' / 'a.wav'}: kept")
    (tmp_path / "unplugged").rename(disk)
    report = scan(library, where)
    assert (report.unchanged, report.dropped.away, report.notes()) == (2, 0, [])
    assert prune(library) == []
    disk.rename(tmp_path / "unplugged")
    assert prune(library, [os.fsencode(tmp_path)]) == [os.fsencode(music / "link" / "album" / "a.wav")]
    assert titles(library) == ["b"]


def test_what_lay_on_a_mounted_disk_stays_while_the_disk_is_away(library, music, monkeypatch):
    """The folder that it was mounted on is there, and empty or not."""
    (music / "usb").mkdir()
    write_wav(music / "usb" / "a.wav")
    write_wav(music / "b.wav")
    mounted, look = [os.fsencode(music / "usb")], Finder.files

    def files(finder, folder):
        yield from look(finder, folder)
        finder.mounts[:] = mounted

    monkeypatch.setattr(Finder, "files", files)
    assert scan(library).imported == 2
    mounted.clear()
    (music / "usb" / "a.wav").rename(music.parent / "a.wav")
    (music / "usb" / "README").touch()
    report = scan(library)
    assert (report.removed, report.dropped.away, titles(library)) == (0, 1, ["a", "b"])
    assert len(prune(library)) == 1
    scan(library)
    write_wav(music / "usb" / "c.wav")
    scan(library)
    (music / "usb" / "c.wav").unlink()
    assert scan(library).removed == 1, "it is an ordinary folder now"


def sheet(music, *starts, titles=()):
    return write_cue(music / "Image.cue", "Image.wav", *starts, titles=titles)


def test_a_file_with_a_cue_sheet_is_its_tracks_and_they_follow_file_and_sheet(library, music, monkeypatch):
    write_wav(music / "Image.wav", 4.0)
    assert scan(library).imported == 1
    cue = sheet(music, "00:00:00", "00:01:40", "00:02:60")
    report = scan(library)
    assert (report.imported, report.removed, report.skipped, report.damaged) == (3, 0, [], [])
    assert titles(library) == ["Song 1", "Song 2", "Song 3"]
    assert scan(library).unchanged == 3
    monkeypatch.setattr(importer, "make_track", no_encoding)
    sheet(music, "00:00:00", "00:01:40", "00:02:60", titles=["One", "Song 2", "Three"])
    os.utime(cue, ns=(7, 7 << 60))
    report = scan(library)
    assert (report.known, report.imported) == (3, 0), "other titles are no other sound"
    assert titles(library) == ["One", "Song 2", "Three"]
    (music / "disc").mkdir()
    for file in (cue, music / "Image.wav"):
        file.rename(music / "disc" / file.name)
    assert scan(library).known == 3, "moved together"
    monkeypatch.undo()
    (music / "disc" / "Image.cue").unlink()
    report = scan(library)
    assert (report.imported, report.removed, titles(library)) == (1, 0, ["Image"])


def test_a_file_without_tags_is_named_by_its_folders_also_where_it_is_moved_to(library, music, monkeypatch):
    (music / "Band" / "Album").mkdir(parents=True)
    write_wav(music / "Band" / "Album" / "07 Song.wav")
    scan(library)
    (hit,) = library.search("band album", 5).hits
    assert (hit.title, hit.place.track) == ("Song", 7)
    (music / "Band" / "Other").mkdir()
    (music / "Band" / "Album" / "07 Song.wav").rename(music / "Band" / "Other" / "08 Song.wav")
    monkeypatch.setattr(importer, "make_track", no_encoding)
    assert scan(library).known == 1
    (hit,) = library.search("band other", 5).hits
    assert (hit.title, hit.place.track) == ("Song", 8)


def test_a_part_with_another_range_is_imported_anew_and_the_others_are_not(library, music, encoded):
    write_wav(music / "Image.wav", 5.0)
    sheet(music, "00:00:00", "00:01:40", "00:03:00")
    scan(library)
    del encoded[:]
    sheet(music, "00:00:00", "00:01:40", "00:03:10")
    report = scan(library)
    assert (report.known, report.imported, len(encoded)) == (1, 2, 2)
    sheet(music, "00:00:00", "00:01:40")
    report = scan(library)
    assert (report.known, report.imported, report.notes()) == (1, 1, [])
    write_wav(music / "Other.wav")
    (music / "Image.wav").unlink()
    assert scan(library).removed == 2, "now they are gone"


def test_a_sheet_that_does_not_fit_is_told_at_each_scan_and_the_file_imported_whole(library, music):
    write_wav(music / "Image.wav", 2.0)
    cue = sheet(music, "00:00:00", "00:09:00")
    reason = "its times go beyond the end of the file: the file is imported as one track"
    for imported in (1, 0):
        report = scan(library)
        assert (report.imported, report.skipped) == (imported, [(cue, reason)])
    assert titles(library) == ["Image"]


def test_a_sheet_in_flac_is_read_once_and_a_whole_file_is_not_looked_into_again(library, music, monkeypatch):
    inside = fixture("tone.flac", music)
    fixture("tone.flac", music).rename(music / "whole.flac")
    fixture("tone.flac", music)
    flac = FLAC(inside)
    flac["cuesheet"] = cue_text("x.wav", "00:00:00", "00:01:10")
    flac.save()
    assert scan(library).imported == 3
    assert titles(library) == ["Song 1", "Song 2", "Söndag"]
    looked = []
    monkeypatch.setattr(cue_sheets, "_sheet_inside", looked.append)
    assert scan(library).unchanged == 3
    assert looked == []
    flac["cuesheet"] = cue_text("x.wav", "00:00:00", "00:09:10")
    flac.save()
    monkeypatch.undo()
    os.utime(inside, ns=(5, 5))
    report = scan(library)
    assert (titles(library), report.removed) == (["Söndag"], 0)
    assert report.notes()[0].startswith(f"skipped {inside}: the cue sheet in it is wrong, as its times")


def test_a_wrong_sheet_in_flac_is_told_at_each_scan_until_its_file_is_imported(library, music):
    inside = fixture("tone.flac", music)
    flac = FLAC(inside)
    flac["cuesheet"] = cue_text("x.wav", "00:02:00", "00:01:00")
    flac.save()
    told = (inside, "the cue sheet in it is wrong, as its tracks or their times do not rise: ")
    report = scan(library)
    assert report.skipped == [(told[0], f"{told[1]}the file is imported as one track")]
    assert titles(library) == ["Söndag"]
    assert scan(library).skipped == [], "an imported file is not looked into"


def test_parts_are_imported_by_processes_beside_this_one_too(library, music):
    write_wav(music / "Image.wav", 4.0)
    sheet(music, "00:00:00", "00:01:40", "00:02:60")
    report = scan(library, control=Control(processes=2))
    assert (report.imported, report.skipped) == (3, [])
    found = {hit.title: (hit.duration_ms, hit.place.track) for hit in library.search("song", 5).hits}
    assert {title: track for title, (_, track) in found.items()} == {"Song 1": 1, "Song 2": 2, "Song 3": 3}
    assert found["Song 1"][0] == pytest.approx(1533, abs=1)


def test_parts_stay_while_the_disk_of_their_file_is_away(library, music):
    (music / "disk").mkdir()
    write_wav(music / "disk" / "Image.wav", 4.0)
    sheet(music / "disk", "00:00:00", "00:02:00")
    write_wav(music / "a.wav")
    scan(library)
    (music / "disk").rename(music.parent / "away")
    (music / "disk").symlink_to(music / "nowhere")
    report = scan(library)
    assert (report.removed, report.dropped.away) == (0, 2)
    assert titles(library) == ["Song 1", "Song 2", "a"]
    assert len(prune(library)) == 2


def test_a_part_whose_sheet_goes_meanwhile_is_left_for_the_next_scan(library, music):
    write_wav(music / "Image.wav", 4.0)
    cue = sheet(music, "00:00:00", "00:02:00")

    def progress(_done, _total, name):
        assert name.startswith("Image 0") or not name
        cue.unlink(missing_ok=True)

    report = scan(library, control=Control(progress=progress))
    assert report.imported == 0
    assert {reason for _, reason in report.skipped} == {
        "it changed while it was read: the next scan takes it"
    }
    assert scan(library).imported == 1


def test_a_damaged_part_is_imported_again(library, music):
    write_wav(music / "Image.wav", 4.0)
    sheet(music, "00:00:00", "00:02:00")
    scan(library)
    track_id = min(library.track_ids())
    library.imported.mark_damaged(track_id)
    library._open.aside.add(track_id, 0.0, is_damaged=True)
    assert mend(library).imported == 1
    assert titles(library) == ["Song 1", "Song 2"]
    assert prune(library) == [], "their file is there"
    (music / "Image.wav").unlink()
    assert len(prune(library)) == 2


def test_a_change_meanwhile_is_noticed_and_comes_first(library, music):
    for name in "abc":
        write_wav(music / f"{name}.wav")
    begun, asked = [], iter([False, True])

    def progress(_done, _total, name):
        begun.append(name)
        if name == "a":
            old = write_wav(music / "new.wav")
            os.utime(old, ns=(1, 1))
            write_wav(music / "being written.wav", 4.0)
            (music / "c.wav").unlink()

    control = Control(progress=progress, has_changed=lambda: next(asked, False))
    report = scan(library, control=control)
    assert begun == ["a", "new", "b", ""]
    assert (report.imported, report.skipped) == (3, [])
    assert titles(library) == ["a", "b", "new"]
    assert scan(library).imported == 1


def test_processes_import_beside_this_one(library, music):
    for name in "abc":
        write_wav(music / f"{name}.wav")
    (music / "zero.wav").write_bytes(b"")
    report = scan(library, control=Control(processes=2))
    assert (report.imported, skipped(report)) == (3, {"zero.wav": "it is empty"})
    assert titles(library) == ["a", "b", "c"]


def test_what_is_searched_for_meanwhile_is_imported_first(library, music, monkeypatch):
    monkeypatch.setattr(importer_of_all, "FEW_FILES", 2)
    monkeypatch.setattr(waiting, "WAIT_S", 0.001)
    for name in "abcde":
        write_wav(music / f"{name} song.wav", 1.0)
    begun = []

    def progress(_done, _total, name):
        begun.append(name)
        if name == "a song":
            assert [hit.title for hit in library.search("song d", 5).hits] == []

    assert scan(library, control=Control(progress=progress)).imported == 5
    assert begun == ["a song", "d song", "b song", "c song", "e song", ""]


ON_DEMAND = Control(on_demand=True)


def test_on_demand_a_file_is_encoded_once_somebody_searches_for_it(library, music, encoded, monkeypatch):
    monkeypatch.setattr(waiting, "WAIT_S", 0.001)
    for name in "abc":
        write_wav(music / f"{name} song.wav")
    report = scan(library, control=ON_DEMAND)
    assert (report.waiting, report.imported, encoded) == (3, 0, [])
    assert report.summary() == "0 files imported, 3 to be imported once somebody searches for them"
    assert import_wanted(library, Control()).imported == 0
    assert library.search("b song", 5) == ([], 1)
    report = scan(library, control=ON_DEMAND)
    assert (report.waiting, report.unchanged) == (0, 3), "its tags are not read again"
    assert library.search("b song", 5) == ([], 1), "and it is still wanted"
    assert import_wanted(library, Control()).imported == 1
    assert titles(library) == ["b song"]
    found = library.search("song", 5)
    assert ([hit.title for hit in found.hits], found.preparing) == (["b song"], 2)
    assert library.search("song", 1).preparing == 0, "there is enough already"
    assert import_wanted(library, Control(processes=1)).imported == 2
    assert titles(library) == ["a song", "b song", "c song"]
    assert library.search("song", 5).preparing == 0


def test_what_is_searched_for_during_an_import_on_demand_is_imported_too(library, music, monkeypatch):
    monkeypatch.setattr(waiting, "WAIT_S", 0.001)
    for name in "abc":
        write_wav(music / f"{name} song.wav", 1.0)
    scan(library, control=ON_DEMAND)
    library.search("a song", 5)

    def progress(_done, _total, name):
        if name == "a song":
            library.search("c song", 5)
            library.search("a song", 5)

    assert import_wanted(library, Control(progress=progress)).imported == 2
    assert titles(library) == ["a song", "c song"]


def test_a_file_that_waits_may_change_or_go(library, music, monkeypatch):
    monkeypatch.setattr(waiting, "WAIT_S", 0.001)
    for name in ("gone", "changed", "bad"):
        write_wav(music / f"{name} song.wav")
    (music / "bad song.wav").write_bytes(b"RIFF....WAVE, or so it says")
    scan(library, control=ON_DEMAND)
    assert library.search("song", 5).preparing == 3
    (music / "gone song.wav").unlink()
    write_wav(music / "changed song.wav", 4.0)
    report = import_wanted(library, Control())
    assert report.imported == 0
    reasons = skipped(report)
    assert reasons["changed song.wav"] == "it changed while it was read: the next scan takes it"
    assert set(reasons) == {"gone song.wav", "changed song.wav", "bad song.wav"}
    assert library.search("song", 5).preparing == 0
    assert scan(library, control=ON_DEMAND).waiting == 1
    assert library.search("song", 5).preparing == 1
    assert import_wanted(library, Control()).imported == 1
    write_wav(music / "more song.wav")
    scan(library, control=ON_DEMAND)
    (music / "more song.wav").unlink()
    scan(library, control=ON_DEMAND)
    assert library.search("more song", 5) == ([], 0), "a scan notices what is gone"


def test_the_words_of_a_file_that_changes_while_it_waits_are_its_new_ones(library, music):
    def put(title):
        with RenditionWriter(music / "a.opus", OpusHead(1, 312), Tags(title)) as writer:
            writer.add(b"\xf8\xff\xfe")  # 20 ms of silence
            writer.finish(960)

    put("Before")
    scan(library, control=ON_DEMAND)
    put("After it all")
    assert scan(library, control=ON_DEMAND).waiting == 1
    assert library.waiting.want("before", 5) == []
    assert library.waiting.want("after", 5) == [os.fsencode(music / "a.opus")]


def test_a_file_that_moved_is_known_also_on_demand(library, music, encoded):
    write_wav(music / "a.wav")
    scan(library)
    encoded.clear()
    (music / "a.wav").rename(music / "b.wav")
    write_wav(music / "new.wav")
    report = scan(library, control=ON_DEMAND)
    assert (report.known, report.waiting, encoded, titles(library)) == (1, 1, [], ["b"])


def test_mending_imports_nothing_that_waits(library, music, monkeypatch):
    monkeypatch.setattr(waiting, "WAIT_S", 0.001)
    write_wav(music / "a song.wav")
    scan(library, control=ON_DEMAND)
    library.search("song", 5)
    assert mend(library, ON_DEMAND).imported == 0
    assert library.search("song", 5).preparing == 1, "and it still waits"


def test_without_an_encoder_nothing_is_promised(library, music, monkeypatch):
    write_wav(music / "a.wav")

    def missing():
        raise MissingLibraryError("opusenc", "libopusenc is missing")

    monkeypatch.setattr(_native, "opusenc", missing)
    with pytest.raises(MissingLibraryError):
        scan(library, control=ON_DEMAND)
    assert library.search("a", 5).preparing == 0
