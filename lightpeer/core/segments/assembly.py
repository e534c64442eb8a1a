"""The assembly of one segment or table out of units, whichever sources they come from.

Each unit is in one of three states: asked for, here, or missing. An object is asked from one source at a
time, so that a source whose bytes fail their hash is known. If units of several sources fail together,
nobody is blamed: the object is a suspect from then on, and its units must all come from one source.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from lightpeer.core.content.manifest import SegmentTable
from lightpeer.core.udp.datagram import UnitRange, unit_layout

SourceKey: TypeAlias = Hashable
Key: TypeAlias = tuple[int, int]  # rendition, segment (or TABLE_BASE + table)
Ranges: TypeAlias = list[tuple[UnitRange, list[int]]]
"""Ranges of units, each with the size of every unit in it."""


class Outcome(Enum):
    """What a unit was to its object."""

    # It is here already, there is none of its number, or it is another source's of a suspect.
    UNWANTED = auto()
    WRONG_SIZE = auto()  # nobody honest sends it
    PART = auto()  # others are still to come
    COMPLETE = auto()  # it was the last


@dataclass(slots=True, eq=False)
class Assembly:
    """A segment or table on its way; `table` is None for a table, whose digest is in the manifest.

    `needed_at` is the number of the segment that it is needed for, or a little before.
    """

    key: Key
    size: int
    table: SegmentTable | None = None
    needed_at: float = 0.0
    source: SourceKey | None = None
    due_s: float = math.inf  # when its source should have delivered it
    was_hedged: bool = False  # a second source was asked
    is_suspect: bool = False  # bytes of several sources failed: only one source's are taken from now on
    unit_sizes: list[int] = field(init=False)
    missing: list[int] = field(init=False)  # units neither asked for nor here, by number
    asked: set[int] = field(default_factory=set)
    parts: dict[int, bytes] = field(default_factory=dict)
    givers: set[SourceKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Lay out the units; all are missing."""
        units, step = unit_layout(self.size)
        self.unit_sizes = [step] * (units - 1) + [self.size - step * (units - 1)]
        self.missing = list(range(units))

    def ask_within(self, budget_bytes: float) -> tuple[Ranges, float]:
        """Ask for missing units within a budget.

        Return their ranges, and the rest of the budget: 0 if not even the next unit fits into it.
        """
        ranges: Ranges = []
        for first, count in _runs(self.missing):
            sizes = self._fitting(first, count, budget_bytes)
            if not sizes:
                budget_bytes = 0.0
                break
            budget_bytes -= sum(sizes)
            self.asked.update(range(first, first + len(sizes)))
            ranges.append((UnitRange(*self.key, first, len(sizes)), sizes))
        self._find_missing()
        return ranges, budget_bytes

    def ask_whole(self) -> None:
        """Ask for all units at once."""
        self.asked.update(range(len(self.unit_sizes)))
        self.missing = []

    def hand_to(self, source: SourceKey, due_s: float) -> None:
        """Have a source deliver the object by `due_s`; of a suspect, drop the units of other sources."""
        self.source, self.due_s = source, due_s
        if self.is_suspect and self.givers - {source}:
            self.givers.clear()
            self.parts.clear()
            self._find_missing()

    def put(self, source: SourceKey, unit: int, payload: bytes) -> Outcome:
        """Add a unit that a source sent.

        Args:
            source: the source.
            unit: the unit's number.
            payload: its bytes.
        """
        if unit in self.parts or unit >= len(self.unit_sizes):
            return Outcome.UNWANTED
        if self.is_suspect and source != self.source:
            return Outcome.UNWANTED
        if len(payload) != self.unit_sizes[unit]:
            return Outcome.WRONG_SIZE
        if unit in self.asked:
            self.asked.remove(unit)
        else:
            self.missing.remove(unit)
        self.parts[unit] = payload
        self.givers.add(source)
        return Outcome.COMPLETE if len(self.parts) == len(self.unit_sizes) else Outcome.PART

    def put_whole(self, source: SourceKey, data: bytes) -> int:
        """Put the whole object in place of its units; return how many bytes of these were in vain."""
        wasted_bytes = sum(map(len, self.parts.values()))
        self.givers, self.parts = {source}, {0: data}
        return wasted_bytes

    def data(self) -> bytes:
        """Return the bytes of a complete object."""
        return b"".join(part for _, part in sorted(self.parts.items()))

    def on_lost(self, unit: int) -> None:
        """Note a unit that will not come."""
        if unit in self.asked:
            self.asked.remove(unit)
            self._find_missing()

    def release(self) -> None:
        """Let any source deliver the rest."""
        self.source = None
        self.asked.clear()
        self._find_missing()

    def hedge(self) -> int:
        """Let a second source deliver what was asked for; return how many bytes that is.

        The first copy of each unit is taken; the second is unwanted.
        """
        size_bytes = sum(self.unit_sizes[unit] for unit in self.asked)
        self.was_hedged = True
        self.release()
        return size_bytes

    def fail(self) -> set[SourceKey]:
        """Begin anew, for the bytes are false; return the sources that they came from."""
        givers, self.givers = self.givers, set()
        self.is_suspect |= len(givers) > 1
        self.parts.clear()
        self.release()
        return givers

    def _find_missing(self) -> None:
        units = range(len(self.unit_sizes))
        self.missing = [unit for unit in units if unit not in self.asked and unit not in self.parts]

    def _fitting(self, first: int, count: int, budget_bytes: float) -> list[int]:
        """Return the sizes of the first units of a run, as many as fit."""
        fitting: list[int] = []
        for size in self.unit_sizes[first : first + count]:
            if size > budget_bytes:
                break
            budget_bytes -= size
            fitting.append(size)
        return fitting


def _runs(units: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first number and the length of each run of consecutive numbers."""
    start, end = 0, len(units)
    for index in range(1, end + 1):
        if index == end or units[index] != units[index - 1] + 1:
            yield units[start], index - start
            start = index
