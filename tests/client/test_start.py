"""How a track is to begin: the rendition that comes soon, within what the listener and the budget want."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.client.start import INLINE_BYTES, LOWEST_KBPS, Start, first_kbps
from lightpeer.config import Settings
from lightpeer.core.budget.profile import NORMAL, THRIFTY, Profile, limits_of
from lightpeer.peering.opener import Wanted
from tests.pair import made_track

AUTO = Settings(state_dir=Path("unused"))
AT_96 = Settings(state_dir=Path("unused"), bitrate_kbps=96)


@pytest.mark.parametrize(
    ("known_bytes_per_s", "kbps"),
    [
        (0.0, LOWEST_KBPS),  # nothing is known: the lowest comes soonest
        (2_000.0, LOWEST_KBPS),
        (12_000.0, 24),  # a second of it takes a quarter of a second
        (48_000.0, 96),
        (1e6, 2000),
    ],
)
def test_the_first_second_comes_in_a_quarter_of_one(known_bytes_per_s, kbps):
    assert first_kbps(AUTO, None, known_bytes_per_s) == kbps


def test_what_the_listener_wants_goes_before_what_is_known_of_the_link():
    assert first_kbps(AT_96, None) == 96
    assert first_kbps(AT_96, None, 1e6) == 96


@pytest.mark.parametrize(
    ("settings", "profile", "kbps"),
    [
        (AUTO, NORMAL, 80),
        (AUTO, THRIFTY, 48),
        (AT_96, THRIFTY, 48),
        (AT_96, Profile("more", top_kbps=128), 96),
    ],
)
def test_no_more_than_the_budget_leaves(settings, profile, kbps):
    assert first_kbps(settings, limits_of(profile), 40_000.0) == kbps


def test_a_start_asks_for_its_own_rendition_or_the_one_that_is_given():
    track = made_track(3).track
    assert Start().wanted(24, None) == Wanted(24, INLINE_BYTES)
    assert Start(bitrate_kbps=96).wanted(24, None).bitrate_kbps == 96
    start = Start(first_segment=70, inline_bytes=9000, inline_segments=2)
    assert start.wanted(24, track) == Wanted(24, 9000, 70, track, 2)
