"""Write proto/vectors.json: `python -m tests.make_vectors`.

Inputs are fixed and all else follows from them (signatures are those of RFC 6979),
so the file changes only when the protocol does. Bytes are in hex.
"""

from __future__ import annotations

import json
from pathlib import Path

from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.manifest import (
    Description,
    build_manifest,
    build_table,
    content_digest,
    parse_manifest_untrusted,
    served_tables,
    track_id_of,
)
from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.core.trust.replay import NOWHERE, ReplayGuard
from lightpeer.core.trust.seals import ClientSeals, ServerSeals, seal_record
from lightpeer.core.udp.datagram import (
    Data,
    PathToken,
    Pull,
    Unit,
    UnitRange,
    build_data,
    build_path,
    build_pull,
    derive_keys,
    unit_layout,
)
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

VECTORS = Path(__file__).parent.parent / "proto" / "vectors.json"
CLIENT, SERVER, CLIENT_EPHEMERAL, SERVER_EPHEMERAL = (Identity(bytes((n,)) * 32) for n in (1, 2, 3, 4))
SECRETS = {Identity(bytes((n,)) * 32).peer_id: bytes((n,)) * 32 for n in (1, 2, 3, 4)}
TIME_MS = 1_700_000_000_123
NONCE = bytes(range(12))
PULL_PATH = "/loudp2p.v1.Streams/Pull"
STREAM_ID = 0xC0FFEE01
TOKEN = 0xA1B2C3D4
SEGMENTS = [b"first segment", b"second", bytes(range(256)) * 5]
TABLE = build_table(SEGMENTS)
MANIFEST = build_manifest(
    Description(
        title="Ebbe",
        artist="Die Mole",
        album="Flut",
        duration_samples=3 * 48_000 - 312,
        gain_q8_db=-1024,
        segment_count=len(SEGMENTS),
    ),
    renditions=[(24_000, b"OggS, the header pages", [TABLE])],
)
PLACE = AlbumPlace(track=7, disc=2, tracks=12, album_artist="Ebbe & Flut", year=1999)
PLACED_MANIFEST = build_manifest(
    Description(
        title="Ebbe",
        artist="Die Mole",
        album="Flut",
        duration_samples=3 * 48_000 - 312,
        gain_q8_db=-1024,
        segment_count=len(SEGMENTS),
        place=PLACE,
    ),
    renditions=[(24_000, b"OggS, the header pages", [TABLE])],
)
LONG_SECONDS = 70 * 64 + 3  # more than 64 tables, and on some levels of their tree an odd number of nodes
LONG_TABLES = [
    build_table(number.to_bytes(2, "big") for number in range(first, min(first + 64, LONG_SECONDS)))
    for first in range(0, LONG_SECONDS, 64)
]
LONG_MANIFEST = build_manifest(
    Description(
        title="Gezeiten",
        artist="Die Mole",
        album="",
        duration_samples=LONG_SECONDS * 48_000,
        gain_q8_db=0,
        segment_count=LONG_SECONDS,
    ),
    renditions=[(24_000, b"OggS, the header pages", LONG_TABLES)],
)


def keys():
    return [
        {
            "secret": secret.hex(),
            "public_key": Identity(secret).public_key.hex(),
            "id": peer_id.hex(),
            "text": format_peer_id(peer_id),
        }
        for peer_id, secret in SECRETS.items()
    ]


def call(*, addressed):
    """One call of Streams.Pull, two messages each way: all three forms of a seal."""
    client = ClientSeals(
        CLIENT, PULL_PATH, time_ms=TIME_MS, nonce=NONCE, recipient=SERVER.peer_id if addressed else None
    )
    server = ServerSeals(SERVER, PULL_PATH, ReplayGuard(), NOWHERE)
    asked = pb.Range(rendition=0, first=0, count=1)
    bodies = [
        pb.PullRequest(track_id=track_id_of(MANIFEST), ranges=[asked]).SerializeToString(),
        pb.PullRequest(ranges=[asked]).SerializeToString(),
        pb.Chunk(rendition=0, segment=0, data=SEGMENTS[0]).SerializeToString(),
        pb.Chunk(rendition=0, segment=1, data=SEGMENTS[1]).SerializeToString(),
    ]
    requests = [client.seal_request(body) for body in bodies[:2]]
    for request in requests:
        server.open_request_untrusted(request, TIME_MS)
    sealed = requests + [server.seal_reply(body) for body in bodies[2:]]
    places = [("request", 0), ("request", 1), ("reply", 0), ("reply", 1)]
    return {
        "client_secret": SECRETS[CLIENT.peer_id].hex(),
        "server_secret": SECRETS[SERVER.peer_id].hex(),
        "path": PULL_PATH,
        "recipient_known": addressed,
        "time_ms": TIME_MS,
        "nonce": NONCE.hex(),
        "messages": [
            {"direction": direction, "index": index, "body": body.hex(), "sealed": data.hex()}
            for (direction, index), body, data in zip(places, bodies, sealed, strict=True)
        ],
    }


def record():
    fields = {
        "endpoints": ["203.0.113.7:47474", "[2001:db8::7]:47474"],
        "roles": 1,
        "sequence": 1_700_000_000,
        "expires_s": 1_700_003_600,
    }
    body = pb.PeerRecord(**fields).SerializeToString()
    return {
        "secret": SECRETS[SERVER.peer_id].hex(),
        "fields": fields,
        "body": body.hex(),
        "sealed": seal_record(SERVER, body).hex(),
    }


def content():
    manifest = pb.Manifest.FromString(MANIFEST)
    return {
        "segments": [segment.hex() for segment in SEGMENTS],
        "segment_digests": [content_digest(segment).hex() for segment in SEGMENTS],
        "table": TABLE.hex(),
        "table_digest": content_digest(TABLE).hex(),
        "fields": {
            "title": manifest.title,
            "artist": manifest.artist,
            "album": manifest.album,
            "duration_samples": manifest.duration_samples,
            "gain_q8_db": manifest.gain_q8_db,
            "segment_count": manifest.segment_count,
            "bitrate_bps": manifest.renditions[0].bitrate_bps,
            "header": manifest.renditions[0].header.hex(),
        },
        "manifest": MANIFEST.hex(),
        "track_id": track_id_of(MANIFEST).hex(),
        "uri": format_uri(track_id_of(MANIFEST)),
    }


def placed_content():
    """The same track, with its place on an album."""
    return {
        "fields": {
            "track_number": PLACE.track,
            "disc_number": PLACE.disc,
            "disc_tracks": PLACE.tracks,
            "album_artist": PLACE.album_artist,
            "year": PLACE.year,
        },
        "manifest": PLACED_MANIFEST.hex(),
        "track_id": track_id_of(PLACED_MANIFEST).hex(),
    }


def long_content():
    """A track whose manifest has the root of its tables; segment k is k in two bytes."""
    track = parse_manifest_untrusted(LONG_MANIFEST, track_id_of(LONG_MANIFEST))
    served = served_tables(LONG_TABLES)
    return {
        "segment_count": LONG_SECONDS,
        "root": track.renditions[0].table_digests[0].hex(),
        "tables": [
            {"number": number, "entries": LONG_TABLES[number].hex(), "object": served[number].hex()}
            for number in (0, len(LONG_TABLES) - 1)
        ],
        "manifest": LONG_MANIFEST.hex(),
        "track_id": track_id_of(LONG_MANIFEST).hex(),
    }


def datagrams():
    shared = CLIENT_EPHEMERAL.shared_secret_untrusted(SERVER_EPHEMERAL.public_key)
    stream = derive_keys(
        shared,
        track_id=track_id_of(MANIFEST),
        client=CLIENT.peer_id,
        server=SERVER.peer_id,
        stream_id=STREAM_ID,
    )
    pull = Pull(STREAM_ID, 65_538, 60_000, TOKEN, 3, (UnitRange(0, 2, 0, 2), UnitRange(1, 0xFF0000, 0, 1)))
    data = Data(STREAM_ID, 65_538 & 0xFFFF, 0.0123, Unit(0, 2, 1), SEGMENTS[2][640:])
    path = PathToken(STREAM_ID, 18, TOKEN)
    return {
        "client_ephemeral_secret": SECRETS[CLIENT_EPHEMERAL.peer_id].hex(),
        "server_ephemeral_secret": SECRETS[SERVER_EPHEMERAL.peer_id].hex(),
        "shared_secret": shared.hex(),
        "track_id": track_id_of(MANIFEST).hex(),
        "client_id": CLIENT.peer_id.hex(),
        "server_id": SERVER.peer_id.hex(),
        "stream_id": STREAM_ID,
        "pull_key": stream.pull.hex(),
        "data_key": stream.data.hex(),
        "pulls": [
            {
                "pull_no": pull.pull_no,
                "pace_bytes_per_s": pull.pace_bytes_per_s,
                "path_token": pull.path_token,
                "epoch": pull.epoch,
                "ranges": [list(wanted) for wanted in pull.ranges],
                "datagram": build_pull(pull, stream).hex(),
            }
        ],
        "datas": [
            {
                "pull_no": data.pull_no,
                "hold_100us": round(data.hold_s * 10_000),
                "unit": list(data.unit),
                "payload": data.payload.hex(),
                "datagram": build_data(data, stream).hex(),
            }
        ],
        "paths": [
            {
                "path_no": path.path_no,
                "path_token": path.path_token,
                "datagram": build_path(path, stream).hex(),
            }
        ],
    }


def unit_layouts():
    sizes = [1, 1199, 1200, 1201, 1280, 2400, 2401, 6000, 6001, 65_535]
    return [
        {"size": size, "units": unit_layout(size)[0], "bytes_of_all_but_last": unit_layout(size)[1]}
        for size in sizes
    ]


def vectors():
    """Return all vectors."""
    return {
        "protocol": "loudp2p.v1",
        "keys": keys(),
        "calls": [call(addressed=True), call(addressed=False)],
        "peer_record": record(),
        "content": content(),
        "placed_content": placed_content(),
        "long_content": long_content(),
        "datagrams": datagrams(),
        "unit_layouts": unit_layouts(),
    }


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n")
    print(f"wrote {VECTORS}")
