"""Sources that hold up, starve, flood or flap: as long as one honest source serves the track, it plays."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from lightpeer.client.client import open_client
from lightpeer.core.content.manifest import (
    SAMPLE_RATE,
    Description,
    build_manifest,
    parse_manifest_untrusted,
    track_id_of,
)
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.records import build_record, parse_record_untrusted
from lightpeer.core.udp.datagram import Data, PathToken, Unit, build_data, build_path
from lightpeer.core.udp.sender import StreamSender
from lightpeer.errors import RpcError, StreamFailedError
from lightpeer.net.network import Address
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.server import Context, Requests, stream_stream
from lightpeer.serve.services import streams as service
from lightpeer.testing.host import EPOCH_S, SimHost
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import PHONE, Heard, stream
from tests.pair import MadeTrack, Serving, made_track, serving, settings

GiveUnit = Callable[[Unit], bytes | None]
PULL = "/loudp2p.v1.Streams/Pull"


def corrupt_streams(server: Serving, corrupt: Callable[[GiveUnit], GiveUnit]) -> None:
    """Let a server's UDP streams give other units than they hold; b"" makes an empty DATA, None nothing."""
    opened = server.streams.open

    def open_stream(**terms: object) -> object:
        result = opened(**terms)
        sender = server.streams._streams[result.stream_id].sender
        build, held = sender._build, {}
        give = corrupt(held.get)

        def build_or_keep(unit: Unit, payload: bytes, *when: float) -> tuple[bytes, Address]:
            held[unit] = payload
            given = give(unit)
            return (b"", sender._address) if given is None else build(unit, given, *when)

        sender._build = build_or_keep
        return result

    server.streams.open = open_stream


def spoil_pull(server: Serving, function: Callable[[Requests, Context], Awaitable[None]]) -> None:
    server.rpc._handlers[PULL] = stream_stream(function)


def hear(tmp_path: Path, made: MadeTrack, spoil: Callable[[Serving], None], *, udp: bool = True) -> Heard:
    """Stream a track that a spoilt server is met with first, and an honest one serves too."""

    async def main(net: SimInternet) -> Heard:
        net.block_udp(not udp)
        async with (
            serving(net.host("10.0.0.1"), [made]) as bad,
            serving(net.host("10.0.0.2"), [made]) as good,
            open_client(settings(tmp_path, bad, good, buffer_bytes=105_000), net.host(PHONE)) as client,
        ):
            spoil(bad)
            return await stream(client, made)

    return simulate(main)


@pytest.mark.parametrize("units", [3, 60])
def test_a_source_that_answers_with_empty_data_holds_nothing_up(tmp_path: Path, units: int) -> None:
    def starve(give: GiveUnit) -> GiveUnit:
        given = iter(range(units))
        return lambda unit: b"" if next(given, None) is None else give(unit)

    heard = hear(tmp_path, made_track(60), lambda bad: corrupt_streams(bad, starve))
    assert heard.session.playout.rebuffers == 0


def test_a_source_that_keeps_back_one_unit_of_each_object_costs_no_gap(tmp_path: Path) -> None:
    def keep_back(give: GiveUnit) -> GiveUnit:
        return lambda unit: None if unit.unit == 2 and unit.segment > 5 else give(unit)

    heard = hear(tmp_path, made_track(60), lambda bad: corrupt_streams(bad, keep_back))
    assert heard.session.playout.rebuffers == 0


def test_a_source_that_takes_what_is_asked_over_grpc_and_sends_nothing_holds_nothing_up(
    tmp_path: Path,
) -> None:
    async def mute(_requests: Requests, _context: Context) -> None:
        await trio.sleep_forever()

    heard = hear(tmp_path, made_track(60), lambda bad: spoil_pull(bad, mute), udp=False)
    assert set(heard.told("source_lost", "reason")) <= {"it sends nothing"}
    assert len(heard.renditions) == 60
    assert heard.session.playout.rebuffer_s < 3  # met first, with nothing in the buffer yet


def test_a_source_that_sends_what_was_not_asked_for_over_grpc_is_a_liar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liars: list[object] = []
    wanted = service.wanted_segments

    def others(request: pb.PullRequest, stored: MadeTrack) -> Iterator[tuple[int, int]]:
        for rendition, segment in wanted(request, stored):
            yield rendition, 0 if stored is liars[0] else segment

    def spoil(bad: Serving) -> None:
        liars.append(made_track(60))
        bad.shelf.tracks = dict.fromkeys(bad.shelf.tracks, liars[0])

    monkeypatch.setattr(service, "wanted_segments", others)
    heard = hear(tmp_path, made_track(60), spoil, udp=False)
    assert heard.told("source_lost", "reason") == ["a segment that was not asked for"]
    assert heard.session.playout.rebuffer_s < 1


# What was not asked for


MakeDatagram = Callable[[StreamSender, int], bytes]


class Flood:
    """Datagrams to a phone's port from a source's address, a hundred each tenth of a second: 10 Mbit/s.

    None to make them with: what the source sent last, again.
    """

    def __init__(self, phone: SimHost, source: Serving, make: MakeDatagram | None) -> None:
        self.phone, self.source = phone, source
        self.make = make or (lambda _sender, _number: self.seen)
        self.taken_bytes = 0
        self.seen = b""
        phone.net.mutate = self._see

    def _see(self, data: bytes, source: Address, _target: Address) -> bytes:
        if source[0] == self.source.host.address and len(data) > 1000:
            self.seen = data
        return data

    @property
    def _sender(self) -> StreamSender | None:
        streams = list(self.source.streams._streams.values())
        return streams[-1].sender if streams else None

    async def run(self, *, follows: bool) -> None:
        """Begin once music plays; by whoever has seen the first port, or the source itself."""
        await trio.sleep(3.0)
        port = 0
        for number in itertools.count():
            if number % 100 == 0:
                await trio.sleep(0.1)
            if (sender := self._sender) is None or sender._address is None:
                continue
            port = sender._address[1] if follows or not port else port
            if (socket := self.phone.udp.get(port)) is not None:
                datagram = self.make(sender, number)
                self.taken_bytes += len(datagram)
                socket.take(datagram, (self.source.host.address, self.source.streams.port))


def junk(_sender: StreamSender, number: int) -> bytes:
    return number.to_bytes(4, "big") * 300


def new_paths(sender: StreamSender, number: int) -> bytes:
    return build_path(PathToken(sender.stream_id, 1000 + number, number), sender._keys)


def units_that_nobody_asked_for(sender: StreamSender, number: int) -> bytes:
    return build_data(Data(sender.stream_id, 1, 0.0, Unit(7, number, 0), bytes(1200)), sender._keys)


@pytest.mark.parametrize("make", [junk, None])
def test_an_honest_source_outlives_what_others_send_in_its_name(
    tmp_path: Path, make: MakeDatagram | None
) -> None:
    """Who has seen a datagram of its stream knows our port until we leave it."""
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as honest,
            open_client(settings(tmp_path, honest, buffer_bytes=105_000), phone) as client,
            trio.open_nursery() as nursery,
        ):
            flood = Flood(phone, honest, make)
            nursery.start_soon(partial(flood.run, follows=False))
            heard = await stream(client, made)
            assert heard.told("source_lost", "reason") == []
            assert heard.session.playout.rebuffers == 0
            nursery.cancel_scope.cancel()
        assert 100_000 < flood.taken_bytes < 400_000, "of 70 MB"

    simulate(main)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (junk, "more comes from its address than was asked for"),
        (None, "more comes from its address than was asked for"),
        (units_that_nobody_asked_for, "it sends what was not asked for"),
        (new_paths, "it sends what was not asked for"),
    ],
)
def test_a_source_that_floods_us_wherever_we_are_is_dropped(
    tmp_path: Path, make: MakeDatagram | None, reason: str
) -> None:
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as bad,
            serving(net.host("10.0.0.2"), [made]) as good,
            open_client(settings(tmp_path, bad, good, buffer_bytes=105_000), phone) as client,
            trio.open_nursery() as nursery,
        ):
            flood = Flood(phone, bad, make)
            nursery.start_soon(partial(flood.run, follows=True))
            heard = await stream(client, made)
            assert reason in heard.told("source_lost", "reason")
            assert heard.session.playout.rebuffers == 0
            nursery.cancel_scope.cancel()
        assert 1000 < flood.taken_bytes < 1_000_000, "of 70 MB"

    simulate(main)


def test_a_source_that_lies_is_scored_down(tmp_path: Path) -> None:
    made = made_track(60)

    def spoil(give: GiveUnit) -> GiveUnit:
        return lambda unit: bytes(len(give(unit) or b""))

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE)
        async with (
            serving(net.host("10.0.0.1"), [made]) as bad,
            serving(net.host("10.0.0.2"), [made]) as good,
            open_client(settings(tmp_path, bad, good, buffer_bytes=105_000), phone) as client,
        ):
            for server in (bad, good):
                record = build_record(server.identity, [server.address], 1, 1, EPOCH_S + 3600)
                client.cache.add(parse_record_untrusted(record, EPOCH_S), server.identity.peer_id, EPOCH_S)
            corrupt_streams(bad, spoil)
            await stream(client, made)
            assert client.cache.get(bad.identity.peer_id).misbehaviour > 0.9
            assert client.cache.get(good.identity.peer_id).misbehaviour == 0

    simulate(main)


def test_a_source_that_fails_again_and_again_is_not_asked_again_and_again(tmp_path: Path) -> None:
    made = made_track(60)

    async def refuse(_requests: Requests, _context: Context) -> None:
        raise RpcError(StatusCode.UNAVAILABLE, "not now")

    async def main(net: SimInternet) -> None:
        net.block_udp()
        async with (
            serving(net.host("10.0.0.1"), [made]) as bad,
            open_client(settings(tmp_path, bad), net.host(PHONE)) as client,
        ):
            spoil_pull(bad, refuse)
            with trio.move_on_after(60.0) as scope:
                await stream(client, made)
            assert scope.cancelled_caught
            assert bad.shelf.opens < 10

    simulate(main)


def test_a_track_that_is_padded_costs_no_more_than_its_opening(tmp_path: Path) -> None:
    """Each byte is its manifest's; but what is called 24 kbit/s would cost 400."""
    padded = made_track(200, kbps=[400])
    renditions = [(24_000, b"header", padded.tables[0])]
    manifest = build_manifest(
        Description(
            title="Song",
            artist="",
            album="",
            duration_samples=200 * SAMPLE_RATE,
            gain_q8_db=0,
            segment_count=200,
        ),
        renditions=renditions,
    )
    track = parse_manifest_untrusted(manifest, track_id_of(manifest))
    made = replace(padded, manifest=manifest, track=track)

    async def main(net: SimInternet) -> None:
        carried, carry = [], net.carry
        net.carry = lambda packet: (carried.append(packet.size), carry(packet))
        async with (
            serving(net.host("10.0.0.1"), [made]) as bad,
            open_client(settings(tmp_path, bad), net.host(PHONE)) as client,
        ):
            with pytest.raises(ExceptionGroup) as failed:
                await stream(client, made)
            assert failed.group_contains(StreamFailedError, match="every peer that offers this track")
        assert sum(carried) < 400_000, "of the 3 MB of a minute"

    simulate(main)
