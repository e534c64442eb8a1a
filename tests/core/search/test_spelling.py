"""One wrong letter: what else is asked for, and which words were meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.search.spelling import meant, other_queries

TEXT = "Return to Wesnoth — The Band"


@pytest.mark.parametrize(
    ("query", "others"),
    [
        ("copper", ["cop", "co"]),
        ("my copper", ["my cop", "co"]),
        ("rain", ["ra"]),  # not twice
        ("retrun to wesnoth", ["ret to wes", "retrun to", "to wesnoth"]),
        ("copper rain", ["cop ra", "rain", "copper"]),
        ("one more copper rain", ["one mo cop ra", "one more rain", "one copper rain"]),
        ("abc de", []),
        ("", []),
    ],
)
def test_at_most_three_other_queries(query, others):
    assert list(other_queries(query)) == others


@pytest.mark.parametrize(
    ("query", "right"),
    [
        ("wesnoth", None),  # which is there: nothing else was meant
        ("wesnoht", "wesnoth"),
        ("wesnot", None),
        ("wesnotz", "wesnoth"),
        ("wesnooth", "wesnoth"),
        ("wsnoth", "wesnoth"),
        ("wesnothe", "wesnoth"),
        ("Retürm to wesnoth", "return to wesnoth"),
        ("retrun", "return"),
        ("retrun wesnoht", None),  # two mistakes
        ("wxxnoth", None),  # likewise, one beside the other
        ("ewsnotx", None),  # swapped, and another behind
        ("wesnXth b", "wesnoth b"),
        ("bend", "band"),
        ("ben", None),  # too short to be told from others
        ("something else", None),
    ],
)
def test_what_was_meant(query, right):
    assert meant(query, TEXT) == right


WORDS = st.text(alphabet="abcdefgh", min_size=5, max_size=10)


@given(WORDS, st.integers(0, 9), st.sampled_from("xyz"))
def test_any_one_wrong_letter_is_forgiven(word, place, letter):
    place %= len(word)
    wrong = word[:place] + letter + word[place + 1 :]
    more = word[:place] + letter + word[place:]
    for query in (wrong, more):
        assert meant(query, word) == word
