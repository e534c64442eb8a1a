"""Meeting peers without a search: which answer is enough, and what is said where there is none."""

from __future__ import annotations

import pytest

from lightpeer.client.greeting import hear_of_others, meet
from lightpeer.core.trust.bounds import MAX_RECORDS
from lightpeer.core.trust.contact import Contact
from lightpeer.errors import NoPeerError
from tests.rpc.service import run

CONTACTS = [Contact((name, 1)) for name in "abc"]


class Reach:
    """Peers by name: `yes` answers, `no` does not, `often` was asked too often, `gone` is away."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = dict(zip("abc", kinds, strict=False))
        self.asked: list[tuple[str, int | None]] = []
        self.connected_to: list[list[str]] = []
        self.warned = False

    async def first_of(self, contacts, tried, *, setbacks):
        """Try one after the other, as those that come later are not begun where one answers."""
        self.connected_to.append([contact.address[0] for contact in contacts])
        for contact in contacts:
            tried.add(contact)
            name = contact.address[0]
            if self.kinds[name] != "gone":
                return name
        return None

    async def peers(self, _setbacks, *, limit):
        for name in list(self.kinds)[:limit]:
            yield name

    async def exchange(self, peer, want=None, setbacks=None) -> bool:
        self.asked.append((peer, want))
        if self.kinds[peer] == "often":
            setbacks.too_often = f"{peer} was asked too often"
        return self.kinds[peer] == "yes"

    def warn(self, _setbacks) -> None:
        self.warned = True

    def nobody(self, _setbacks) -> NoPeerError:
        return NoPeerError("nobody answers")


def met(reach: Reach) -> str:
    peers: list[str] = []

    async def main():
        peers.append(await meet(reach, CONTACTS[: len(reach.kinds)]))

    run(main)
    return peers[0]


@pytest.mark.parametrize(
    ("kinds", "peer"),
    [
        (("yes", "yes"), "a"),
        (("gone", "yes"), "b"),
        (("no", "gone", "yes"), "c"),
        (("often", "yes"), "a"),  # it is there, and that is all that was asked
    ],
)
def test_the_first_that_answers_is_met(kinds, peer):
    assert met(Reach(*kinds)) == peer


def test_no_address_is_tried_twice():
    reach = Reach("no", "gone", "yes")
    met(reach)
    assert reach.connected_to == [["a", "b", "c"], ["b", "c"]]
    assert reach.asked == [("a", None), ("c", None)]


@pytest.mark.parametrize("kinds", [(), ("gone",), ("no", "gone", "no")])
def test_where_nobody_answers_that_is_the_error(kinds):
    with pytest.raises(NoPeerError, match="nobody answers"):
        met(Reach(*kinds))


def heard(reach: Reach, *, limit: int = 3, enough_after: int = 9) -> Reach:
    async def main():
        await hear_of_others(
            reach, limit, lambda: sum(reach.kinds[name] == "yes" for name, _ in reach.asked) >= enough_after
        )

    run(main)
    return reach


def test_others_are_asked_until_enough_are_known():
    assert heard(Reach("yes", "yes", "yes")).asked == [(name, MAX_RECORDS - 1) for name in "abc"]
    assert [name for name, _ in heard(Reach("yes", "yes", "yes"), enough_after=2).asked] == ["a", "b"]
    assert [name for name, _ in heard(Reach("yes", "yes", "yes"), limit=1).asked] == ["a"]


def test_what_was_known_before_is_enough_only_once_somebody_has_answered():
    assert [name for name, _ in heard(Reach("no", "yes", "yes"), enough_after=0).asked] == ["a", "b"]


def test_one_answer_is_enough_and_is_not_forgotten(caplog):
    reach = heard(Reach("yes", "no", "often"))
    assert reach.warned
    assert caplog.messages == [], "what others said is no matter then"


def test_who_was_asked_too_often_is_there_and_that_is_a_warning(caplog):
    reach = heard(Reach("no", "often"))
    assert caplog.messages == ["b was asked too often: wait a minute for news; these peers were known before"]
    assert reach.warned


def test_where_nobody_answers_nothing_is_heard():
    reach = Reach("no", "gone")
    with pytest.raises(NoPeerError, match="nobody answers"):
        heard(reach)
    assert not reach.warned
