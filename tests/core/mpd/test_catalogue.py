"""The seen catalogue: what is in it, what is forgotten, and when the network is asked again."""

from __future__ import annotations

from lightpeer.core.mpd.catalogue import FRESH_S, MAX_SEARCHES, MAX_SONGS, Catalogue
from lightpeer.core.mpd.song import Song
from tests.core.mpd.remote import BARE, BLUE, RED, VU


def titles(songs) -> list[str]:
    return [song.title for song in songs]


def test_the_latest_comes_first_and_the_first_found_is_the_latest():
    catalogue = Catalogue()
    assert (len(catalogue), list(catalogue), catalogue.changed_s) == (0, [], 0.0)
    assert catalogue.remember([BLUE, RED], 10.0)
    assert catalogue.remember([VU], 20.0)
    assert titles(catalogue) == ["Déjà vu", "Blue Rain", "Red Sun"]
    assert catalogue.get(RED.uri) == RED._replace(added_s=10.0)
    assert (RED.uri in catalogue, BARE.uri in catalogue, catalogue.get(BARE.uri)) == (True, False, None)


def test_what_was_seen_before_is_no_news_but_late_again():
    catalogue = Catalogue()
    catalogue.remember([BLUE, RED], 10.0)
    assert not catalogue.remember([RED], 20.0)
    assert (titles(catalogue), catalogue.changed_s) == (["Red Sun", "Blue Rain"], 10.0)
    assert catalogue.remember([RED._replace(year=2000)], 30.0)
    assert catalogue.get(RED.uri) == RED._replace(year=2000, added_s=10.0)
    assert catalogue.changed_s == 30.0
    assert not catalogue.remember([], 40.0)


def test_songs_are_bounded_and_the_earliest_is_forgotten():
    catalogue = Catalogue()
    catalogue.note_search("x", [BLUE, RED], 1.0)
    catalogue.remember([Song(f"loud:{number}") for number in range(MAX_SONGS - 1)], 2.0)
    assert len(catalogue) == MAX_SONGS
    assert titles(catalogue.hits("x")) == ["Blue Rain"]
    catalogue.remember([VU], 3.0)
    assert (len(catalogue), catalogue.hits("x")) == (MAX_SONGS, [])


def test_a_search_is_kept_by_its_words():
    catalogue = Catalogue()
    assert catalogue.hits("copper") == []
    assert catalogue.note_search("Blue  rain", [RED, BLUE], 10.0)
    assert titles(catalogue.hits("blue RAIN")) == ["Red Sun", "Blue Rain"]
    catalogue.note_search("copper", [BARE], 11.0)
    assert catalogue.searches == ["copper", "Blue  rain"]


def test_whether_a_search_found_news():
    catalogue = Catalogue()
    assert catalogue.note_search("x", [], 1.0)
    assert not catalogue.note_search("x", [], 2.0)
    assert catalogue.note_search("x", [BLUE, RED], 3.0)
    assert not catalogue.note_search("x", [BLUE, RED], 4.0)
    assert catalogue.note_search("x", [RED, BLUE], 5.0)


def test_the_network_is_not_asked_again_at_once():
    catalogue = Catalogue()
    assert not catalogue.is_fresh("x", 10.0)
    catalogue.note_search("x", [], 10.0)
    assert catalogue.is_fresh("X ", 10.0 + FRESH_S - 0.1)
    assert not catalogue.is_fresh("x", 10.0 + FRESH_S)
    assert not catalogue.is_fresh("x", 9.0)  # the clock was set back
    assert not catalogue.is_fresh("y", 10.0)


def test_searches_are_bounded():
    catalogue = Catalogue()
    for number in range(MAX_SEARCHES + 1):
        catalogue.note_search(f"w{number}", [BLUE], 1.0)
    assert len(catalogue.searches) == MAX_SEARCHES
    assert (catalogue.hits("w0"), titles(catalogue.hits("w1"))) == ([], ["Blue Rain"])
