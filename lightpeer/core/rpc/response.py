"""The header fields and trailers of a response: written by the server, read by the client.

A client needs a status for every call, so what is not a proper gRPC response is mapped to one.

Source: "Responses" in the gRPC project's PROTOCOL-HTTP2.md, and its "HTTP to gRPC Status Code Mapping".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.rpc.framing import ENCODINGS, GZIP_HEADER
from lightpeer.core.rpc.status import (
    CallStatus,
    Metadata,
    RawHeader,
    StatusCode,
    code_from_header_untrusted,
    code_from_http,
    decode_message_text_untrusted,
    encode_message_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEAD: Final = ((b":status", b"200"), (b"content-type", b"application/grpc"))
ACCEPTS_FIELD: Final = (b"grpc-accept-encoding", b",".join(ENCODINGS))

NO_STATUS: Final = CallStatus(StatusCode.UNKNOWN, "the server ended the call without a status")


def encode_response(metadata: Sequence[RawHeader], *, gzip: bool) -> list[RawHeader]:
    """Return the first header fields of a response.

    Args:
        metadata: the initial metadata, from `encode_metadata`.
        gzip: whether messages may be compressed.
    """
    return [*_HEAD, ACCEPTS_FIELD, *((GZIP_HEADER,) if gzip else ()), *metadata]


def encode_trailers(status: CallStatus, metadata: Sequence[RawHeader], *, is_only: bool) -> list[RawHeader]:
    """Return the fields that end a call.

    Args:
        status: the code and the message.
        metadata: the trailing metadata, from `encode_metadata`.
        is_only: whether they are the whole response ("trailers-only").
    """
    trailers = [*_HEAD] if is_only else []
    trailers.append((b"grpc-status", b"%d" % status.code))
    if status.details:
        trailers.append((b"grpc-message", encode_message_text(status.details)))
    trailers += metadata
    return trailers


def head_refusal(own: dict[bytes, bytes]) -> CallStatus | None:
    """Return the status of a call whose response begins as no gRPC does, or None if it is gRPC."""
    http_status = _http_status(own)
    if http_status == 200 and own.get(b"content-type", b"").startswith(b"application/grpc"):
        return None
    details = f"what answered does not speak gRPC (HTTP status {http_status}): check the host and port"
    return CallStatus(code_from_http(http_status), details)


def only_status(own: dict[bytes, bytes], metadata: Metadata) -> CallStatus:
    """Return the status in a "trailers-only" response, whose first header fields end the stream."""
    if b"grpc-status" in own:
        return trailers_status(own, metadata)
    return head_refusal(own) or NO_STATUS


def trailers_status(own: dict[bytes, bytes], metadata: Metadata) -> CallStatus:
    """Return the status in the trailers of a response."""
    if (value := own.get(b"grpc-status")) is None:
        return NO_STATUS
    details = decode_message_text_untrusted(own.get(b"grpc-message", b""))
    return CallStatus(code_from_header_untrusted(value), details, metadata)


def _http_status(own: dict[bytes, bytes]) -> int:
    value = own.get(b":status", b"")
    return int(value) if value.isdigit() and len(value) == 3 else 0
