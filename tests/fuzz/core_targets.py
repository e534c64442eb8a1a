"""Targets in the cores: frames, header fields, messages, seals, records, content, datagrams, our files."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b, sha256
from ipaddress import ip_address, ip_network

from lightpeer.audio.opus import OpusHead, build_opus_head, parse_opus_head_untrusted
from lightpeer.core.addresses import parse_endpoint_untrusted
from lightpeer.core.budget.usage import Usage
from lightpeer.core.content.cue_sheet import parse_cue_untrusted
from lightpeer.core.content.hash_tree import root_by
from lightpeer.core.content.kept_blocks import MOST_OBJECTS, build_block, parse_block_untrusted
from lightpeer.core.content.manifest import (
    MAX_HEADER_BYTES,
    Description,
    build_manifest,
    content_digest,
    parse_manifest_untrusted,
    parse_table_untrusted,
    track_id_of,
)
from lightpeer.core.content.playlist import (
    build_playlist,
    edited_playlist_untrusted,
    parse_playlist_untrusted,
)
from lightpeer.core.lan.dns import Message, Question, build_message
from lightpeer.core.lan.dns import parse_message_untrusted as parse_dns_untrusted
from lightpeer.core.lan.mdns import Mdns
from lightpeer.core.lan.services import SERVICE, Heard, Own
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.rate.memory import Downlinks
from lightpeer.core.rpc.client import ClientConnection
from lightpeer.core.rpc.client_call import CallTerms
from lightpeer.core.rpc.frame_gate import FrameGate, GoAway
from lightpeer.core.rpc.framing import MessageDecoder, accepts_gzip_untrusted, encode_message
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import ServerConnection
from lightpeer.core.rpc.status import (
    code_from_header_untrusted,
    decode_message_text_untrusted,
    decode_timeout_untrusted,
    split_headers_untrusted,
)
from lightpeer.core.search.replies import ReplyReader
from lightpeer.core.segments.scheduler import Scheduler, SourceLied
from lightpeer.core.segments.tables import Tables
from lightpeer.core.trust.identity import Identity
from lightpeer.core.trust.messages import parse_body_untrusted, parse_message_untrusted
from lightpeer.core.trust.records import (
    build_record,
    check_scope_untrusted,
    parse_record_untrusted,
    restore_record_untrusted,
)
from lightpeer.core.trust.replay import NOWHERE, ReplayGuard
from lightpeer.core.trust.seals import ClientSeals, ServerSeals, open_record_untrusted, seal_record
from lightpeer.core.udp.datagram import (
    Data,
    DatagramKeys,
    PathToken,
    Pull,
    Unit,
    UnitRange,
    build_data,
    build_path,
    build_pull,
    parse_answer_untrusted,
    parse_pull_untrusted,
)
from lightpeer.core.udp.opening import Opening
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.fuzz import wire
from tests.fuzz.half import LIMITS
from tests.fuzz.target import refusals, target
from tests.pair import made_track

NOW_S = 1_800_000_000
US, THEM = Identity(b"\1" * 32), Identity(b"\2" * 32)
KEYS = DatagramKeys(b"p" * 32, b"d" * 32)
RECORD = build_record(THEM, [("192.0.2.1", 47474), ("peer.example", 47474)], 1, NOW_S, NOW_S + 3600)
TRACK = made_track(66, kbps=(24, 48))
LONG = made_track(4097, kbps=(1, 2))  # the shortest whose manifest has but the root of its tables
HIT = pb.Hit(track_id=bytes(32), title="ö", duration_ms=5, bitrates_kbps=[24, 48], holders=[0, 1])
OPEN_REPLY = pb.OpenReply(
    manifest=TRACK.manifest,
    ephemeral_key=THEM.public_key,
    udp_port=4747,
    stream_id=7,
    path_token=8,
    chunks=[pb.Chunk(rendition=0, segment=0xFF0000, data=TRACK.tables[0][0])],
)
SEARCH_REPLY = pb.SearchReply(hits=[HIT], peers=[RECORD, bytes(20)], open=OPEN_REPLY)
KINDS = [
    pb.ExchangeRequest,
    pb.ExchangeReply,
    pb.Announcement,
    pb.AnnounceReply,
    pb.SearchRequest,
    pb.SearchReply,
    pb.OpenRequest,
    pb.OpenReply,
    pb.PullRequest,
    pb.Chunk,
    pb.PeerRecord,
]


@target(
    "core.rpc.framing.accepts_gzip_untrusted",
    "core.rpc.framing.Frame.message_untrusted",
    "core.rpc.framing.inflate_untrusted",
    "core.rpc.framing.MessageDecoder.receive_untrusted",
    "core.rpc.framing.MessageDecoder._length_untrusted",
    seeds=[b"\x05" + encode_message(b"plain") + encode_message(b"pressed", gzip=True)],
)
def framing(data: bytes) -> None:
    accepts_gzip_untrusted(data)
    decoder, step = MessageDecoder(1000, b"gzip"), 1 + data[0] if data else 1
    with refusals():
        for at in range(1, len(data), step):
            decoder.receive_untrusted(data[at : at + step])
            while decoder.has_message:
                assert len(decoder.take().message_untrusted(1000)) <= 1000


@target(
    "core.rpc.status.code_from_header_untrusted",
    "core.rpc.status.decode_message_text_untrusted",
    "core.rpc.status.decode_timeout_untrusted",
    "core.rpc.status.split_headers_untrusted",
    "core.rpc.status._decode_binary_untrusted",
    seeds=[b"5S", b"%E2%98%BA", b":status\x00200\nk-bin\x00AAE,AA==\ngrpc-status\x007"],
)
def header_fields(data: bytes) -> None:
    code_from_header_untrusted(data)
    assert isinstance(decode_message_text_untrusted(data), str)
    with refusals():
        assert decode_timeout_untrusted(data) >= 0
    with refusals():
        fields = tuple(line.partition(b"\0")[::2] for line in data.split(b"\n"))
        split_headers_untrusted(fields, 1000)


@target(
    "core.rpc.frame_gate.FrameGate.receive_untrusted",
    "core.rpc.frame_gate._parse_goaway_untrusted",
    seeds=[b"\x03" + wire.frame(4) + wire.frame(7, bytes(8) + b"so"), b"\xff" + wire.frame(6, bytes(8))],
)
def frames(data: bytes) -> None:
    gate, step = FrameGate(is_server=False), 1 + data[0] if data else 1
    passed = 0
    with refusals():
        for at in range(1, len(data), step):
            for piece in gate.receive_untrusted(data[at : at + step], at / 1000):
                passed += 0 if isinstance(piece, GoAway) else len(piece)
    assert passed <= len(data)


@target(
    "core.rpc.wire.Wire.receive_untrusted",
    seeds=[
        wire.frame(4)
        + wire.frame(1, wire.block(wire.RESPONSE), flags=4, stream_id=1)
        + wire.frame(0, wire.message(b"reply"), stream_id=1)
        + wire.frame(1, wire.block([(b"grpc-status", b"0")]), flags=5, stream_id=1)
    ],
)
def client_half(data: bytes) -> None:
    """Whatever a server sends ends each call with a status."""
    half = ClientConnection("h:1", LIMITS, 0.0)
    call = half.start("/a.B/C", 0.0, CallTerms(expects_one=True))
    call.send(b"request", end=True)
    half.data_to_send()
    half.receive(data, 1.0)
    call.take()
    half.data_to_send()
    half.receive(b"", 2.0)
    assert call.status is not None


@target(
    "core.rpc.request.read_request_untrusted",
    "core.rpc.wire.Wire.receive_untrusted",
    seeds=[
        wire.frame(4)
        + wire.frame(1, wire.block([*wire.REQUEST, (b"grpc-timeout", b"1S")]), flags=4, stream_id=1)
        + wire.frame(0, wire.message(b"request"), flags=1, stream_id=1)
    ],
)
def server_half(data: bytes) -> None:
    half = ServerConnection(Limits(), 0.0)
    half.receive(wire.PREFACE + data, 1.0)
    while (call := half.next_event()) is not None:
        call.take()
    half.data_to_send()
    half.receive(b"", 2.0)
    assert not half.is_open


def tagged(body: bytes, key: bytes) -> bytes:
    return body + blake2b(body, digest_size=8, key=key).digest()


@target(
    "core.udp.datagram.parse_pull_untrusted",
    "core.udp.datagram.parse_answer_untrusted",
    "core.udp.datagram._checked_untrusted",
    seeds=[
        build_pull(Pull(7, 1, 1000, 8, 0, [UnitRange(0, 1, 0, 2)]), KEYS),
        build_data(Data(7, 1, 0.1, Unit(0, 1, 0), b"payload"), KEYS),
        build_path(PathToken(7, 1, 8), KEYS),
    ],
)
def datagrams(data: bytes) -> None:
    """As they are, and with a tag that is right: behind it there is still anything."""
    for pull in (data, tagged(data[:-8], KEYS.pull)):
        with refusals():
            assert len(parse_pull_untrusted(pull, KEYS).ranges) <= 64
    for answer in (data, tagged(data[:-8], KEYS.data)):
        with refusals():
            parse_answer_untrusted(answer, KEYS)


def _client() -> ClientSeals:
    return ClientSeals(US, "/a.B/C", time_ms=NOW_S * 1000, nonce=bytes(12), recipient=THEM.peer_id)


def _server() -> ServerSeals:
    return ServerSeals(THEM, "/a.B/C", ReplayGuard(), NOWHERE)


def _sealed_reply() -> bytes:
    server = _server()
    server.open_request_untrusted(_client().seal_request(b"q"), NOW_S * 1000)
    return server.seal_reply(b"reply")


@target(
    "core.trust.identity.Identity.shared_secret_untrusted",
    "core.trust.seals.ClientSeals.open_reply_untrusted",
    "core.trust.seals.ServerSeals.open_request_untrusted",
    "core.trust.seals.ServerSeals._open_first_untrusted",
    "core.trust.seals.open_record_untrusted",
    "core.trust.seals._split_untrusted",
    "core.trust.identity.signer_untrusted",
    "core.trust.seals._named_untrusted",
    "core.trust.seals._verify_untrusted",
    seeds=[_client().seal_request(b"request"), _sealed_reply(), RECORD, THEM.public_key],
)
def seals(data: bytes) -> None:
    client, server = _client(), _server()
    with refusals():
        US.shared_secret_untrusted(data)
    with refusals():
        assert data.startswith(client.open_reply_untrusted(data))
    with refusals():
        server.open_request_untrusted(data, NOW_S * 1000)
        server.open_request_untrusted(data, NOW_S * 1000)
    with refusals():
        open_record_untrusted(data)


@target(
    "core.trust.records.parse_record_untrusted",
    "core.trust.records.restore_record_untrusted",
    "core.trust.records._record_untrusted",
    "core.trust.records.check_scope_untrusted",
    "core.addresses.parse_endpoint_untrusted",
    seeds=[RECORD, RECORD[:-91], b"[2001:db8::1]:47474", b"peer.example:1"],
)
def records(data: bytes) -> None:
    for record in (data, seal_record(THEM, data[:300])):
        with refusals():
            found = parse_record_untrusted(record, NOW_S)
            assert 1 <= len(found.endpoints) <= 4
            check_scope_untrusted(found, "192.0.2.7")
    with refusals():
        restore_record_untrusted(data)
    with refusals():
        host, port = parse_endpoint_untrusted(data.decode("utf-8", "replace"))
        assert host
        assert 0 < port < 65536


@target(
    "core.trust.messages.parse_body_untrusted",
    "core.trust.messages.parse_message_untrusted",
    seeds=[
        bytes((KINDS.index(type(message)),)) + message.SerializeToString()
        for message in (
            SEARCH_REPLY,
            OPEN_REPLY,
            pb.ExchangeReply(records=[RECORD], observed="192.0.2.1:5"),
            pb.PullRequest(track_id=bytes(32), ranges=[pb.Range(rendition=1, first=2, count=3)]),
        )
    ],
)
def messages(data: bytes) -> None:
    kind = KINDS[data[0] % len(KINDS)] if data else KINDS[0]
    with refusals():
        parse_message_untrusted(kind, data[1:])
    with refusals():
        assert not parse_body_untrusted(kind, data[1:]).HasField("seal")


LAN_PEER = Own(THEM.peer_id, None, 47474)
LAN_RESPONSE = build_message(Message(0, True, [], LAN_PEER.records("192.168.0.5")))
LAN_QUERY = build_message(Message(7, False, [Question(SERVICE, 12)], LAN_PEER.records("192.168.0.5")))


@target(
    "core.lan.dns.parse_message_untrusted",
    "core.lan.dns.count_entries_untrusted",
    "core.lan.dns._header_untrusted",
    "core.lan.dns._question_untrusted",
    "core.lan.dns._record_untrusted",
    "core.lan.dns._value_untrusted",
    "core.lan.dns._name_untrusted",
    seeds=[LAN_RESPONSE, LAN_QUERY],
)
def local_network(data: bytes) -> None:
    """Whatever a host sends, contacts are of this network, few, and answers small and rare."""
    with refusals():
        parse_dns_untrusted(data)
    core = Mdns(Heard([ip_network("192.168.0.0/24")]), Own(US.peer_id, None, 1), "192.168.0.1", bytes, 0.0)
    for number in range(20):
        core.receive(data, ("192.168.0.9", 5353 if number % 2 else 9999), number / 20)
        core.handle_timeout(number / 20)
    while (found := core.next_found()) is not None:
        assert all(ip_address(contact.address[0]) in ip_network("192.168.0.0/24") for contact in found[1])
    sent = list(iter(core.next_datagram, None))
    assert len(sent) <= 20
    assert all(len(datagram) < 1500 for datagram, _ in sent)


@target(
    "core.content.playlist.parse_playlist_untrusted",
    "core.content.playlist.edited_playlist_untrusted",
    "core.content.playlist._blocks_untrusted",
    seeds=[f"#EXTM3U\n#EXTINF:12,A - B\n{TRACK.track.uri}\nhttp://x\nloud:x\n".encode()],
)
def playlist(data: bytes) -> None:
    with refusals():
        found = parse_playlist_untrusted(data)
        assert parse_playlist_untrusted(build_playlist(found.entries).encode()) == (found.entries, 0)
        emptied = edited_playlist_untrusted(data, {entry.uri for entry in found.entries}, found.entries[:1])
        assert parse_playlist_untrusted(emptied.encode()) == (found.entries[:1], found.foreign)


@target(
    "core.content.cue_sheet.parse_cue_untrusted",
    seeds=[
        b'REM DATE 1999\nFILE "a.flac" WAVE\nTRACK 01 AUDIO\nTITLE "A"\nINDEX 01 00:00:00',
        b"FILE a.wav WAVE\nTRACK 02 AUDIO\nINDEX 01 01:02:03\nTRACK 03 AUDIO\nINDEX 01 01:02:74",
    ],
)
def cue_sheets(data: bytes) -> None:
    with refusals():
        for file in parse_cue_untrusted(data).files:
            assert len(file.tracks) <= 99
            assert list(file.tracks) == sorted(file.tracks)


@target(
    "core.content.album.place_untrusted",
    "core.content.manifest.parse_manifest_untrusted",
    "core.content.manifest._rendition_untrusted",
    "core.content.manifest.parse_table_untrusted",
    "core.content.manifest.SegmentTable.check_untrusted",
    seeds=[TRACK.manifest, TRACK.tables[0][1], TRACK.tables[1][0]],
)
def content(data: bytes) -> None:
    """Under an id of its own, so that it is its form that counts."""
    with refusals():
        track = parse_manifest_untrusted(data, track_id_of(data))
        assert 1 <= len(track.renditions) <= 8
        assert all(len(r.header) <= MAX_HEADER_BYTES for r in track.renditions)
    count = min(64, max(1, len(data) // 18))
    manifest = build_manifest(
        Description(
            title="",
            artist="",
            album="",
            duration_samples=48_000,
            gain_q8_db=0,
            segment_count=count,
        ),
        renditions=[(24_000, b"", [data])],
    )
    with refusals():
        track = parse_manifest_untrusted(manifest, track_id_of(manifest))
        table = parse_table_untrusted(data, track, 0, 0)
        assert sum(table.sizes) <= 6000 * count
        table.check_untrusted(0, data)


@target(
    "core.content.manifest.parse_table_untrusted",
    "core.segments.tables.Tables.put_untrusted",
    seeds=[LONG.tables[0][1], LONG.tables[0][64], LONG.tables[1][1]],
)
def long_content(data: bytes) -> None:
    """A table of a track whose manifest has but the root, and one whose root the bytes themselves lead to."""
    for number in (1, 64):
        tables = Tables(LONG.track)
        with refusals():
            tables.put_untrusted(0, number, data)
            assert data == LONG.tables[0][number]
    table, path = data[: -7 * 16], data[-7 * 16 :]
    root = root_by(content_digest(table), 1, path)
    rendition = LONG.track.renditions[0]._replace(table_digests=(root,))
    with refusals():
        parsed = parse_table_untrusted(data, replace(LONG.track, renditions=(rendition,)), 0, 1)
        assert len(parsed.sizes) == len(parsed.digests) == 64


@target(
    "core.segments.tables.Tables.put_untrusted",
    "core.segments.tables.Tables._remember_untrusted",
    seeds=[TRACK.segments[0][1], TRACK.tables[0][0]],
)
def scheduler(data: bytes) -> None:
    """An object of a source is what the manifest leads to, or the source lies."""
    for table in (data, TRACK.tables[0][0]):
        core = Scheduler(TRACK.track)
        core.wish(0, 1)
        core.queue.next_objects("source", 8, 0.0)
        core.on_object("source", 0, 0xFF0000, table)
        core.queue.next_objects("source", 8, 0.0)
        core.on_object("source", 0, 1, data)
        while (event := core.next_event()) is not None:
            assert isinstance(event, SourceLied) or event.data == TRACK.segments[0][1]


@target(
    "core.search.replies.ReplyReader.read_untrusted",
    "core.search.replies.ReplyReader._peer_untrusted",
    "core.search.replies.ReplyReader._recorded_untrusted",
    "core.search.replies.ReplyReader._hit_untrusted",
    "core.search.replies._track_untrusted",
    seeds=[b"\x01" + SEARCH_REPLY.SerializeToString(), b"\x00" + SEARCH_REPLY.SerializeToString()],
)
def hits(data: bytes) -> None:
    reader = ReplyReader("words", 5, data[0] if data else 0, "192.0.2.7")
    with refusals():
        reply = parse_body_untrusted(pb.SearchReply, data[1:])
        for _ in range(2):
            assert len(reader.read_untrusted(reply, NOW_S)) <= 5


@target(
    "core.udp.opening.Opening.accept_untrusted",
    "core.udp.opening.Opening._terms_untrusted",
    "core.udp.opening.present_untrusted",
    seeds=[OPEN_REPLY.SerializeToString()],
)
def opening(data: bytes) -> None:
    with refusals():
        reply = parse_body_untrusted(pb.OpenReply, data)
        for track in (None, TRACK.track):
            with refusals():
                track_id = sha256(reply.manifest).digest()
                exchange = Opening(bytes(31) + b"\1")
                opened = exchange.accept_untrusted(
                    reply, track_id=track_id, client=US.peer_id, server=THEM.peer_id, track=track
                )
                assert opened.udp is None or 0 < opened.udp.port < 65536
                assert 0 < opened.present <= len(opened.track.renditions)


def _usage() -> bytes:
    usage = Usage()
    usage.count("thrifty", 5, 1.75e9)
    return usage.to_bytes()


def _cache() -> bytes:
    cache = PeerCache()
    cache.add(parse_record_untrusted(RECORD, NOW_S), THEM.peer_id, NOW_S)
    return cache.to_bytes()


@target(
    "core.overlay.peer_cache.PeerCache.from_bytes_untrusted",
    "core.overlay.peer_entry.unpack_entries_untrusted",
    "core.overlay.peer_entry._entry_untrusted",
    "core.rate.memory.Downlinks.from_bytes_untrusted",
    "core.budget.usage.Usage.from_bytes_untrusted",
    "core.budget.usage._seconds_untrusted",
    "core.budget.usage._whole_untrusted",
    seeds=[_cache(), _usage(), Downlinks().to_bytes(), Downlinks().to_bytes() + b"192.0.2.0/24 5 5\n"],
)
def files(data: bytes) -> None:
    """Files of ours, which anything may have happened to; also with a checksum that is right."""
    for cache in (data, data[:-16] + blake2b(data[:-16], digest_size=16).digest()):
        with refusals():
            PeerCache.from_bytes_untrusted(cache)
    for parse_untrusted in (Downlinks.from_bytes_untrusted, Usage.from_bytes_untrusted):
        with refusals():
            parse_untrusted(data)


def _block(*sizes: int) -> bytes:
    return build_block([((0, number), bytes(size)) for number, size in enumerate(sizes)])


@target("core.content.kept_blocks.parse_block_untrusted", seeds=[_block(5), _block(0, 70_000, 3)])
def kept_blocks(data: bytes) -> None:
    """What may lie on the disk; also with a digest of the head that is right."""
    count = min(int.from_bytes(data[4:6], "big"), MOST_OBJECTS)
    head = data[: 6 + 8 * count]
    for block in (data, head + blake2b(head, digest_size=8).digest()):
        with refusals():
            objects, end = parse_block_untrusted(block, 10)
            assert [placed.at + placed.size for placed in objects] == [*(p.at for p in objects[1:]), end]


@target("audio.opus.parse_opus_head_untrusted", seeds=[build_opus_head(OpusHead(2, 312))])
def opus_head(data: bytes) -> None:
    with refusals():
        assert parse_opus_head_untrusted(data).channels
