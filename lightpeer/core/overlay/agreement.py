"""Statements of peers about ourselves, believed once three networks agree.

Others can see our own address and the right time where we cannot. One peer may lie, and so may all peers that
one person runs in one or two networks, which cost little. So only the latest statement of each network group
counts, and only one that at least three groups agree on is believed. Where few peers are known, one that our
operator named counts as two: it suffices with any other, and alone it decides nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MIN_VOTES: Final = 3
VOTES_OF_NAMED: Final = 2
MAX_GROUPS: Final = 16  # the latest; a liar needs three of them, and no honest majority


class Agreement(Generic[T]):
    """The latest statement of each network group on one matter."""

    def __init__(self, alike: Callable[[T, T], bool] = operator.eq) -> None:
        """Hear nothing yet; `alike` returns whether two statements mean the same."""
        self._alike = alike
        self._said: dict[str, tuple[T, int]] = {}  # by network group, the latest at the end

    def hear(self, group: str, word: T, *, is_named: bool = False) -> None:
        """Note the statement of a peer.

        Args:
            group: its network group (see `addresses.network_group`).
            word: the statement.
            is_named: whether our operator named the peer.
        """
        self._said.pop(group, None)
        self._said[group] = word, VOTES_OF_NAMED if is_named else 1
        if len(self._said) > MAX_GROUPS:
            del self._said[next(iter(self._said))]

    @property
    def agreed(self) -> T | None:
        """The statement with most votes, if it has at least three and no other has as many; else None."""
        words = [word for word, _ in self._said.values()]
        support = [
            sum(votes for other, votes in self._said.values() if self._alike(word, other)) for word in words
        ]
        most = max(support, default=0)
        leaders = [word for word, count in zip(words, support, strict=True) if count == most]
        if most < MIN_VOTES or not all(self._alike(leaders[0], other) for other in leaders):
            return None
        return leaders[-1]
