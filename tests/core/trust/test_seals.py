"""Seals that fit one place in one call only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.replay import NOWHERE, ReplayGuard
from lightpeer.core.trust.seals import ClientSeals, ServerSeals, open_record_untrusted, seal_record
from lightpeer.errors import SealError
from tests.core.hostile import is_refused, variants

CLIENT = Identity(b"\x01" * 32)
SERVER = Identity(b"\x02" * 32)
OTHER = Identity(b"\x03" * 32)
PATH = "/loudp2p.v1.Streams/Open"
NOW = 1_700_000_000_000
NONCE = b"n" * 12


def client(recipient=SERVER.peer_id, *, who=CLIENT, path=PATH, time_ms=NOW, nonce=NONCE):
    return ClientSeals(who, path, time_ms=time_ms, nonce=nonce, recipient=recipient)


def server(*, who=SERVER, path=PATH, guard=None):
    return ServerSeals(who, path, guard or ReplayGuard(), NOWHERE)


def called(asking=None, answering=None):
    """A call whose first request is through."""
    asking, answering = asking or client(), answering or server()
    assert answering.open_request_untrusted(asking.seal_request(b"request"), NOW) == b"request"
    return asking, answering


def refusal(action, *args):
    with pytest.raises(SealError) as caught:
        action(*args)
    return caught.value.reason


# Calls that are as they should be


def test_a_call_both_ways():
    asking, answering = called()
    assert answering.peer_id == CLIENT.peer_id
    for reply in (b"first", b"", b"third"):
        assert asking.open_reply_untrusted(answering.seal_reply(reply)) == reply
    for request in (b"second", b""):
        assert answering.open_request_untrusted(asking.seal_request(request), NOW) == request


def test_what_repeats_is_sent_once():
    asking, answering = called()
    assert len(client().seal_request(b"")) == 114
    assert len(asking.seal_request(b"")) == 69
    assert len(answering.seal_reply(b"")) == 91
    assert len(answering.seal_reply(b"")) == 69


def test_a_caller_that_knows_only_an_address_learns_who_answers():
    asking, answering = called(client(recipient=None))
    assert asking.peer_id is None
    asking.open_reply_untrusted(answering.seal_reply(b"reply"))
    assert asking.peer_id == SERVER.peer_id
    assert answering.open_request_untrusted(asking.seal_request(b"more"), NOW) == b"more"


def test_signatures_are_deterministic():
    assert client().seal_request(b"x") == client().seal_request(b"x")


def test_a_reply_needs_a_request():
    with pytest.raises(AssertionError):
        server().seal_reply(b"x")


# What is refused


def test_nothing_but_the_sealed_bytes_passes():
    sealed = client().seal_request(b"\x0a\x03abc")
    for variant in variants(sealed):
        assert refusal(server().open_request_untrusted, variant, NOW) in {"missing", "changed", "stale"}


def test_nothing_but_the_sealed_reply_passes():
    _, answering = called()
    sealed = answering.seal_reply(b"reply")
    for variant in variants(sealed):
        asking = client()
        asking.seal_request(b"request")
        assert refusal(asking.open_reply_untrusted, variant) in {"missing", "changed", "foreign"}


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message(data):
    assert is_refused(lambda d: server().open_request_untrusted(d, NOW), data)
    assert is_refused(client().open_reply_untrusted, data)
    assert is_refused(open_record_untrusted, data)
    _, answering = called()
    assert is_refused(lambda d: answering.open_request_untrusted(d, NOW), data)


@pytest.mark.parametrize(
    "place",
    [{"recipient": OTHER.peer_id}, {"path": "/loudp2p.v1.Streams/Pull"}],
    ids=["for another peer", "for another method"],
)
def test_a_request_for_another_place(place):
    sealed = client(**place).seal_request(b"x")
    assert refusal(server().open_request_untrusted, sealed, NOW) == "changed"


def test_a_request_under_a_false_name():
    sealed = bytearray(client().seal_request(b"x"))
    at = sealed.index(CLIENT.peer_id)
    sealed[at : at + 20] = OTHER.peer_id
    assert refusal(server().open_request_untrusted, bytes(sealed), NOW) == "changed"


def test_later_requests_fit_their_index_and_their_call():
    asking, answering = called()
    second, third = asking.seal_request(b"2"), asking.seal_request(b"3")
    assert refusal(answering.open_request_untrusted, third, NOW) == "changed"
    assert answering.open_request_untrusted(second, NOW) == b"2"
    assert refusal(answering.open_request_untrusted, second, NOW) == "changed"
    asking2, answering2 = called(client(nonce=b"m" * 12))
    assert refusal(answering2.open_request_untrusted, second, NOW) == "changed"
    assert answering2.open_request_untrusted(asking2.seal_request(b"2"), NOW) == b"2"


def test_a_request_sent_back_is_no_reply():
    asking, _ = called()
    assert refusal(asking.open_reply_untrusted, asking.seal_request(b"x")) == "missing"


def test_replies_fit_their_call_their_index_and_their_client():
    asking, answering = called()
    first, second = answering.seal_reply(b"1"), answering.seal_reply(b"2")
    assert refusal(asking.open_reply_untrusted, second) == "missing"
    other, _ = called(client(nonce=b"m" * 12))
    assert refusal(other.open_reply_untrusted, first) == "changed"
    stranger, _ = called(client(who=OTHER))
    assert refusal(stranger.open_reply_untrusted, first) == "changed"
    asking.open_reply_untrusted(first)
    assert refusal(asking.open_reply_untrusted, first) == "missing"
    assert asking.open_reply_untrusted(second) == b"2"


def test_a_reply_of_another_peer_than_the_one_called():
    asking = client()
    impostor = ServerSeals(OTHER, PATH, ReplayGuard(), NOWHERE)
    impostor.open_request_untrusted(client(recipient=OTHER.peer_id).seal_request(b"request"), NOW)
    assert refusal(asking.open_reply_untrusted, impostor.seal_reply(b"reply")) == "foreign"


# Time and replays


@pytest.mark.parametrize(
    ("offset_ms", "fresh"),
    [(0, True), (-540_000, True), (-540_001, False), (60_000, True), (60_001, False), (-NOW, False)],
)
def test_the_window_of_time(offset_ms, fresh):
    sealed = client(time_ms=NOW + offset_ms).seal_request(b"x")
    if fresh:
        assert server().open_request_untrusted(sealed, NOW) == b"x"
    else:
        assert refusal(server().open_request_untrusted, sealed, NOW) == "stale"


def test_a_replay_is_refused_for_as_long_as_it_is_fresh():
    guard = ReplayGuard()
    sealed = client(time_ms=NOW + 60_000).seal_request(b"x")
    server(guard=guard).open_request_untrusted(sealed, NOW)
    for later in (0, 1, 300_000, 600_000):
        assert refusal(server(guard=guard).open_request_untrusted, sealed, NOW + later) == "replayed"
    assert refusal(server(guard=guard).open_request_untrusted, sealed, NOW + 600_001) == "stale"


def test_what_is_refused_does_not_use_up_the_nonce():
    guard = ReplayGuard()
    sealed = client().seal_request(b"x")
    refusal(server(guard=guard).open_request_untrusted, b"y" + sealed, NOW)
    assert server(guard=guard).open_request_untrusted(sealed, NOW) == b"x"


def test_two_peers_may_draw_the_same_nonce():
    guard = ReplayGuard()
    server(guard=guard).open_request_untrusted(client().seal_request(b"x"), NOW)
    assert server(guard=guard).open_request_untrusted(client(who=OTHER).seal_request(b"x"), NOW) == b"x"


# Records


def test_a_record_is_its_subjects_whoever_brings_it():
    sealed = seal_record(CLIENT, b"record")
    assert len(sealed) == 6 + 91
    assert open_record_untrusted(sealed) == (CLIENT.peer_id, b"record")


def test_nothing_but_the_sealed_record_passes():
    sealed = seal_record(CLIENT, b"record")
    for variant in variants(sealed):
        assert refusal(open_record_untrusted, variant) in {"missing", "changed"}


def test_a_record_is_no_message_of_a_call():
    record = seal_record(SERVER, b"record")
    assert refusal(server().open_request_untrusted, record, NOW) == "missing"
    assert refusal(client().open_reply_untrusted, record) == "changed"
