"""What playing may cost on which network."""

from __future__ import annotations

import pytest

from lightpeer.core.budget.profile import (
    NORMAL,
    THRIFTY,
    UNMETERED,
    Limits,
    Profile,
    WayOut,
    all_profiles,
    limits_of,
    name_for,
)


def test_the_three_that_are_built_in_give_these_limits():
    assert limits_of(THRIFTY) == Limits(48, 1_000_000, 0.0)
    assert limits_of(NORMAL) == Limits(None, 2_000_000, 0.10)
    assert limits_of(UNMETERED) == Limits(None, 8_000_000, 0.10)
    assert {p.day_mb for p in (THRIFTY, NORMAL, UNMETERED)} == {None}


def test_a_person_s_own_profile_takes_the_place_of_a_built_in_one():
    own = (Profile("train", top_kbps=24), Profile("normal", day_mb=50))
    profiles = all_profiles(own)
    assert list(profiles) == ["thrifty", "normal", "unmetered", "train"]
    assert profiles["normal"].day_mb == 50
    assert profiles["thrifty"] is THRIFTY


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        *[("eth0", "normal"), ("enp3s0", "normal"), ("wlan0", "normal"), ("wlp2s0", "normal")],
        *[("br0", "normal"), ("bond0", "normal")],
        *[("wwan0", "thrifty"), ("ppp0", "thrifty"), ("rmnet_data0", "thrifty"), ("ccmni1", "thrifty")],
        *[("tun0", "thrifty"), ("usb0", "thrifty"), ("v4-rmnet0", "thrifty"), ("", "thrifty")],
    ],
)
def test_cable_and_wireless_lan_are_normal_and_what_may_be_a_phone_s_is_thrifty(interface, name):
    assert name_for(WayOut(interface), {}) == name


def test_a_network_s_own_profile_is_found_by_ssid_and_then_by_interface():
    networks = {"Café": "thrifty", "wlan0": "unmetered", "tun0": "train"}
    assert name_for(WayOut("wlan0", "Café"), networks) == "thrifty"
    assert name_for(WayOut("wlan0", "Home"), networks) == "unmetered"
    assert name_for(WayOut("tun0"), networks) == "train"
    assert name_for(WayOut("eth0"), networks) == "normal"


@pytest.mark.parametrize(("top_kbps", "kept_to"), [(None, 48), (96, 48), (24, 24)])
def test_a_bitrate_is_kept_within_the_limits(top_kbps: int | None, kept_to: int) -> None:
    assert Limits(top_kbps, 1_000_000, 0.0).at_most_kbps(48) == kept_to
