"""Profiles and networks as a configuration writes them."""

from __future__ import annotations

import pytest

from lightpeer.core.budget.profile import THRIFTY, Profile
from lightpeer.core.budget.tables import MAX_PROFILES, parse_networks, parse_profiles


def test_a_built_in_profile_is_changed_and_another_begins_as_normal_does():
    tables = {"thrifty": {"month_mb": 500}, "train": {"top_kbps": 24, "buffer_kb": 8000, "day_mb": 12.5}}
    thrifty, train = parse_profiles(tables)
    assert thrifty == Profile("thrifty", 48, 1_000, 0.0, None, 500)
    assert train == Profile("train", 24, 8_000, 0.10, 12.5, None)


def test_any_rendition_is_auto_as_for_the_bitrate():
    (thrifty,) = parse_profiles({"thrifty": {"top_kbps": "auto"}})
    assert (thrifty.top_kbps, thrifty.buffer_kb) == (None, THRIFTY.buffer_kb)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        (["thrifty"], "at most 16 tables"),
        ({f"a{n}": {} for n in range(MAX_PROFILES + 1)}, "at most 16 tables"),
        ({"a b": {}}, "up to 32 letters"),
        ({"a" * 33: {}}, "up to 32 letters"),
        ({"auto": {}}, "and not auto"),
        ({"thrifty": 5}, r"tables \[profile.NAME\]"),
        (
            {"thrifty": {"top": 5}},
            r"no 'top' in \[profile.thrifty\], but top_kbps, buffer_kb, waste_share, day",
        ),
        ({"unmetered": {"day_mb": 5}}, r"no 'day_mb' in \[profile.unmetered\], but .*waste_share$"),
        ({"x": {"top_kbps": 5}}, r"top_kbps in \[profile.x\] is a whole number from 6 to 510 \(kbit/s\)"),
        ({"x": {"top_kbps": 48.5}}, "whole number"),
        ({"x": {"top_kbps": True}}, "whole number"),
        ({"x": {"buffer_kb": 255}}, "a whole number from 256 to 64000"),
        ({"x": {"buffer_kb": "auto"}}, "a whole number from 256 to 64000"),
        ({"x": {"waste_share": 0.11}}, "a number from 0 to 0.1"),
        ({"x": {"waste_share": float("nan")}}, "a number from 0 to 0.1"),
        ({"x": {"day_mb": 0}}, "a number from 0.1 to 1000000"),
        ({"x": {"month_mb": "5"}}, "a number from 0.1"),
    ],
)
def test_mistakes_are_named(tables, says):
    with pytest.raises(ValueError, match=says):
        parse_profiles(tables)


def test_networks_have_names_of_profiles():
    assert parse_networks({"wlan0": "normal", "My Home": "unmetered"}) == (
        ("wlan0", "normal"),
        ("My Home", "unmetered"),
    )
    for wrong in ("wlan0", {"wlan0": 5}):
        with pytest.raises(ValueError, match="for each SSID or interface"):
            parse_networks(wrong)
