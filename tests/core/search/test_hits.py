"""Hits merged and ranked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightpeer.core.search.hits import MAX_HOLDERS, MAX_MATCHES, MAX_OVER, Findings, each_once
from lightpeer.core.trust.bounds import MAX_HITS
from tests.core.search.made import PEERS, URI, peer, track
from tests.pair import made_track


class TestFindings:
    def test_a_track_comes_once_and_then_only_its_further_holders(self):
        findings = Findings("song", 10)
        assert findings.add(track("Song", PEERS[0])) == track("Song", PEERS[0])
        assert findings.add(track("Song", PEERS[0])) is None
        assert findings.add(track("Song", PEERS[1], PEERS[0], PEERS[1])) == track("Song", PEERS[1])
        assert findings.add(track("Other", PEERS[1])) == track("Other", PEERS[1])
        assert findings.ranked() == [track("Song", PEERS[0], PEERS[1]), track("Other", PEERS[1])]
        assert findings.missing == 8

    def test_what_is_here_needs_no_holder(self):
        findings = Findings("song", 2)
        assert findings.add(track("Song")) == track("Song")
        assert findings.add(track("Song")) is None
        assert findings.add(track("Song", PEERS[0])) == track("Song", PEERS[0])
        assert findings.missing == 1

    def test_the_limit_is_of_tracks_and_further_holders_are_still_taken(self):
        findings = Findings("song", 1)
        findings.add(track("Song", PEERS[0]))
        assert findings.missing == 0
        assert findings.add(track("Other", PEERS[0])) is None
        assert findings.add(track("Song", *PEERS)) == track("Song", *PEERS[1:MAX_HOLDERS])
        assert findings.add(track("Song", *PEERS)) is None

    def test_the_limit_of_a_uri_is_of_holders(self):
        findings = Findings(URI, 6)
        findings.add(track("Song", *PEERS[:5]))
        assert findings.missing == 1
        assert findings.add(track("Other", PEERS[6])) is None
        assert findings.add(track("Song", *PEERS)) == track("Song", PEERS[5])
        assert findings.missing == 0

    @pytest.mark.parametrize("uri", [URI, "loud:malformed"])
    def test_another_track_than_the_one_named_does_not_stand_in_for_it(self, uri):
        findings = Findings(uri, 6)
        assert findings.add(track("Other", PEERS[0])) is None
        assert not findings.tracks

    def test_a_uri_found_here_alone_is_one_holder(self):
        findings = Findings(URI, 1)
        findings.add(track("Song"))
        assert findings.missing == 0

    def test_one_neighbour_fills_half_of_what_is_wanted_until_others_had_their_time(self):
        findings = Findings("song", 4)
        told = [findings.add(track(f"Lie {n}", PEERS[n]), told_by="liar") for n in range(4)]
        assert told == [track("Lie 0", PEERS[0]), track("Lie 1", PEERS[1]), None, None]
        assert findings.add(track("Lie 0", PEERS[5]), told_by="liar") == track("Lie 0", PEERS[5])
        far = peer(9, "7.8.9.1")
        assert findings.add(track("Song", far), told_by="other") == track("Song", far)
        assert findings.missing == 1
        assert findings.add_rest() == [track("Lie 2", PEERS[2])]
        assert findings.add_rest() == []
        assert findings.missing == 0

    def test_one_network_of_holders_fills_half_whoever_tells_of_it(self):
        findings = Findings("song", 4)
        for n in range(3):
            findings.add(track(f"Lie {n}", peer(n + 1)), told_by=n)
        assert len(findings.tracks) == 2
        assert findings.add(track("Song", peer(9, "7.8.9.1")), told_by="other") is not None
        assert findings.add(track("Here"), told_by="other") is not None

    def test_of_one_track_a_neighbour_names_half_of_the_holders(self):
        findings = Findings(URI, 4)
        assert findings.add(track("Song", *PEERS[:4]), told_by="liar") == track("Song", *PEERS[:2])
        assert findings.add(track("Song", *PEERS[:4]), told_by="liar") is None
        assert findings.add(track("Song", PEERS[0], PEERS[5]), told_by="other") == track("Song", PEERS[5])
        assert findings.add(track("Song", PEERS[0]), told_by="other") is None
        assert findings.missing == 1
        assert findings.add_rest() == [track("Song", PEERS[2])]

    def test_what_is_kept_beyond_shares_is_bounded(self):
        findings = Findings("song", 2)
        for n in range(MAX_OVER + 9):
            findings.add(track(f"Lie {n}", PEERS[0]), told_by="liar")
        assert len(findings._over) == MAX_OVER

    def test_titles_with_the_words_come_first_and_then_what_many_hold(self):
        findings = Findings("copper RAIN", 10)
        a, b = track("Copperfield", PEERS[0], PEERS[1]), track("Rain", PEERS[0])
        c, d, e = track("x", PEERS[0]), track("Copper Rain", PEERS[0]), track("y", PEERS[0])
        for found in (a, b, c, d, e):
            findings.add(found)
        assert findings.ranked() == [d, b, a, c, e]


@pytest.mark.parametrize("belied", ["title", "artist", "album"])
def test_a_hit_is_held_against_the_manifest(belied):
    made = made_track(1, title="Song", artist="Somebody", album="Album").track
    said = track("Song")
    assert said.is_said_by(made)
    assert not replace(said, **{belied: "x"}).is_said_by(made)


def test_what_came_since_the_last_reply_is_each_track_once():
    news = [track("Song", PEERS[0]), track("Other", PEERS[0]), track("Song", PEERS[1], PEERS[2])]
    assert each_once(news) == [track("Song", *PEERS[:3]), track("Other", PEERS[0])]


def test_what_is_said_of_matches_is_the_most_that_a_peer_said_up_to_a_bound():
    findings = Findings("song", 10)
    findings.note_said(30, 0)
    findings.note_said(20, 4)
    findings.note_said(0, 3)
    assert (findings.matches, findings.preparing) == (30, 4)
    findings.note_said(10**9, 10**9)
    assert (findings.matches, findings.preparing) == (MAX_MATCHES, MAX_HITS)
