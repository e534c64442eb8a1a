"""A path is measured by the first bytes of a reply, on literal times."""

from __future__ import annotations

import pytest

from lightpeer.core.rpc.reply_burst import ReplyBurst

FULL = 1448  # bytes of a TCP segment over Ethernet


def burst(*reads: tuple[int, float]) -> ReplyBurst:
    reply = ReplyBurst(1.0)
    for size, at in reads:
        reply.add(size, at)
    return reply


def train(count: int, *, from_s: float = 1.25, gap_s: float = 0.125) -> list[tuple[int, float]]:
    return [(FULL, from_s + gap_s * number) for number in range(count)]


def test_a_reply_in_one_burst_tells_the_round_trip_and_the_rate():
    reply = burst((73, 1.125), (9, 1.1875), *train(5))
    assert reply.rtt_s == 0.25
    assert reply.rate_bytes_per_s == 8 * FULL


def test_what_comes_a_round_trip_later_is_no_part_of_the_burst():
    reply = burst(*train(8), (FULL, 3.0), (8688, 3.1))
    assert reply.rate_bytes_per_s == 8 * FULL


def test_before_a_reply_there_is_no_round_trip_and_no_rate():
    reply = burst()
    assert (reply.rtt_s, reply.rate_bytes_per_s, reply.last_at) == (None, 0.0, 1.0)
    reply.add(999, 1.5)
    assert (reply.rtt_s, reply.last_at) == (None, 1.5), "settings and acknowledgements are no reply"
    reply.add(1000, 2.0)
    assert (reply.rtt_s, reply.rate_bytes_per_s) == (1.0, 0.0), "the first full segment only begins it"


def test_the_first_segment_counts_for_the_time_and_not_for_the_bytes():
    """It takes as long as the round trip, which says nothing of the rate."""
    assert burst(*train(3)).rate_bytes_per_s == 0.0, "two gaps are too few"
    assert burst(*train(3), (103, 1.625)).rate_bytes_per_s == 0.0, "one byte is missing of three segments"
    assert burst(*train(3), (104, 1.625)).rate_bytes_per_s == 3000 / 0.375


def test_as_long_as_it_grows_the_rate_is_that_of_all_of_it():
    reply = burst(*train(4))
    assert reply.rate_bytes_per_s == 8 * FULL
    reply.add(FULL, 1.75)
    assert reply.rate_bytes_per_s == 4 * FULL / 0.5
    reply.add(FULL, 1.9375)
    assert reply.rate_bytes_per_s == 5 * FULL / 0.6875, "a gap that was longer"


def test_once_it_is_whole_nothing_counts_any_more():
    reply = burst(*train(8))
    assert reply.last_at == 2.125
    reply.add(FULL, 2.25)
    assert reply.last_at == 2.125
    assert reply.rate_bytes_per_s == 8 * FULL


@pytest.mark.parametrize(("size", "is_one_read"), [(3000, True), (3001, False)])
def test_up_to_two_segments_and_a_bit_may_be_read_together(size, is_one_read):
    rate = burst(*train(3), (size, 1.625)).rate_bytes_per_s
    assert rate == ((2 * FULL + size) / 0.375 if is_one_read else 0.0)


@pytest.mark.parametrize(
    ("asked_to_reply_s", "gap_s", "counts"),
    [
        (0.03125, 0.1875, True),  # less than any timeout of TCP
        (0.03125, 0.25, False),
        (0.5, 0.4375, True),  # less than a round trip, which is longer than the timeout
        (0.5, 0.5, False),
    ],
)
def test_a_gap_as_long_as_a_timeout_and_a_round_trip_is_a_loss(asked_to_reply_s, gap_s, counts):
    first = 1.0 + asked_to_reply_s
    reply = burst(*train(4, from_s=first, gap_s=gap_s))
    assert reply.rtt_s == asked_to_reply_s
    assert (reply.rate_bytes_per_s > 0) == counts


@pytest.mark.parametrize(
    "reads",
    [
        (),
        ((1448, 1.25), (300, 1.3)),
        ((1448, 1.25), (1448, 1.25), (1448, 1.25), (1448, 1.25)),
        ((1448, 1.25), (8688, 1.5), (700, 1.51)),
        ((1448, 1.25), (1448, 3.25), (1448, 3.375), (1448, 3.5)),
    ],
    ids=["nothing", "too little", "all at once", "held up by one that was lost", "after a timeout"],
)
def test_a_reply_that_was_no_train_tells_no_rate(reads):
    assert burst(*reads).rate_bytes_per_s == 0.0
