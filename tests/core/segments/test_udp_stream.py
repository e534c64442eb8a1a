"""What is asked of one source over UDP, and what becomes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace

import pytest

from lightpeer.core.content.manifest import table_bytes
from lightpeer.core.segments import udp_stream as module
from lightpeer.core.segments.object_queue import PATIENCE_S
from lightpeer.core.segments.udp_stream import (
    EARLY_BYTES,
    MOST_BYTES,
    MOST_S,
    PROBE_PACE_BYTES_PER_S,
    SLACK_BYTES,
    UdpStream,
    rest_s,
)
from lightpeer.core.udp.datagram import MAX_PAYLOAD, Pull, UnitRange
from lightpeer.core.udp.receiver import FIRST_PROBE_RTT_S, Receiver
from tests.core.segments.one_source import MADE, TABLE, TERMS, OneSource, datagram, units_of
from tests.core.udp.link import Came
from tests.pair import made_track


class Streaming(OneSource):
    """The stream of a source, opened at 10 s."""

    def __init__(self, first_rtt_s: float | None = 0.2) -> None:
        super().__init__()
        self.udp: UdpStream = self.source.udp
        self.udp.open(TERMS, first_rtt_s, 10.0)

    @property
    def receiver(self) -> Receiver:
        assert self.udp.receiver is not None
        return self.udp.receiver

    @property
    def outstanding_bytes(self) -> int:
        return self.udp.flow.gauge.outstanding_bytes

    def lose_first(self, pulls: Sequence[Pull], now: float) -> None:
        """Have all units come except the first."""
        self.udp.receive([datagram(unit, no, now) for no, unit in units_of(pulls)[1:]])


@pytest.fixture
def on() -> Streaming:
    return Streaming()


# Asking.


def test_before_it_is_opened_it_does_nothing() -> None:
    on = OneSource()
    on.source.udp.handle_timeout(10.0)
    on.source.udp.forget()
    assert on.source.udp.rest_s(10.0, is_urgent=False) == 0.0
    assert (on.source.udp.backlog_s, on.source.udp.is_through) == (0.0, False)
    assert not on.shared.out


@pytest.mark.parametrize(("known_s", "assumed_s"), [(None, FIRST_PROBE_RTT_S), (0.2, 0.2)])
def test_the_round_trip_before_the_first_sample_is_the_calls_or_assumed(known_s, assumed_s) -> None:
    on = Streaming(known_s)
    on.wish(*range(20))
    on.ask(10.0)
    assert on.receiver.next_deadline() == pytest.approx(10.0 + 1.5 * assumed_s)


def test_it_asks_as_much_as_may_be_outstanding_and_tells_when_there_is_no_more(on: Streaming) -> None:
    assert on.udp.ask(10.0) == 0
    assert on.receiver.is_at_end
    on.wish(*range(20))
    size = on.udp.ask(10.0)
    assert not on.receiver.is_at_end
    assert size == on.outstanding_bytes == on.bandwidth.outstanding_bytes
    assert on.udp.flow.window_bytes() - MAX_PAYLOAD < size <= on.udp.flow.window_bytes()
    (pull,) = on.asked()
    assert pull.pace_bytes_per_s == on.udp.flow.pace_bytes_per_s(10.0)
    assert pull.path_token == TERMS.path_token
    assert on.scheduler.queue.next_due() == 10.0 + PATIENCE_S, "it is due from then on"
    assert on.udp.ask(10.0) == 0, "there is no room"
    assert on.udp.backlog_s == size, "slower than anybody, while nothing is known"
    on.udp.flow.delivery.take(20_000.0)
    assert on.udp.backlog_s == size / 20_000.0


def test_what_it_has_begun_is_handed_over_once_all_that_was_asked_came_or_was_lost(on: Streaming) -> None:
    assert not on.udp.is_through, "it was asked for nothing"
    on.wish(0, 1)
    pulls = on.ask(10.0)
    assert not on.udp.is_through
    on.lose_first(pulls, 10.5)
    assert on.udp.is_through
    assert on.udp.early_bytes == math.inf
    on.udp.ask(10.5)
    assert not on.udp.is_through
    on.udp.forget()
    assert on.udp.is_through
    on.udp.early_bytes = math.inf
    assert on.scheduler.queue.first_holder() is on.source
    on.udp.hand_over()
    assert on.scheduler.queue.first_holder() is None
    assert on.udp.early_bytes == 0, "what was lost is another's now"
    assert not on.udp.is_through


def test_a_probe_asks_for_one_small_unit_in_a_new_epoch(on: Streaming) -> None:
    on.wish(*range(20))
    (before,) = on.ask(10.0)
    on.udp.probe(12.0)
    (pull,) = on.asked()
    assert (pull.epoch, pull.pace_bytes_per_s) == (before.epoch + 1, PROBE_PACE_BYTES_PER_S)
    assert pull.ranges == (UnitRange(0, TABLE, 0, 1),)
    assert on.outstanding_bytes == table_bytes(MADE.track, 0)


def test_of_a_long_track_a_probe_asks_for_half_a_table(on: Streaming) -> None:
    on.shared.track = made_track(65 * 64, kbps=(1,)).track
    on.udp.probe(12.0)
    assert on.outstanding_bytes == (64 * 18 + 7 * 16) / 2


def test_more_probes_show_whether_as_many_units_pass(on: Streaming) -> None:
    on.udp.probe_more(3, 10.0)
    (pull,) = on.asked()
    assert pull.ranges == tuple(UnitRange(0, segment, 0, 1) for segment in range(3))
    assert pull.pace_bytes_per_s == PROBE_PACE_BYTES_PER_S
    assert on.outstanding_bytes == 3 * MAX_PAYLOAD


def test_what_is_forgotten_or_closed_is_outstanding_no_more(on: Streaming) -> None:
    on.wish(*range(20))
    on.ask(10.0)
    on.udp.forget()
    assert on.outstanding_bytes == 0
    on.udp.ask(10.0)
    on.udp.close()
    assert on.outstanding_bytes == 0
    assert on.bandwidth.window_bytes() == 0.0, "it has no part of the link"


# What comes.


def test_what_comes_is_counted_at_the_time_when_it_came_and_was_asked_for(on: Streaming) -> None:
    on.wish(0)
    ((no, first), (_, second), *_) = units_of(on.ask(10.0))
    assert on.udp.receive([datagram(first, no, 10.25), datagram(second, no, 10.5)])
    assert [(u.unit, u.came_at, u.pulled_at, u.rtt_s) for u in on.udp.arrived] == [
        (first, 10.25, 10.0, 0.25),
        (second, 10.5, 10.0, 0.5),
    ]
    assert on.bandwidth.srtt_s == on.udp.flow.gauge.rtt.mean_s
    assert 0.25 <= on.bandwidth.srtt_s <= 0.5
    assert (on.udp.lost_units, on.stats.duplicate_units, on.udp.early_bytes) == (0, 0, 0)


def test_what_was_not_asked_for_is_counted_and_left_alone(on: Streaming) -> None:
    on.wish(0)
    ((no, unit), *_) = units_of(on.ask(10.0))
    assert on.udp.receive([datagram(unit, no, 10.25)] * 3)
    assert [u.unit for u in on.udp.arrived] == [unit]
    assert on.stats.duplicate_units == 2


def test_what_is_lost_is_asked_for_again_however_much_is_outstanding(on: Streaming) -> None:
    on.wish(*range(20))
    pulls = on.ask(10.0)
    lost = units_of(pulls)[0][1]
    on.udp.receive([datagram(unit, no, 10.25) for no, unit in units_of(pulls)[1:4]])
    assert on.udp.lost_units == 1
    assert len(on.udp.arrived) == 3
    assert on.udp.early_bytes == math.inf
    assert on.udp.rest_s(10.25, is_urgent=True) == 0.0
    assert on.udp.early_bytes == math.inf
    again = units_of(on.ask(10.25))
    assert again[0][1] == lost
    assert on.udp.early_bytes == 0


def test_datagrams_that_do_not_verify_are_nobodys(on: Streaming) -> None:
    on.wish(0)
    ((no, unit), *_) = units_of(on.ask(10.0))
    junk = Came(b"junk", 10.2)
    assert not on.udp.receive([junk, junk])
    assert on.udp.arrived == []
    assert on.udp.receive([junk, datagram(unit, no, 10.2)])
    assert on.receiver.rejected == 3


def test_a_source_that_is_slow_to_send_is_told_to_go_on(on: Streaming) -> None:
    on.wish(*range(20))
    on.ask(10.0)
    on.udp.flow.present_pace_bytes_per_s = lambda now: 7_000  # type: ignore[method-assign]
    on.receiver.renew(1_000, 10.1)
    on.udp._send(on.receiver)
    on.asked()
    on.receiver._last_activity = 11.0  # no probe is due
    on.udp.handle_timeout(11.0)
    assert on.asked() == []
    on.udp.handle_timeout(11.1)
    assert [(pull.ranges, pull.pace_bytes_per_s) for pull in on.asked()] == [((), 7_000)]


def test_a_source_is_told_the_pace_as_soon_as_the_link_is_back(on: Streaming) -> None:
    on.wish(*range(20))
    first, second, *_ = units_of(on.ask(10.0))
    on.udp.receive([datagram(first[1], first[0], 10.25)])
    assert on.asked() == []
    on.bandwidth.on_arrived = lambda flow, _: setattr(flow, "is_back", True)  # type: ignore[method-assign]
    on.udp.receive([datagram(second[1], second[0], 10.5)])
    assert [pull.ranges for pull in on.asked()] == [()]


def test_a_silence_is_probed_and_so_is_another_port_at_once(on: Streaming) -> None:
    on.wish(*range(20))
    ((_, first), (_, second), *_) = units_of(on.ask(10.0))
    on.udp.handle_timeout(10.2)
    assert on.asked() == []
    on.udp.handle_timeout(10.4)
    assert units_of(on.asked()) == [(2, first)]
    on.udp.on_moved(10.5, is_flooded=False)
    assert units_of(on.asked()) == [(3, second)]


@pytest.mark.parametrize("is_flooded", [False, True])
def test_the_account_of_what_nobody_asked_for_goes_on_once_the_flooded_port_is_left(is_flooded) -> None:
    on = Streaming()
    flood = [Came(bytes(2048), 10.0)] * 8
    on.udp.receive(flood)
    on.receiver.unasked.judge()
    on.udp.on_moved(10.0, is_flooded=is_flooded)
    before = on.receiver.unasked._junk_bytes
    on.udp.receive(flood)
    assert (on.receiver.unasked._junk_bytes > before) == is_flooded


# Rests.


def test_what_comes_may_rest_unless_it_is_urgent(on: Streaming, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def rest_s(*told: object) -> float:
        given.append(told)
        return 0.5

    monkeypatch.setattr(module, "rest_s", rest_s)
    assert on.udp.rest_s(10.0, is_urgent=True) == 0.0
    assert given == []
    assert on.udp.rest_s(10.0, is_urgent=False) == 0.5
    assert given == [(on.udp.flow, on.receiver, 10.0)]


def test_after_a_rest_a_pull_goes_out_a_unit_early(on: Streaming, monkeypatch: pytest.MonkeyPatch) -> None:
    for rest, early_bytes in ((0.0, 0), (0.5, EARLY_BYTES), (0.0, 0), (0.5, EARLY_BYTES)):
        monkeypatch.setattr(module, "rest_s", lambda *_, rest=rest: rest)
        on.udp.rest_s(10.0, is_urgent=False)
        assert on.udp.early_bytes == early_bytes
    on.udp.ask(10.0)
    assert on.udp.early_bytes == 0


# For how long what comes may wait.


def rests(
    *,
    to_next_pull: float = 20_000.0,
    bytes_per_s: float = 50_000.0,
    fastest_bytes_per_s: float = 1.0,
    queue_s: float = 0.0,
    units_to_loss: int | None = None,
    probe_at: float | None = 100.0,
    **of_the_receiver: object,
) -> float:
    """Return how long what comes may wait, with these figures and else nothing in doubt."""
    flow = SimpleNamespace(
        bytes_to_next_pull=lambda: to_next_pull,
        rate_bytes_per_s=bytes_per_s,
        fastest_bytes_per_s=lambda: fastest_bytes_per_s,
        delay=SimpleNamespace(queue_s=queue_s),
    )
    receiver = SimpleNamespace(
        **{"is_at_end": False, "probes_unanswered": 0} | of_the_receiver,
        gauge=SimpleNamespace(units_to_loss=units_to_loss),
        next_deadline=lambda: probe_at,
    )
    return rest_s(flow, receiver, 10.0)  # type: ignore[arg-type]


def test_until_the_unit_may_have_come_that_makes_the_next_pull_due():
    assert rests(bytes_per_s=100_000) == pytest.approx((20_000.0 + SLACK_BYTES) / 100_000)
    assert rests(bytes_per_s=200_000, to_next_pull=1e6) == pytest.approx(MOST_BYTES / 200_000)


def test_no_longer_than_a_moment_however_slow_the_link_seems():
    assert rests(bytes_per_s=400) == MOST_S


def test_no_longer_than_at_the_fastest_rate_behind_the_queue():
    fast = partial(rests, to_next_pull=10_000.0 - SLACK_BYTES, fastest_bytes_per_s=100_000)
    assert fast(queue_s=0.05) == pytest.approx(0.15)
    assert fast(queue_s=0.15) == pytest.approx(0.2), "as long as at the rate measured"


def test_not_before_a_rate_is_known_or_where_nothing_is_to_come():
    assert rests(bytes_per_s=0.0) == 0.0
    assert rests(fastest_bytes_per_s=0.0) == 0.0


def test_no_longer_than_half_of_the_time_until_a_probe():
    assert rests(probe_at=10.0 + 0.1) == pytest.approx(0.05)
    assert rests(probe_at=10.0 - 0.1) == 0.0


def test_behind_a_gap_until_it_may_be_a_loss():
    assert rests(units_to_loss=2) == pytest.approx((2 * MAX_PAYLOAD + SLACK_BYTES) / 50_000)
    assert rests(units_to_loss=2, to_next_pull=1500.0) == pytest.approx((1500.0 + SLACK_BYTES) / 50_000)
    assert rests(units_to_loss=1) == 0.0


def test_not_where_the_next_unit_may_be_the_one():
    assert rests(to_next_pull=MAX_PAYLOAD) == 0.0
    assert rests(to_next_pull=MAX_PAYLOAD + 1) > 0.0


@pytest.mark.parametrize(
    "doubt",
    [{"bytes_per_s": math.inf}, {"probe_at": None}, {"is_at_end": True}, {"probes_unanswered": 1}],
)
def test_not_in_doubt(doubt: dict[str, object]):
    assert rests(**doubt) == 0.0  # type: ignore[arg-type]
