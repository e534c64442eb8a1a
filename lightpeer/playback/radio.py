"""What a phone's radio spends on traffic: how long it is awake, and joules, by packets' times and sizes.

A radio stays awake for a while after a packet, first at full power, then at less (`tails`), and to wake it
takes time and energy (`promotions`). So what counts is when packets come, more than how many. The model is
AT&T's Application Resource Optimizer's; see `UMTS` and `LTE` for the sources. It is folded packet by packet,
and keeps a few numbers, however long it runs.

Energy is that above the idle radio's. A promotion happens before the packet that causes it: the packets whose
times are known have been through it, or have not been delayed by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.net.network import Counters

RLC_EMPTY_S: Final = 1.0  # without a packet: a channel of few kbit/s has then sent its threshold


class Phase(NamedTuple):
    """A time at a power: `s` seconds at `watts`."""

    s: float
    watts: float


@dataclass(frozen=True, slots=True)
class RadioModel:
    """The parameters of a kind of radio.

    Attributes:
        tails: the states after a packet, the highest first; behind the last the radio is idle.
        promotions: to the highest state, from each of the states but that, and last from idle.
        stays_bytes: up and down: so much in a lower state does not leave it.
        joules_per_byte: up and down.
    """

    tails: Sequence[Phase]
    promotions: Sequence[Phase]
    stays_bytes: tuple[float, float] = (-1.0, -1.0)
    joules_per_byte: tuple[float, float] = (0.0, 0.0)


# F. Qian et al., "Characterizing radio resource allocation for 3G networks", IMC 2010: DCH and FACH, and the
# thresholds of the RLC buffers. Powers and times are ARO's, for AT&T.
UMTS: Final = RadioModel(
    tails=(Phase(4.0, 0.60), Phase(10.0, 0.38)),
    promotions=(Phase(1.5, 0.49), Phase(2.0, 0.30)),
    stays_bytes=(543, 475),
)

# J. Huang et al., "A close examination of performance and power characteristics of 4G LTE networks", MobiSys
# 2012, tables 3 and 4: RRC_CONNECTED, from continuous reception to DRX after 100 ms.
LTE: Final = RadioModel(
    tails=(Phase(0.1, 1.28804), Phase(11.476, 1.0600)),
    promotions=(Phase(0.0, 0.0), Phase(0.2601, 1.2107)),
    joules_per_byte=(438.39e-9 * 8, 51.97e-9 * 8),  # mW per Mbit/s are nJ per bit
)


class Usage(NamedTuple):
    """What a radio did: seconds awake, and joules."""

    on_s: float
    joules: float

    def on_share(self, elapsed_s: float) -> float:
        """Return the share of some time that the radio was awake."""
        return min(1.0, self.on_s / elapsed_s) if elapsed_s > 0 else 0.0

    def joules_per_h(self, elapsed_s: float) -> float:
        """Return the power over some time, in joules an hour."""
        return self.joules / elapsed_s * 3600 if elapsed_s > 0 else 0.0


class Radio:
    """One radio; tell it each packet with `on_packet`, in their order."""

    def __init__(self, model: RadioModel) -> None:
        """Begin idle."""
        self._model = model
        self._state = len(model.tails)  # the number in `tails`, idle behind the last
        self._at_s = -math.inf  # of the packet that began the state
        self._on_s = self._joules = 0.0
        self._queued_bytes = [0.0, 0.0]  # up and down, in a state that few bytes do not leave
        self._queued_at_s = [-math.inf, -math.inf]

    def on_packet(self, at_s: float, size: int, *, is_down: bool) -> None:
        """Count a packet.

        Args:
            at_s: when, in seconds of any clock.
            size: bytes.
            is_down: whether it came; else it was sent.
        """
        state, in_state_s, used = self._spent_until(at_s)
        self._on_s, self._joules = used
        self._joules += size * self._model.joules_per_byte[is_down]
        if state > 0 and not self._stays(state, at_s, size, is_down):
            self._promote(state, in_state_s)
            state = 0
        self._state, self._at_s = state, max(at_s, self._at_s)

    def usage(self, until_s: float) -> Usage:
        """Return what was used until a time that is not before the last packet."""
        return self._spent_until(until_s)[2]

    def _spent_until(self, at_s: float) -> tuple[int, float, Usage]:
        """Return the state at a time, for how long it has been that, and what was used until then."""
        left_s, state, in_state_s = max(0.0, at_s - self._at_s), self._state, math.inf
        on_s, joules = self._on_s, self._joules
        while state < len(self._model.tails):
            phase = self._model.tails[state]
            in_state_s = min(left_s, phase.s)
            on_s, joules = on_s + in_state_s, joules + in_state_s * phase.watts
            left_s -= in_state_s
            if not left_s:
                return state, in_state_s, Usage(on_s, joules)
            state += 1
        return state, left_s, Usage(on_s, joules)

    def _stays(self, state: int, at_s: float, size: int, is_down: bool) -> bool:
        """Return whether a packet is carried without leaving a lower state."""
        if state == len(self._model.tails):
            return False
        if at_s - self._queued_at_s[is_down] > RLC_EMPTY_S:
            self._queued_bytes[is_down] = 0.0
        self._queued_bytes[is_down] += size
        self._queued_at_s[is_down] = at_s
        return self._queued_bytes[is_down] <= self._model.stays_bytes[is_down]

    def _promote(self, state: int, in_state_s: float) -> None:
        """Replace the end of the time in a state by the way out of it."""
        promotion = self._model.promotions[state - 1]
        replaced_s = min(promotion.s, in_state_s)
        self._joules += promotion.s * promotion.watts
        if state == len(self._model.tails):
            self._on_s += replaced_s
        else:
            self._joules -= replaced_s * self._model.tails[state].watts


class RadioMeter:
    """What the radios of both kinds would spend on the traffic of a process, from its making on."""

    def __init__(self, counters: Counters, now: Callable[[], float]) -> None:
        """Listen to the counters of a network; `now` is a monotonic clock, in seconds."""
        self._now, self._began_at_s = now, now()
        self._radios = {"3g": Radio(UMTS), "lte": Radio(LTE)}
        counters.on_traffic = self._on_traffic

    def report(self) -> dict[str, float]:
        """Return the measurements: the fields of `--stats`."""
        now = self._now()
        elapsed_s, fields = now - self._began_at_s, {}
        for name, radio in self._radios.items():
            used = radio.usage(now)
            fields[f"radio_on_share_{name}"] = round(used.on_share(elapsed_s), 4)
            fields[f"joules_per_h_{name}"] = round(used.joules_per_h(elapsed_s), 1)
        return fields

    def _on_traffic(self, rx_bytes: int, tx_bytes: int) -> None:
        now = self._now()
        for radio in self._radios.values():
            if tx_bytes:
                radio.on_packet(now, tx_bytes, is_down=False)
            if rx_bytes:
                radio.on_packet(now, rx_bytes, is_down=True)
