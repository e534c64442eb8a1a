"""What a track is played by, where nothing else is said."""

from __future__ import annotations

from lightpeer.core.plan.rules import Fixed
from lightpeer.core.segments.policy import Policy


def test_each_track_has_its_own_state() -> None:
    one, other = Policy(Fixed(0)), Policy(Fixed(0))
    assert one.bursts is not other.bursts
    assert one.playout is not other.playout
    assert one.bursts.listening is not other.bursts.listening
    assert one.limits == other.limits


def test_any_rendition_is_wanted_in_real_time_and_little_is_wasted() -> None:
    policy = Policy(Fixed(0))
    assert (policy.only, policy.limits.top_kbps, policy.playout.realtime) == (None, None, True)
    assert 256_000 <= policy.limits.buffer_bytes <= 64_000_000
    assert policy.limits.waste_share <= 0.12
