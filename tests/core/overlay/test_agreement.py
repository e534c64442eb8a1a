from __future__ import annotations

import pytest

from lightpeer.core.overlay.agreement import MAX_GROUPS, Agreement


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ([], None),
        ([("a", 1)], None),
        ([("a", 1), ("a", 1)], None),
        ([("a", 1), ("b", 2)], None),
        ([("a", 1), ("b", 1)], None),
        ([("a", 1), ("a", 1), ("b", 1)], None),
        ([("a", 1), ("b", 1), ("c", 2)], None),
        ([("a", 1), ("b", 1), ("c", 1)], 1),
        ([("x", 2), ("a", 1), ("y", 2), ("b", 1), ("c", 1)], 1),
        ([("x", 2), ("a", 1), ("y", 2), ("b", 1), ("z", 2), ("c", 1)], None),
        ([("a", 1), ("b", 1), ("c", 1), ("a", 2)], None),
        ([("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("c", 2)], 2),
        ([("a", 1), ("b", 1), ("c", 1), ("x", 2), ("y", 2)], 1),
    ],
)
def test_three_groups_must_say_the_same(said, agreed) -> None:
    matter: Agreement[int] = Agreement()
    for group, word in said:
        matter.hear(group, word)
    assert matter.agreed == agreed


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ([("named", 1)], None),
        ([("named", 1), ("a", 1)], 1),
        ([("named", 1), ("named too", 1)], 1),
        ([("named", 1), ("a", 1), ("x", 2), ("y", 2)], 1),
        ([("named", 1), ("a", 1), ("x", 2), ("y", 2), ("z", 2)], None),
        ([("named", 2), ("a", 1), ("b", 1), ("c", 1)], 1),
    ],
)
def test_a_named_peer_stands_for_two_and_alone_decides_nothing(said, agreed) -> None:
    matter: Agreement[int] = Agreement()
    for group, word in said:
        matter.hear(group, word, is_named=group.startswith("named"))
    assert matter.agreed == agreed


def test_alike_need_not_mean_equal_and_the_latest_word_is_given() -> None:
    matter: Agreement[int] = Agreement(lambda a, b: abs(a - b) < 10)
    for group, word in [("a", 100), ("b", 105), ("x", 500), ("c", 102)]:
        matter.hear(group, word)
    assert matter.agreed == 102


def test_only_the_groups_heard_last_count() -> None:
    matter: Agreement[int] = Agreement()
    for group in "abc":
        matter.hear(group, 7)
    for i in range(MAX_GROUPS - 1):
        matter.hear(f"other {i}", i + 100)
    assert matter.agreed is None
    for group in "ab":
        matter.hear(group, 7)
    assert matter.agreed is None
    matter.hear("c", 7)
    assert matter.agreed == 7
