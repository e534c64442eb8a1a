"""What peers tell us about ourselves, believed once three networks say the same.

Our own address and the right time are things that others see and we may not. One peer may lie, and
so may all that one person runs in one network, or in two, which cost little; so what counts is the latest
word of each network group, and only what at least three groups say alike. Where few are known, a peer that
our operator named stands for two: with any other it is enough, and alone it decides nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MIN_VOTES: Final = 3
VOTES_OF_NAMED: Final = 2
MAX_GROUPS: Final = 16  # those heard last; a liar needs three of them, and an honest majority to be absent


class Agreement(Generic[T]):
    """The latest word of each network group on one matter."""

    def __init__(self, alike: Callable[[T, T], bool] = operator.eq) -> None:
        """Take how to tell that two words mean the same."""
        self._alike = alike
        self._said: dict[str, tuple[T, int]] = {}  # by network group, the latest at the end

    def hear(self, group: str, word: T, *, is_named: bool = False) -> None:
        """Take the word of a peer.

        Args:
            group: its network's (see `addresses.network_group`).
            word: what it says.
            is_named: our operator named it.
        """
        self._said.pop(group, None)
        self._said[group] = word, VOTES_OF_NAMED if is_named else 1
        if len(self._said) > MAX_GROUPS:
            del self._said[next(iter(self._said))]

    @property
    def agreed(self) -> T | None:
        """What has most votes, if it has at least three and nothing else has as many."""
        words = [word for word, _ in self._said.values()]
        support = [
            sum(votes for other, votes in self._said.values() if self._alike(word, other)) for word in words
        ]
        most = max(support, default=0)
        leaders = [word for word, count in zip(words, support, strict=True) if count == most]
        if most < MIN_VOTES or not all(self._alike(leaders[0], other) for other in leaders):
            return None
        return leaders[-1]
