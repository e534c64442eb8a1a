"""Targets around the cores: what a reply does to a client, and to a server that asks others."""

from __future__ import annotations

import struct
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import trio

from lightpeer.client.holders import accept_with_hit_untrusted
from lightpeer.client.scores import Scores
from lightpeer.core.addresses import scope_of
from lightpeer.core.content.manifest import track_id_of
from lightpeer.core.overlay.own_address import OwnAddress
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.search.hits import FoundTrack
from lightpeer.core.trust.messages import parse_body_untrusted
from lightpeer.core.trust.records import PeerRecord, parse_record_untrusted, told_records_untrusted
from lightpeer.errors import RemoteError, RpcError
from lightpeer.net.names import numeric_untrusted
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.peering.opener import Opener, Wanted
from lightpeer.peering.peer import Peer
from lightpeer.peering.sealing import TIME_METADATA, SealClock, Sealer
from lightpeer.rpc.health import _service_untrusted
from lightpeer.rpc.reflection import Reflection
from lightpeer.serve.access.node import Node
from lightpeer.serve.overlay.agreed_clock import AgreedClock
from lightpeer.serve.overlay.meeting import Meetings, Met
from lightpeer.serve.overlay.place import Place
from lightpeer.serve.overlay.walkers import Walkers
from tests.fuzz.core_targets import NOW_S, OPEN_REPLY, RECORD, THEM, US
from tests.fuzz.target import refusals, target

HOST = "192.0.2.7"  # of whoever answers


class Names:
    """A network where each name leads to what the input says, and nobody answers."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        if not self._addresses:
            raise OSError(f"{host} leads nowhere")
        return self._addresses

    def unix_time(self) -> float:
        return NOW_S

    def entropy(self, n: int) -> bytes:
        return bytes(n - 1) + b"\1"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@target("peering.sealing.SealClock.adopt_untrusted", seeds=[b"1800000000000", b"9" * 20])
def clock_of_a_peer(data: bytes) -> None:
    """A time that a server tells is taken, or it is not; what is sealed then fits its field."""
    clock = SealClock(Names([]))
    error = RpcError(StatusCode.UNAUTHENTICATED, "stale: so", [(TIME_METADATA, _text(data))])
    clock.adopt_untrusted(error)
    struct.pack("<Q", clock.now_ms())


@target("peering.peer.Peer._opened_untrusted", seeds=[pb.ExchangeReply(records=[RECORD]).SerializeToString()])
def reply(data: bytes) -> None:
    """With a seal that is right: the body may be anything."""
    channel: Any = None
    peer = Peer(channel, Sealer(US, Names([])), address=(HOST, 1))
    sealed = SimpleNamespace(open_reply_untrusted=lambda body: body, peer_id=THEM.peer_id)
    for kind in (pb.ExchangeReply, pb.SearchReply, pb.OpenReply, pb.Chunk):
        with refusals():
            assert isinstance(peer._opened_untrusted(sealed, data, kind), kind)
    assert peer.peer_id == THEM.peer_id


@target(
    "peering.opener.Opener.accept_untrusted",
    "client.holders.accept_with_hit_untrusted",
    "client.holders._check_said_untrusted",
    seeds=[OPEN_REPLY.SerializeToString()],
)
def opener(data: bytes) -> None:
    opener = Opener(US.peer_id, Names([]).entropy, Wanted(bitrate_kbps=48, inline_bytes=1000))
    with refusals():
        reply = parse_body_untrusted(pb.OpenReply, data)
        hit = FoundTrack(track_id_of(reply.manifest), "", "", "", 1, (), ())
        peer = SimpleNamespace(peer_id=THEM.peer_id, host=HOST)
        opened = accept_with_hit_untrusted(opener.begin(), pb.SearchReply(open=reply), hit, peer, opener)
        assert (opened.track.title, opened.track.artist, opened.track.album) == ("", "", "")


@target("rpc.health._service_untrusted", seeds=[b"\x0a\x03a.B"])
def health(data: bytes) -> None:
    with suppress(RpcError):
        assert isinstance(_service_untrusted(data), str)


_REFLECTION = Reflection(["loudp2p.v1.Index"])
_REFLECTION._load()


@target("rpc.reflection.Reflection._answer_untrusted", seeds=[b"\x3a\x00", b"\x22\x10loudp2p.v1.Index"])
def reflection(data: bytes) -> None:
    with suppress(RpcError):
        assert len(_REFLECTION._answer_untrusted(data).SerializeToString()) < 100_000


def _meetings(names: Names) -> Meetings:
    node = Node.open_to_all(US, names)
    return Meetings(node, PeerCache(own=US.peer_id), Place(OwnAddress(), 47474), AgreedClock(names))


@target(
    "core.trust.records.told_records_untrusted",
    "core.trust.records.told_record_untrusted",
    "serve.overlay.meeting.Meetings._records_untrusted",
    "client.scores.Scores.sound_untrusted",
    seeds=[RECORD, RECORD + b"\n\n" + RECORD],
)
def told_records(data: bytes) -> None:
    told = data.split(b"\n\n")
    assert len(told_records_untrusted(told, NOW_S, HOST, lambda _error: None)) <= 16
    meetings = _meetings(Names([]))
    meetings.clock.unix_time = lambda: NOW_S
    peer = SimpleNamespace(peer_id=THEM.peer_id, host=HOST, name="a peer")
    own, others = meetings._records_untrusted(told, peer)
    assert own is None or own.peer_id == THEM.peer_id
    assert all(record.peer_id not in {US.peer_id, THEM.peer_id} for record in others)
    scores = SimpleNamespace(record_time=lambda _peer: NOW_S)
    assert len(Scores.sound_untrusted(scores, told, peer)) <= 16


@target(
    "net.names.numeric_untrusted",
    "serve.overlay.walkers.Walkers._contact_untrusted",
    "serve.overlay.meeting.Meetings._take_observed_untrusted",
    seeds=[b"peer.example:5\n203.0.113.9\n10.0.0.1", b"198.51.100.1:47474", b"localhost:1\n127.0.0.1"],
)
def addresses(data: bytes) -> None:
    """An address that somebody told, and where its name leads: never into a narrower network."""
    trio.run(_addresses, *_text(data).split("\n")[:10])


class Anywhere:
    """A neighbourhood of nobody, whose names may lead anywhere."""

    def neighbours(self, n: int) -> list[PeerRecord]:
        return []

    def scope(self, peer_id: object) -> int:
        return 0

    def unix_time(self) -> float:
        return NOW_S

    def on_lie(self, peer_id: object) -> None:
        pass


async def _addresses(told: str, *leads_to: str) -> None:
    names = Names([host for host in leads_to if host])
    host, _, port = told.rpartition(":")
    endpoint = host, int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 1
    with refusals(), suppress(OSError):
        numeric, _ = await numeric_untrusted(names, endpoint, 0)
        assert scope_of(numeric) <= scope_of(host)
    neighbour = PeerRecord(THEM.peer_id, (endpoint,), 1, NOW_S, NOW_S + 60, b"")
    walkers = Walkers(Node.open_to_all(US, names), Anywhere())
    with suppress(RemoteError):
        await walkers._contact_untrusted(neighbour)
    meetings = _meetings(names)

    async def nobody(*_: object) -> None:
        raise RpcError(StatusCode.UNAVAILABLE, "nobody")

    meetings._exchange = nobody
    met = Met(THEM.peer_id, HOST, parse_record_untrusted(RECORD, NOW_S), [])
    await meetings._take_observed_untrusted(told, met)
