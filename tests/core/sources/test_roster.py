"""Which sources are asked, and which one is next."""

from __future__ import annotations

from lightpeer.core.sources.roster import Roster


def of(*sources: str) -> Roster[str]:
    roster = Roster[str]()
    for source in sources:
        roster.join(source)
    return roster


def test_sources_are_asked_in_the_order_in_which_they_joined() -> None:
    roster = of("a", "b", "c")
    assert roster.ask_next(2) == ["a", "b"]
    assert (roster.asked, roster.silent, roster.unknown) == (["a", "b"], ["c"], ["c"])
    assert roster.ask_next(2) == ["c"]
    assert roster.ask_next(2) == []
    assert roster.asked == ["a", "b", "c"]


def test_one_that_was_never_asked_comes_before_those_that_were() -> None:
    roster = of("a", "b")
    roster.ask_next(2)
    roster.silence("a")
    roster.silence("b")
    roster.join("c")
    assert roster.silent == ["c", "a", "b"]
    assert roster.unknown == ["c"]


def test_only_a_silent_one_can_be_asked_and_only_one_asked_be_silenced() -> None:
    roster = of("a", "b")
    roster.ask("b")
    roster.ask("b")
    roster.ask("stranger")
    roster.silence("a")
    roster.silence("stranger")
    assert (roster.asked, roster.silent, roster.unknown) == (["b"], ["a"], ["a"])


def test_one_that_leaves_is_nowhere() -> None:
    roster = of("a", "b", "c")
    roster.ask("b")
    for source in ("a", "b", "b"):
        roster.leave(source)
    assert (roster.asked, roster.silent, roster.unknown) == ([], ["c"], ["c"])
