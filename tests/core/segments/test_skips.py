"""Skips in a row: only the last is opened, and little is asked at once."""

from __future__ import annotations

from lightpeer.core.segments.skips import INLINE_S, LEAST_INLINE_BYTES, RECENT_S, SETTLED_S, STORM_S, Skips


def test_a_single_skip_is_obeyed_at_once():
    skips = Skips()
    assert skips.open_at < 0
    skips.on_skip(10.0)
    assert skips.open_at == 10.0
    skips.on_skip(10.0 + STORM_S)
    assert skips.open_at == 10.0 + STORM_S


def test_of_several_the_last_is_opened_once_they_have_ended():
    skips = Skips()
    for now in (10.0, 10.5, 11.0):
        skips.on_skip(now)
    assert skips.open_at == 11.0 + SETTLED_S


def test_little_comes_at_once_while_skipping_on_a_slow_link():
    skips = Skips()
    assert skips.inline_bytes(16_000, 10_000, 0.0) == 16_000
    skips.on_skip(10.0)
    assert skips.inline_bytes(16_000, 10_000, 10.0) == int(10_000 * INLINE_S)
    assert skips.inline_bytes(16_000, 100, 10.0) == LEAST_INLINE_BYTES
    assert skips.inline_bytes(16_000, 1_000_000, 10.0) == 16_000
    assert skips.inline_bytes(16_000, 0.0, 10.0) == 16_000, "nothing is known of the link"
    assert skips.inline_bytes(16_000, 10_000, 10.0 + RECENT_S) == 16_000
