"""Track ids as people see them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.uri import format_uri, is_uri, named_track, parse_uri
from lightpeer.errors import UsageError


def test_uris():
    assert is_uri(format_uri(bytes(32)))
    assert not is_uri("four words of a title")
    assert parse_uri(format_uri(bytes(32))) == bytes(32)


@given(st.binary(min_size=32, max_size=32))
def test_uris_come_back(track_id):
    assert parse_uri(format_uri(track_id)) == track_id


@pytest.mark.parametrize(
    "text", ["", "loud:", "loud:abc", "loud:0OIl", format_uri(bytes(31)), format_uri(bytes(32))[5:], "loud:é"]
)
def test_what_is_no_uri(text):
    with pytest.raises(UsageError, match="not a track id"):
        parse_uri(text)


def test_a_query_names_a_track_only_by_a_whole_uri():
    assert named_track(format_uri(b"t" * 32)) == b"t" * 32
    assert named_track("loud music") is None
    assert named_track("loud:abc") is None
