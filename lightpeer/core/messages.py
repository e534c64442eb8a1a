"""Protobuf bodies in and out: the one place where bytes become messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")


def parse_body_untrusted(kind: type[M], body: bytes) -> M:
    """Return the message in a body, which is what its seal covered; raise BadMessageError if it is none."""
    try:
        message = kind.FromString(body)
    except Exception as error:  # each protobuf runtime has its own DecodeError
        raise BadMessageError(f"a {kind.DESCRIPTOR.name} that cannot be parsed") from error
    if message.HasField("seal"):
        raise BadMessageError(f"a {kind.DESCRIPTOR.name} whose seal is not at its end")
    return message
