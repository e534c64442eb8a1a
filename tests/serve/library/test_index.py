from __future__ import annotations

import contextlib
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.manifest import (
    SAMPLE_RATE,
    Description,
    build_manifest,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.core.content.uri import format_uri, is_uri
from lightpeer.core.search.words import has_words
from lightpeer.core.trust.bounds import MAX_HITS, MAX_TEXT_CHARS
from lightpeer.errors import StateError
from lightpeer.serve.library import index as index_module
from lightpeer.serve.library.index import Index, IndexHit
from tests.core.search.test_words import SCRIPTS

ELISE, LIVE, SON = b"1" * 32, b"2" * 32, b"3" * 32


def add(index, *fields):
    """Add a track: id, title, artist, album, length in ms, bitrates in kbit/s."""
    *described, bitrates = fields
    index.add_all([IndexHit(*described, tuple(bitrates))])


@pytest.fixture
def index(tmp_path):
    made = Index(tmp_path / "index.db")
    add(made, ELISE, "Für Elise", "Ludwig van Beethoven", "Bagatellen", 180_000, [24, 48])
    add(made, LIVE, "AC/DC live", "Elise Dvořák", "", 60_500, [24])
    add(made, SON, "Sonnenaufgang", "NEAR", "Für alle", 1000, [24])
    yield made
    made.close()


def titles(index, query):
    return [hit.title for hit in index.search(query, 10)]


def test_a_hit_has_all_that_was_added(index):
    assert index.search("bagatellen", 10) == [
        IndexHit(ELISE, "Für Elise", "Ludwig van Beethoven", "Bagatellen", 180_000, (24, 48))
    ]


@given(texts=st.tuples(*[st.text(alphabet="\0 \t\nAüß\u0308ﬁ\U0001f3b5", max_size=600)] * 3))
def test_a_hit_is_its_manifest_to_the_letter_whatever_a_title_may_be(tmp_path_factory, texts):
    """Who reads the hit compares it with the manifest, and takes a server whose hits differ for a liar."""
    title, artist, album = texts
    manifest = build_manifest(
        Description(
            title=title,
            artist=artist,
            album=album,
            duration_samples=SAMPLE_RATE,
            gain_q8_db=0,
            segment_count=1,
        ),
        renditions=[(24_000, b"header", [bytes(18)])],
    )
    track = parse_manifest_untrusted(manifest, track_id_of(manifest))
    with contextlib.closing(Index(tmp_path_factory.mktemp("index") / "index.db")) as index:
        add(index, track.track_id, track.title, track.artist, track.album, 1000, [24])
        (hit,) = index.search(track.uri, 1)
    assert (hit.title, hit.artist, hit.album) == (track.title, track.artist, track.album)
    assert hit.title == title[:MAX_TEXT_CHARS]


def test_words_behind_a_nul_are_found(index):
    add(index, b"4" * 32, "Odd\0title", "", "", 1000, [24])
    assert titles(index, "odd title") == ["Odd\0title"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("fur elise", ["Für Elise"]),
        ("FÜR", ["Für Elise", "Sonnenaufgang"]),  # the title weighs more than the album
        ("elise", ["Für Elise", "AC/DC live"]),
        ("u\N{COMBINING DIAERESIS}", []),
        ("fu\N{COMBINING DIAERESIS}r eli", ["Für Elise"]),
        ("lud bee", ["Für Elise"]),
        ("dvorak", ["AC/DC live"]),
        ("ac/dc", ["AC/DC live"]),
        ("a/dc", []),
        ("elise sonnen", []),  # all words must be there
        ("near", ["Sonnenaufgang"]),
        ("NEAR(", ["Sonnenaufgang"]),
        ("für AND elise", []),
        ("title:elise", []),
        ("elise -", ["Für Elise", "AC/DC live"]),
        ('"elise" *', ["Für Elise", "AC/DC live"]),
        ("", []),
        ('?! -- (*) "', []),
        ("elise\0", ["Für Elise", "AC/DC live"]),
        ("\ud800 elise", ["Für Elise", "AC/DC live"]),
        ("elise " + "x" * 10_000, []),
        ("elise" + " " * 10_000, ["Für Elise", "AC/DC live"]),
    ],
)
def test_search(index, query, found):
    assert titles(index, query) == found


def test_a_uri_finds_its_track_and_a_malformed_one_nothing(index):
    assert titles(index, format_uri(ELISE)) == ["Für Elise"]
    assert index.search(format_uri(ELISE), 0) == []
    for unknown in (format_uri(b"4" * 32), "loud:", "loud:elise", "loud:" + "x" * 500, "loud:\0ü"):
        assert index.search(unknown, 10) == []


@given(st.text())
def test_no_text_is_syntax(query):
    assert _shared_index().search(query, 10) is not None


@given(st.text(alphabet='"*():^-+{}, ANDORTNEAR\0\ud800a', max_size=40))
def test_no_operator_is_syntax(query):
    assert _shared_index().search(query, 10) is not None


@given(st.text(min_size=1))
def test_a_title_is_found_by_its_own_words(tmp_path_factory, title):
    index = Index(tmp_path_factory.mktemp("index") / "index.db")
    add(index, ELISE, f"marker {title}", title, title, 1, [24])
    assert len(index.search("marker", 1)) == 1
    index.close()


_index = None


def _shared_index():
    global _index  # noqa: PLW0603 (opened once for all examples)
    if _index is None:
        _index = Index(index_module.Path(":memory:"))
        add(_index, ELISE, "Für Elise NEAR AND", "a", "b", 1, [24])
    return _index


def test_limits(tmp_path):
    index = Index(tmp_path / "index.db")
    for number in range(MAX_HITS + 5):
        add(index, number.to_bytes(32, "big"), f"Song {number}", "", "", 1, [24])
    assert len(index.search("song", 3)) == 3
    assert index.search("song", 0) == index.search("song", -1) == []
    assert len(index.search("song", 10_000)) == MAX_HITS


def test_a_query_is_its_first_eight_words_and_each_counts_once(index):
    add(index, b"4" * 32, "a b c d e f g h", "", "", 1, [24])
    assert titles(index, "a A b b B c d e f g h nowhere at all") == ["a b c d e f g h"]
    assert titles(index, "a b c d e f g nowhere h") == []
    assert index_module._fts_query("a A a") == '"a"*'


def test_a_letter_has_a_list_of_its_own(index):
    """Without it a query of letters reads the lists of most words of a library."""
    ((schema,),) = index._database.rows("SELECT sql FROM sqlite_master WHERE name = 'words'")
    assert "prefix = '1 2 3'" in schema


def test_a_vague_query_costs_no_more_in_a_bigger_library(tmp_path, monkeypatch):
    """Counted in steps of SQLite's machine."""
    monkeypatch.setattr(index_module, "MAX_RANKED", 50)
    index = Index(tmp_path / "index.db")

    def steps() -> int:
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        index._database._connection.set_progress_handler(count, 1)
        assert len(index.search("s", 10)) == 10
        index._database._connection.set_progress_handler(None, 0)
        return counted

    taken = []
    for _ in range(2):
        for number in range(count := len(list(index.track_ids())), count + 100):
            add(index, number.to_bytes(32, "big"), f"Song {number}", "", "", 1, [24])
        taken.append(steps())
    assert taken[0] == pytest.approx(taken[1], rel=0.25)
    index.close()


def test_remove_and_add_again(index):
    index.remove(ELISE)
    index.remove(ELISE)
    assert titles(index, "elise") == ["AC/DC live"]
    assert list(index.track_ids()) == [LIVE, SON]
    add(index, LIVE, "other", "", "", 1, [24])  # it is there already
    assert titles(index, "elise") == ["AC/DC live"]
    assert titles(index, "other") == []
    add(index, ELISE, "Elise again", "", "", 1, [24])
    assert titles(index, "again") == ["Elise again"]


def test_lives_on_in_its_file_and_starts_anew_when_damaged(tmp_path):
    path = tmp_path / "index.db"
    index = Index(path)
    add(index, ELISE, "Elise", "", "", 1, [24])
    index.close()
    index = Index(path)
    assert titles(index, "elise") == ["Elise"]
    index.close()
    path.write_bytes(b"no database " * 1000)
    assert list(Index(path).track_ids()) == []


def test_an_older_format_is_filled_anew(tmp_path):
    path = tmp_path / "index.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE tracks (id INTEGER PRIMARY KEY, track_id BLOB, bitrates_kbps TEXT)")
        old.execute("CREATE VIRTUAL TABLE words USING fts5(title, artist, album)")
        old.execute("INSERT INTO tracks VALUES (1, x'00', '24')")
        old.commit()
    with contextlib.closing(Index(path)) as index:
        assert list(index.track_ids()) == []
        add(index, ELISE, "Elise", "", "", 1, [24])
    with contextlib.closing(Index(path)) as index:
        assert titles(index, "elise") == ["Elise"]


@pytest.mark.parametrize("query", ["røyksopp", "royksopp", "RØYK", "ROYK"])
def test_letters_that_unicode_does_not_decompose(tmp_path, query):
    with contextlib.closing(Index(tmp_path / "index.db")) as index:
        add(index, ELISE, "Straße", "Røyksopp", "Ænima", 1, [24])
        (hit,) = index.search(query, 10)
        assert (hit.title, hit.artist, hit.album) == ("Straße", "Røyksopp", "Ænima")
        assert titles(index, "strasse aenima") == titles(index, "straße ænima") == ["Straße"]


def test_sqlite_without_fts5_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "_SCHEMA", "CREATE VIRTUAL TABLE words USING fts55(title)")
    with pytest.raises(StateError, match="SQLite was built without FTS5"):
        Index(tmp_path / "index.db")


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(StateError, match="cannot be used"):
        Index(tmp_path / "none" / "index.db")


def test_a_full_disk_is_one_sentence_and_undoes_the_addition(index):
    limit = index._database.rows("PRAGMA page_count")[0][0]
    index._database.rows(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(StateError, match="is full"):
        add(index, b"4" * 32, "long " * 100_000, "", "", 1, [24])
    assert list(index.track_ids()) == [ELISE, LIVE, SON]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("duration_ms", -1),
        ("duration_ms", 1 << 32),
        ("duration_ms", "long"),
        ("bitrates_kbps", "24,-1"),
        ("bitrates_kbps", ""),
        ("bitrates_kbps", b"24"),
        ("bitrates_kbps", None),
        ("bitrates_kbps", str(1 << 32)),
        ("title", b"\xff"),
        ("artist", None),
    ],
)
def test_a_row_that_the_disk_has_damaged_is_no_hit_and_costs_no_other(index, column, value):
    for letter in (b"p", b"q"):
        add(index, letter * 32, "Same", "One", "", 1000, [24])
    with index._database.transaction() as connection:
        connection.execute(f"UPDATE tracks SET {column} = ? WHERE track_id = ?", (value, b"p" * 32))
    assert [hit.track_id for hit in index.search("same", 5)] == [b"q" * 32]


@pytest.mark.parametrize(("query", "name"), SCRIPTS)
def test_a_name_in_any_script_is_found_as_it_is_typed(tmp_path, query, name):
    with contextlib.closing(Index(tmp_path / "index.db")) as index:
        add(index, ELISE, "Other", "!", "Für Elise", 1, [24])
        add(index, LIVE, "Title", name, "", 1, [24])
        assert titles(index, query) == ["Title"]


@given(query=st.text(max_size=12), title=st.text(max_size=12))
def test_what_is_found_has_the_words(query, title):
    with contextlib.closing(Index(index_module.Path(":memory:"))) as index:
        add(index, ELISE, title, "Ludwig", "", 1, [24])
        if titles(index, query) and not is_uri(query):
            assert has_words(query, title, "Ludwig", "")


def test_a_track_has_its_place_and_is_found_by_the_artist_of_its_album(index):
    place = AlbumPlace(track=3, disc=1, tracks=12, album_artist="Several\0 \ud800", year=1999)
    hit = IndexHit(b"4" * 32, "Third", "Somebody", "Mixed", 1000, (24,), place)
    index.add_all([hit])
    (found,) = index.search("mixed several", 5)
    assert found.place == place._replace(album_artist="Several\0 ?")
    assert index.search("elise", 1)[0].place == AlbumPlace()


def test_what_matches_is_counted_up_to_a_bound(index, monkeypatch):
    assert (index.count("elise"), index.count("nothing"), index.count("...")) == (2, 0, 0)
    assert index.count(format_uri(ELISE)) == 0
    monkeypatch.setattr(index_module, "MAX_MATCHES", 1)
    assert index.count("elise") == 1
