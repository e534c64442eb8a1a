"""Files that wait to be imported, and what a search does for them."""

from __future__ import annotations

import threading

import pytest

from lightpeer.serve.library import waiting as module
from lightpeer.serve.library.waiting import MAX_WANTED, WAIT_S, WAIT_SHARE, Waiting, Words

RAIN = Words(b"/m/rain.mp3", "Copper Rain", "Nobody", "Weather")
SUN = Words(b"/m/sun.mp3", "Sun", "Nobody", "Weather")


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 0.001)
    made = Waiting(tmp_path / "waiting.db")
    made.add_all([SUN, RAIN])
    yield made
    made.close()


def test_what_is_searched_for_comes_first(waiting):
    assert waiting.want("copper", 5) == [RAIN.path]
    assert waiting.wanted() == [RAIN.path]
    assert waiting.want("weather", 1) == [SUN.path], "the best of them alone"
    assert sorted(waiting.want("weather", 5)) == [RAIN.path, SUN.path]
    assert waiting.wanted() == [RAIN.path, SUN.path]
    assert waiting.want("what nobody has", 5) == []
    assert waiting.want("weather", 0) == []
    waiting.remove(RAIN.path)
    assert waiting.wanted() == [SUN.path]
    assert waiting.want("weather", 5) == [SUN.path]
    waiting.remove(SUN.path)
    waiting.remove(b"/m/another.mp3")
    assert waiting.wanted() == []
    assert waiting.want("weather", 5) == []
    assert waiting.wanted() == []


def test_a_search_waits_for_the_first_and_seldom(waiting, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 30.0)
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    answers = []

    def search(query):
        answers.append(waiting.wait_for(waiting.want(query, 1)[0]))

    searching = threading.Thread(target=search, args=("copper",))
    searching.start()
    while RAIN.path not in waiting.wanted():
        pass
    waiting.remove(RAIN.path)
    searching.join()
    assert answers == [True]
    search("sun")
    assert answers == [True, False], "another waited a moment ago"
    monkeypatch.setattr(module, "WAIT_S", 0.001)
    now[0] += WAIT_S / WAIT_SHARE * 30
    search("sun")
    assert answers == [True, False, False]


def test_there_is_a_bound_on_what_is_wanted(waiting):
    waiting.add_all([Words(b"/m/%d" % n, "Many", "", "") for n in range(2 * MAX_WANTED)])
    waiting.want("many", 50)
    waiting.want("sun", 1)
    assert len(waiting.want("many", 50)) == 50, "the same again"
    waiting.add_all([Words(b"/m/more%d" % n, "More", "", "") for n in range(MAX_WANTED)])
    assert len(waiting.want("more", MAX_WANTED)) == MAX_WANTED - 51, "as many as there is room for"
    assert len(waiting.wanted()) == MAX_WANTED
    assert SUN.path in waiting.wanted()


def test_all_of_it_ends_with_the_import_and_with_the_process(waiting, tmp_path):
    waiting.want("weather", 5)
    waiting.clear()
    assert waiting.wanted() == [], "those that went before their turn take no places for ever"
    waiting.clear()
    assert waiting.want("copper", 5) == []
    assert waiting.wanted() == []
    waiting.add_all([RAIN])
    waiting.close()
    again = Waiting(tmp_path / "waiting.db")
    again.add_all([SUN])
    again.want("rain", 5)
    assert again.wanted() == []
    again.close()


def test_who_imports_is_told_of_what_is_new_among_the_wanted(waiting):
    told = []
    waiting.on_wanted = lambda: told.append(waiting.wanted())
    waiting.want("copper", 5)
    waiting.want("copper", 5)
    waiting.want("what nobody has", 5)
    waiting.want("sun", 5)
    assert told == [[RAIN.path], [RAIN.path, SUN.path]]
