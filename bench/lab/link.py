"""What a link is: how fast, how far, how lossy, each way; all of it as plain values that JSON can carry.

A rate is a step function of time, so the moment at which the last bit of a packet has
gone out is known exactly when the packet comes: it is where the integral of the rate has
grown by the packet's bits. A constant rate is a trace of one step. A trace is played from
the link's first packet on, and again from its beginning when it ends.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

MTU = 1500


class Capacity:
    """How many bits a direction carries from its first packet until any moment, and the reverse."""

    def __init__(self, steps: list[tuple[float, float]]) -> None:
        """Take `(length in s, rate in kbit/s)` for each step.

        Raises:
          ValueError: the steps carry nothing, so that no packet would ever arrive.
        """
        self._rates_bits_per_s = [rate * 1000 for _, rate in steps]
        self._starts_s, self._starts_bits = [0.0], [0.0]
        for length_s, rate in steps:
            self._starts_s.append(self._starts_s[-1] + length_s)
            self._starts_bits.append(self._starts_bits[-1] + length_s * rate * 1000)
        self._period_s, self._period_bits = self._starts_s.pop(), self._starts_bits.pop()
        if not self._period_bits > 0:
            raise ValueError("a link must have a rate above zero somewhere")

    def bits_until(self, time_s: float) -> float:
        """Return the bits carried from 0 to `time_s`."""
        rounds, within = divmod(time_s, self._period_s)
        step = bisect_right(self._starts_s, within) - 1
        carried = self._starts_bits[step] + (within - self._starts_s[step]) * self._rates_bits_per_s[step]
        return rounds * self._period_bits + carried

    def time_of(self, bits: float) -> float:
        """Return the first moment, in s, by which `bits` are carried."""
        rounds = max(0, math.ceil(bits / self._period_bits) - 1)
        left = bits - rounds * self._period_bits
        step = max(0, bisect_right(self._starts_bits, left) - 1)
        while step and self._starts_bits[step] >= left:  # an outage carries nothing: the step before has it
            step -= 1
        within = self._starts_s[step]
        if left > self._starts_bits[step]:
            within += (left - self._starts_bits[step]) / self._rates_bits_per_s[step]
        return rounds * self._period_s + within

    def sent_at(self, start_s: float, size: int) -> float:
        """Return when a packet of `size` bytes whose first bit leaves at `start_s` has left whole."""
        return max(start_s, self.time_of(self.bits_until(start_s) + size * 8))


@dataclass(frozen=True, slots=True)
class BurstLoss:
    """Gilbert and Elliott's channel: good and bad states; packets are lost in the bad one alone.

    E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39 (1960).
    """

    mean: float  # share of packets lost, in the long run
    packets: float  # mean length of a burst

    @property
    def ends(self) -> float:
        """The chance, for each packet, that the bad state ends with it."""
        return 1 / self.packets

    @property
    def begins(self) -> float:
        """The chance, for each packet, that the good state ends with it."""
        return self.ends * self.mean / (1 - self.mean)


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of a link. Rates and bytes are of IP packets, headers included."""

    steps: list[tuple[float, float]]  # (length in s, kbit/s)
    delay_s: float = 0.0
    queue_bytes: int = 256_000  # drop-tail; the packet that is being sent counts as well
    loss: float = 0.0  # of packets that were sent: as on a radio link, they have used the rate
    burst: BurstLoss | None = None
    reorder: float = 0.0  # share of packets that come later than they should, by
    reorder_s: float = 0.03
    duplicate: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """Both ways, and what each source can give before the downlink."""

    down: Direction
    up: Direction
    source: Direction | None = None  # for each address on the server's side on its own
    blocks_udp: bool = False  # as some networks do
    seed: int = 1

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Link:
        """Return the link that `dataclasses.asdict` made `data` of."""

        def direction(fields: dict[str, Any]) -> Direction:
            burst = fields["burst"]
            return Direction(**{**fields, "burst": burst and BurstLoss(**burst)})

        source = data["source"]
        both = {way: direction(data[way]) for way in ("down", "up")}
        return cls(**{**data, **both, "source": source and direction(source)})


def constant(kbit_s: float) -> list[tuple[float, float]]:
    """Return the steps of a rate that does not change."""
    return [(1.0, kbit_s)]


def read_trace(path: Path) -> list[tuple[float, float]]:
    """Return the steps of a trace: a CSV with the columns `t_s`, when a step begins, and `kbit_s`, its mean.

    The last step lasts as long as the one before.

    Raises:
      ValueError: the file has fewer than two steps, or their times do not grow.
    """
    with path.open(newline="") as file:
        rows = [(float(row["t_s"]), float(row["kbit_s"])) for row in csv.DictReader(file)]
    lengths = [later - sooner for (sooner, _), (later, _) in pairwise(rows)]
    if not lengths or min(lengths) <= 0:
        raise ValueError(f"{path} is no trace: it needs two rows or more, with growing t_s")
    return [(length, kbit_s) for length, (_, kbit_s) in zip([*lengths, lengths[-1]], rows, strict=True)]
