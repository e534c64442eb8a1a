"""Frames to draw: whole, sensible, odd and broken, on streams that exist and on streams that do not."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import hpack
from hypothesis import strategies as st

from lightpeer.core.rpc.frame_gate import FrameType

END_STREAM, END_HEADERS, PADDED, PRIORITY = 0x1, 0x4, 0x8, 0x20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

RESPONSE = ((b":status", b"200"), (b"content-type", b"application/grpc"))
REQUEST = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"h"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
)
FIELDS = (  # that HTTP/2 allows and that change a call, sensible and not
    (b"content-type", b"text/html"),
    (b"grpc-status", b"0"),
    (b"grpc-status", b"7"),
    (b"grpc-status", b"-1"),
    (b"grpc-status", b"99999"),
    (b"grpc-message", b"%E2%98%BA%zz%"),
    (b"grpc-encoding", b"gzip"),
    (b"grpc-encoding", b"snappy"),
    (b"grpc-accept-encoding", b"identity,gzip, ,"),
    (b"grpc-timeout", b"1S"),
    (b"grpc-timeout", b"1m"),
    (b"grpc-timeout", b"99999999H"),
    (b"grpc-timeout", b"soon"),
    (b"k-bin", b"AAE"),
    (b"k-bin", b"AA=,*"),
    (b"k", b"\xff\xfe"),
    (b"cookie", b"a=b"),
)
BREACHES = ((b"K", b"upper"), (b"connection", b"close"), (b"content-length", b"3"), (b":path", b"late"))


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream_id: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream_id) + payload


def block(fields: Any) -> bytes:
    """Header fields, outside of HPACK's tables so that each block stands alone."""
    return hpack.Encoder().encode([(*field, True) for field in fields])


def message(payload: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(payload)) + payload


def gzipped(payload: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=31)
    return deflate.compress(payload) + deflate.flush()


NUMBERS = st.sampled_from([0, 1, 2, 5, 100, 65535, 2**31 - 1, 2**31, 2**32 - 1])
ODD_FLAGS = st.sampled_from([0, END_STREAM, END_HEADERS, PADDED, PRIORITY, 0xFF])
FLAGS = {
    FrameType.DATA: st.sampled_from([0, 0, END_STREAM]),
    FrameType.HEADERS: st.sampled_from([END_HEADERS, END_STREAM | END_HEADERS]),
    FrameType.CONTINUATION: st.sampled_from([END_HEADERS, 0]),
    FrameType.SETTINGS: st.sampled_from([0, 0, 1]),
    FrameType.PING: st.sampled_from([0, 1]),
}
LIKELY = [FrameType.HEADERS] * 12 + [FrameType.DATA] * 8 + [FrameType.RST_STREAM, FrameType.WINDOW_UPDATE] * 3
DATA = st.one_of(
    st.binary(max_size=40).map(message),
    st.binary(max_size=40).map(lambda b: message(gzipped(b), 1)),
    st.just(message(gzipped(bytes(5000)), 1)),
    st.just(message(bytes(3000))),
    st.just(b"\0\xff\xff\xff\xff"),
    st.tuples(st.binary(max_size=9).map(message), st.binary(max_size=20)).map(b"".join),
    st.binary(max_size=20),
)
SETTINGS = st.lists(st.tuples(st.integers(0, 10), NUMBERS), max_size=4).map(
    lambda pairs: b"".join(struct.pack(">HI", *pair) for pair in pairs)
)


def header_blocks(first: Any) -> st.SearchStrategy[bytes]:
    """Blocks of sensible fields, some more, some fewer; or junk."""
    more = st.lists(mostly(st.sampled_from(FIELDS), st.sampled_from(BREACHES)), max_size=3)
    begins = st.sampled_from([first, first, ((b":status", b"503"),), ((b":status", b"x"),), ()])
    whole = st.tuples(begins, more).map(lambda pair: block([*pair[0], *pair[1]]))
    broken = st.one_of(st.binary(max_size=30), whole.map(lambda data: data[:-1]))
    return mostly(whole, broken)


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from the first, now and then from the second; equal parts would soon end any connection."""
    return st.integers(0, 15).flatmap(lambda n: odd if n == 7 else usual)


def frames(first: Any, stream_ids: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    """Any frame; header blocks begin with `first`."""
    word = NUMBERS.map(lambda n: struct.pack(">I", n))
    kinds = {
        FrameType.DATA: DATA,
        FrameType.HEADERS: header_blocks(first),
        FrameType.PRIORITY: st.binary(min_size=5, max_size=5),
        FrameType.RST_STREAM: word,
        FrameType.SETTINGS: SETTINGS,
        FrameType.PUSH_PROMISE: st.tuples(word, header_blocks(first)).map(b"".join),
        FrameType.PING: st.sampled_from([b"lightpee", b"draining", bytes(8)]),
        FrameType.GOAWAY: st.tuples(word, word, st.binary(max_size=20)).map(b"".join),
        FrameType.WINDOW_UPDATE: word,
        FrameType.CONTINUATION: header_blocks(first),
        0xA: st.binary(max_size=8),
        0x42: st.binary(max_size=8),
    }

    def build(kind: int) -> st.SearchStrategy[bytes]:
        payloads = mostly(kinds[kind], st.binary(max_size=12))
        flags = mostly(FLAGS.get(kind, st.just(0)), ODD_FLAGS)
        on = st.just(0) if kind in {4, 6, 7} else stream_ids
        ids = mostly(on, st.sampled_from([0, 1, 2, 3, 2**31 - 1, 2**32 - 1]))
        return st.tuples(payloads, flags, ids).map(lambda t: frame(kind, t[0], flags=t[1], stream_id=t[2]))

    return st.sampled_from([*LIKELY, *kinds]).flatmap(build)
