"""What peers tell us about ourselves, believed once two networks say the same.

Our own address and the right time are things that others see and we may not. One peer may lie, and
so may all that one person runs in one network; so what counts is the latest word of each network
group, and only what at least two groups say alike.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MIN_GROUPS: Final = 2
MAX_GROUPS: Final = 16  # those heard last; a liar needs two of them, and an honest majority to be absent


class Agreement(Generic[T]):
    """The latest word of each network group on one matter."""

    def __init__(self, alike: Callable[[T, T], bool] = operator.eq) -> None:
        """Take how to tell that two words mean the same."""
        self._alike = alike
        self._said: dict[str, T] = {}  # by network group, the latest at the end

    def hear(self, group: str, word: T) -> None:
        """Take the word of a peer in a network group (see `peer_entry.network_group`)."""
        self._said.pop(group, None)
        self._said[group] = word
        if len(self._said) > MAX_GROUPS:
            del self._said[next(iter(self._said))]

    @property
    def agreed(self) -> T | None:
        """What most groups say, if at least two do and no other two say something else as often."""
        words = list(self._said.values())
        support = [sum(self._alike(word, other) for other in words) for word in words]
        most = max(support, default=0)
        leaders = [word for word, count in zip(words, support, strict=True) if count == most]
        if most < MIN_GROUPS or not all(self._alike(leaders[0], other) for other in leaders):
            return None
        return leaders[-1]
