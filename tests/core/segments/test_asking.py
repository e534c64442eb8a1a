"""Which sources are asked, with literal times; the sources are told how silent they are."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.segments.asking import QUIET_RTTS, QUIET_S, Asking
from lightpeer.core.segments.source import Source
from lightpeer.core.sources.probe import Probe
from lightpeer.core.sources.selection import Selection
from tests.core.segments.scripted import TERMS, Scripted, asked, names, new_shared, scripted, wish


class Stage:
    """Sources of these names, of which so many are asked, the first ones."""

    def __init__(self, who: str = "ab", *, are_asked: int = 0) -> None:
        self.shared = new_shared()
        self.sources: list[Scripted] = []
        self.asking = Asking(self.shared, self.sources)
        self.selection: Selection[Source] = self.asking.selection
        for name in who:
            self.sources.append(scripted(self.shared, name))
            self.selection.on_joined(self.sources[-1])
        for source in self.sources[:are_asked]:
            self.selection.ask(source)

    @property
    def asked(self) -> str:
        return names(self.selection.asked)

    def outstanding(self, *sizes: int) -> None:
        for source, size in zip(self.sources, sizes, strict=True):
            source.udp.flow.gauge.outstanding_bytes = size


# Whom to ask.


def test_those_that_are_through_first_are_asked_first():
    stage = Stage("sfi", are_asked=3)
    slow, fast, idle = stage.sources
    wish(stage.shared, 9)
    stage.outstanding(2000, 1000, 99_000)
    stage.asking.ask(5.0)
    assert asked(stage.shared) == ["f", "s"], "the third has enough to send"
    stage.outstanding(2000, 1000, 99_000)
    stage.asking.ask(6.0, but=[fast])
    assert asked(stage.shared) == ["s"]
    stage.outstanding(1000, 1000, 0)
    idle.is_closed = True
    idle.udp.early_bytes = slow.udp.early_bytes = fast.udp.early_bytes = math.inf
    stage.asking.ask(7.0)
    assert asked(stage.shared) == ["s", "f"], "one that is gone is not asked"


def test_one_is_asked_where_enough_has_come_by_udp_and_it_is_its_turn():
    stage = Stage("ab", are_asked=1)
    source = stage.sources[0]
    stage.outstanding(99_000, 0)
    assert not stage.asking.find_work(), "it has enough to send"
    source.udp.early_bytes = math.inf
    assert stage.asking.find_work()
    source.transport.on_grpc = True
    assert not stage.asking.find_work(), "its data comes by gRPC"
    source.transport.on_grpc = False
    source.udp.receiver = None
    assert not stage.asking.find_work()
    source.start(TERMS, 0.0)
    assert stage.asking.find_work()
    stage.selection.probe = Probe([source], 1.0)
    assert stage.asking.find_work()
    stage.selection.probe.on_asked(source, 1200, 1.0)
    assert not stage.asking.find_work(), "one that is probed is asked once"


def test_without_work_found_it_is_looked_for_again_when_it_asks():
    stage = Stage("a", are_asked=1)
    wish(stage.shared, 2)
    stage.outstanding(99_000)
    assert not stage.asking.find_work()
    stage.outstanding(0)
    stage.asking.ask(5.0)
    assert asked(stage.shared) == ["a"]


@pytest.mark.parametrize("has_more", [True, False])
def test_a_try_is_over_where_there_is_nothing_to_ask_for(has_more: bool):
    stage = Stage(are_asked=2)
    first, second = stage.sources
    stage.selection.probe = Probe([second], 1.0)
    wish(stage.shared, 2 * has_more)
    stage.asking.ask(5.0, but=[first])
    assert stage.asked == ("ab" if has_more else "a")
    assert asked(stage.shared) == ["b"] * has_more
    if has_more:
        assert not stage.selection.probe.may_ask(second), "it was told of it"


def test_one_that_is_not_asked_any_more_hands_over_what_it_began():
    stage = Stage("ab", are_asked=2)
    first, second = stage.sources
    wish(stage.shared, 1)
    stage.outstanding(99_000, 0)
    stage.asking.ask(1.0)
    assert asked(stage.shared) == ["b"]
    assert stage.shared.scheduler.queue.first_holder() is second
    second.udp.flow.gauge.outstanding_bytes = 99_000
    stage.selection.asked.remove(second)
    assert not stage.asking.find_work(), "what it was asked for may come"
    second.udp.flow.gauge.outstanding_bytes = 0
    assert stage.asking.find_work()
    stage.asking.ask(2.0)
    assert stage.shared.scheduler.queue.first_holder() is None
    assert not stage.asking.find_work(), "once"
    first.udp.flow.gauge.outstanding_bytes = 0
    stage.asking.ask(3.0)
    assert stage.shared.scheduler.queue.first_holder() is first, "others may bring the rest"


def test_on_calls_all_ask_that_wait_for_no_answer():
    stage = Stage("abc")
    first, second, _third = stage.sources
    first.call.start()
    stage.asking.ask(4.0)
    assert asked(stage.shared) == [], "nothing is wished for"
    wish(stage.shared, 9)
    stage.asking.ask(5.0)
    ((source, keys),) = stage.shared.out
    assert (source, keys[0]) == (first, (0, 0))
    assert first.call.is_answer_due
    stage.shared.out.clear()
    second.call.start()
    stage.asking.ask(6.0)
    assert asked(stage.shared) == ["b"], "the first asks again with its answer"
    first.call.accept((0, 0), 7.0)
    stage.asking.ask_call(first, 7.0)
    assert asked(stage.shared) == ["a"]


# How many.


def test_one_that_is_quiet_is_replaced_at_once():
    stage = Stage()
    first, second = stage.sources
    stage.asking.select(0.0)
    assert stage.asked == "a"
    first.silence_s = QUIET_S - 0.01
    stage.asking.select(0.1)
    assert stage.asked == "a"
    first.silence_s = QUIET_S
    stage.asking.select(0.2)
    assert stage.asked == "b"
    second.silence_s = QUIET_S
    stage.asking.select(0.3)
    assert stage.asked == "b", "all are: another would do no better"


def test_where_a_round_trip_takes_long_quiet_is_longer():
    stage = Stage()
    stage.asking.select(0.0)
    stage.shared.bandwidth.srtt_s = 0.7
    assert stage.asking.quiet_s() == pytest.approx(QUIET_RTTS * 0.7)
    stage.sources[0].silence_s = 2.0
    stage.asking.select(0.1)
    assert stage.asked == "a"
    stage.sources[0].silence_s = 2.2
    stage.asking.select(0.2)
    assert stage.asked == "b"


def test_several_that_are_asked_share_the_link():
    stage = Stage("abc")
    first, second, third = stage.sources
    stage.asking.select(0.0)
    assert stage.shared.scheduler.queue.share_bytes_per_s == math.inf
    stage.shared.bandwidth.rate_bytes_per_s = 60_000.0
    stage.asking.select(0.0)
    assert first.limited == second.limited == (0, math.inf)
    assert stage.shared.scheduler.queue.share_bytes_per_s == 60_000.0
    stage.selection.ask(second)
    stage.selection.probe = Probe([second], 1.0)
    stage.asking.select(0.0)
    assert first.limited == third.limited == (0, 30_000.0)
    assert second.limited == (1, 30_000.0)
    assert stage.shared.scheduler.queue.share_bytes_per_s == 30_000.0


def test_the_others_pay_back_what_a_probe_put_into_the_queue(monkeypatch: pytest.MonkeyPatch):
    stage = Stage(are_asked=1)
    _first, second = stage.sources
    log: list[object] = []
    for source in stage.sources:
        name = source.peer.name
        monkeypatch.setattr(source.udp.flow, "keep_rate", lambda name=name: log.append(name))
        monkeypatch.setattr(source.udp.flow, "pay_back", lambda *paid, name=name: log.append((name, *paid)))

    def probe(_now: float, _rtt_s: float) -> None:
        stage.selection.asked.append(second)
        stage.selection.probe = Probe([second], 1.0)

    monkeypatch.setattr(stage.selection, "update", probe)
    stage.asking.select(1.0)
    assert log == ["a"], "it keeps its rate in mind"
    monkeypatch.setattr(stage.selection, "update", lambda *_: None)
    stage.selection._debt_bytes = 1200
    for now in (2.0, 3.0):
        stage.asking.select(now)
        assert log == ["a", ("a", 1200.0, 2.0)], "once"


@pytest.mark.parametrize("ask_both", [True, False])
def test_what_is_needed_first_is_asked_of_others_and_of_the_one_that_was_heard_last(ask_both: bool):
    stage = Stage("abc", are_asked=2 if ask_both else 1)
    _first, *others = stage.sources
    others[0].silence_s, others[1].silence_s = 0.5, 0.2
    wish(stage.shared, 9)
    stage.asking.ask_first(others, 1.0)
    assert stage.asked == ("ab" if ask_both else "ac")
    assert asked(stage.shared) == ["b" if ask_both else "c"]


def test_further_ones_are_of_use_where_one_stalls_or_the_link_is_not_full():
    stage = Stage(are_asked=1)
    assert not stage.asking.wants_more(0.0), "the second was not tried yet"
    stage.sources[1].silence_s = QUIET_S
    assert stage.asking.wants_more(0.0)
    stage.sources[1].silence_s = QUIET_S - 0.01
    assert not stage.asking.wants_more(0.0)
    stage.selection.ask(stage.sources[1])
    assert stage.asking.wants_more(0.0)
