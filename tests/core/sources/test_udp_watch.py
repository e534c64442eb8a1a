"""Whether UDP is of use, on literal times."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

import pytest

from lightpeer.core.sources.path_state import HASTE, ROUND_TRIPS, PathState
from lightpeer.core.sources.udp_watch import (
    BESIDE_OTHERS,
    FALLBACK_AFTER_S,
    GIVE_UP_AFTER_S,
    GIVE_UP_PROBES,
    MIN_ROUNDS,
    MIN_UNITS,
    MOVE_AFTER_S,
    STREAM_ENDS_S,
    TRICKLE_S,
    Sieve,
    UdpWatch,
)
from lightpeer.core.udp.datagram import MAX_PAYLOAD
from lightpeer.core.udp.gauge import Gauge

LEAST_BYTES_PER_S = 3000.0


@dataclass
class Stream:
    """What is seen of a receiver."""

    arrived: int = 0
    first_pull_at: float | None = None
    last_heard_at: float = 0.0
    probes_unanswered: int = 0
    gauge: Gauge = field(default_factory=Gauge)

    def silent_s(self, now: float) -> float:
        return now - self.last_heard_at if self.gauge.outstanding_bytes else 0.0


def made(path: PathState | None = None) -> tuple[UdpWatch, Stream]:
    stream = Stream()
    return UdpWatch(stream, LEAST_BYTES_PER_S, path or PathState(), 0.0), stream


def came(watch: UdpWatch, stream: Stream, *arrivals: tuple[int, float]) -> None:
    stream.arrived += len(arrivals)
    stream.last_heard_at = arrivals[-1][1]
    watch.on_units(arrivals)


def passing(path: PathState | None = None) -> tuple[UdpWatch, Stream]:
    """A stream that is seen to pass, with something outstanding; heard last at 1."""
    watch, stream = made(path)
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    came(watch, stream, *[(MAX_PAYLOAD, number / 10) for number in range(1, 11)])
    return watch, stream


def test_without_a_stream_it_is_useless_from_the_start() -> None:
    watch = UdpWatch(None, LEAST_BYTES_PER_S, PathState(), 5.0)
    assert not watch.has_stream
    assert watch.is_useless(0.0)
    assert watch.is_over(0.0)
    assert watch.silent_s(9.0) == 0.0
    assert watch.move_at() == math.inf
    assert watch.next_deadline(7.0) == 7.0


def test_before_anything_is_asked_for_nothing_is_due() -> None:
    watch, _ = made()
    assert watch.has_stream
    assert watch.next_deadline(0.0) == math.inf
    assert not watch.is_useless(1e9)


@pytest.mark.parametrize(
    ("path", "limit_s"),
    [
        (PathState(), FALLBACK_AFTER_S),
        (PathState(rtt_s=1.0), ROUND_TRIPS * 1.0),
        (PathState(passes_for_others=True), BESIDE_OTHERS * FALLBACK_AFTER_S),
    ],
)
def test_the_first_data_must_come_in_time(path: PathState, limit_s: float) -> None:
    watch, stream = made(path)
    stream.first_pull_at, stream.gauge.outstanding_bytes = 2.0, MAX_PAYLOAD
    assert watch.next_deadline(0.0) == 2.0 + limit_s
    assert watch.next_deadline(9.0) == 9.0, "not before a call may be made"
    assert not watch.is_useless(2.0 + limit_s - 0.1)
    assert watch.is_useless(2.0 + limit_s)


@pytest.mark.parametrize(
    ("path", "move_s", "give_up_s"),
    [
        (PathState(), MOVE_AFTER_S, GIVE_UP_AFTER_S),
        (PathState(is_alive=False), HASTE * MOVE_AFTER_S, HASTE * GIVE_UP_AFTER_S),
        (PathState(rtt_s=2.0), ROUND_TRIPS * 2.0 / 2, ROUND_TRIPS * 2.0),
    ],
)
def test_a_silence_is_a_reason_to_move_and_then_to_give_up(
    path: PathState, move_s: float, give_up_s: float
) -> None:
    watch, stream = passing(path)
    assert watch.silent_s(1.5) == 0.5
    assert watch.move_at() == watch.next_deadline(math.inf) == 1.0 + move_s
    watch.on_moved(1.0 + move_s)
    assert watch.move_at() == math.inf, "once"
    assert not watch.is_useless(99.0), "the probes tell first"
    stream.probes_unanswered = GIVE_UP_PROBES
    assert watch.next_deadline(0.0) == 1.0 + give_up_s
    assert not watch.is_useless(1.0 + give_up_s - 0.1)
    assert watch.is_useless(1.0 + give_up_s)
    came(watch, stream, (1, 30.0))
    assert watch.move_at() == 30.0 + move_s, "it may be silent again"


def test_a_silence_in_which_nothing_is_outstanding_is_none() -> None:
    watch, stream = passing()
    stream.gauge.outstanding_bytes, stream.probes_unanswered = 0, GIVE_UP_PROBES
    assert watch.next_deadline(0.0) == math.inf
    assert not watch.is_useless(1e9)


def test_where_most_is_lost_it_is_useless_until_it_is_left() -> None:
    watch, _ = passing()
    watch.on_lost(10 * MIN_UNITS)
    assert not watch.is_useless(1.0)
    watch.on_lost(MIN_UNITS)
    assert watch.is_useless(1.0)
    assert watch.next_deadline(0.5) == 0.5
    watch.leave(1.0)
    assert not watch.is_useless(1.0)


def test_a_trickle_is_useless_unless_there_was_no_more_to_bring() -> None:
    for is_waiting in (True, False):
        watch, stream = made()
        stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, is_waiting * MAX_PAYLOAD
        came(watch, stream, (MAX_PAYLOAD, 0.25), (MAX_PAYLOAD - 1, 1.0))
        watch.on_moved(1.0)
        assert watch.next_deadline(0.0) == 0.25 + TRICKLE_S
        assert not watch.is_useless(0.25 + TRICKLE_S - 0.1)
        assert watch.is_useless(0.25 + TRICKLE_S) == is_waiting
        assert watch.next_deadline(0.0) == (0.25 + TRICKLE_S if is_waiting else math.inf)


def test_units_of_one_wake_up_are_judged_each_at_its_time() -> None:
    """The second shows that it passes; by the third it would look like a trickle."""
    watch, stream = made()
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    came(watch, stream, (MAX_PAYLOAD, 0.0), (MAX_PAYLOAD, 0.1), (1, 1.9))
    assert not watch.is_useless(TRICKLE_S)


@pytest.mark.parametrize(("share_bytes_per_s", "is_useless"), [(math.inf, True), (1200.0, False)])
def test_a_share_of_a_thin_link_is_no_trickle(share_bytes_per_s: float, is_useless: bool) -> None:
    watch, stream = made(PathState(share_bytes_per_s=share_bytes_per_s))
    stream.first_pull_at, stream.gauge.outstanding_bytes = 0.0, MAX_PAYLOAD
    came(watch, stream, (MAX_PAYLOAD, 0.0), (MAX_PAYLOAD, 1.5))
    assert watch.is_useless(TRICKLE_S) == is_useless


def test_it_is_judged_anew_when_it_is_used_again() -> None:
    watch, stream = passing()
    watch.begin()
    came(watch, stream, (1, 20.0))
    assert watch.is_useless(20.0 + TRICKLE_S)


def test_a_stream_ends_in_a_long_pause() -> None:
    watch, stream = passing()
    assert not watch.is_over(1.0 + STREAM_ENDS_S - 0.1)
    assert watch.is_over(1.0 + STREAM_ENDS_S)
    came(watch, stream, (1, 50.0))
    assert not watch.is_over(1.0 + STREAM_ENDS_S)


# Networks that let hardly anything through.


def fed(*rounds: tuple[int, int]) -> Sieve:
    """A sieve after rounds of so many units that came and so many that were lost then."""
    sieve = Sieve()
    for arrived, lost in rounds:
        sieve.arrived += arrived
        sieve.on_lost(lost)
    return sieve


def test_where_hardly_anything_comes_round_after_round_it_is_closed() -> None:
    assert not fed(*[(1, 13)] * (MIN_ROUNDS - 1)).is_closed
    sieve = fed(*[(1, 13)] * MIN_ROUNDS)
    assert sieve.is_closed
    sieve.reset()
    assert not sieve.is_closed


def test_the_end_of_a_dead_zone_is_no_sieve() -> None:
    assert not fed((100, 60), (40, 100), (1, 1)).is_closed
    assert not fed((1, 60)).is_closed


def test_single_units_do_not_decide() -> None:
    assert not fed(*[(0, 1)] * (MIN_UNITS - 1)).is_closed
    assert fed(*[(0, 1)] * MIN_UNITS).is_closed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("loss", "run"), [(0.05, 1), (0.1, 5), (0.2, 2), (0.4, 1)])
def test_a_lossy_link_is_no_sieve(loss: float, run: int, seed: int) -> None:
    """Losses in runs, found three units later."""
    random, sieve, lost, losing = Random(seed), Sieve(), 0, False
    for _ in range(20_000):
        losing = random.random() >= 1 / run if losing else random.random() < loss / (run * (1 - loss))
        if losing:
            lost += 1
            continue
        sieve.arrived += 1
        if lost and random.random() < 1 / 3:
            sieve.on_lost(lost)
            lost = 0
        assert not sieve.is_closed
