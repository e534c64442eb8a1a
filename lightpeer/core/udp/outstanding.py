"""The units that were requested from one source and have neither come nor been given up.

The server answers in the order requested. So a unit is lost once three units that were requested after it
have come (`REORDER_UNITS`), and once a probe is answered that was sent after the request for it. A unit that
a probe requests again counts as the newest. The sums are kept in the stream's `Gauge`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.udp.datagram import Unit, UnitRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lightpeer.core.udp.datagram import Data
    from lightpeer.core.udp.gauge import Gauge

REORDER_UNITS: Final = 3
PROBES_REMEMBERED: Final = 64  # a minute of silence: their answers come when it ends, one behind the other


@dataclass(slots=True)
class OutstandingUnit:
    """One unit: its place in the order requested, and its latest request."""

    order: int
    pull_no: int  # as it is echoed
    asked_at: float
    size: int
    later_arrivals: int = 0


class Outcome(NamedTuple):
    """What the arrival of one unit changed."""

    was_asked: bool  # and had not come yet
    answers_probe: bool
    lost: tuple[Unit, ...] = ()
    lost_bytes: int = 0


_IN_ORDER: Final = Outcome(was_asked=True, answers_probe=False)  # most of them: no object for each


class OutstandingUnits:
    """The outstanding units of one stream; see the module's docstring.

    Attributes:
        by_unit: all of them, in the order requested; read it only.
        probes_due: how many probes were sent since the latest one that was answered.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self.by_unit: dict[Unit, OutstandingUnit] = {}
        self.probes_due = 0
        self._order = 0
        self._probes: dict[int, int] = {}  # by PULL, the order of each that no later one was answered before

    def add(self, wanted: Sequence[tuple[UnitRange, Sequence[int]]], pull_no: int, now: float) -> None:
        """Note what a PULL requests.

        Args:
            wanted: ranges of units, none of them outstanding, each with the size in bytes of every unit.
            pull_no: the low 16 bits of the PULL's number.
            now: the time in seconds.
        """
        for units, sizes in wanted:
            for unit, size in zip(_units(units), sizes, strict=True):
                self.by_unit[unit] = OutstandingUnit(self._order, pull_no, now, size)
                self._order += 1
                self._gauge.outstanding_bytes += size
        self._watch_oldest()

    def add_probe(self, units: Sequence[tuple[Unit, int]], pull_no: int, now: float) -> None:
        """Note that a probe requests units again; its answer shows what was lost before the first of them.

        Args:
            units: those of `oldest` or `overdue`.
            pull_no: the low 16 bits of the PULL's number.
            now: the time in seconds.
        """
        self._probes.pop(pull_no, None)
        self._probes[pull_no] = self._order
        if len(self._probes) > PROBES_REMEMBERED:
            del self._probes[next(iter(self._probes))]
        self.probes_due = len(self._probes)
        for unit, size in units:
            del self.by_unit[unit]
            self.by_unit[unit] = OutstandingUnit(self._order, pull_no, now, size)
            self._order += 1
        self._watch_oldest()

    def clear(self) -> None:
        """Forget all units."""
        self.by_unit.clear()
        self._probes.clear()
        self.probes_due = 0
        self._gauge.outstanding_bytes = 0
        self._gauge.units_to_loss = None

    def take(self, came: Iterable[Data]) -> list[Outcome]:
        """Remove units that came; return what each of them changed."""
        outcomes = [self._take(data) for data in came]
        self._watch_oldest()
        return outcomes

    def oldest(self) -> list[tuple[Unit, int]]:
        """Return the oldest unit and its size in bytes; nothing if none is outstanding."""
        return [(unit, outstanding.size) for unit, outstanding in islice(self.by_unit.items(), 1)]

    def oldest_asked_at(self) -> float:
        """Return when the oldest unit was requested; there must be one."""
        return next(iter(self.by_unit.values())).asked_at

    def overdue(self, grace_s: float, now: float) -> list[tuple[Unit, int]]:
        """Return the units requested at least `grace_s` seconds ago, with their sizes; the oldest first."""
        return [
            (unit, outstanding.size)
            for unit, outstanding in self.by_unit.items()
            if outstanding.asked_at + grace_s <= now
        ]

    def _take(self, data: Data) -> Outcome:
        outstanding = self._remove(data.unit)
        was_asked = outstanding is not None
        if (order := self._probes.get(data.pull_no)) is not None:
            self._probes = {pull_no: later for pull_no, later in self._probes.items() if later > order}
            self.probes_due = len(self._probes)
            return Outcome(was_asked, True, *self._remove_lost(order, probed=True))
        if outstanding is None or outstanding.pull_no != data.pull_no:  # or a late copy of one asked again
            return Outcome(was_asked, False)
        lost, lost_bytes = self._remove_lost(outstanding.order, probed=False)
        return Outcome(True, False, lost, lost_bytes) if lost else _IN_ORDER

    def _remove(self, unit: Unit) -> OutstandingUnit | None:
        outstanding = self.by_unit.pop(unit, None)
        if outstanding is not None:
            self._gauge.outstanding_bytes -= outstanding.size
        return outstanding

    def _remove_lost(self, order: int, *, probed: bool) -> tuple[tuple[Unit, ...], int]:
        """Remove and return the units that an arrival at this place shows to be lost, and their bytes."""
        lost: list[Unit] = []
        for unit, earlier in self.by_unit.items():
            if earlier.order > order:
                break
            earlier.later_arrivals += 1
            if probed or earlier.later_arrivals >= REORDER_UNITS:
                lost.append(unit)
        if not lost:
            return (), 0
        before = self._gauge.outstanding_bytes
        for unit in lost:
            self._remove(unit)
        return tuple(lost), before - self._gauge.outstanding_bytes

    def _watch_oldest(self) -> None:
        later_arrivals = next((unit.later_arrivals for unit in self.by_unit.values()), 0)
        self._gauge.units_to_loss = REORDER_UNITS - later_arrivals if later_arrivals else None


def _units(units: UnitRange) -> Iterable[Unit]:
    return (
        Unit(units.rendition, units.segment, number)
        for number in range(units.first, units.first + units.units)
    )
