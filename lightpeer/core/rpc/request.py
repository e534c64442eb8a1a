"""The header fields of a request: written by the client, read by the server.

A server answers what it cannot follow, so reading a request never fails. `Request` says instead why the
call may not begin: in HTTP for what is not gRPC, by a gRPC status for the rest.

Source: "Requests" in the gRPC project's PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lightpeer.core.rpc.framing import ENCODINGS, GZIP_HEADER, accepts_gzip_untrusted
from lightpeer.core.rpc.status import (
    CallStatus,
    Metadata,
    RawHeader,
    StatusCode,
    decode_timeout_untrusted,
    encode_timeout,
    split_headers_untrusted,
)
from lightpeer.errors import BadMessageError, FramingError
from lightpeer.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIXED_FIELDS: Final = (
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"lightpeer/" + VERSION.encode()),
    (b"grpc-accept-encoding", b",".join(ENCODINGS)),
)


def request_head(scheme: str, authority: str) -> tuple[RawHeader, ...]:
    """Return the first fields of every request on a connection.

    The scheme is "http" or "https"; the authority names the server, as in "host:port".
    """
    return (
        (b":method", b"POST"),
        (b":scheme", scheme.encode()),
        (b":authority", authority.encode()),
    )


def encode_request(
    head: Sequence[RawHeader],
    path: str,
    *,
    timeout_s: float | None,
    gzip: bool,
    metadata: Sequence[RawHeader],
) -> list[RawHeader]:
    """Return the header fields of a request.

    Args:
        head: the connection's, from `request_head`.
        path: the full method, "/package.Service/Method".
        timeout_s: seconds until the deadline, or None.
        gzip: whether messages may be compressed.
        metadata: the call's own fields, from `encode_metadata`.
    """
    headers: list[RawHeader] = [*head, (b":path", path.encode()), *_FIXED_FIELDS]
    if timeout_s is not None:
        headers.append((b"grpc-timeout", encode_timeout(timeout_s)))
    if gzip:
        headers.append(GZIP_HEADER)
    headers += metadata
    return headers


class Request(NamedTuple):
    """What a client asks for.

    Attributes:
        path: the full method; empty if the fields cannot be read.
        metadata: the client's, in order.
        timeout_s: seconds until the client gives up, or None.
        encoding: of its messages.
        reads_gzip: whether it reads compressed replies.
        http_refusal: the HTTP status to answer with if this is not gRPC.
        refusal: the gRPC status to answer with if the call may not begin.
    """

    path: str
    metadata: Metadata
    timeout_s: float | None
    encoding: bytes
    reads_gzip: bool
    http_refusal: bytes | None
    refusal: CallStatus | None


def read_request_untrusted(headers: Sequence[RawHeader], most_bytes: int) -> Request:
    """Read a request's header fields; `most_bytes` is the limit on their size."""
    own: dict[bytes, bytes] = {}
    metadata: Metadata = ()
    timeout_s = refusal = None
    try:
        own, metadata = split_headers_untrusted(headers, most_bytes)
        if (timeout := own.get(b"grpc-timeout")) is not None:
            timeout_s = decode_timeout_untrusted(timeout)
    except FramingError as error:
        refusal = CallStatus(StatusCode(error.code), str(error))
    except BadMessageError as error:
        refusal = CallStatus(StatusCode.INTERNAL, str(error))
    encoding = own.get(b"grpc-encoding", b"identity")
    if encoding not in ENCODINGS:
        refusal = CallStatus(StatusCode.UNIMPLEMENTED, "the encoding is not supported")
    return Request(
        path=own.get(b":path", b"").decode("latin-1"),
        metadata=metadata,
        timeout_s=timeout_s,
        encoding=encoding,
        reads_gzip=accepts_gzip_untrusted(own.get(b"grpc-accept-encoding", b"")),
        http_refusal=_http_refusal(own),
        refusal=refusal,
    )


def _http_refusal(own: dict[bytes, bytes]) -> bytes | None:
    """Return the HTTP status for a request that is not gRPC; fields that cannot be read pass."""
    if own and own.get(b":method") != b"POST":
        return b"405"
    if own and not own.get(b"content-type", b"").startswith(b"application/grpc"):
        return b"415"
    return None
