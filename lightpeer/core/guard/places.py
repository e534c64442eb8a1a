"""Decides which stream gives way when a server can hold no more.

Addresses are cheap: one person may have many IPv6 networks. So networks that are probably under one control
form a group. The group with most streams gives up one to a group with fewer, and within a group the network
with most gives up one to a network with fewer; the least recently used stream goes. If the newcomer has as
many as anybody, a resting stream gives way, of its own network or of one that has more. A group with fewer
streams than the newcomer's never gives one up.

Call order: `add` and `remove` for each stream; `gives_way` before one that is too many.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

K = TypeVar("K")


class Places(Generic[K]):
    """The places that are taken, by network (see `admission.Client`) and group."""

    def __init__(self) -> None:
        self._where: dict[K, tuple[str, str]] = {}
        self._groups: dict[str, dict[str, dict[K, None]]] = {}  # by group, then network
        self._sizes: Counter[str] = Counter()  # by group

    def add(self, key: K, network: str, group: str) -> None:
        """Note that a place is taken.

        Args:
            key: the stream.
            network: its client's network.
            group: the network's group.
        """
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
        """Return the stream that gives its place to a newcomer, or None if there is none.

        Args:
            network: the newcomer's network.
            group: the network's group.
            used_s: returns when a stream was last used, in seconds.
            idle_since_s: a stream that was not used since then rests.
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
        """Return the streams of those networks of a group that have most, if that is more than `least`."""
        networks = self._groups.get(group, {}).values()
        most = max(map(len, networks), default=0)
        having_most: Iterable[dict[K, None]] = (keys for keys in networks if len(keys) == most)
        return list(chain.from_iterable(having_most)) if most > least else []
