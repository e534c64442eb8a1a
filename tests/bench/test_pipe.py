from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lab.link import BurstLoss, Direction, constant
from bench.lab.pipe import DROPPED, LOST, PASSED, REPEATED, Pipe

FAR = 1e9


def pipe(rate_kbit_s=80.0, **fields):
    return Pipe(Direction(constant(rate_kbit_s), **fields), Random(1))


def test_a_packet_takes_its_own_time_and_the_delay():
    one = pipe(delay_s=0.1)
    one.send(bytes(1000), 5.0)
    assert one.next_deadline() == pytest.approx(5.2)
    assert one.receive(5.19) == []
    assert [packet for _, packet in one.receive(5.21)] == [bytes(1000)]
    assert one.next_deadline() is None


def test_packets_wait_for_those_before_them_and_the_wait_is_noted():
    one = pipe()
    for number in range(3):
        one.send(bytes([number]) * 1000, 0.0)
    assert [(round(at, 6), packet[0]) for at, packet in one.receive(FAR)] == [(0.1, 0), (0.2, 1), (0.3, 2)]
    assert [passage.queue_s for passage in one.log] == pytest.approx([0.0, 0.1, 0.2])


def test_the_queue_is_counted_in_bytes_and_drops_its_tail():
    one = pipe(queue_bytes=2500)
    for size in (1000, 1000, 1000, 400):
        one.send(bytes(size), 0.0)
    assert [passage.fate for passage in one.log] == [PASSED, PASSED, DROPPED, PASSED]
    one.send(bytes(1000), 0.11)  # the first has left
    assert one.log[-1].fate == PASSED
    assert len(one.receive(FAR)) == 4


def test_lost_packets_have_used_the_rate():
    one = pipe(loss=1.0)
    one.send(bytes(1000), 0.0)
    one.send(bytes(1000), 0.0)
    assert [(passage.fate, round(passage.arrived_s, 6)) for passage in one.log] == [(LOST, 0.1), (LOST, 0.2)]
    assert one.receive(FAR) == []


def test_bursts_have_their_mean_and_their_length():
    one = pipe(1e6, queue_bytes=10**9, burst=BurstLoss(mean=0.1, packets=4))
    count = 100_000
    for number in range(count):
        one.send(b"x", float(number))
    lost = [passage.fate == LOST for passage in one.log]
    bursts = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert sum(lost) / count == pytest.approx(0.1, rel=0.05)
    assert sum(lost) / bursts == pytest.approx(4, rel=0.05)


def test_a_late_packet_is_overtaken():
    one = pipe(reorder=0.5, reorder_s=1.0)
    for number in range(20):
        one.send(bytes([number]), 0.0)
    came = [packet[0] for _, packet in one.receive(FAR)]
    assert sorted(came) == list(range(20))
    assert came != sorted(came)


def test_a_repeated_packet_comes_twice_but_is_sent_once():
    one = pipe(duplicate=1.0)
    one.send(bytes(1000), 0.0)
    assert [at for at, _ in one.receive(FAR)] == pytest.approx([0.1, 0.1])
    assert [passage.fate for passage in one.log] == [PASSED, REPEATED]


def test_the_same_seed_makes_the_same_fates():
    fates = []
    for _ in range(2):
        one = pipe(loss=0.3, reorder=0.2, duplicate=0.2)
        for number in range(100):
            one.send(b"x", number / 10)
        fates.append(one.log)
    assert fates[0] == fates[1]


def test_the_log_is_bounded(monkeypatch):
    monkeypatch.setattr("bench.lab.pipe.LOG_PACKETS", 2)
    one = pipe()
    for _ in range(5):
        one.send(b"x", 0.0)
    assert (len(one.log), one.unlogged) == (2, 3)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(20, 1500)), max_size=60), st.integers(1500, 9000))
def test_no_more_arrives_than_the_rate_carries_and_no_more_waits_than_the_queue_holds(packets, queue_bytes):
    one = pipe(queue_bytes=queue_bytes, delay_s=0.25)
    now = 0.0
    for pause, size in packets:
        now += pause
        one.send(bytes(size), now)
    arrived = one.receive(FAR)
    assert [at for at, _ in arrived] == sorted(at for at, _ in arrived)
    assert len(arrived) == sum(passage.fate == PASSED for passage in one.log)
    for passage in one.log:
        assert passage.queue_s * 10_000 <= queue_bytes + 1e-6
    for (before, _), (at, packet) in pairwise(arrived):
        assert at - before >= len(packet) / 10_000 - 1e-9
