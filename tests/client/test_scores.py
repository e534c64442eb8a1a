"""What a client learns of peers, and what it keeps of that."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.client.scores import Scores
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted

NOW = 1_750_000_000
ME, THEM = Identity(b"\x01" * 32), Identity(b"\x02" * 32)


def record(identity: Identity = THEM, *, sequence: int = NOW, host: str = "5.6.7.8"):
    data = build_record(identity, [(host, 1)], Role.SERVES, sequence, NOW + 600)
    return parse_record_untrusted(data, NOW)


class Stage:
    def __init__(self) -> None:
        self.cache = PeerCache()
        self.changes = 0
        self.scores = Scores(SimpleNamespace(cache=self.cache, note_change=self._note_change), lambda: NOW)
        self.places: list[object] = []
        self.peer = SimpleNamespace(
            peer_id=THEM.peer_id,
            host="9.9.9.9",
            name="them",
            unix_time=lambda: NOW + 5,
            learn_places=self.places.append,
        )

    def _note_change(self) -> None:
        self.changes += 1


@pytest.fixture
def on() -> Stage:
    return Stage()


def test_records_are_remembered_and_a_peers_own_tells_it_its_places(on):
    on.scores.learn([record(), None, record(ME)], on.peer)
    assert (len(on.cache), on.changes, on.places) == (2, 2, [record()])


def test_the_newest_record_is_what_counts(on):
    old, new = record(sequence=NOW - 9), record(host="5.6.7.9")
    assert on.scores.newest(old) == old
    on.scores.learn([new], on.peer)
    assert on.scores.newest(old) == new
    assert on.scores.newest(new) == new


def test_records_that_cannot_be_believed_are_left_out(on):
    home = record(ME, host="192.168.0.9").data  # told from far away
    assert on.scores.sound_untrusted([record().data, b"junk", home], on.peer) == [record()]


def test_records_are_judged_by_the_peers_clock(on):
    assert on.scores.record_time(on.peer) == NOW + 5


def test_answers_errors_and_taste_are_kept(on):
    on.scores.learn([record()], on.peer)
    entry = on.cache.get(THEM.peer_id)
    on.scores.on_answer(on.peer, 0.2)
    on.scores.on_served(on.peer, 64_000, 2.0)
    on.scores.on_failure(on.peer.peer_id)
    on.scores.on_misbehaviour(on.peer)
    on.scores.on_listened(on.peer)
    on.scores.on_listened(on.peer)
    on.scores.on_skipped(on.peer)
    assert (entry.successes, entry.failures, entry.misbehaviour) == (1, 1, 1)
    assert (entry.rtt_s, entry.goodput_bytes_per_s) == (0.2, 32_000.0)
    assert on.scores.taste(THEM.peer_id) == 1
    assert on.scores.taste(ME.peer_id) == 0
    assert on.changes == 1 + 7


def test_a_peer_without_an_id_has_no_score(on):
    on.peer.peer_id = None
    on.scores.on_answer(on.peer, 0.2)
    on.scores.on_served(on.peer, 1, 1.0)
    on.scores.on_failure(None)
    on.scores.on_misbehaviour(on.peer)
    on.scores.on_listened(on.peer)
    on.scores.on_skipped(on.peer)
    assert (len(on.cache), on.changes) == (0, 0)


def test_how_many_can_be_asked(on):
    assert not on.scores.has_known(0)
    on.scores.learn([record()], on.peer)
    assert on.scores.has_known(0)
    assert not on.scores.has_known(1)
