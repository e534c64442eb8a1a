"""What a source is known by: each is a key of its own, and what is not known of a peer decides nothing."""

from __future__ import annotations

import math

import pytest

from lightpeer.core.segments.handle import PeerState
from lightpeer.core.segments.source import Source
from tests.core.segments.scripted import hand, new_shared, peer_id, wish


def test_two_sources_of_one_peer_are_two_keys():
    shared, peer = new_shared(), PeerState(peer_id("a"), "a")
    first, second = (Source(shared, peer, 0.0) for _ in range(2))
    assert len({first, second}) == 2
    wish(shared, 2)
    hand(shared, first, 0.0)
    first.close()
    assert (first.is_closed, second.is_closed) == (True, False)


@pytest.mark.parametrize(("tcp_bytes_per_s", "expected"), [(math.inf, 50_000.0), (20_000.0, 20_000.0)])
def test_no_more_is_expected_of_a_peer_than_its_answer_came_with(tcp_bytes_per_s, expected):
    """A link that gives TCP no more does not police UDP; before that is measured it limits nothing."""
    peer = PeerState(peer_id("a"), "a")
    assert peer.tcp_bytes_per_s == math.inf
    peer.tcp_bytes_per_s = tcp_bytes_per_s
    source = Source(new_shared(), peer, 0.0)
    source.limit(beside=0, share_bytes_per_s=50_000.0)
    assert source.transport.path.share_bytes_per_s == expected


def test_a_peer_that_was_only_named_stands_and_was_never_heard():
    peer = PeerState(None, "10.0.0.1:47474")
    assert (peer.is_alive, peer.is_gone, peer.rtt_s) == (True, False, None)
    assert peer.heard_at < 0.0, "before any time"
