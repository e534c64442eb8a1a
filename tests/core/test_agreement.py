from __future__ import annotations

import pytest

from lightpeer.core.agreement import MAX_GROUPS, Agreement


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ([], None),
        ([("a", 1)], None),
        ([("a", 1), ("a", 1)], None),
        ([("a", 1), ("b", 2)], None),
        ([("a", 1), ("b", 1)], 1),
        ([("a", 1), ("b", 1), ("c", 2)], 1),
        ([("c", 2), ("a", 1), ("b", 1), ("d", 2)], None),
        ([("c", 2), ("a", 1), ("b", 1), ("d", 2), ("e", 2)], 2),
        ([("a", 1), ("b", 1), ("a", 2)], None),
        ([("a", 1), ("b", 1), ("a", 2), ("b", 2)], 2),
    ],
)
def test_two_groups_must_say_the_same(said, agreed) -> None:
    matter: Agreement[int] = Agreement()
    for group, word in said:
        matter.hear(group, word)
    assert matter.agreed == agreed


def test_alike_need_not_mean_equal_and_the_latest_word_is_given() -> None:
    matter: Agreement[int] = Agreement(lambda a, b: abs(a - b) < 10)
    for group, word in [("a", 100), ("b", 105), ("c", 500)]:
        matter.hear(group, word)
    assert matter.agreed == 105


def test_only_the_groups_heard_last_count() -> None:
    matter: Agreement[int] = Agreement()
    matter.hear("a", 7)
    matter.hear("b", 7)
    for i in range(MAX_GROUPS - 1):
        matter.hear(f"other {i}", i + 100)
    assert matter.agreed is None
    matter.hear("a", 7)
    assert matter.agreed is None
    matter.hear("b", 7)
    assert matter.agreed == 7
