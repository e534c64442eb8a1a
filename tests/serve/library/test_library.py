from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tracemalloc
from pathlib import Path

import pytest

from lightpeer.core.content.manifest import TABLE_BASE, content_digest, track_id_of
from lightpeer.core.lists.packed import PackedSet
from lightpeer.errors import StateError, UsageError
from lightpeer.serve.importing.scan import mend, scan
from lightpeer.serve.library import index as index_module
from lightpeer.serve.library import library as library_module
from lightpeer.serve.library import open_tracks
from lightpeer.serve.library import store as store_module
from lightpeer.serve.library.aside import ASIDE_S
from lightpeer.serve.library.database import Database
from lightpeer.serve.library.descriptors import Shares
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.index import Index, IndexHit
from lightpeer.serve.library.library import Library
from tests.serve.media import write_wav


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def library(open_library, music):
    write_wav(music / "Someone - Something.wav", 2.5)
    made = open_library()
    scan(made)
    return made


def only_id(library):
    (track_id,) = library.track_ids()
    return track_id


def test_a_track_reads_as_its_manifest_says(library):
    stored = library.track(only_id(library))
    track = stored.track
    assert (track.title, track.artist, track.segment_count) == ("Something", "Someone", 3)
    for number, rendition in enumerate(track.renditions):
        table = stored.read(number, TABLE_BASE)
        assert content_digest(table) == rendition.table_digests[0]
        for second in range(3):
            segment = stored.read(number, second)
            assert table[second * 18 :][:18] == len(segment).to_bytes(2, "big") + content_digest(segment)


@pytest.mark.parametrize(
    ("rendition", "segment"),
    [(0, 3), (2, 0), (-1, 0), (0, -1), (0, TABLE_BASE + 1), (0, TABLE_BASE - 1), (9, TABLE_BASE)],
)
def test_what_the_track_does_not_have(library, rendition, segment):
    stored = library.track(only_id(library))
    assert not stored.holds(rendition, segment)
    with pytest.raises(UsageError, match="no segment"):
        stored.read(rendition, segment)


def test_an_unknown_track(library):
    assert library.track(b"x" * 32) is None
    assert library.track(b"") is None


def test_search_finds_it(library):
    (hit,) = library.index.search("some", 5)
    assert hit.track_id == only_id(library)
    assert (hit.title, hit.duration_ms, hit.bitrates_kbps) == ("Something", 2500, (24, 48))


def test_everything_is_there_after_a_restart(library, open_library):
    track_id = only_id(library)
    segment = library.track(track_id).read(0, 1)
    again = open_library()
    assert again.track(track_id).read(0, 1) == segment
    assert len(again.index.search("something", 5)) == 1


def test_open_files_and_cached_tracks_are_bounded(music, open_library, monkeypatch):
    monkeypatch.setattr(store_module, "shares", lambda: Shares(2, 2))
    monkeypatch.setattr(open_tracks, "MAX_CACHED_TRACKS", 1)
    for number in range(3):
        write_wav(music / f"{number}.wav", 1.0)
    library = open_library()
    scan(library)
    before = open_files()
    for _ in range(2):
        for track_id in library.track_ids():
            for number in range(2):
                assert library.track(track_id).read(number, 0)
    assert open_files() == before + 2
    assert len(library._open._cached) == 1


def test_a_track_is_dropped_with_its_last_file(library, music, tmp_path):
    stored = library.track(only_id(library))
    shutil.copy(music / "Someone - Something.wav", music / "copy.wav")
    (music / "copy.wav").rename(music / "b - copy.wav")
    (music / "sub").mkdir()
    shutil.copy(music / "Someone - Something.wav", music / "sub")
    scan(library)
    assert library.imported.count_tracks() == 2
    (music / "Someone - Something.wav").unlink()
    assert scan(library).removed == 0
    assert library.track(stored.track.track_id) is not None  # sub still has it
    shutil.rmtree(music / "sub")
    assert scan(library).removed == 1
    assert library.track(stored.track.track_id) is None
    assert library.index.search("something", 5) == []
    assert len(list((tmp_path / "state" / "tracks").iterdir())) == 1
    with pytest.raises(StateError):
        stored.read(0, 0)


def test_a_crash_between_the_rename_and_the_database(library, open_library, tmp_path):
    track_id = only_id(library)
    library.imported.remove_tracks(list(library.track_ids()))
    again = open_library()
    assert again.track(track_id) is None
    assert list((tmp_path / "state" / "tracks").iterdir()) == []
    assert list(again.index.track_ids()) == []
    assert scan(again).imported == 1
    assert again.track(track_id) is not None


def test_a_track_folder_that_was_deleted_is_made_again(library, open_library, tmp_path):
    shutil.rmtree(tmp_path / "state" / "tracks")
    again = open_library()
    assert list(again.track_ids()) == []
    assert scan(again).imported == 1


def test_a_lost_or_damaged_index_is_filled_again(library, open_library, tmp_path):
    library.close()
    (tmp_path / "state" / "index.db").write_bytes(b"damaged" * 1000)
    again = open_library()
    assert len(again.index.search("something", 5)) == 1
    again.index.add_all([IndexHit(b"x" * 32, "Gone", "", "", 1, (24,))])
    again = open_library()
    assert again.index.search("gone", 5) == []


def test_damage_on_the_disk_is_one_sentence(library, tmp_path, caplog):
    track_id = only_id(library)
    folder = tmp_path / "state" / "tracks" / track_id.hex()
    stored = library.track(track_id)
    (folder / "0.opus").write_bytes((folder / "0.opus").read_bytes()[:500])
    (folder / "1.tables").write_bytes(b"")
    for rendition, segment in [(0, 2), (1, 0), (1, TABLE_BASE)]:
        with pytest.raises(StateError, match="is damaged"):
            stored.read(rendition, segment)
    (folder / "1.opus").unlink()
    library._open._files.forget(track_id)
    with pytest.raises(StateError, match="cannot be read \\(No such file"):
        stored.read(1, 0)
    assert caplog.text.count("set aside") == 1


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["0.opus", "0.tables", "manifest", ""])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_damaged_track_is_set_aside_until_it_is_imported_again(
    library, open_library, tmp_path, caplog, name, restarts
):
    """A bit has flipped in one of its files, or its folder is gone."""
    track_id = only_id(library)
    folder = tmp_path / "state" / "tracks" / track_id.hex()
    sound = {path.name: path.read_bytes() for path in folder.iterdir()}
    if name:
        flip_a_bit(folder / name)
    else:
        shutil.rmtree(folder)
    if stored := library.track(track_id):
        with pytest.raises(StateError, match="damaged"):
            stored.read(0, 2)
    for _ in range(2):
        assert library.track(track_id) is None
        assert library.search("something", 5).hits == []
    assert caplog.text.count("is damaged on the disk: it is set aside") == 1
    if restarts and name:
        library = open_library()
        assert library.track(track_id) is None
        assert scan(library).imported == 1
    else:
        assert library.found_damaged == 1
        assert mend(library).imported == 1
        assert mend(library).imported == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == sound
    assert len(library.track(track_id).read(0, 2))
    assert len(library.search("something", 5).hits) == 1
    assert [path.name for path in folder.parent.iterdir()] == [track_id.hex()]
    assert scan(library).unchanged == 1


def test_a_damaged_track_whose_file_cannot_be_had_stays_aside_and_goes_with_its_file(
    library, music, tmp_path
):
    track_id = only_id(library)
    (music / "Someone - Something.wav").rename(tmp_path / "elsewhere")
    flip_a_bit(tmp_path / "state" / "tracks" / track_id.hex() / "0.opus")
    with pytest.raises(StateError):
        library.track(track_id).read(0, 2)
    (music / "Someone - Something.wav").mkdir()
    assert mend(library).notes() == []
    write_wav(music / "Another.wav", 1.0)
    scan(library)
    assert library.track(track_id) is None
    assert library.imported.count_tracks() == 1
    assert library.damaged_files() == []


def test_what_cannot_be_read_now_is_tried_again_later(library, monkeypatch, caplog):
    track_id, now, read = only_id(library), [1000.0], os.pread

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    stored = library.track(track_id)
    monkeypatch.setattr(library_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(store_module.os, "pread", fail)
    for _ in range(2):
        with pytest.raises(StateError):
            stored.read(0, 0)
    assert library.track(track_id) is None
    assert library.search("something", 5).hits == []
    assert caplog.text.count("cannot be read from the disk: it is set aside for ten minutes") == 1
    assert not library.found_damaged
    monkeypatch.setattr(store_module.os, "pread", read)
    now[0] += ASIDE_S + 1
    assert library.track(track_id).read(0, 0)
    assert len(library.search("something", 5).hits) == 1


def test_a_stranger_who_asks_for_what_is_not_here_sets_nothing_aside(library, caplog):
    for number in range(3):
        assert library.track(bytes([number]) * 32) is None
    assert not library._open.aside._until_s
    assert caplog.text == ""


def test_a_database_that_fails_costs_no_more_than_what_is_asked_of_it(library, monkeypatch, caplog):
    track_id, stored = only_id(library), library.track(only_id(library))

    def fail(*_):
        raise StateError("library.db", "disk I/O error")

    monkeypatch.setattr(Database, "rows", fail)
    assert [library.search("something", 5).hits for _ in range(2)] == [[], []]
    assert caplog.text.count("disk I/O error") == 1
    stored._set_aside(is_damaged=True)
    assert library.track(track_id) is None


def test_a_damaged_database_is_one_sentence(library, tmp_path, music):
    library.close()
    (tmp_path / "state" / "library.db").write_bytes(b"damaged" * 1000)
    for _ in range(2):  # the failed attempt holds no lock
        with pytest.raises(StateError, match="is damaged"):
            Library(tmp_path / "state", music, (24,))


def test_two_servers_do_not_share_a_state_directory(library, tmp_path, music):
    with pytest.raises(StateError, match="another lightpeer-serve uses"):
        Library(tmp_path / "state", music, (24,))


def test_a_state_directory_that_is_a_file(tmp_path, music):
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(StateError, match="cannot be used"):
        Library(tmp_path / "state", music, (24,))


def test_a_state_directory_that_is_not_writable(tmp_path, music, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(library_module.Path, "mkdir", refuse)
    with pytest.raises(StateError, match="not writable: change its permissions"):
        Library(tmp_path / "state", music, (24,))


@pytest.mark.parametrize("ladder", [(), (48, 24), (24, 24), (5,), (300,), tuple(range(10, 19))])
def test_a_ladder_is_checked(tmp_path, music, ladder):
    with pytest.raises(UsageError, match="ladder"):
        Library(tmp_path / "state", music, ladder)


def test_a_lost_index_is_filled_many_tracks_at_a_time(music, open_library, tmp_path, monkeypatch):
    for number in range(3):
        write_wav(music / f"{number}.wav", 1.0 + number)
    assert scan(open_library()).imported == 3
    open_library().close()
    (tmp_path / "state" / "index.db").unlink()
    added, add_all = [], Index.add_all

    def counted(index, tracks):
        added.append(len(tracks))
        add_all(index, tracks)

    monkeypatch.setattr(Index, "add_all", counted)
    monkeypatch.setattr(index_module, "_ADDED_AT_ONCE", 2)
    assert len(open_library().index.search("2", 5)) == 1
    assert added == [2, 1]


def test_what_is_no_tracks_folder_is_removed_at_start(library, open_library, tmp_path):
    folder = tmp_path / "state" / "tracks"
    own = only_id(library).hex()
    for name in ("junk", own.upper(), "00" * 32):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "file").write_bytes(b"x")
    again = open_library()
    assert [path.name for path in folder.iterdir()] == [own]
    assert again.track(only_id(again)) is not None


def test_a_track_that_is_dropped_while_it_is_opened_does_not_stay(library, monkeypatch):
    track_id = only_id(library)
    load = library._open.load

    def slow(track_id):
        stored = load(track_id)
        library.imported.remove_tracks([track_id])
        library._drop_unless_used(track_id)
        return stored

    monkeypatch.setattr(library._open, "load", slow)
    assert library.track(track_id) is None
    assert not library._open._cached


def test_a_start_holds_no_ids(tmp_path, music):
    """A set of 5,000 ids takes half a megabyte, and a start once made six."""
    count = 5000
    ids = [track_id_of(number.to_bytes(4, "big")) for number in range(count)]
    Library(tmp_path / "state", music, (24,)).close()
    database = sqlite3.connect(tmp_path / "state" / "library.db")
    rows = ((b"/music/%d" % number, 1, 1, "", track_id) for number, track_id in enumerate(ids))
    database.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?)", rows)
    database.commit()
    database.close()
    index = Index(tmp_path / "state" / "index.db")
    index.add_all([IndexHit(track_id, "A", "B", "C", 1, (24,)) for track_id in ids])
    index.close()
    for track_id in ids:
        (tmp_path / "state" / "tracks" / track_id.hex()).mkdir()
    tracemalloc.start()
    try:
        library = Library(tmp_path / "state", music, (24,))
        stays, peak = tracemalloc.get_traced_memory()
        assert library.imported.count_tracks() == count
        library.close()
    finally:
        tracemalloc.stop()
    assert stays < 100_000
    assert peak < 160 * count, "of one sorted list, for a moment"


def test_a_scan_holds_few_paths_at_once(tmp_path, music, monkeypatch):
    for number in range(1000):
        (music / f"{number}.wav").touch()
    library = Library(tmp_path / "state", music, (24,))
    for path in music.rglob("*.wav"):
        library.imported.put(SourceKey.of(path, path.stat()), library._recipe, b"i" * 32)
    made, of, note_found = [], SourceKey.of, library.note_found

    def counted(path, stat):
        made.append(of(path, stat))
        return made[-1]

    def noted(keys):
        assert keys == made
        assert len(made) <= 200
        made.clear()
        return note_found(keys)

    monkeypatch.setattr(SourceKey, "of", counted)
    monkeypatch.setattr(library, "note_found", noted)
    assert scan(library).unchanged == 1000
    library.close()


def withdrawing(*track_ids: bytes) -> PackedSet:
    made = PackedSet(32)
    made.update(track_ids)
    list(made.flushing())
    return made


def test_a_withdrawn_track_is_gone_for_good(library, open_library, music, monkeypatch) -> None:
    """Over restarts, with another ladder, and where a copy of its file turns up."""
    track_id = only_id(library)
    withdrawn = withdrawing(track_id, b"x" * 32)
    assert library.withdraw(withdrawn) == [track_id]

    def is_gone(library: Library) -> bool:
        return (
            library.track(track_id) is None
            and library.index.search("something", 9) == []
            and library.imported.count_tracks() == 0
            and list((library.state_dir / "tracks").iterdir()) == []
        )

    assert is_gone(library)
    shutil.copy(music / "Someone - Something.wav", music / "a copy")
    for ladder in ((24, 48), (24,)):
        library = open_library(kbps=ladder)
        assert library.withdraw(withdrawn) == []
        with monkeypatch.context() as patch:
            patch.setattr(
                "lightpeer.serve.importing.jobs.make_track", lambda *_: pytest.fail("it was made again")
            )
            report = scan(library)
        assert (report.imported, report.unchanged, report.skipped) == (0, 1, [])
        assert is_gone(library)

    library = open_library()
    library.withdraw(withdrawn)
    (music / "below").mkdir()
    (music / "a copy").rename(music / "below" / "Someone - Something.wav")
    for skipped in (
        [(music / "below" / "Someone - Something.wav", "its track was withdrawn here for good")],
        [],
    ):
        report = scan(library)
        assert report.skipped == skipped
        assert is_gone(library)


def test_a_withdrawn_track_is_dropped_though_it_is_being_imported(open_library, music) -> None:
    write_wav(music / "Someone - Something.wav", 2.5)
    library = open_library()
    add, withdrawn = library.index.add_all, []

    def withdraw_meanwhile(tracks) -> None:
        add(tracks)
        withdrawn.extend(library.withdraw(withdrawing(tracks[0].track_id)))

    library.index.add_all = withdraw_meanwhile
    (skipped,) = scan(library).skipped
    assert "withdrawn" in skipped[1]
    assert withdrawn == []
    assert library.imported.count_tracks() == 0
    assert library.index.search("something", 9) == []
    assert list((library.state_dir / "tracks").iterdir()) == []
