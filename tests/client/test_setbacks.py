"""What a person is told when no peer could be asked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.client.setbacks import Setbacks
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.errors import BadMessageError, NoPeerError, NothingFoundError, StreamFailedError

US = Identity(b"\x01" * 32).peer_id
PEER = SimpleNamespace(name="10.0.0.1:1", address=("10.0.0.1", 1))


@pytest.mark.parametrize(
    ("is_any_known", "says"), [(False, "no peer is known"), (True, "no peer can be reached")]
)
def test_without_setbacks_nobody_is_known_or_nobody_reached(is_any_known, says):
    error = Setbacks().error(is_any_known=is_any_known)
    assert isinstance(error, NoPeerError)
    assert str(error).startswith(says)


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
