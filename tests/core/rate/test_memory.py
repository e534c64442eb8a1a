"""The remembered rates of networks, and their file."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rate.memory import FORGET_S, MAX_NETWORKS, Downlinks
from lightpeer.errors import BadMessageError

NOW = 1_750_000_000.0
HOME, RADIO = "192.168.1.0/24", "2001:db8:1:2::/64"


def test_what_was_noted_is_there_and_the_rest_is_nothing():
    downlinks = Downlinks()
    downlinks.note(HOME, 5_000_000, NOW)
    downlinks.note(RADIO, 40_000, NOW)
    downlinks.note(RADIO, 50_000, NOW + 1)
    assert downlinks.rate_bytes_per_s(HOME, NOW) == 5_000_000
    assert downlinks.rate_bytes_per_s(RADIO, NOW) == 50_000
    assert downlinks.rate_bytes_per_s("10.0.0.0/24", NOW) == 0


def test_it_is_forgotten_after_a_while_and_when_there_are_too_many():
    downlinks = Downlinks()
    for number in range(MAX_NETWORKS):
        downlinks.note(f"10.0.{number}.0/24", 1000, NOW)
    downlinks.note("10.0.0.0/24", 1000, NOW)
    downlinks.note(HOME, 1000, NOW)
    assert len(downlinks) == MAX_NETWORKS
    assert downlinks.rate_bytes_per_s("10.0.0.0/24", NOW) == 1000
    assert downlinks.rate_bytes_per_s("10.0.1.0/24", NOW) == 0
    assert downlinks.rate_bytes_per_s(HOME, NOW + FORGET_S) == 0


@pytest.mark.parametrize(("noted", "kept"), [(0.0, 100.0), (1e12, 1e9)])
def test_a_rate_that_no_link_has_is_brought_within_reason(noted, kept):
    downlinks = Downlinks()
    downlinks.note(HOME, noted, NOW)
    assert downlinks.rate_bytes_per_s(HOME, NOW) == kept


def test_the_file_keeps_it():
    downlinks = Downlinks()
    downlinks.note(HOME, 5_000_000, NOW)
    downlinks.note(RADIO, 40_000.4, NOW + 0.6)
    data = downlinks.to_bytes()
    again = Downlinks.from_bytes_untrusted(data)
    assert again.to_bytes() == data
    assert again.rate_bytes_per_s(RADIO, NOW) == 40_000
    assert len(Downlinks.from_bytes_untrusted(Downlinks().to_bytes())) == 0


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["lightpeer downlinks 2", ""],
        ["lightpeer downlinks 1"],
        ["lightpeer downlinks 1", "192.168.1.0/24 1 1"],
        ["lightpeer downlinks 1", "192.168.1.0/24 1", ""],
        ["lightpeer downlinks 1", "here 1 1", ""],
        ["lightpeer downlinks 1", "192.168.1.0/24 much 1", ""],
        ["lightpeer downlinks 1", "192.168.1.0/24 nan 1", ""],
        ["lightpeer downlinks 1", "192.168.1.0/24 -1 1", ""],
        ["lightpeer downlinks 1", "192.168.1.0/24 1 -1", ""],
        ["lightpeer downlinks 1", "192.168.1.0/24 inf 1", ""],
        ["lightpeer downlinks 1", "192.168.1.0/24 1 inf", ""],
        ["ä"],
    ],
)
def test_a_file_that_is_not_whole_is_told_of(lines):
    with pytest.raises(BadMessageError):
        Downlinks.from_bytes_untrusted("\n".join(lines).encode())


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else(data):
    with contextlib.suppress(BadMessageError):
        Downlinks.from_bytes_untrusted(b"lightpeer downlinks 1\n" + data)
