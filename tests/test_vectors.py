"""proto/vectors.json, checked twice: through lightpeer's cores, building and parsing, and by a second
implementation that is written from proto/README.md alone, with hashlib and coincurve.
"""

from __future__ import annotations

import hashlib
import json
import struct

import base58
import pytest

from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.manifest import (
    Description,
    build_manifest,
    build_table,
    parse_manifest_untrusted,
    parse_table_untrusted,
)
from lightpeer.core.content.uri import format_uri, parse_uri
from lightpeer.core.trust.identity import Identity, format_peer_id, parse_peer_id
from lightpeer.core.trust.records import build_record, parse_record_untrusted
from lightpeer.core.trust.replay import NOWHERE, ReplayGuard
from lightpeer.core.trust.seals import ClientSeals, ServerSeals, open_record_untrusted, seal_record
from lightpeer.core.udp import datagram
from tests.make_vectors import VECTORS, vectors

coincurve = pytest.importorskip("coincurve", reason="the second implementation signs with coincurve")

FILE = json.loads(VECTORS.read_text())
CONTENT, DATAGRAMS, RECORD = FILE["content"], FILE["datagrams"], FILE["peer_record"]
LONG, PLACED = FILE["long_content"], FILE["placed_content"]
PLACE_FIELDS = ("track_number", "disc_number", "disc_tracks", "album_artist", "year")


def raw(text):
    return bytes.fromhex(text)


def test_the_file_is_what_the_generator_writes():
    assert vectors() == FILE, "run python -m tests.make_vectors, and say in proto/README.md what changed"


# Through lightpeer's cores


@pytest.mark.parametrize("key", FILE["keys"], ids=lambda key: key["text"])
def test_keys(key):
    identity = Identity(raw(key["secret"]))
    assert identity.public_key == raw(key["public_key"])
    assert identity.peer_id == raw(key["id"]) == parse_peer_id(key["text"])
    assert format_peer_id(identity.peer_id) == key["text"]


@pytest.mark.parametrize("call", FILE["calls"], ids=["recipient known", "recipient unknown"])
def test_calls(call):
    client_id, server_id = Identity(raw(call["client_secret"])), Identity(raw(call["server_secret"]))
    client = ClientSeals(
        client_id,
        call["path"],
        time_ms=call["time_ms"],
        nonce=raw(call["nonce"]),
        recipient=server_id.peer_id if call["recipient_known"] else None,
    )
    server = ServerSeals(server_id, call["path"], ReplayGuard(), NOWHERE)
    for message in call["messages"]:
        body, sealed = raw(message["body"]), raw(message["sealed"])
        if message["direction"] == "request":
            assert client.seal_request(body) == sealed
            assert server.open_request_untrusted(sealed, call["time_ms"]) == body
        else:
            assert server.seal_reply(body) == sealed
            assert client.open_reply_untrusted(sealed) == body
    assert server.peer_id == client_id.peer_id
    assert client.peer_id == server_id.peer_id


def test_peer_record():
    subject = Identity(raw(RECORD["secret"]))
    fields, sealed = RECORD["fields"], raw(RECORD["sealed"])
    assert seal_record(subject, raw(RECORD["body"])) == sealed
    assert open_record_untrusted(sealed) == (subject.peer_id, raw(RECORD["body"]))
    parsed = parse_record_untrusted(sealed, fields["expires_s"] - 1)
    assert parsed.peer_id == subject.peer_id
    assert parsed.endpoints == (("203.0.113.7", 47474), ("2001:db8::7", 47474))
    assert (parsed.roles, parsed.sequence, parsed.expires_s) == (
        fields["roles"],
        fields["sequence"],
        fields["expires_s"],
    )
    assert sealed == build_record(subject, parsed.endpoints, parsed.roles, parsed.sequence, parsed.expires_s)


def test_content():
    segments = [raw(segment) for segment in CONTENT["segments"]]
    table, fields = raw(CONTENT["table"]), CONTENT["fields"]
    assert build_table(segments) == table
    renditions = [(fields["bitrate_bps"], raw(fields["header"]), [table])]
    named = {k: v for k, v in fields.items() if k not in {"bitrate_bps", "header"}}
    assert build_manifest(Description(**named), renditions) == raw(CONTENT["manifest"])
    track = parse_manifest_untrusted(raw(CONTENT["manifest"]), raw(CONTENT["track_id"]))
    assert {name: getattr(track, name) for name in named} == named
    assert track.uri == CONTENT["uri"] == format_uri(parse_uri(CONTENT["uri"]))
    parsed = parse_table_untrusted(table, track, 0, 0)
    assert parsed.sizes == tuple(map(len, segments))
    assert parsed.digests == tuple(map(raw, CONTENT["segment_digests"]))
    for number, segment in enumerate(segments):
        parsed.check_untrusted(number, segment)


def test_placed_content():
    fields = {k: v for k, v in CONTENT["fields"].items() if k not in {"bitrate_bps", "header"}}
    renditions = [
        (CONTENT["fields"]["bitrate_bps"], raw(CONTENT["fields"]["header"]), [raw(CONTENT["table"])])
    ]
    place = AlbumPlace(*(PLACED["fields"][name] for name in PLACE_FIELDS))
    assert build_manifest(Description(**fields, place=place), renditions) == raw(PLACED["manifest"])
    track = parse_manifest_untrusted(raw(PLACED["manifest"]), raw(PLACED["track_id"]))
    assert track.place == place
    plain = parse_manifest_untrusted(raw(CONTENT["manifest"]), raw(CONTENT["track_id"]))
    assert plain.place == AlbumPlace()


def test_long_content():
    track = parse_manifest_untrusted(raw(LONG["manifest"]), raw(LONG["track_id"]))
    assert track.segment_count == LONG["segment_count"]
    assert track.renditions[0].table_digests == (raw(LONG["root"]),)
    for table in LONG["tables"]:
        parsed = parse_table_untrusted(raw(table["object"]), track, 0, table["number"])
        last = min(64 * table["number"] + 63, LONG["segment_count"] - 1)
        parsed.check_untrusted(last, last.to_bytes(2, "big"))
        assert raw(table["object"]).startswith(raw(table["entries"]))


def stream_keys():
    return datagram.DatagramKeys(raw(DATAGRAMS["pull_key"]), raw(DATAGRAMS["data_key"]))


def test_stream_keys():
    client, server = (Identity(raw(DATAGRAMS[f"{end}_ephemeral_secret"])) for end in ("client", "server"))
    shared = raw(DATAGRAMS["shared_secret"])
    assert client.shared_secret_untrusted(server.public_key) == shared
    assert server.shared_secret_untrusted(client.public_key) == shared
    assert stream_keys() == datagram.derive_keys(
        shared,
        track_id=raw(DATAGRAMS["track_id"]),
        client=raw(DATAGRAMS["client_id"]),
        server=raw(DATAGRAMS["server_id"]),
        stream_id=DATAGRAMS["stream_id"],
    )


@pytest.mark.parametrize("vector", DATAGRAMS["pulls"])
def test_pulls(vector):
    pull = datagram.Pull(
        DATAGRAMS["stream_id"],
        vector["pull_no"],
        vector["pace_bytes_per_s"],
        vector["path_token"],
        vector["epoch"],
        tuple(datagram.UnitRange(*wanted) for wanted in vector["ranges"]),
    )
    assert datagram.build_pull(pull, stream_keys()) == raw(vector["datagram"])
    assert datagram.parse_pull_untrusted(raw(vector["datagram"]), stream_keys()) == pull


@pytest.mark.parametrize("vector", DATAGRAMS["datas"])
def test_datas(vector):
    data = datagram.Data(
        DATAGRAMS["stream_id"],
        vector["pull_no"],
        vector["hold_100us"] * 0.0001,
        datagram.Unit(*vector["unit"]),
        raw(vector["payload"]),
    )
    assert datagram.build_data(data, stream_keys()) == raw(vector["datagram"])
    assert datagram.parse_answer_untrusted(raw(vector["datagram"]), stream_keys()) == data


@pytest.mark.parametrize("vector", DATAGRAMS["paths"])
def test_paths(vector):
    path = datagram.PathToken(DATAGRAMS["stream_id"], vector["path_no"], vector["path_token"])
    assert datagram.build_path(path, stream_keys()) == raw(vector["datagram"])
    assert datagram.parse_answer_untrusted(raw(vector["datagram"]), stream_keys()) == path


@pytest.mark.parametrize("layout", FILE["unit_layouts"], ids=lambda layout: str(layout["size"]))
def test_unit_layouts(layout):
    expected = (layout["units"], layout["bytes_of_all_but_last"])
    assert datagram.unit_layout(layout["size"]) == expected


# The second implementation. Nothing of lightpeer from here on.


def second_id(secret):
    public = coincurve.PrivateKey(secret).public_key.format(compressed=True)
    return hashlib.sha256(hashlib.sha256(public).digest()).digest()[:20]


def second_seal(secret, direction, path, recipient, time_ms, nonce, index, body, form):
    path = path.encode()
    preimage = b"loudp2p/v1 seal" + bytes([direction, len(path)]) + path + recipient
    preimage += struct.pack(">Q", time_ms) + nonce + struct.pack(">I", index) + body
    digest = hashlib.sha256(preimage).digest()
    signature = coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None)
    fields = b""
    if form == "first request":
        fields += b"\x09" + struct.pack("<Q", time_ms) + b"\x12\x0c" + nonce
    if form != "later":
        fields += b"\x1a\x14" + second_id(secret)
    fields += b"\x22\x41" + signature
    return body + b"\x7a" + bytes([len(fields)]) + fields


@pytest.mark.parametrize("key", FILE["keys"], ids=lambda key: key["text"])
def test_second_implementation_of_ids(key):
    assert second_id(raw(key["secret"])).hex() == key["id"]
    checked = b"\x30" + raw(key["id"])
    check = hashlib.sha256(hashlib.sha256(checked).digest()).digest()[:4]
    assert base58.b58encode(checked + check).decode() == key["text"]


@pytest.mark.parametrize("call", FILE["calls"], ids=["recipient known", "recipient unknown"])
def test_second_implementation_of_seals(call):
    client, server = raw(call["client_secret"]), raw(call["server_secret"])
    lengths = []
    for message in call["messages"]:
        request, index = message["direction"] == "request", message["index"]
        if request:
            recipient = second_id(server) if call["recipient_known"] else bytes(20)
        else:
            recipient = second_id(client)
        form = "later" if index else "first request" if request else "first reply"
        sealed = second_seal(
            client if request else server,
            0 if request else 1,
            call["path"],
            recipient,
            call["time_ms"],
            raw(call["nonce"]),
            index,
            raw(message["body"]),
            form,
        )
        assert sealed.hex() == message["sealed"]
        lengths.append((len(message["sealed"]) - len(message["body"])) // 2)
    assert lengths == [114, 69, 91, 69]


def test_second_implementation_of_records():
    secret, body = raw(RECORD["secret"]), raw(RECORD["body"])
    sealed = second_seal(secret, 2, "loudp2p.v1.PeerRecord", bytes(20), 0, bytes(12), 0, body, "first reply")
    assert sealed.hex() == RECORD["sealed"]


def second_digest(data):
    return hashlib.blake2b(data, digest_size=16).digest()


def test_second_implementation_of_content():
    segments = [raw(segment) for segment in CONTENT["segments"]]
    table = b"".join(struct.pack(">H", len(s)) + second_digest(s) for s in segments)
    assert table.hex() == CONTENT["table"]
    assert second_digest(table).hex() == CONTENT["table_digest"]
    assert second_digest(table) in raw(CONTENT["manifest"])
    track_id = hashlib.sha256(raw(CONTENT["manifest"])).digest()
    assert track_id.hex() == CONTENT["track_id"]
    assert "loud:" + base58.b58encode(track_id).decode() == CONTENT["uri"]


def test_second_implementation_of_placed_content():
    """The five fields follow at the end of the manifest, in their order; without them it is as it was."""
    fields, more = PLACED["fields"], b""
    for number, name in enumerate(PLACE_FIELDS, 8):
        value = fields[name]
        if isinstance(value, str):
            more += bytes([number << 3 | 2, len(value.encode())]) + value.encode()
        else:
            more += bytes([number << 3]) + second_varint(value)
    assert (raw(CONTENT["manifest"]) + more).hex() == PLACED["manifest"]
    assert hashlib.sha256(raw(PLACED["manifest"])).hexdigest() == PLACED["track_id"]


def second_varint(value):
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80]) + second_varint(value >> 7)


def second_node(left, right):
    return hashlib.blake2b(left + right, digest_size=16, person=b"node").digest()


def test_second_implementation_of_long_content():
    """Upwards: all levels of the tree over all tables, then each table's neighbours on them."""
    segments = [struct.pack(">H", number) for number in range(LONG["segment_count"])]
    entries = [struct.pack(">H", 2) + second_digest(segment) for segment in segments]
    tables = [b"".join(entries[first : first + 64]) for first in range(0, len(entries), 64)]
    levels = [[second_digest(table) for table in tables]]
    while len(levels[-1]) > 1:
        levels[-1] += [bytes(16)] * (len(levels[-1]) % 2)
        levels.append([second_node(*levels[-1][at : at + 2]) for at in range(0, len(levels[-1]), 2)])
    assert levels[-1] == [raw(LONG["root"])]
    assert raw(LONG["root"]) in raw(LONG["manifest"])
    assert hashlib.sha256(raw(LONG["manifest"])).hexdigest() == LONG["track_id"]
    for vector in LONG["tables"]:
        number = vector["number"]
        assert tables[number].hex() == vector["entries"]
        path = b"".join(level[(number >> height) ^ 1] for height, level in enumerate(levels[:-1]))
        assert (tables[number] + path).hex() == vector["object"]


def second_tag(key, body):
    return hashlib.blake2b(body, digest_size=8, key=key).digest()


def test_second_implementation_of_stream_keys():
    client = coincurve.PrivateKey(raw(DATAGRAMS["client_ephemeral_secret"]))
    server = coincurve.PrivateKey(raw(DATAGRAMS["server_ephemeral_secret"]))
    point = server.public_key.multiply(client.secret).format(compressed=True)
    shared = hashlib.sha256(point).digest()
    assert shared.hex() == DATAGRAMS["shared_secret"]
    bound = raw(DATAGRAMS["track_id"]) + raw(DATAGRAMS["client_id"]) + raw(DATAGRAMS["server_id"])
    bound += struct.pack(">I", DATAGRAMS["stream_id"])
    for name in ("pull", "data"):
        derived = hashlib.blake2b(bound, digest_size=32, key=shared, person=name.encode()).digest()
        assert derived.hex() == DATAGRAMS[f"{name}_key"]


def test_second_implementation_of_datagrams():
    for pull in DATAGRAMS["pulls"]:
        fields = DATAGRAMS["stream_id"], pull["pull_no"], pull["pace_bytes_per_s"], pull["path_token"]
        body = struct.pack(">IIIIBB", *fields, pull["epoch"], len(pull["ranges"]))
        for rendition, segment, first, units in pull["ranges"]:
            body += bytes([rendition]) + segment.to_bytes(3, "big") + bytes([first, units])
        assert (body + second_tag(raw(DATAGRAMS["pull_key"]), body)).hex() == pull["datagram"]
    for data in DATAGRAMS["datas"]:
        rendition, segment, unit = data["unit"]
        body = struct.pack(">IHH", DATAGRAMS["stream_id"], data["pull_no"], data["hold_100us"])
        body += bytes([rendition]) + segment.to_bytes(3, "big") + bytes([unit]) + raw(data["payload"])
        assert (body + second_tag(raw(DATAGRAMS["data_key"]), body)).hex() == data["datagram"]
    for path in DATAGRAMS["paths"]:
        body = struct.pack(">III", DATAGRAMS["stream_id"], path["path_no"], path["path_token"])
        assert (body + second_tag(raw(DATAGRAMS["data_key"]), body)).hex() == path["datagram"]


def test_second_implementation_of_unit_layouts():
    for layout in FILE["unit_layouts"]:
        units = (layout["size"] + 1199) // 1200
        assert layout["units"] == units
        assert layout["bytes_of_all_but_last"] == (layout["size"] + units - 1) // units
