from __future__ import annotations

import gzip
import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rpc.framing import (
    Compression,
    Frame,
    MessageDecoder,
    accepts_gzip_untrusted,
    encode_message,
    inflate_untrusted,
    is_gzip,
)
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import FramingError, UsageError


def decode_all(data: bytes, *, piece: int, limit: int = 1000) -> list[bytes]:
    decoder = MessageDecoder(limit)
    frames = []
    for at in range(0, len(data), piece):
        decoder.receive_untrusted(data[at : at + piece])
        frames += taken(decoder)
    assert decoder.is_whole
    return [frame.message_untrusted(limit) for frame in frames]


def taken(decoder: MessageDecoder) -> list[Frame]:
    frames = []
    while decoder.has_message:
        frames.append(decoder.take())
    return frames


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 300))
def test_messages_come_out_as_they_went_in_however_they_are_cut(messages, piece):
    data = b"".join(encode_message(message) for message in messages)
    assert decode_all(data, piece=piece) == messages


def test_the_wire_form_is_flag_length_message():
    assert encode_message(b"abc") == b"\x00\x00\x00\x00\x03abc"


def test_a_part_of_a_message_is_waited_for():
    decoder = MessageDecoder(1000)
    whole = encode_message(b"abc")
    for at in range(len(whole) - 1):
        decoder.receive_untrusted(whole[at : at + 1])
        assert (decoder.has_message, decoder.has_one, decoder.is_whole) == (False, False, False)
    decoder.receive_untrusted(whole[-1:])
    assert (decoder.has_message, decoder.has_one, decoder.is_whole) == (True, True, True)
    assert taken(decoder) == [Frame(compressed=False, payload=b"abc")]
    assert (decoder.has_message, decoder.has_one, decoder.is_whole) == (False, False, True)


def test_messages_wait_as_they_came_and_take_no_more_than_that():
    decoder = MessageDecoder(1000)
    tracemalloc.start()
    for _ in range(1000):
        decoder.receive_untrusted(encode_message(b"") * 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoder.held_bytes == 1000 * 50 * 5
    assert peak < 1.2 * decoder.held_bytes
    assert decoder.take() == Frame(compressed=False, payload=b"")
    assert decoder.held_bytes == 1000 * 50 * 5 - 5
    decoder.clear()
    assert (decoder.held_bytes, decoder.has_message, decoder.is_whole) == (0, False, True)


@pytest.mark.parametrize("more", [encode_message(b""), b"\0"])
def test_one_message_is_no_more_than_one(more):
    decoder = MessageDecoder(1000)
    assert not decoder.has_one
    decoder.receive_untrusted(encode_message(b"abc"))
    assert decoder.has_one
    decoder.receive_untrusted(more)
    assert not decoder.has_one
    assert decoder.is_whole == (len(more) > 1)


def test_what_came_whole_before_a_breach_can_be_taken():
    decoder = MessageDecoder(1000)
    with pytest.raises(FramingError):
        decoder.receive_untrusted(encode_message(b"abc") + b"\2\0\0\0\0")
    assert taken(decoder) == [Frame(compressed=False, payload=b"abc")]


def test_a_frame_knows_what_it_took_of_the_window():
    assert Frame(compressed=False, payload=b"abc").wire_bytes == 8


@pytest.mark.parametrize("length", [1001, 2**32 - 1])
def test_an_announced_length_above_the_limit_is_refused_before_it_is_buffered(length):
    decoder = MessageDecoder(1000)
    tracemalloc.start()
    with pytest.raises(FramingError) as caught:
        decoder.receive_untrusted(struct.pack(">BI", 0, length))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED
    assert peak < 20_000


def test_a_length_at_the_limit_is_taken():
    assert decode_all(encode_message(b"x" * 1000), piece=100) == [b"x" * 1000]


@pytest.mark.parametrize(
    ("flag", "encoding", "code"),
    [
        (2, b"gzip", StatusCode.INTERNAL),
        (255, b"identity", StatusCode.INTERNAL),
        (1, b"identity", StatusCode.INTERNAL),
        (1, b"snappy", StatusCode.UNIMPLEMENTED),
    ],
)
def test_a_flag_that_cannot_be_followed_is_refused(flag, encoding, code):
    with pytest.raises(FramingError) as caught:
        MessageDecoder(1000, encoding).receive_untrusted(struct.pack(">BI", flag, 1) + b"x")
    assert caught.value.code == code


def test_a_compressed_message_is_inflated_when_it_is_asked_for():
    message = b"loud " * 200
    wire = encode_message(message, gzip=True)
    assert len(wire) < 100
    decoder = MessageDecoder(1000, b"gzip")
    decoder.receive_untrusted(wire)
    (frame,) = taken(decoder)
    assert frame.compressed
    assert frame.message_untrusted(1000) == message


def test_inflating_stops_at_the_limit():
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(FramingError) as caught:
        inflate_untrusted(bomb, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == StatusCode.RESOURCE_EXHAUSTED
    assert peak < 200_000


GZIPPED = gzip.compress(b"abc", mtime=0)


@pytest.mark.parametrize("data", [b"", b"not gzip", GZIPPED[:-1], GZIPPED + b"x", GZIPPED * 2])
def test_what_is_not_one_whole_gzip_member_is_refused(data):
    with pytest.raises(FramingError) as caught:
        inflate_untrusted(data, 1000)
    assert caught.value.code == StatusCode.INTERNAL


@given(st.lists(st.binary(max_size=50), max_size=5), st.sampled_from([b"identity", b"gzip", b"?"]))
def test_any_bytes_give_messages_or_the_one_error(pieces, encoding):
    decoder = MessageDecoder(40, encoding)
    with suppress(FramingError):
        for piece in pieces:
            decoder.receive_untrusted(piece)
            for frame in taken(decoder):
                assert len(frame.message_untrusted(40)) <= 40


@pytest.mark.parametrize(
    ("compression", "expected"),
    [(None, False), (Compression.NoCompression, False), (Compression.Gzip, True), (2, True), ("gzip", True)],
)
def test_a_compression_is_chosen_by_grpcs_names_and_numbers(compression, expected):
    assert is_gzip(compression) is expected


@pytest.mark.parametrize("compression", [Compression.Deflate, 9, "snappy", True])
def test_a_compression_that_we_do_not_have_is_refused(compression):
    with pytest.raises(UsageError, match="not supported"):
        is_gzip(compression)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"gzip", True),
        (b"identity,deflate , gzip", True),
        (b"identity", False),
        (b"", False),
        (b"xgzip", False),
    ],
)
def test_the_encodings_that_a_peer_reads_are_a_list(value, expected):
    assert accepts_gzip_untrusted(value) is expected
