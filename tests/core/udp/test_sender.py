from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.core.udp.asked import MAX_QUEUED_UNITS
from lightpeer.core.udp.datagram import (
    LEASE_S,
    Data,
    DatagramKeys,
    PathToken,
    Pull,
    UnitRange,
    build_data,
    build_pull,
    parse_answer_untrusted,
    unit_layout,
)
from lightpeer.core.udp.pacer import MIN_PACE_BYTES_PER_S, UDP_HEADER_BYTES
from lightpeer.core.udp.sender import (
    END_S,
    MAX_AHEAD,
    MAX_PACE_BYTES_PER_S,
    READ_AHEAD_S,
    Missing,
    StreamSender,
    path_token,
)

KEYS = DatagramKeys(pull=b"p" * 32, data=b"d" * 32)
SECRET = b"s" * 32
STREAM = 77
HERE = ("192.0.2.1", 4000)
THERE = ("198.51.100.9", 5000)
SEGMENT = bytes(range(250)) * 24  # 6000 bytes: five units of 1200
FULL = 1200 + 29


class Bench:
    """A sender, and a client that numbers its PULLs and knows the token of HERE."""

    def __init__(self, find=None, **kwargs) -> None:
        self.looks: list[tuple[int, int]] = []
        self.needed: list[tuple[int, int]] = []  # of those, what is not for later
        self.missing: set[int] = set()

        def default(rendition: int, segment: int, *, is_ahead: bool = False) -> bytes | Missing:
            self.looks.append((rendition, segment))
            if not is_ahead:
                self.needed.append((rendition, segment))
            if segment in self.missing:
                return Missing.YET
            return SEGMENT if segment < 100 else Missing.FOR_GOOD

        self.sender = StreamSender(
            stream_id=STREAM, keys=KEYS, find=find or default, secret=SECRET, now=0.0, **kwargs
        )
        self.pull_no = -1

    def pull(
        self, *ranges, now=0.0, pace=1_000_000, epoch=0, address=HERE, token=None, pull_no=None
    ) -> bytes:
        if pull_no is None:
            pull_no = self.pull_no = self.pull_no + 1
        token = path_token(SECRET, STREAM, *address) if token is None else token
        datagram = build_pull(
            Pull(STREAM, pull_no, pace, token, epoch, [UnitRange(*r) for r in ranges]), KEYS
        )
        self.sender.receive(datagram, address, now)
        return datagram

    def sent(self, now: float) -> list[Data]:
        return [parse_answer_untrusted(d, KEYS) for d, _ in self.sender.datagrams_to_send(now)]

    def run(self, until: float, now: float = 0.0) -> list[tuple[float, Data]]:
        """Obey the deadlines up to a time."""
        log = []
        while True:
            log += [(now, data) for data in self.sent(now)]
            deadline = self.sender.next_deadline()
            if deadline is None or deadline > until:
                return log
            now = max(now, deadline)
            self.sender.handle_timeout(now)


def units(log) -> list[tuple[int, int]]:
    return [(d.unit.segment, d.unit.unit) for _, d in log]


def test_units_come_in_the_order_asked_and_make_up_the_segment() -> None:
    bench = Bench()
    bench.pull((1, 5, 0, 5), (1, 2, 3, 1))
    log = bench.run(1.0)
    assert units(log) == [(5, 0), (5, 1), (5, 2), (5, 3), (5, 4), (2, 3)]
    assert b"".join(d.payload for _, d in log[:5]) == SEGMENT
    assert {(d.stream_id, d.unit.rendition) for _, d in log} == {(STREAM, 1)}


def test_tables_are_read_like_segments() -> None:
    bench = Bench(find=lambda r, s, **_: b"table" if s == TABLE_BASE else Missing.FOR_GOOD)
    bench.pull((0, TABLE_BASE, 0, 1))
    assert [d.payload for d in bench.sent(0.0)] == [b"table"]


def test_what_does_not_exist_is_skipped() -> None:
    bench = Bench()
    bench.pull((0, 100, 0, 3), (0, 1, 4, 3), (0, 101, 0, 1), (0, 2, 0, 1))
    assert units(bench.run(1.0)) == [(1, 4), (2, 0)]


def test_what_lies_beyond_an_object_costs_one_look() -> None:
    bench = Bench()
    bench.pull((0, 100, 0, 255), (0, 3, 5, 250), (0, 4, 0, 1))
    assert units(bench.run(1.0)) == [(4, 0)]
    assert len(bench.looks) == 3


def test_hold_is_the_time_since_the_pull_that_asked() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 1), now=0.0)
    bench.pull((0, 0, 1, 1), now=0.25)
    first, second = bench.sent(0.5)
    assert (first.pull_no, second.pull_no) == (0, 1)
    assert (first.hold_s, second.hold_s) == pytest.approx((0.5, 0.25), abs=1e-4)


def test_the_pace_counts_all_bytes_after_a_burst_of_two() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 5), (0, 1, 0, 5), pace=FULL * 10)  # ten datagrams a second
    times = [t for t, _ in bench.run(1.9)]
    assert times == pytest.approx([0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])


def test_a_fast_stream_may_burst_for_twenty_milliseconds() -> None:
    bench = Bench()
    bench.pull(*((0, segment, 0, 5) for segment in range(5)), pace=1_000_000)
    assert len(bench.sent(0.0)) == 20_000 // FULL


def test_a_timer_that_is_late_costs_no_pace() -> None:
    bench = Bench()
    bench.pull(*((0, segment, 0, 5) for segment in range(60)), pace=FULL * 250)
    sent = sum(len(bench.sent(0.016 * tick)) for tick in range(63))
    assert sent == pytest.approx(250, rel=0.03)


def times_at(pace: int, units: int) -> list[float]:
    bench = Bench()
    for segment in range(units // 5):
        bench.pull((0, segment, 0, 5), pace=pace)
    return [t for t, _ in bench.run(1.9)]


def test_a_pace_of_nearly_nothing_is_raised() -> None:
    times = times_at(1, 5)
    assert times[:2] == [0, 0]
    gap_s = FULL / MIN_PACE_BYTES_PER_S
    assert times[2:3] == (pytest.approx([gap_s]) if gap_s < 1.9 else [])


def test_a_pace_above_the_most_is_lowered() -> None:
    assert times_at(10**9, 50) == times_at(MAX_PACE_BYTES_PER_S, 50)
    assert times_at(10**9, 50) != times_at(MAX_PACE_BYTES_PER_S // 2, 50)


def test_a_new_pace_holds_at_once_also_for_what_was_sent() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 5), pace=FULL)
    assert len(bench.sent(0.0)) == 2
    bench.pull(now=0.0, pace=FULL * 10)
    assert bench.sender.next_deadline() == pytest.approx(0.1)


def test_pace_0_stops_and_keeps_the_queue_for_the_lease() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 2), pace=0)
    assert bench.sent(0.0) == []
    assert bench.sender.next_deadline() == LEASE_S
    bench.pull(now=1.0)
    assert len(bench.sent(1.0)) == 2


def test_an_older_pull_that_comes_late_adds_units_but_not_its_pace() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 1), pull_no=5)
    bench.pull((0, 1, 0, 1), pull_no=4, pace=0, address=THERE)
    sent = bench.sender.datagrams_to_send(0.0)
    assert [address for _, address in sent] == [HERE, HERE]


def test_a_repeated_pull_is_dropped() -> None:
    bench = Bench()
    datagram = bench.pull((0, 0, 0, 1))
    bench.pull((0, 1, 0, 1))
    bench.sender.receive(datagram, HERE, 0.0)
    bench.sender.receive(datagram, THERE, 0.0)
    assert units(bench.run(1.0)) == [(0, 0), (1, 0)]


@pytest.mark.parametrize(("late", "accepted"), [(63, True), (64, False), (200, False)])
def test_the_replay_window_is_64_wide(late, accepted) -> None:
    bench = Bench()
    bench.pull(pull_no=200)
    bench.pull((0, 0, 0, 1), pull_no=200 - late)
    assert len(bench.sent(0.0)) == accepted
    bench.pull((0, 0, 0, 1), pull_no=200 - late)
    assert bench.sent(0.0) == []


@given(st.lists(st.integers(0, 300), max_size=80))
def test_no_pull_number_counts_twice(numbers) -> None:
    bench = Bench()
    for number in numbers:
        bench.pull((0, 0, 0, 1), pull_no=number)
    shown = [d.pull_no for _, d in bench.run(1.0)]
    assert len(shown) == len(set(shown))
    assert set(shown) <= set(numbers)


@pytest.mark.parametrize(
    ("before", "after", "heard"), [(3, 4, [1]), (250, 2, [1]), (4, 3, [0]), (2, 250, [0])]
)
def test_a_newer_epoch_empties_the_queue_and_an_older_one_is_ignored(before, after, heard) -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 1), epoch=before)
    bench.pull((0, 1, 0, 1), epoch=after)
    assert [d.unit.segment for d in bench.sent(0.0)] == heard


def test_the_queue_is_bounded() -> None:
    bench = Bench()
    for _ in range(5):
        bench.pull((0, 0, 0, 255), pace=0)
    bench.pull((1, 9, 0, 1), pace=0)
    assert bench.sender._queue.units == MAX_QUEUED_UNITS
    bench.pull(now=0.1)
    assert len(bench.run(2.0, now=0.1)) == 4 * 5 + 4, "what there is of the object, as often as it fitted"
    assert bench.sender._queue.units == 0


def test_two_seconds_of_silence_empty_the_queue_and_ten_minutes_end_the_stream() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 5), pace=1, now=10.0)
    assert len(bench.sent(10.0)) == 2
    bench.sender.handle_timeout(12.0)
    bench.pull(now=12.0, pace=1_000_000)
    assert bench.sent(12.0) == []
    assert bench.sender.next_deadline() == 12 + END_S
    bench.sender.handle_timeout(611.9)
    assert not bench.sender.closed
    bench.sender.handle_timeout(612.0)
    assert bench.sender.closed
    assert bench.sender.next_deadline() is None
    bench.pull((0, 0, 0, 1), now=612.1)
    assert bench.sent(612.1) == []


def test_a_stream_that_is_never_used_ends() -> None:
    bench = Bench()
    assert bench.sender.next_deadline() == END_S
    bench.sender.handle_timeout(END_S)
    assert bench.sender.closed


def test_an_unproven_address_gets_its_token_and_then_all() -> None:
    bench = Bench()
    datagram = bench.pull((0, 0, 0, 5), address=THERE, token=0)
    assert bench.sender.next_deadline() == 0.0
    [(answer, to)] = bench.sender.datagrams_to_send(0.0)
    path = parse_answer_untrusted(answer, KEYS)
    assert (to, path) == (THERE, PathToken(STREAM, 0, path_token(SECRET, STREAM, *THERE)))
    assert len(answer) + UDP_HEADER_BYTES <= 3 * (len(datagram) + UDP_HEADER_BYTES)
    assert bench.sent(1.0) == []
    assert bench.sender.next_deadline() == LEASE_S
    bench.pull(now=1.0, address=THERE, token=path.path_token)
    assert len(bench.sent(1.0)) > 1


def test_the_smallest_pull_is_answered_with_less_than_three_times_its_size() -> None:
    bench = Bench()
    datagram = bench.pull(token=1)
    [(answer, _)] = bench.sender.datagrams_to_send(0.0)
    assert len(answer) + UDP_HEADER_BYTES <= 3 * (len(datagram) + UDP_HEADER_BYTES)


def test_the_token_of_the_tcp_callers_host_proves_every_port_of_it() -> None:
    token = path_token(SECRET, STREAM, HERE[0], 0)
    bench = Bench()
    bench.pull((0, 0, 0, 1), address=(HERE[0], 9), token=token)
    assert [type(d) for d in bench.sent(0.0)] == [Data]
    bench = Bench()
    bench.pull((0, 0, 0, 1), address=THERE, token=token)
    assert [type(d) for d in bench.sent(0.0)] == [PathToken]


def test_a_stream_follows_its_client_to_a_new_address_once_that_is_proven() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 5), pace=FULL)
    assert len(bench.sent(0.0)) == 2
    bench.pull(now=0.5, pace=1_000_000, address=THERE, token=path_token(SECRET, STREAM, *HERE))
    [(answer, to)] = bench.sender.datagrams_to_send(0.5)
    assert to == THERE
    token = parse_answer_untrusted(answer, KEYS).path_token
    assert token == path_token(SECRET, STREAM, *THERE)
    bench.pull(now=1.0, address=THERE, token=token)
    assert [to for _, to in bench.sender.datagrams_to_send(1.0)] == [THERE] * 3


@pytest.mark.parametrize("seed", range(20))
def test_whoever_sends_pulls_again_from_elsewhere_moves_nothing_and_makes_little_sent(seed) -> None:
    """An attacker sees each PULL, and sends any of them from any address, of either family, also first."""
    random, bench, seen = Random(seed), Bench(), []
    victims = [("2001:db8::7", 1), ("203.0.113.5", 53), (HERE[0], 9), ("2001:db8::7", 2)]
    received, sent, audio = Counter(), Counter(), Counter()
    token = path_token(SECRET, STREAM, HERE[0], 0)

    def deliver(datagram: bytes, address, now: float) -> None:
        received[address] += len(datagram) + UDP_HEADER_BYTES
        bench.sender.receive(datagram, address, now)
        for answer, to in bench.sender.datagrams_to_send(now):
            sent[to] += len(answer) + UDP_HEADER_BYTES
            audio[to] += isinstance(parse_answer_untrusted(answer, KEYS), Data)

    for step in range(200):
        now, epoch = step / 10, step // 50
        pull = Pull(STREAM, step, 1_000_000, token, epoch, [UnitRange(0, step % 100, 0, 5)])
        seen.append(build_pull(pull, KEYS))
        stolen = random.random() < 0.2
        if not stolen:
            deliver(seen[-1], HERE, now)
        for _ in range(random.randrange(3)):
            deliver(seen[-1] if stolen else random.choice(seen), random.choice(victims), now)
        token = path_token(SECRET, STREAM, *HERE)
    before = audio[HERE]
    deliver(build_pull(Pull(STREAM, 999, 1_000_000, token, 4, [UnitRange(0, 1, 0, 5)]), KEYS), HERE, 20.0)
    assert audio[HERE] > before, "the client goes on"
    for victim in victims:
        assert sent[victim] <= 3 * received[victim]
        assert not audio[victim] or victim[0] == HERE[0], "its host had shown a token before"


def test_tokens_differ_by_secret_stream_host_and_port_and_are_never_0() -> None:
    places = [
        (SECRET, 1, "a", 1),
        (b"o" * 32, 1, "a", 1),
        (SECRET, 2, "a", 1),
        (SECRET, 1, "b", 1),
        (SECRET, 1, "a", 2),
    ]
    tokens = {path_token(*place) for place in places}
    assert len(tokens) == len(places)
    assert 0 not in tokens


def test_path_numbers_wrap() -> None:
    bench = Bench()
    bench.sender._path_no = 0xFFFF_FFFF
    numbers = []
    for now in (0.0, 1.0):
        bench.pull(now=now, token=1)
        numbers += [path.path_no for path in bench.sent(now)]
    assert numbers == [0xFFFF_FFFF, 0]


@given(st.binary(max_size=500))
def test_arbitrary_bytes_are_never_answered(datagram) -> None:
    bench = Bench()
    before = bench.sender.next_deadline()
    bench.sender.receive(datagram, THERE, 0.0)
    assert bench.sender.datagrams_to_send(0.0) == []
    assert bench.sender.next_deadline() == before


@given(st.integers(0, 47), st.integers(1, 255))
def test_a_changed_pull_is_never_answered(place, flip) -> None:
    bench = Bench()
    pull = build_pull(Pull(STREAM, 0, 1000, 1, 0, [UnitRange(0, 0, 0, 1)] * 3), KEYS)
    changed = bytearray(pull)
    changed[place % len(pull)] ^= flip
    bench.sender.receive(bytes(changed), HERE, 0.0)
    assert bench.sender.datagrams_to_send(0.0) == []


def test_what_a_server_sends_is_no_pull() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 1))
    [data] = bench.sent(0.0)
    bench.sender.receive(build_data(data, KEYS), HERE, 0.0)
    assert bench.sent(0.0) == []


@given(st.integers(1, 65535))
def test_the_units_of_any_size_make_up_the_object(size) -> None:
    data = bytes(size)
    bench = Bench(find=lambda r, s, **_: data)
    count, _ = unit_layout(size)
    bench.pull((0, 0, 0, count))
    log = bench.run(1.9)
    assert sum(len(d.payload) for _, d in log) == size
    assert len(log) == count


def test_an_object_without_bytes_has_no_unit() -> None:
    bench = Bench(find=lambda _r, segment, **_: b"" if segment == 0 else SEGMENT)
    bench.pull((0, 0, 0, 1), (0, 1, 0, 1))
    assert units(bench.run(1.0)) == [(1, 0)]


def test_what_is_not_there_yet_is_waited_for_and_holds_up_what_comes_after() -> None:
    bench = Bench()
    bench.missing = {3}
    bench.pull((0, 2, 4, 1), (1, 3, 0, 1), (0, 4, 0, 1))
    assert [d.unit.segment for d in bench.sent(0.0)] == [2]
    assert bench.sender.next_deadline() == LEASE_S, "no timer runs meanwhile"
    bench.sender.note_read(1, 2, is_sound=True)  # of another turn
    assert bench.sender.next_deadline() == LEASE_S
    bench.missing = set()
    bench.sender.note_read(1, 3, is_sound=True)
    assert bench.sender.next_deadline() <= 0.1
    assert [d.unit.segment for d in bench.sent(0.1)] == [3, 4]


def test_a_newer_epoch_does_not_wait_for_what_the_last_one_asked() -> None:
    bench = Bench()
    bench.missing = {3}
    bench.pull((0, 3, 0, 1))
    assert bench.sent(0.0) == []
    bench.pull((0, 5, 0, 1), epoch=1)
    assert [d.unit.segment for d in bench.sent(0.0)] == [5]
    bench.sender.note_read(0, 3, is_sound=False)
    assert not bench.sender.closed


def test_what_cannot_be_read_ends_the_stream_when_its_turn_has_come() -> None:
    bench = Bench()
    bench.missing = {3}
    bench.pull((0, 2, 0, 5), (0, 3, 0, 1), pace=FULL)
    assert len(bench.sent(0.0)) == 2
    bench.sender.note_read(0, 3, is_sound=False)  # it was looked for ahead
    assert not bench.sender.closed
    assert [d.unit.segment for _, d in bench.run(4.0)] == [2]
    bench = Bench()
    bench.missing = {3}
    bench.pull((0, 3, 0, 1))
    assert bench.sent(0.0) == []
    bench.sender.note_read(0, 3, is_sound=False)
    assert bench.sender.closed
    assert bench.sender.next_deadline() is None


def test_the_next_objects_are_looked_for_while_one_leaves() -> None:
    bench = Bench()
    bench.pull(*((0, n, 0, 5) for n in range(20)), pace=6000)
    bench.sent(0.0)
    assert set(bench.looks) == {(0, 0), (0, 1)}
    assert set(bench.needed) == {(0, 0)}
    bench = Bench()
    bench.pull(*((0, n, 0, 5) for n in range(20)), pace=60_000)
    bench.sent(0.0)
    assert set(bench.looks) == {(0, n) for n in range(1 + -(-int(60_000 * READ_AHEAD_S) // 6000))}
    bench = Bench()
    bench.pull(*((0, n, 0, 5) for n in range(20)), pace=1_000_000)
    bench.sent(0.0)
    assert max(bench.looks) <= (0, 3 + MAX_AHEAD), "a bounded number"


def test_nothing_is_looked_for_by_whom_may_not_be_sent_to() -> None:
    bench = Bench()
    bench.pull((0, 0, 0, 5), address=THERE, token=0)
    bench.sender.datagrams_to_send(0.0)
    assert bench.looks == []


def test_its_client_is_where_the_newest_pull_came_from() -> None:
    bench = Bench()
    assert bench.sender.host is None
    bench.pull((0, 0, 0, 1))
    assert bench.sender.host == HERE[0]
    bench.pull((0, 0, 0, 1), address=("203.0.113.99", 5))
    assert bench.sender.host == "203.0.113.99"
