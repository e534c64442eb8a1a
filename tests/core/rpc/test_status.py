from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.rpc.status import (
    CallStatus,
    StatusCode,
    code_from_header_untrusted,
    code_from_http,
    code_from_reset,
    decode_message_text_untrusted,
    decode_timeout_untrusted,
    encode_message_text,
    encode_metadata,
    encode_timeout,
    header_list_bytes,
    split_headers_untrusted,
)
from lightpeer.errors import BadMessageError, FramingError, UsageError


def split(headers):
    return split_headers_untrusted(headers, 16 * 1024)


@pytest.mark.parametrize(
    ("http", "code"),
    [
        (400, StatusCode.INTERNAL),
        (401, StatusCode.UNAUTHENTICATED),
        (403, StatusCode.PERMISSION_DENIED),
        (404, StatusCode.UNIMPLEMENTED),
        (429, StatusCode.UNAVAILABLE),
        (502, StatusCode.UNAVAILABLE),
        (503, StatusCode.UNAVAILABLE),
        (504, StatusCode.UNAVAILABLE),
        (200, StatusCode.UNKNOWN),
        (418, StatusCode.UNKNOWN),
    ],
)
def test_http_status_maps_as_grpc_has_it(http, code):
    assert code_from_http(http) is code


@pytest.mark.parametrize(
    ("reset", "code"),
    [
        (0x0, StatusCode.INTERNAL),
        (0x1, StatusCode.INTERNAL),
        (0x5, StatusCode.UNKNOWN),
        (0x7, StatusCode.UNAVAILABLE),
        (0x8, StatusCode.CANCELLED),
        (0xB, StatusCode.RESOURCE_EXHAUSTED),
        (0xC, StatusCode.PERMISSION_DENIED),
        (0xFFFF, StatusCode.UNKNOWN),
    ],
)
def test_reset_code_maps_as_grpc_has_it(reset, code):
    assert code_from_reset(reset) is code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"0", StatusCode.OK),
        (b"16", StatusCode.UNAUTHENTICATED),
        (b"17", StatusCode.UNKNOWN),
        (b"-1", StatusCode.UNKNOWN),
        (b"", StatusCode.UNKNOWN),
        (b"OK", StatusCode.UNKNOWN),
        (b"9" * 5000, StatusCode.UNKNOWN),
        ("٣".encode(), StatusCode.UNKNOWN),
    ],
)
def test_a_status_that_is_not_known_is_unknown(value, code):
    assert code_from_header_untrusted(value) is code


def test_a_status_becomes_the_exception_with_all_it_has():
    error = CallStatus(StatusCode.NOT_FOUND, "no such track", (("k", "v"),)).to_error()
    assert error.code() is StatusCode.NOT_FOUND
    assert error.details() == "no such track"
    assert error.trailing_metadata() == (("k", "v"),)


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("", b""),
        ("plain, ~text", b"plain, ~text"),
        ("100%", b"100%25"),
        ("a\tb\r\n", b"a%09b%0D%0A"),
        (" ", b"%20"),
        ("  a b ", b"%20%20a b%20"),
        ("☺ 😈", b"%E2%98%BA %F0%9F%98%88"),
    ],
)
def test_message_text_is_percent_encoded(text, wire):
    assert encode_message_text(text) == wire
    assert decode_message_text_untrusted(wire) == text


@given(st.text())
def test_any_message_text_survives(text):
    expected = text.encode("utf-8", "replace").decode()
    assert decode_message_text_untrusted(encode_message_text(text)) == expected


@pytest.mark.parametrize(
    ("wire", "text"), [(b"%", "%"), (b"%4", "%4"), (b"%zz%41", "%zzA"), (b"%FF", "\ufffd")]
)
def test_broken_escapes_stay_as_they_are(wire, text):
    assert decode_message_text_untrusted(wire) == text


@pytest.mark.parametrize(
    ("seconds", "wire"),
    [
        (5, b"5S"),
        (5.0, b"5S"),
        (1e7 + 5 - 1e7, b"5S"),
        (105.1 - 100.1, b"5S"),
        (0.25, b"250m"),
        (0.000_3, b"300u"),
        (0, b"0S"),
        (-3, b"0S"),
        (99.999_999, b"99999999u"),
        (100.000_001, b"100001m"),
        (100_000.000_001, b"100001S"),
        (2e8, b"55556H"),
        (1e15, b"99999999H"),
    ],
)
def test_timeouts_take_the_coarsest_exact_unit(seconds, wire):
    assert encode_timeout(seconds) == wire


@given(st.floats(0, 3e11))
def test_a_timeout_is_eight_digits_and_never_shorter_than_asked(seconds):
    wire = encode_timeout(seconds)
    assert len(wire) <= 9
    assert decode_timeout_untrusted(wire) >= min(seconds, 99_999_999 * 3600) * (1 - 1e-9) - 1e-6


@pytest.mark.parametrize(
    ("wire", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"4m", 0.004), (b"5u", 5e-6), (b"6n", 6e-9)],
)
def test_timeouts_are_read_in_every_unit(wire, seconds):
    assert decode_timeout_untrusted(wire) == pytest.approx(seconds)


@pytest.mark.parametrize("wire", [b"", b"5", b"S", b"123456789S", b"-1S", b"1.5S", b"1s", b"1S\n"])
def test_a_timeout_of_another_form_is_refused(wire):
    with pytest.raises(BadMessageError):
        decode_timeout_untrusted(wire)


def test_metadata_of_both_forms_survives_in_order():
    metadata = (("k", "v"), ("blob-bin", b"\x00\xff"), ("k", ""), ("a.b_c-d", "x y"), ("e-bin", b""))
    assert split(encode_metadata(metadata)) == ({}, metadata)


def test_spaces_around_a_value_are_nobodys():
    assert encode_metadata([("k", "  v w ")]) == [(b"k", b"v w")]
    assert split([(b"k", b"\t v w ")]) == ({}, (("k", "v w"),))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Key", b"v")],
        [(b"", b"v")],
        [(b"a b", b"v")],
        [(b"k", b"a\r\nb")],
        [(b"k", b"a\0b")],
        [(b"k", b"v"), (b":path", b"/")],
        [(b":path", b"/"), (b":path", b"/")],
    ],
)
def test_fields_that_http2_does_not_allow_are_refused(headers):
    with pytest.raises(BadMessageError):
        split(headers)


def test_a_list_of_fields_counts_as_http2_counts_it():
    assert header_list_bytes([]) == 0
    assert header_list_bytes([(b"abc", b"de"), (b"", b"")]) == 69


def test_an_ascii_value_may_be_given_as_bytes():
    assert encode_metadata([("k", b"v")]) == [(b"k", b"v")]


@pytest.mark.parametrize("key", ["grpc-status-details-bin", "grpc-trace-bin", "grpc-tags-bin"])
def test_the_reserved_keys_that_applications_use_are_allowed(key):
    assert split(encode_metadata([(key, b"\xff")])) == ({}, ((key, b"\xff"),))


@pytest.mark.parametrize("wire", [b"AP8", b"AP8=", b" AP8= "])
def test_binary_values_are_read_with_padding_and_without(wire):
    assert split([(b"b-bin", wire)])[1] == (("b-bin", b"\x00\xff"),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "v"),
        ("Upper", "v"),
        ("sp ace", "v"),
        (":path", "/"),
        ("ünï", "v"),
        ("grpc-status", "0"),
        ("grpc-previous-rpc-attempts", "1"),
        ("grpc-anything-bin", b""),
        ("content-type", "x"),
        ("host", "x"),
        ("k", "line\nbreak"),
        ("k", "ünï"),
        ("k", b"\xff"),
        ("k-bin", "text"),
        ("k-bin", 1),
        ("k", 1),
        ("\ud800", "v"),
        (b"k", "v"),
        ("content-length", "9"),
    ],
)
def test_invalid_metadata_is_refused_locally(key, value):
    with pytest.raises(UsageError):
        encode_metadata([(key, value)])


def test_received_headers_part_into_the_transports_own_and_metadata():
    own, metadata = split(
        [
            (b":status", b"200"),
            (b"content-type", b"application/grpc"),
            (b"x", b"1"),
            (b"b-bin", b"AP8,AQ==, Ag"),
            (b"x", b"2"),
            (b"grpc-status-details-bin", b"AA"),
        ],
    )
    assert own == {b":status": b"200", b"content-type": b"application/grpc"}
    assert metadata == (
        ("x", "1"),
        ("b-bin", b"\x00\xff"),
        ("b-bin", b"\x01"),
        ("b-bin", b"\x02"),
        ("x", "2"),
        ("grpc-status-details-bin", b"\x00"),
    )


def test_received_headers_above_the_limit_are_refused():
    headers = [(b"k", b"v" * 67)]  # a hundred bytes, with the 32 of RFC 9113
    assert split_headers_untrusted(headers, 100) == ({}, (("k", "v" * 67),))
    with pytest.raises(FramingError, match="limit of 99 bytes") as caught:
        split_headers_untrusted(headers, 99)
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("value", [b"A", b"!!!!", b"AA=A", b"\xff\xff"])
def test_binary_metadata_that_is_not_base64_is_refused(value):
    with pytest.raises(BadMessageError):
        split([(b"b-bin", value)])


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=6))
def test_any_headers_give_metadata_or_the_one_error(headers):
    binary = [(name + b"-bin", value) for name, value in headers[:1]]
    with suppress(BadMessageError):
        split(headers + binary)
