"""RFC 6298 section 2, by its own figures."""

from __future__ import annotations

import pytest

from lightpeer.core.udp.round_trip import SmoothedRtt


def test_nothing_is_known_before_the_first():
    rtt = SmoothedRtt()
    assert (rtt.mean_s, rtt.variation_s) == (None, 0.0)


def test_the_first_counts_whole_and_the_others_in_part():
    rtt = SmoothedRtt()
    rtt.add(0.2)
    assert (rtt.mean_s, rtt.variation_s) == (0.2, 0.1), "(2.2)"
    rtt.add(0.28)
    assert rtt.mean_s == pytest.approx(7 / 8 * 0.2 + 1 / 8 * 0.28), "(2.3)"
    assert rtt.variation_s == pytest.approx(3 / 4 * 0.1 + 1 / 4 * 0.08), "(2.3), against the mean before it"
    before_s, variation_s = rtt.mean_s, rtt.variation_s
    rtt.add(0.01)
    assert rtt.mean_s < before_s
    assert rtt.variation_s > variation_s, "shorter ones are a deviation too"


def test_several_count_as_each_of_them_would():
    together, alone = SmoothedRtt(), SmoothedRtt()
    together.add()
    assert together.mean_s is None
    together.add(0.2, 0.28, 0.25)
    for rtt_s in (0.2, 0.28, 0.25):
        alone.add(rtt_s)
    assert (together.mean_s, together.variation_s) == (alone.mean_s, alone.variation_s)


def test_a_path_that_takes_no_time_has_been_measured():
    rtt = SmoothedRtt()
    rtt.add(0.0)
    assert rtt.mean_s == 0.0
