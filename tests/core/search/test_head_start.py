"""Head starts on a literal clock."""

from __future__ import annotations

import pytest

from lightpeer.core.search.head_start import BUSY_BYTES, HEAD_START_S, LONGEST_HEAD_START_S, HeadStart


def test_a_silent_peer_on_an_idle_link_has_one_head_start():
    wait = HeadStart(None, LONGEST_HEAD_START_S, 100.0)
    assert wait.wait_until(100.0, 5_000) == 100.0 + HEAD_START_S
    assert wait.wait_until(101.0, 5_000 + BUSY_BYTES - 1) is None


@pytest.mark.parametrize(("rtt_s", "waits_s"), [(0.1, HEAD_START_S), (0.5, 1.5), (9.0, LONGEST_HEAD_START_S)])
def test_a_far_peer_has_three_of_its_round_trips(rtt_s, waits_s):
    assert HeadStart(rtt_s, LONGEST_HEAD_START_S, 0.0).wait_until(0.0, 0) == waits_s


def test_a_busy_link_renews_it_until_the_longest():
    wait, ends = HeadStart(None, 2.5, 0.0), []
    now, received = 0.0, 0
    while (until := wait.wait_until(now, received)) is not None:
        ends.append(until)
        now, received = until, received + BUSY_BYTES
    assert ends == [1.0, 2.0, 2.5]
