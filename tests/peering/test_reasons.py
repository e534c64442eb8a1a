"""Reasons in plain words: no code of gRPC, and no error of the system."""

from __future__ import annotations

import pytest

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import BadMessageError, RpcError, Unreached
from lightpeer.peering.reasons import plain_reason, unreached_sentence

HERE = ("music.example.org", 47474)
RAW = "cannot connect to ('127.0.0.1', 5544): Error connecting"


@pytest.mark.parametrize("unreached", list(Unreached))
def test_each_kind_has_a_cause_and_a_remedy(unreached):
    cause, remedy = unreached_sentence(unreached, HERE)
    assert HERE[0] in cause
    assert remedy.startswith("check") or "check the port" in remedy
    assert plain_reason(RpcError(StatusCode.UNAVAILABLE, RAW, unreached=unreached), HERE) == cause


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RpcError(StatusCode.UNAVAILABLE, RAW), "the connection to music.example.org:47474 is lost"),
        (RpcError(StatusCode.DEADLINE_EXCEEDED, "x"), "music.example.org:47474 does not answer"),
        (RpcError(StatusCode.RESOURCE_EXHAUSTED, "asked too often"), "asked too often"),
        (RpcError(StatusCode.INTERNAL), "the peer's answer was INTERNAL"),
        (BadMessageError("it lies"), "it lies"),
    ],
)
def test_other_errors_say_it_themselves(error, says):
    assert plain_reason(error, HERE) == says
