"""Whose stream gives way when a server can hold no more.

Addresses are cheap: one person may have many IPv6 networks of them. So of the groups of networks that are
likely to be under one control, the one with most streams gives up one to a group with fewer, and in a group
the network with most to a network with fewer; it is the one that was used least lately. Where a newcomer has
as much as anybody, a stream that rests gives way to it, of its own network or of one that has more. None of
this takes a stream from a group that has fewer than the newcomer's.

Call order: `add` and `remove` for each; `gives_way` before one too many.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

K = TypeVar("K")


class Places(Generic[K]):
    """The places that are taken, in networks (see `admission.Client`) and groups of them."""

    def __init__(self) -> None:
        self._where: dict[K, tuple[str, str]] = {}
        self._groups: dict[
            str, dict[str, dict[K, None]]
        ] = {}  # in each group the networks, in each who is there
        self._sizes: Counter[str] = Counter()  # of the groups

    def add(self, key: K, network: str, group: str) -> None:
        """Note that a place is taken."""
        self._where[key] = network, group
        self._groups.setdefault(group, {}).setdefault(network, {})[key] = None
        self._sizes[group] += 1

    def remove(self, key: K) -> None:
        """Note that a place is free again."""
        network, group = self._where.pop(key)
        self._sizes[group] -= 1
        del self._groups[group][network][key]
        if not self._groups[group][network]:
            del self._groups[group][network]
        if not self._groups[group]:
            del self._groups[group], self._sizes[group]

    def gives_way(
        self, network: str, group: str, used_s: Callable[[K], float], idle_since_s: float
    ) -> K | None:
        """Return whose place a newcomer may have; None if it has to go without.

        Args:
            network: the newcomer's.
            group: and its group.
            used_s: tells when a place was used last.
            idle_since_s: what was not used since then rests.
        """
        own = len(self._groups.get(group, {}).get(network, ()))
        largest = max(self._sizes, key=self._sizes.__getitem__, default=group)
        if self._sizes[largest] > self._sizes[group] + 1:
            return min(self._of_most(largest, 0), key=used_s)
        if neighbours := self._of_most(group, own + 1):
            return min(neighbours, key=used_s)
        size = self._sizes[group]
        others = (
            keys
            for name, networks in self._groups.items()
            if self._sizes[name] >= size
            for each, keys in networks.items()
            if len(keys) > own or each == network
        )
        last = min(chain.from_iterable(others), key=used_s, default=None)
        return last if last is not None and used_s(last) < idle_since_s else None

    def _of_most(self, group: str, least: int) -> list[K]:
        """Return who is in those networks of a group that have most, if that is more than so many."""
        networks = self._groups.get(group, {}).values()
        most = max(map(len, networks), default=0)
        having_most: Iterable[dict[K, None]] = (keys for keys in networks if len(keys) == most)
        return list(chain.from_iterable(having_most)) if most > least else []
