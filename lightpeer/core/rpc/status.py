"""gRPC's header fields: status codes, messages, metadata, timeouts.

Both halves of gRPC over HTTP/2 share these translations between Python values and header fields. Reading is
tolerant where the specification wants it (an odd status message is kept as it is) and raises
`BadMessageError` elsewhere. Writing refuses invalid values with `UsageError` before anything is sent.

Source: the gRPC project's "gRPC over HTTP2" (PROTOCOL-HTTP2.md), "HTTP to gRPC
Status Code Mapping", and "gRPC status codes".
"""

from __future__ import annotations

import binascii
import re
from enum import IntEnum
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from lightpeer.errors import BadMessageError, FramingError, RpcError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lightpeer.errors import Unreached

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""Key and value pairs in order; the value is bytes where the key ends in "-bin"."""

MetadataLike: TypeAlias = "Iterable[tuple[str, str | bytes]]"
RawHeader: TypeAlias = tuple[bytes, bytes]


class StatusCode(IntEnum):
    """How a call ended."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class CallStatus(NamedTuple):
    """How a call ended.

    `was_processed` is False only if the server has certainly not seen the call. `unreached` says why it did
    not come to a server, where that is known.
    """

    code: StatusCode
    details: str = ""
    trailing_metadata: Metadata = ()
    was_processed: bool = True
    unreached: Unreached | None = None

    def to_error(self, initial_metadata: Metadata = ()) -> RpcError:
        """Return it as an exception."""
        return RpcError(
            self.code, self.details, self.trailing_metadata, initial_metadata, unreached=self.unreached
        )


_FROM_HTTP: Final = {
    400: StatusCode.INTERNAL,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.UNIMPLEMENTED,
    429: StatusCode.UNAVAILABLE,
    502: StatusCode.UNAVAILABLE,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.UNAVAILABLE,
}

_FROM_RESET: Final = {  # by RFC 9113 section 7 error code
    0x0: StatusCode.INTERNAL,  # NO_ERROR: an end without a status
    0x1: StatusCode.INTERNAL,  # PROTOCOL_ERROR
    0x2: StatusCode.INTERNAL,  # INTERNAL_ERROR
    0x3: StatusCode.INTERNAL,  # FLOW_CONTROL_ERROR
    0x4: StatusCode.INTERNAL,  # SETTINGS_TIMEOUT
    0x6: StatusCode.INTERNAL,  # FRAME_SIZE_ERROR
    0x7: StatusCode.UNAVAILABLE,  # REFUSED_STREAM: never processed
    0x8: StatusCode.CANCELLED,  # CANCEL
    0x9: StatusCode.INTERNAL,  # COMPRESSION_ERROR
    0xA: StatusCode.INTERNAL,  # CONNECT_ERROR
    0xB: StatusCode.RESOURCE_EXHAUSTED,  # ENHANCE_YOUR_CALM
    0xC: StatusCode.PERMISSION_DENIED,  # INADEQUATE_SECURITY
}

_TRANSPORT_KEYS: Final = frozenset(
    {
        b"content-type",
        b"te",
        b"grpc-status",
        b"grpc-message",
        b"grpc-timeout",
        b"grpc-encoding",
        b"grpc-accept-encoding",
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"upgrade",
        b"host",
        b"content-length",
    },
)
_RESERVED_PREFIX: Final = b"grpc-"  # gRPC's own, except what its libraries carry as metadata:
_UNRESERVED_KEYS: Final = frozenset({b"grpc-status-details-bin", b"grpc-trace-bin", b"grpc-tags-bin"})
_KEY = re.compile(r"[0-9a-z_.-]+")
_ASCII_VALUE = re.compile(r"[\x20-\x7e]*")
_FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_FIELD_VALUE = re.compile(rb"[^\0\r\n]*")
_PLAIN_MESSAGE = re.compile(r"(?! )[\x20-\x24\x26-\x7e]*(?<! )")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_TIMEOUT_UNIT_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT_LARGEST: Final = 99_999_999  # eight digits


def code_from_http(status: int) -> StatusCode:
    """Return the code for the HTTP status of a response without gRPC status."""
    return _FROM_HTTP.get(status, StatusCode.UNKNOWN)


def code_from_reset(error_code: int) -> StatusCode:
    """Return the code for the error code of an RST_STREAM frame."""
    return _FROM_RESET.get(error_code, StatusCode.UNKNOWN)


def code_from_header_untrusted(value: bytes) -> StatusCode:
    """Return the code in a `grpc-status`; clients must take an unknown one for UNKNOWN."""
    if value.isdigit() and len(value) <= 2 and int(value) <= StatusCode.UNAUTHENTICATED:
        return StatusCode(int(value))
    return StatusCode.UNKNOWN


def encode_message_text(text: str) -> bytes:
    """Percent-encode a status message for `grpc-message`.

    This encodes bytes outside space to tilde, the percent sign, and spaces at either end, which HTTP takes
    for padding (RFC 9110 section 5.5).
    """
    if _PLAIN_MESSAGE.fullmatch(text):
        return text.encode()
    data = b"".join(
        b"%c" % byte if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte
        for byte in text.encode("utf-8", "replace")
    )
    inner = data.strip(b" ")
    before = len(data) - len(data.lstrip(b" "))
    return b"%20" * before + inner + b"%20" * (len(data) - before - len(inner))


def decode_message_text_untrusted(value: bytes) -> str:
    """Decode a `grpc-message`. It never fails: broken escapes stay, and broken UTF-8 is replaced."""
    return _ESCAPE.sub(lambda escape: bytes((int(escape[1], 16),)), value).decode("utf-8", "replace")


def encode_timeout(timeout_s: float) -> bytes:
    """Return a `grpc-timeout`: at most eight digits and a unit, to the microsecond.

    It uses the coarsest exact unit, so equal timeouts give equal headers, which HPACK then sends as one
    byte. A timeout without an exact form is rounded up.
    """
    micros = max(0, round(timeout_s * 1_000_000))
    for unit, size in ((b"S", 1_000_000), (b"m", 1000), (b"u", 1)):
        if micros % size == 0 and micros // size <= _TIMEOUT_LARGEST:
            return b"%d%b" % (micros // size, unit)
    for unit, size in ((b"m", 1000), (b"S", 1_000_000)):
        if -(-micros // size) <= _TIMEOUT_LARGEST:
            return b"%d%b" % (-(-micros // size), unit)
    return b"%dH" % min(_TIMEOUT_LARGEST, -(-micros // 3_600_000_000))


def decode_timeout_untrusted(value: bytes) -> float:
    """Return the seconds in a `grpc-timeout`.

    Raises:
        BadMessageError: it is not one to eight digits and a unit.
    """
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise BadMessageError("the peer sent a grpc-timeout that is not a number and a unit")
    return int(match[1]) * _TIMEOUT_UNIT_S[match[2]]


def encode_metadata(metadata: MetadataLike) -> list[RawHeader]:
    """Return metadata as header fields, with binary values in base64 without padding.

    Raises:
        UsageError: a key has characters that are not allowed, or belongs to the transport; or a value is
            not bytes under a "-bin" key, or not printable ASCII under another.
    """
    return [_encode_pair(key, value) for key, value in metadata]


def _encode_pair(key: str, value: str | bytes) -> RawHeader:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise UsageError(
            f"metadata key {key!r} is not allowed: use lower-case letters, digits, '_', '-', '.'"
        )
    name = key.encode()
    if name in _TRANSPORT_KEYS or (name.startswith(_RESERVED_PREFIX) and name not in _UNRESERVED_KEYS):
        raise UsageError(f"metadata key {key!r} belongs to the protocol: choose another")
    if key.endswith("-bin"):
        if not isinstance(value, bytes):
            raise UsageError(f"metadata {key!r} must be given as bytes, because its key ends in '-bin'")
        return name, binascii.b2a_base64(value, newline=False).rstrip(b"=")
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str) or not _ASCII_VALUE.fullmatch(value):
        raise UsageError(f"metadata {key!r} must be printable ASCII, or have a key that ends in '-bin'")
    return name, value.strip(" ").encode()  # HTTP allows no spaces around a value (RFC 9113 section 8.2.1)


def header_list_bytes(headers: Sequence[RawHeader]) -> int:
    """Return the size of a list of header fields, as RFC 9113 section 6.5.2 counts it."""
    return 32 * len(headers) + sum(map(len, chain.from_iterable(headers)))


def split_headers_untrusted(
    headers: Sequence[RawHeader], most_bytes: int
) -> tuple[dict[bytes, bytes], Metadata]:
    """Divide received header fields into the transport's own and the metadata, in order.

    h2 would end the connection for a malformed field; RFC 9113 section 8.1.1 asks to end the call alone.

    Args:
        headers: the fields.
        most_bytes: the limit on their size, as `header_list_bytes` counts it.

    Raises:
        FramingError: they are above the limit (RESOURCE_EXHAUSTED).
        BadMessageError: a field is malformed (sections 8.2.1 and 8.3), or a "-bin" value is not base64.
    """
    if header_list_bytes(headers) > most_bytes:
        text = f"the metadata is above the limit of {most_bytes} bytes"
        raise FramingError(StatusCode.RESOURCE_EXHAUSTED, text)
    own: dict[bytes, bytes] = {}
    metadata: list[tuple[str, str | bytes]] = []
    is_head = True  # pseudo-header fields must come first
    for name, padded in headers:
        value = padded.strip(b" \t")
        if name.startswith(b":"):
            if not is_head or name in own:
                raise BadMessageError("the peer sent pseudo-header fields twice, or after others")
            own[name] = value
            continue
        is_head = False
        if name in _TRANSPORT_KEYS:
            own[name] = value
        elif not _FIELD_NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise BadMessageError("the peer sent a header field that HTTP/2 does not allow")
        elif name.endswith(b"-bin"):
            key = name.decode("latin-1")
            metadata.extend((key, _decode_binary_untrusted(part)) for part in value.split(b","))
        else:
            metadata.append((name.decode("latin-1"), value.decode("latin-1")))
    return own, tuple(metadata)


def _decode_binary_untrusted(value: bytes) -> bytes:
    bare = value.strip(b" ").rstrip(b"=")
    try:
        return binascii.a2b_base64(bare + b"=" * (-len(bare) % 4), strict_mode=True)
    except binascii.Error as error:
        raise BadMessageError("the peer sent binary metadata that is not base64") from error
