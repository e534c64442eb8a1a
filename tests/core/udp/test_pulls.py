"""The PULLs of a stream: what they say, and the token that they show."""

from __future__ import annotations

import pytest

from lightpeer.core.udp.datagram import DatagramKeys, PathToken, Pull, UnitRange, parse_pull_untrusted
from lightpeer.core.udp.opening import UdpTerms
from lightpeer.core.udp.pulls import PULLS_REMEMBERED, PullQueue
from lightpeer.core.udp.unasked import Unasked

KEYS = DatagramKeys(b"p" * 32, b"d" * 32)
RANGES = (UnitRange(1, 3, 0, 4),)


@pytest.fixture
def pulls() -> PullQueue:
    return PullQueue(UdpTerms(4747, 7, 0xAA, KEYS), Unasked())


def sent(pulls: PullQueue) -> Pull:
    return parse_pull_untrusted(pulls.datagrams.popleft(), KEYS)


def test_a_pull_says_what_is_wanted_and_how_fast(pulls):
    pulls.pace_bytes_per_s = 50_000
    assert pulls.put(RANGES, 1.0) == 1
    assert sent(pulls) == Pull(7, 1, 50_000, 0xAA, 0, RANGES)
    assert pulls.put(RANGES, 2.0) == 2
    assert pulls.sent_at == {1: 1.0, 2: 2.0}


def test_numbers_are_echoed_in_16_bits_and_go_round(pulls):
    pulls._number = 0xFFFF
    assert pulls.put(RANGES, 0.0) == 0
    assert sent(pulls).pull_no == 0x10000
    pulls._number = 0xFFFFFFFF
    assert pulls.put(RANGES, 0.0) == 0
    assert sent(pulls).pull_no == 0


def test_the_times_of_the_latest_are_remembered(pulls):
    for number in range(PULLS_REMEMBERED + 1):
        pulls.put(RANGES, float(number))
    assert len(pulls.sent_at) == PULLS_REMEMBERED
    assert 1 not in pulls.sent_at


def test_epochs_go_round(pulls):
    for epoch in (1, 2):
        pulls.begin_epoch()
        pulls.put(RANGES, 0.0)
        assert sent(pulls).epoch == epoch
    for _ in range(254):
        pulls.begin_epoch()
    pulls.put(RANGES, 0.0)
    assert sent(pulls).epoch == 0


def test_a_token_is_new_once_and_shown_from_then_on(pulls):
    assert not pulls.on_path(PathToken(7, 1, 0xAA), 20), "it is the one of the Open exchange"
    assert pulls.on_path(PathToken(7, 2, 0xBB), 20)
    assert not pulls.on_path(PathToken(7, 2, 0xBB), 20)
    pulls.put(RANGES, 0.0)
    assert sent(pulls).path_token == 0xBB


def test_an_older_path_counts_for_nothing(pulls):
    pulls.on_path(PathToken(7, 5, 0xBB), 20)
    assert not pulls.on_path(PathToken(7, 4, 0xAA), 20)
    assert not pulls.on_path(PathToken(7, 5 + (1 << 31), 0xCC), 20)
    assert pulls.on_path(PathToken(7, 4 + (1 << 31), 0xDD), 20), "the greatest that is ahead"
    pulls.put(RANGES, 0.0)
    assert sent(pulls).path_token == 0xDD


def test_each_pull_and_path_is_accounted_for(pulls):
    account = pulls._unasked
    pulls.put(RANGES, 0.0)
    pulls.put([], 0.0, shows_token=True)
    assert account._pulls == 1
    pulls.on_path(PathToken(7, 1, 0xBB), 20)
    pulls.on_path(PathToken(7, 1, 0xBB), 20)
    assert (account._paths, account._junk_bytes) == (1, 2 * 48)
