"""What comes to the receiving end of a UDP stream, and what it tells of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from lightpeer.core.udp.datagram import Unit


class ReceivedDatagram(Protocol):
    """A datagram from the source's address."""

    @property
    def data(self) -> bytes:
        """Its bytes."""

    @property
    def came_at(self) -> float:
        """When it came, in seconds, on the same clock as each `now`."""


class UnitArrived(NamedTuple):
    """A unit that verified as the source's.

    Attributes:
        unit: which.
        payload: its bytes.
        rtt_s: its round trip; None where it does not measure the path.
        was_asked: whether it was requested and had not come yet.
        pulled_at: when the PULL was sent that it answers; None if that is not known.
        came_at: when it came.
    """

    unit: Unit
    payload: bytes
    rtt_s: float | None
    was_asked: bool
    pulled_at: float | None
    came_at: float


class UnitsLost(NamedTuple):
    """Units that will not come, to be requested again; `found_at` is when that showed."""

    units: tuple[Unit, ...]
    size_bytes: int
    found_at: float


Event: TypeAlias = UnitArrived | UnitsLost
