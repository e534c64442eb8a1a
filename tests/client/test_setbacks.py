"""What a person is told when no peer could be asked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.client.setbacks import Setbacks
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.errors import (
    BadMessageError,
    NoPeerError,
    NothingFoundError,
    RpcError,
    StreamFailedError,
    Unreached,
    VerificationError,
)

US = Identity(b"\x01" * 32).peer_id
PEER = SimpleNamespace(name="10.0.0.1:1", address=("10.0.0.1", 1))


@pytest.mark.parametrize(
    ("is_any_known", "says"), [(False, "no peer is known"), (True, "no peer can be reached")]
)
def test_without_setbacks_nobody_is_known_or_nobody_reached(is_any_known, says):
    error = Setbacks().error(is_any_known=is_any_known)
    assert isinstance(error, NoPeerError)
    assert str(error).startswith(says)


def test_who_knows_nobody_is_told_all_ways_to_a_peer():
    says = str(Setbacks().error(is_any_known=False))
    assert all(way in says for way in ("lightpeer join INVITE", "--bootstrap", "lightpeer-serve", "network"))


@pytest.mark.parametrize("unreached", Unreached)
def test_each_cause_has_a_sentence_that_names_the_address_and_a_way_out(unreached):
    setbacks = Setbacks()
    setbacks.on_unreached(("peer.example", 1), unreached, 0)
    error = setbacks.error(is_any_known=True)
    assert isinstance(error, NoPeerError)
    says = str(error)
    assert says.startswith("no peer can be reached, as ")
    assert "peer.example" in says
    assert says.endswith(", or name another with --bootstrap HOST:PORT")
    others = {str(_error_of(other)) for other in Unreached if other is not unreached}
    assert says not in others


def _error_of(unreached):
    setbacks = Setbacks()
    setbacks.on_unreached(("peer.example", 1), unreached, 0)
    return setbacks.error(is_any_known=True)


def test_of_several_the_first_that_the_person_named_is_told():
    setbacks = Setbacks()
    for port, rank in enumerate((None, 0, 0, 1)):
        setbacks.on_unreached(("::1", port), Unreached.REFUSED, rank)
    assert "nobody listens at [::1]:1" in str(setbacks.error(is_any_known=True))


def test_what_answers_but_is_no_peer_is_told_of():
    setbacks = Setbacks()
    setbacks.on_failed(PEER, "there is no such method here")
    says = str(setbacks.error(is_any_known=True))
    assert says.startswith(
        "10.0.0.1:1 answers, but not as a peer (there is no such method here): check the port"
    )


def test_a_peer_that_was_asked_too_often_can_be_reached():
    setbacks = Setbacks()
    setbacks.on_unreached(("::1", 1), Unreached.REFUSED, 0)
    setbacks.on_too_often(PEER)
    says = str(setbacks.error(is_any_known=True))
    assert says.startswith("no peer answers now, as 10.0.0.1:1 was asked too often: wait a minute")


def test_one_that_broke_the_protocol_is_told_of_before_a_stranger():
    setbacks = Setbacks()
    setbacks.on_stranger(PEER, is_given=False)
    assert setbacks.warning is None, "a remembered peer has moved, and others are asked"
    stranger = setbacks.error(is_any_known=True)
    assert isinstance(stranger, NoPeerError)
    assert str(stranger).startswith("another peer than 10.0.0.1:1 answers at 10.0.0.1:1: check the id")
    setbacks.on_unsound(PEER, BadMessageError("a lie"))
    unsound = setbacks.error(is_any_known=True)
    assert isinstance(unsound, StreamFailedError)
    assert str(unsound).startswith("10.0.0.1:1 answered, but not by the protocol (a lie)")


def test_of_an_id_that_the_person_gave_it_is_warned_though_others_answer():
    setbacks = Setbacks()
    setbacks.on_stranger(PEER, is_given=True)
    says = "another peer than 10.0.0.1:1 answers at 10.0.0.1:1: check the id in --bootstrap"
    assert setbacks.warning == says


@pytest.mark.parametrize(
    ("reason", "says"),
    [("private", "ask its operator to let in this peer's id"), ("denied", "its operator has shut it out")],
)
def test_a_refusal_counts_where_the_person_named_the_peer(reason, says):
    setbacks = Setbacks()
    setbacks.on_refused(PEER, reason, US, is_given=False)
    assert not setbacks.was_refused
    assert isinstance(setbacks.error(is_any_known=True), NoPeerError)
    setbacks.on_refused(PEER, reason, US, is_given=True)
    setbacks.on_refused(SimpleNamespace(name="later"), reason, US, is_given=False)
    error = setbacks.error(is_any_known=True)
    assert isinstance(error, NothingFoundError)
    assert says in str(error)
    assert format_peer_id(US) in str(error)
    assert str(error).startswith("10.0.0.1:1")


def test_a_refusal_for_a_reason_that_is_not_known_is_none():
    setbacks = Setbacks()
    setbacks.on_refused(PEER, "tired", US, is_given=True)
    assert not setbacks.was_refused


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BadMessageError("a lie"), "answered, but not by the protocol (a lie)"),
        (RpcError(StatusCode.PERMISSION_DENIED, "private: go"), "is private: ask its operator"),
        (RpcError(StatusCode.RESOURCE_EXHAUSTED), "was asked too often"),
        (RpcError(StatusCode.DEADLINE_EXCEEDED), "10.0.0.1:1 does not answer"),
        (RpcError(StatusCode.UNAVAILABLE, unreached=Unreached.CLOSED), "closes the connection at once"),
        (RpcError(StatusCode.UNIMPLEMENTED, "HTTP 404"), "not as a peer (HTTP 404)"),
        (RpcError(StatusCode.UNKNOWN), "not as a peer (the peer's answer was UNKNOWN)"),
        (RpcError(StatusCode.UNAVAILABLE), "check the network"),
        (VerificationError("of another kind"), "check the network"),
    ],
)
def test_each_error_of_a_peer_has_its_sentence(error, says):
    setbacks = Setbacks()
    setbacks.on_error(PEER, error, 0, lambda: US)
    assert says in str(setbacks.error(is_any_known=True))
