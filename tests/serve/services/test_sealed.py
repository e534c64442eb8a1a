"""Sealed calls: refused requests, and stale seals under a flood from elsewhere."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.core.guard.rules import Rules
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.core.trust.records import build_record
from lightpeer.core.trust.replay import NONCES_REMEMBERED, WINDOW_FUTURE_MS, WINDOW_PAST_MS, Origin
from lightpeer.core.trust.seals import NONCE_BYTES, ClientSeals
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.access.access import Access
from lightpeer.serve.access.node import Node
from lightpeer.serve.services.sealed import TIME_METADATA, SealedCalls
from lightpeer.testing.host import EPOCH_S
from tests.serve.services.desk import (
    CLIENT,
    PACKAGE,
    REQUESTS,
    SERVER,
    STRANGER,
    Desk,
    Each,
    FakeContext,
    listed,
    refused,
    with_desk,
)

ME, THEM = Identity(b"\x01" * 32), Identity(b"\x02" * 32)
NOW_S = 1_700_000_000
PATH = "/loudp2p.v1.Index/Search"


def refusal(calls: SealedCalls, host: str, ahead_ms: int) -> str | None:
    """Have a call come in from a host whose clock is ahead; tell why it is refused, if it is."""
    context = SimpleNamespace(path=PATH, peer_address=(host, 1), prove=lambda: None)
    nonce = host.encode()[:NONCE_BYTES].ljust(NONCE_BYTES)
    time_ms = NOW_S * 1000 + ahead_ms
    seals = ClientSeals(THEM, PATH, time_ms=time_ms, nonce=nonce, recipient=ME.peer_id)
    try:
        calls.begin(context).open(seals.seal_request(b""), pb.SearchRequest)
    except RpcError as error:
        return error.details().partition(":")[0]
    return None


def test_who_floods_a_server_with_times_ahead_makes_its_own_network_stale_alone():
    calls = SealedCalls(Node.open_to_all(ME, SimpleNamespace(unix_time=lambda: NOW_S)))
    now_ms = NOW_S * 1000
    for number in range(NONCES_REMEMBERED // 4):
        origin = Origin("20.0.0.1", "20.0") if number < NONCES_REMEMBERED // 8 else Origin("", "20.0")
        calls._guard.remember(b"%d" % number, now_ms + WINDOW_FUTURE_MS, now_ms, origin)
    assert refusal(calls, "20.0.0.1", 30_000) == "stale"
    assert refusal(calls, "20.0.9.1", 30_000) == "stale"
    assert refusal(calls, "20.0.9.1", 0) is None
    assert refusal(calls, "30.0.0.1", 30_000) is None


def spoil(desk: Desk, how: str, method: str, body: bytes) -> list[bytes]:
    """The requests of a call of which the last is not acceptable."""
    if how == "unsealed":
        return [body]
    if how == "empty":
        return [b""]
    if how == "stale":
        return [desk.seals(method, age_ms=WINDOW_PAST_MS + 1).seal_request(body)]
    if how == "for another peer":
        return [desk.seals(method, recipient=STRANGER).seal_request(body)]
    if how == "for another method":
        return [desk.seals("Streams/Other").seal_request(body)]
    if how == "foreign":
        sealed = desk.seals(method, identity=STRANGER).seal_request(body)
        return [sealed.replace(STRANGER.peer_id, CLIENT.peer_id)]
    sealed = bytearray(desk.seals(method).seal_request(body))
    sealed[1] ^= 1
    return [bytes(sealed)]


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("unsealed", "missing"),
        ("empty", "missing"),
        ("stale", "stale"),
        ("for another peer", "changed"),
        ("for another method", "changed"),
        ("foreign", "changed"),
        ("changed", "changed"),
    ],
)
def test_nothing_runs_behind_a_bad_seal(method, how, reason) -> None:
    async def test(desk):
        error = await refused(
            desk.send(method, *spoil(desk, how, method, REQUESTS[method].SerializeToString()))
        )
        assert error.code() == StatusCode.UNAUTHENTICATED
        assert error.details().startswith(reason + ": ")
        time = [(TIME_METADATA, str(EPOCH_S * 1000))] if reason == "stale" else []
        assert list(error.trailing_metadata()) == time
        assert (desk.library.searched, len(desk.table), len(desk.peers)) == (0, 0, 0)

    with_desk(test)


@pytest.mark.parametrize("method", REQUESTS)
def test_a_replayed_request_is_refused(method) -> None:
    async def test(desk):
        request = REQUESTS[method]
        if method == "Discovery/Announce":
            request = pb.Announcement(record=build_record(CLIENT, [("10.0.0.2", 1)], 1, 1, EPOCH_S + 60))
        sealed = desk.seals(method).seal_request(request.SerializeToString())
        await desk.send(method, sealed)
        error = await refused(desk.send(method, sealed))
        assert error.code() == StatusCode.UNAUTHENTICATED
        assert error.details().startswith("replayed")

    with_desk(test)


@pytest.mark.parametrize("method", REQUESTS)
def test_a_caller_that_does_not_know_our_id_is_answered(method) -> None:
    async def test(desk):
        if method == "Discovery/Announce":
            return
        seals = desk.seals(method, recipient=None)
        replies = await desk.send(method, seals.seal_request(REQUESTS[method].SerializeToString()))
        assert replies
        seals.open_reply_untrusted(replies[0])
        assert seals.peer_id == SERVER.peer_id

    with_desk(test)


@pytest.mark.parametrize("how", ["repeated", "swapped", "changed", "missing", "of another caller"])
def test_each_later_request_of_a_stream_has_its_own_seal(how) -> None:
    async def test(desk):
        seals = desk.seals("Streams/Pull")
        first, second, third = (
            seals.seal_request(REQUESTS["Streams/Pull"].SerializeToString()) for _ in range(3)
        )
        other = desk.seals("Streams/Pull", identity=STRANGER)
        other.seal_request(b"")
        then = {
            "repeated": [first],
            "swapped": [third, second],
            "changed": [bytes([second[0] ^ 1]) + second[1:]],
            "missing": [b""],
            "of another caller": [other.seal_request(REQUESTS["Streams/Pull"].SerializeToString())],
        }[how]
        context = FakeContext(PACKAGE + "Streams/Pull")
        error = await refused(desk.services.pull(Each([first, *then]), context))
        assert error.code() == StatusCode.UNAUTHENTICATED
        assert len(context.written) == 1

    with_desk(test)


@pytest.mark.parametrize("method", REQUESTS)
def test_sealed_bytes_that_are_no_message_are_an_invalid_argument(method) -> None:
    async def test(desk):
        error = await refused(desk.send(method, desk.seals(method).seal_request(b"\xff\xff")))
        assert error.code() == StatusCode.INVALID_ARGUMENT

    with_desk(test)


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Rules(SERVER.peer_id, allow=listed(format_peer_id(STRANGER.peer_id))), "private"),
        (Rules(SERVER.peer_id, deny=listed(format_peer_id(CLIENT.peer_id))), "denied"),
        (Rules(SERVER.peer_id, deny=listed("10.0.0.0/24")), "denied"),
    ],
)
def test_whoever_may_not_listen_is_refused_at_every_method(method, rules, reason) -> None:
    access = Access(SERVER.peer_id)
    access.rules = rules

    async def test(desk):
        error = await refused(desk.call(method, REQUESTS[method], reply=pb.SearchReply))
        assert error.code() == StatusCode.PERMISSION_DENIED
        assert error.details().startswith(f"{reason}: ")
        assert desk.library.searched == 0
        assert len(desk.table) == 0
        if reason == "private" and method != "Discovery/Announce":
            sealed = desk.seals(method, STRANGER).seal_request(REQUESTS[method].SerializeToString())
            assert await desk.send(method, sealed)

    with_desk(test, access=access)
