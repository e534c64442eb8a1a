import pytest

from bench.streams import AHEAD_S, PULL_S, SEGMENT_BYTES, Arrival, Listener
from lightpeer.core.udp.datagram import DatagramKeys, parse_pull_untrusted
from lightpeer.core.udp.opening import UdpTerms

KEYS = DatagramKeys(bytes(32), bytes(32))


def listener(pace_bytes_per_s):
    return Listener(UdpTerms(1, 7, 9, KEYS), pace_bytes_per_s)


def test_a_listener_keeps_more_asked_than_it_gets():
    one, pace = listener(6000), 6000
    asked = 0
    for pulls in range(20):
        pull = parse_pull_untrusted(one.pull(), KEYS)
        asked += len(pull.ranges) * SEGMENT_BYTES
        assert asked - pulls * PULL_S * pace >= AHEAD_S * pace
    assert asked <= (20 + AHEAD_S) * pace + SEGMENT_BYTES


def test_jitter_is_what_a_pause_is_off_the_pace():
    one = listener(1000)
    one.arrivals = [Arrival(at, 500) for at in (0.0, 1.0, 1.5, 2.1, 2.5)]
    assert list(one.jitters_s(since_s=1.0)) == pytest.approx([0.0, 0.1, 0.1])
