"""What the methods of grpc.testing.TestService do, without a server: the three servers share it.

Source: the gRPC project's doc/interop-test-descriptions.md, "Server".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from tests.interop.pb import messages_pb2

SERVICE: Final = "grpc.testing.TestService"
_INVALID_ARGUMENT = 3
_ECHO_INITIAL = "x-grpc-test-echo-initial"
_ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"


class Received(NamedTuple):
    """A request, and whether it was compressed on the wire."""

    message: Any
    compressed: bool


class Reply(NamedTuple):
    """A reply of a stream, and how to send it."""

    delay_s: float
    compressed: bool
    message: messages_pb2.StreamingOutputCallResponse


class RefusedError(Exception):
    """The call has to end with this status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def checked(received: Received) -> Any:
    """Give the request, unless it wants another status or was to be compressed otherwise.

    Raises:
        RefusedError: with that status.
    """
    request, compressed = received
    names = request.DESCRIPTOR.fields_by_name
    if (
        "expect_compressed" in names
        and request.HasField("expect_compressed")
        and request.expect_compressed.value is not compressed
    ):
        raise RefusedError(_INVALID_ARGUMENT, f"the request was to be compressed: {not compressed}")
    if "response_status" in names and request.response_status.code:
        raise RefusedError(request.response_status.code, request.response_status.message)
    return request


def simple_reply(request: messages_pb2.SimpleRequest) -> messages_pb2.SimpleResponse:
    return messages_pb2.SimpleResponse(payload=messages_pb2.Payload(body=bytes(request.response_size)))


def output_replies(request: messages_pb2.StreamingOutputCallRequest) -> Iterator[Reply]:
    for wanted in request.response_parameters:
        payload = messages_pb2.Payload(body=bytes(wanted.size))
        message = messages_pb2.StreamingOutputCallResponse(payload=payload)
        yield Reply(wanted.interval_us / 1e6, wanted.compressed.value, message)


def aggregated(total_bytes: int) -> messages_pb2.StreamingInputCallResponse:
    return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=total_bytes)


def echoes(metadata: Iterable[tuple[str, str | bytes]]) -> tuple[list[Any], list[Any]]:
    """Give what goes back as initial and as trailing metadata."""
    pairs = [tuple(pair) for pair in metadata]
    return [p for p in pairs if p[0] == _ECHO_INITIAL], [p for p in pairs if p[0] == _ECHO_TRAILING]
