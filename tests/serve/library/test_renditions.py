"""What of the imported tracks is on the disk: counted, dropped within a bound, put back."""

from __future__ import annotations

import os
import time

import pytest

from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.core.content.rendition_cache import FRESH_NS
from lightpeer.errors import StateError
from lightpeer.serve.importing.folders import Control
from lightpeer.serve.importing.remaking import remake
from lightpeer.serve.importing.scan import scan
from lightpeer.serve.library import renditions as module
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.removal import MIRRORED
from lightpeer.serve.library.store import AbsentError
from tests.serve.media import write_wav

BY = ("a peer", "a network")
LATER_NS = FRESH_NS + 60 * 10**9  # folders are made after the test has begun


@pytest.fixture
def now(monkeypatch):
    """The time, in ns, which a test moves on."""
    clock = [time.time_ns()]
    monkeypatch.setattr(module.time, "time_ns", lambda: clock[0])
    return clock


@pytest.fixture
def ladder():
    return (24, 48, 96)


def add(library, music, *names):
    """Import files of about one length, each like no other."""
    for name in names:
        write_wav(music / f"{name}.wav", 2.0 + 0.001 * (ord(name) - ord("a")))
        assert scan(library).imported == 1
    return {stored.track.title: stored for stored in map(library.track, library.track_ids())}


def has(library, stored):
    """The renditions of a track that are on the disk."""
    folder = library.folder_of(stored.track.track_id)
    return "".join(sorted(path.stem for path in folder.glob("*.opus")))


def upper_bytes(library, stored):
    folder = library.folder_of(stored.track.track_id)
    return sum((folder / f"{number}.opus").stat().st_size for number in (1, 2))


def load(library):
    library.renditions.load(lambda: False)


def test_without_a_bound_all_stays(open_library, music, now):
    library = open_library()
    tracks = add(library, music, "a", "b")
    load(library)
    assert [has(library, stored) for stored in tracks.values()] == ["012", "012"]
    assert library.renditions.opened(tracks["a"].track, BY) == 3


def test_beyond_the_bound_the_tracks_used_longest_ago_keep_the_lowest_alone(open_library, music, now):
    library = open_library()
    tracks = add(library, music, "a", "b", "c")
    one = upper_bytes(library, tracks["a"])
    for name, ago_s in (("a", 3000), ("b", 9000), ("c", 6000)):
        used_s = now[0] / 1e9 - ago_s
        os.utime(library.folder_of(tracks[name].track.track_id), (used_s, used_s))
    library = open_library(int(2.5 * one))
    load(library)
    assert {name: has(library, stored) for name, stored in tracks.items()} == {
        "a": "012",
        "b": "0",
        "c": "012",
    }
    load(library)
    assert has(library, tracks["c"]) == "012", "what is counted already is not counted twice"
    library = open_library(0)
    load(library)
    assert {has(library, stored) for stored in tracks.values()} == {"0"}
    assert all(len(library.track(i).read(0, 0)) for i in library.track_ids())
    assert library.search("a", 5).hits[0].bitrates_kbps == (24, 48, 96), "they can be had in a moment"


def test_what_is_used_stays_and_for_ten_minutes(open_library, music, now):
    library = open_library()
    tracks = add(library, music, "a", "b")
    one = upper_bytes(library, tracks["a"])
    now[0] += LATER_NS
    library = open_library(int(2.5 * one))
    load(library)
    track = library.track(tracks["a"].track.track_id)
    track.read(2, 0)  # streamed for long after it was opened
    library.renditions.opened(tracks["b"].track, BY)
    tracks |= add(library, music, "c")
    assert {name: has(library, stored) for name, stored in tracks.items()} == {
        "a": "012",
        "b": "012",
        "c": "0",
    }
    now[0] += LATER_NS
    track.read(1, 0)
    tracks |= add(library, music, "d")
    assert {name: has(library, stored) for name, stored in tracks.items()} == {
        "a": "012",
        "b": "0",
        "c": "0",
        "d": "012",
    }


def test_when_a_track_was_used_is_known_after_a_restart(open_library, music, now):
    library = open_library(10**9)
    tracks = add(library, music, "a", "b")
    one = upper_bytes(library, tracks["a"])
    now[0] = time.time_ns()
    for name in "ab":
        old_s = now[0] / 1e9 - (9000 if name == "a" else 6000)
        os.utime(library.folder_of(tracks[name].track.track_id), (old_s, old_s))
    library = open_library(int(1.5 * one))
    library.renditions.opened(tracks["a"].track, BY)  # before all of it is counted
    load(library)
    assert [has(library, tracks[name]) for name in "ab"] == ["012", "0"]
    library = open_library(10**9)
    load(library)
    folder = library.folder_of(tracks["a"].track.track_id)
    os.utime(folder, (1.0, 1.0))
    library = open_library(10**9)
    load(library)
    library.track(tracks["a"].track.track_id).read(1, 0)
    assert abs(folder.stat().st_mtime - time.time()) < 600


def test_who_reads_a_file_that_is_dropped_reads_on(open_library, music):
    library = open_library()
    stored = add(library, music, "a")["a"]
    file = stored._files.open(stored._folder, stored.track, 2)
    expected = stored.read(2, 1)
    library.renditions._drop(stored.track.track_id)
    assert has(library, stored) == "0"
    assert file.read(1) == expected
    assert stored._files.open(stored._folder, stored.track, 0).read(1) == stored.read(0, 1)


def test_what_is_absent_is_neither_damaged_nor_there(open_library, music):
    library = open_library()
    stored = add(library, music, "a")["a"]
    library.renditions._drop(stored.track.track_id)
    for number in (1, 2):
        for segment in (0, TABLE_BASE):
            with pytest.raises(AbsentError, match="lacks rendition"):
                stored.read(number, segment)
    assert stored.holds(2, 0), "so it is asked for again"
    assert library.track(stored.track.track_id) is not None
    assert (library.found_damaged, library.renditions.opened(stored.track, BY)) == (0, 1)
    folder = library.folder_of(stored.track.track_id)
    (folder / "1.tables").unlink()
    with pytest.raises(StateError, match="cannot be read"):
        stored.read(1, 0)
    assert library.found_damaged == 1, "what it is proven by is not there any more"


def test_a_track_that_others_made_is_never_dropped_and_what_it_lacks_is_damage(open_library, music, now):
    library = open_library()
    stored = add(library, music, "a")["a"]
    path = os.fsencode(music / "a.wav")
    library.imported.put(SourceKey(MIRRORED + b"x", 0, 0), library._recipe, stored.track.track_id)
    library.imported.remove(path)
    library = open_library(0)
    load(library)
    assert has(library, stored) == "012"
    library.track(stored.track.track_id).read(2, 0)
    (library.folder_of(stored.track.track_id) / "2.opus").unlink()
    again = open_library(0).track(stored.track.track_id)
    with pytest.raises(StateError):
        again.read(2, 0)
    assert again._renditions.present(again.track) == 3


def test_a_track_whose_file_is_away_is_not_dropped(open_library, music, now, caplog):
    library = open_library()
    tracks = add(library, music, "a", "b")
    (music / "a.wav").rename(music.parent / "a.wav")
    now[0] += LATER_NS
    library = open_library(0)
    load(library)
    assert [has(library, tracks[name]) for name in "ab"] == ["012", "0"]
    assert caplog.text.count("its music file is gone or has changed, so it stays as it is") == 1


def test_what_comes_back_takes_the_place_of_others_and_is_refused_where_all_are_fresh(
    open_library, music, now
):
    library = open_library()
    tracks = add(library, music, "a", "b", "c")
    one = upper_bytes(library, tracks["a"])
    now[0] += 2 * LATER_NS
    for name in "abc":
        old_s = now[0] / 1e9 - 9000
        os.utime(library.folder_of(tracks[name].track.track_id), (old_s, old_s))
    library.renditions._drop(tracks["a"].track.track_id)
    library.renditions._drop(tracks["b"].track.track_id)
    library = open_library(int(1.6 * one))
    load(library)
    ordered = []
    library.renditions.on_ordered = lambda: ordered.append(1)
    library.renditions.opened(tracks["a"].track, BY)
    assert remake(library, Control()).tracks == 1
    assert [has(library, tracks[name]) for name in "abc"] == ["012", "0", "0"]
    library.renditions.opened(tracks["b"].track, BY)
    assert (ordered, remake(library, Control()).tracks) == ([1], 0), "a was made a moment ago"
    now[0] += LATER_NS
    library.renditions.opened(tracks["b"].track, BY)
    library.track(tracks["a"].track.track_id).read(1, 0)  # a listener is faster than the encoder
    assert (ordered, remake(library, Control()).tracks) == ([1, 1], 0)
    assert [has(library, tracks[name]) for name in "abc"] == ["012", "0", "0"]


def test_few_orders_are_taken_of_one_network(open_library, music, now):
    library = open_library()
    tracks = add(library, music, *"abcd")
    for stored in tracks.values():
        library.renditions._drop(stored.track.track_id)
    for stored in tracks.values():
        assert library.renditions.opened(stored.track, BY) == 1
    assert remake(library, Control()).tracks == 2


def test_another_ladder_makes_other_tracks_so_nothing_comes_back_for_the_old_ones(open_library, music, now):
    library = open_library()
    stored = add(library, music, "a")["a"]
    library = open_library(0, (24, 64))
    load(library)
    assert has(library, stored) == "012"
    assert not library.renditions.can_be_made(stored.track.track_id)


def test_a_disk_that_refuses_costs_nothing_else(open_library, music, now, monkeypatch):
    library = open_library()
    tracks = add(library, music, "a")
    library = open_library(0)

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(module.os, "utime", refuse)
    library.renditions.opened(tracks["a"].track, BY)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    now[0] += LATER_NS
    load(library)
    assert has(library, tracks["a"]) == "012"
    load(library)
    monkeypatch.undo()
    stopped = open_library(0)
    stopped.renditions.load(lambda: True)
    assert has(stopped, tracks["a"]) == "012"
