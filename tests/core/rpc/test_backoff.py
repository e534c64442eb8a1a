from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rpc.backoff import ENTROPY_BYTES, MAX_S, Backoff

MIDDLE, LEAST, MOST = b"\x80" + bytes(3), bytes(4), b"\xff" * 4


def test_the_first_attempt_may_come_at_once_and_the_second_a_second_later():
    backoff = Backoff()
    assert backoff.retry_at_s == -math.inf
    backoff.begin(10.0, MOST)
    assert backoff.retry_at_s == 11.0


@pytest.mark.parametrize(("entropy", "jitter"), [(MIDDLE, 0.0), (LEAST, -0.2), (MOST, 0.2)])
def test_each_failure_makes_it_longer_by_its_factor_and_jitter(entropy, jitter):
    backoff = Backoff()
    backoff.begin(0.0, entropy)
    for number in range(1, 10):
        backoff.begin(100.0, entropy)
        assert backoff.retry_at_s == pytest.approx(100 + 1.6**number * (1 + jitter))


def test_it_has_an_upper_end():
    backoff = Backoff()
    for _ in range(50):
        backoff.begin(0.0, MIDDLE)
    assert backoff.retry_at_s == pytest.approx(MAX_S)


def test_success_starts_over():
    backoff = Backoff()
    backoff.begin(0.0, MIDDLE)
    backoff.begin(1.0, MIDDLE)
    backoff.succeeded()
    assert backoff.retry_at_s == -math.inf
    backoff.begin(5.0, MIDDLE)
    assert backoff.retry_at_s == 6.0


@given(st.lists(st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES), max_size=20))
def test_whatever_the_entropy_attempts_are_neither_hurried_nor_lost(draws):
    backoff = Backoff()
    for entropy in draws:
        backoff.begin(0.0, entropy)
        assert 0.8 <= backoff.retry_at_s <= 1.2 * MAX_S
