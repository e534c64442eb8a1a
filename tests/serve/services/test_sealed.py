"""Whose calls are taken for stale, where somebody else floods a server with seals of a time ahead."""

from __future__ import annotations

from types import SimpleNamespace

from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.replay import NONCES_REMEMBERED, WINDOW_FUTURE_MS, Origin
from lightpeer.core.trust.seals import NONCE_BYTES, ClientSeals
from lightpeer.errors import RpcError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.access.node import Node
from lightpeer.serve.services.sealed import SealedCalls

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
