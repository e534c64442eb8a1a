"""The retransmission timer, on a clock of its own."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from lightpeer.testing.tcp.timer import FIRST_RTO_S, Timer


class World:
    """A machine and its internet in one: an agenda of events."""

    def __init__(self) -> None:
        self.net = self
        self.now = 0.0
        self.is_suspended = False
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.went_off: list[float] = []
        self.timer = Timer(self, lambda: self.went_off.append(self.now))

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.agenda, (when, self.count, function))

    def run(self, until: float) -> None:
        while self.agenda and self.agenda[0][0] <= until:
            self.now, _, function = heapq.heappop(self.agenda)
            function()
        self.now = until


def test_it_goes_off_once_when_it_is_due() -> None:
    world = World()
    world.timer.start(2.0)
    assert world.timer.is_running
    world.run(10.0)
    assert world.went_off == [2.0]
    assert not world.timer.is_running


def test_started_anew_it_goes_off_at_the_later_time_by_one_event() -> None:
    world = World()
    world.timer.start(1.0)
    world.run(0.5)
    world.timer.start(2.0)
    assert len(world.agenda) == 1
    world.run(10.0)
    assert world.went_off == [2.5]


def test_stopped_it_does_not_go_off() -> None:
    world = World()
    world.timer.start(1.0)
    world.timer.stop()
    assert not world.timer.is_running
    world.run(10.0)
    assert world.went_off == []


def test_it_may_be_started_again_by_what_it_calls() -> None:
    world = World()
    world.timer = Timer(world, lambda: (world.went_off.append(world.now), world.timer.start(3.0)))
    world.timer.start(1.0)
    world.run(8.0)
    assert world.went_off == [1.0, 4.0, 7.0]


def test_it_stands_while_its_machine_does() -> None:
    world = World()
    world.timer.start(1.0)
    world.is_suspended = True
    world.run(5.5)
    assert world.went_off == []
    world.is_suspended = False
    world.run(20.0)
    assert world.went_off == [5.0 + FIRST_RTO_S]
