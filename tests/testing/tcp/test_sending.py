"""The sending half, by literal clocks and acknowledgements."""

from __future__ import annotations

import pytest

from lightpeer.testing.tcp.receiving import RECEIVE_BUFFER_BYTES
from lightpeer.testing.tcp.segments import SEGMENT_BYTES, Ack, TcpSegment
from lightpeer.testing.tcp.sending import (
    MAX_RTO_S,
    MAX_TIMEOUTS,
    MIN_RTO_S,
    SEND_BUFFER_BYTES,
    SendingHalf,
)
from lightpeer.testing.tcp.timer import FIRST_RTO_S
from lightpeer.testing.tcp.window import INITIAL_WINDOW_BYTES

TEN = INITIAL_WINDOW_BYTES // SEGMENT_BYTES


class FakeTimer:
    """Notes what it was started with."""

    def __init__(self) -> None:
        self.after_s: float | None = None

    @property
    def is_running(self) -> bool:
        return self.after_s is not None

    def start(self, after_s: float) -> None:
        self.after_s = after_s

    def stop(self) -> None:
        self.after_s = None


class On:
    """A sender, its clock and timer, and what it has transmitted since that was looked at."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timer = FakeTimer()
        self.sent: list[TcpSegment] = []
        self.sender = SendingHalf(self.timer, lambda: self.now, self.sent.append)

    def write(self, segments: int) -> list[int]:
        self.sender.write(bytes(segments * SEGMENT_BYTES))
        self.sender.pump()
        return self.numbers()

    def ack(self, expected: int, *beyond: int, room_bytes: int = RECEIVE_BUFFER_BYTES) -> list[int]:
        self.sender.on_ack(Ack(expected, frozenset(beyond), room_bytes))
        self.sender.pump()
        return self.numbers()

    def time_out(self) -> list[int]:
        self.timer.stop()
        assert not self.sender.on_timeout()
        return self.numbers()

    def numbers(self) -> list[int]:
        numbers = [segment.number for segment in self.sent]
        self.sent.clear()
        return numbers


@pytest.fixture
def on() -> On:
    return On()


def test_it_sends_ten_segments_and_two_for_each_acknowledged(on: On) -> None:
    assert on.write(100) == list(range(TEN))
    assert on.ack(1) == [10, 11]
    assert on.ack(5) == list(range(12, 20))


def test_what_is_written_counts_until_it_is_acknowledged(on: On) -> None:
    on.write(3)
    assert on.sender.buffered_bytes == 3 * SEGMENT_BYTES
    assert on.sender.room_bytes == SEND_BUFFER_BYTES - 3 * SEGMENT_BYTES
    on.ack(2)
    assert on.sender.buffered_bytes == SEGMENT_BYTES


def test_three_that_came_after_it_make_a_segment_lost(on: On) -> None:
    on.write(TEN)
    assert on.ack(0, 1) == []
    assert on.ack(0, 1, 2) == []
    assert on.ack(0, 1, 2, 3) == [0]


def test_a_segment_sent_again_is_judged_by_its_latest_transmission(on: On) -> None:
    on.write(TEN)
    assert on.ack(0, 1, 2, 3) == [0]
    assert on.ack(0, 1, 2, 3, 4, 5, 6) == [], "all of these left before it was sent again"


def test_the_timeout_is_of_the_round_trip_and_doubles(on: On) -> None:
    on.write(1)
    assert on.timer.after_s == FIRST_RTO_S
    on.now = 0.5
    on.ack(1)
    assert on.timer.after_s is None, "nothing is under way"
    on.write(1)
    assert on.timer.after_s == pytest.approx(0.5 + 4 * 0.25)
    for times in range(1, 4):
        assert on.time_out() == [1]
        assert on.timer.after_s == pytest.approx(1.5 * 2**times)


def test_a_segment_sent_twice_measures_no_round_trip(on: On) -> None:
    on.write(1)
    on.now = 1.0
    assert on.time_out() == [0]
    on.now = 1.1
    on.ack(1)
    on.write(1)
    assert on.timer.after_s == FIRST_RTO_S, "nothing was measured yet"


def test_the_timeout_has_a_floor_and_a_ceiling(on: On) -> None:
    for number in range(40):
        on.write(1)
        on.now += 0.001
        on.ack(number + 1)
    on.write(1)
    assert on.timer.after_s == MIN_RTO_S
    for _ in range(MAX_TIMEOUTS):
        on.time_out()
    assert on.timer.after_s == MAX_RTO_S


def test_after_a_timeout_the_flight_is_sent_again_one_by_one_and_then_it_grows(on: On) -> None:
    on.write(2 * TEN)
    assert on.time_out() == [0]
    for number in range(1, TEN):
        assert on.ack(number) == [number]
    assert on.ack(TEN) == [10]
    assert on.ack(TEN + 1) == [11, 12]


def test_a_peer_that_answers_nothing_is_given_up(on: On) -> None:
    on.write(1)
    for _ in range(MAX_TIMEOUTS):
        on.time_out()
    assert on.sender.on_timeout()


def test_any_answer_begins_the_count_anew(on: On) -> None:
    on.write(2)
    for _ in range(MAX_TIMEOUTS):
        on.time_out()
    on.ack(0)
    for _ in range(MAX_TIMEOUTS):
        on.time_out()
    assert on.sender.on_timeout()


def test_a_peer_without_room_is_asked_by_the_timer_and_gets_the_rest_when_it_has(on: On) -> None:
    on.write(1)
    assert on.ack(1, room_bytes=0) == []
    assert on.write(3) == []
    assert on.timer.is_running
    assert on.time_out() == [1]
    assert on.ack(1, room_bytes=0) == [], "it was dropped: there is no room still"
    assert on.ack(1) == [1, 2, 3]


def test_the_end_goes_out_once_after_all_else(on: On) -> None:
    on.sender.write(b"last")
    on.sender.is_ending = True
    on.sender.pump()
    on.sender.pump()
    assert [(segment.data, segment.is_end) for segment in on.sent] == [(b"last", False), (b"", True)]
    on.ack(1)
    assert not on.sender.end_was_acked
    assert on.ack(2) == []
    assert on.sender.end_was_acked


def test_the_buffer_grows_with_the_window(on: On) -> None:
    acknowledged = sent = 0
    for _ in range(6):
        sent += len(on.write(200))
        while acknowledged < sent:
            acknowledged, sent = sent, sent + len(on.ack(sent))
    assert on.sender.room_bytes > SEND_BUFFER_BYTES
