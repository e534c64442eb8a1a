"""gRPC's length-prefixed messages: a flag byte, four bytes of length, the message.

`MessageDecoder` receives the bytes of a stream and returns whole messages on demand. It refuses a length
above its limit before it buffers anything. It keeps waiting messages as they came, compressed and in one
buffer: an object for each of many small messages would take fifteen times their size. `inflate_untrusted`
stops at the limit.

Source: "Length-Prefixed-Message" in the gRPC project's PROTOCOL-HTTP2.md, and
its compression.md.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import FramingError, UsageError

PREFIX_BYTES: Final = 5
ENCODINGS: Final = (b"identity", b"gzip")
"""The message encodings that both halves can read."""

GZIP_HEADER: Final = (b"grpc-encoding", b"gzip")
"""The header field of a call whose messages are compressed."""

_PREFIX = struct.Struct(">BI")
_GZIP_WINDOW_BITS = 31  # how zlib is asked for a gzip header and checksum


class Compression:
    """How to compress messages; names and numbers match `grpc.Compression`, which is accepted too."""

    NoCompression: Final = 0
    Deflate: Final = 1
    Gzip: Final = 2


_IS_GZIP: Final[dict[int | str | None, bool]] = {
    None: False,
    Compression.NoCompression: False,
    Compression.Gzip: True,
    "identity": False,
    "gzip": True,
}


def is_gzip(compression: int | str | None) -> bool:
    """Return whether a compression (a `Compression`, grpcio's own, or the name of an encoding) is gzip.

    Raises:
        UsageError: it is deflate, which few peers read, or unknown.
    """
    if compression not in _IS_GZIP:
        raise UsageError(f"compression {compression!r} is not supported: use Compression.Gzip")
    return _IS_GZIP[compression]


def accepts_gzip_untrusted(value: bytes) -> bool:
    """Return whether a `grpc-accept-encoding` names gzip; it lists names with commas and optional spaces."""
    return b"gzip" in (name.strip(b" ") for name in value.split(b","))


class Frame(NamedTuple):
    """One message as it was on the wire, without its prefix."""

    compressed: bool
    payload: bytes

    @property
    def wire_bytes(self) -> int:
        """How many bytes of the flow-control window it took."""
        return PREFIX_BYTES + len(self.payload)

    def message_untrusted(self, max_bytes: int) -> bytes:
        """Return the message, inflated if it is compressed.

        Raises:
            FramingError: it does not inflate (INTERNAL), or inflates to more than `max_bytes`
                (RESOURCE_EXHAUSTED).
        """
        return inflate_untrusted(self.payload, max_bytes) if self.compressed else self.payload


def encode_message(message: bytes, *, gzip: bool = False) -> bytes:
    """Return a message of less than 4 GiB with its prefix, compressed if `gzip`."""
    if gzip:
        deflate = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)
        message = deflate.compress(message) + deflate.flush()
    return _PREFIX.pack(gzip, len(message)) + message


def inflate_untrusted(data: bytes, max_bytes: int) -> bytes:
    """Inflate one gzip member to at most `max_bytes`.

    Raises:
        FramingError: the data is not one whole gzip member (INTERNAL), or it inflates to more
            (RESOURCE_EXHAUSTED).
    """
    inflate = zlib.decompressobj(wbits=_GZIP_WINDOW_BITS)
    try:
        message = inflate.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise FramingError(StatusCode.INTERNAL, "a message does not inflate") from error
    if len(message) > max_bytes:
        raise FramingError(
            StatusCode.RESOURCE_EXHAUSTED,
            f"a message inflates to more than the limit of {max_bytes} bytes",
        )
    if not inflate.eof or inflate.unused_data:
        raise FramingError(StatusCode.INTERNAL, "a message is not one whole gzip member")
    return message


class MessageDecoder:
    """Splits the bytes of a stream into messages.

    Call `receive_untrusted` with each piece of data in order, and `take` while it `has_message`. At the end
    of the stream, `is_whole` says whether it ended between messages. After an error, earlier messages can
    still be taken, but nothing more may be received.

    Args:
        max_message_bytes: the largest length to accept.
        encoding: the stream's `grpc-encoding`.
    """

    __slots__ = ("_buffer", "_encoding", "_max_message_bytes", "_whole_bytes")

    def __init__(self, max_message_bytes: int, encoding: bytes = b"identity") -> None:
        self._max_message_bytes = max_message_bytes
        self._encoding = encoding
        self._buffer = bytearray()  # whole messages, then perhaps part of another
        self._whole_bytes = 0  # of the buffer

    @property
    def held_bytes(self) -> int:
        """How many received bytes have not been taken."""
        return len(self._buffer)

    @property
    def has_message(self) -> bool:
        """Whether a whole message is here."""
        return self._whole_bytes > 0

    @property
    def has_one(self) -> bool:
        """Whether exactly one whole message is here, and not a byte more."""
        if not self._buffer or self._whole_bytes != len(self._buffer):
            return False
        _, length = _PREFIX.unpack_from(self._buffer)
        return PREFIX_BYTES + int(length) == len(self._buffer)

    @property
    def is_whole(self) -> bool:
        """Whether no partial message waits for its rest."""
        return len(self._buffer) == self._whole_bytes

    def receive_untrusted(self, data: bytes) -> None:
        """Receive the next bytes.

        Raises:
            FramingError: a length is above the limit (RESOURCE_EXHAUSTED), the encoding is not supported
                (UNIMPLEMENTED), or a flag is neither 0 nor 1, or set on a stream without encoding (INTERNAL).
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= self._whole_bytes + PREFIX_BYTES:
            end = self._whole_bytes + PREFIX_BYTES + self._length_untrusted(self._whole_bytes)
            if end > len(buffer):
                break
            self._whole_bytes = end

    def take(self) -> Frame:
        """Remove and return the first whole message."""
        flag, length = _PREFIX.unpack_from(self._buffer)
        end = PREFIX_BYTES + length
        with memoryview(self._buffer) as view:
            frame = Frame(bool(flag), bytes(view[PREFIX_BYTES:end]))
        del self._buffer[:end]
        self._whole_bytes -= end
        return frame

    def clear(self) -> None:
        """Drop everything."""
        self._buffer.clear()
        self._whole_bytes = 0

    def _length_untrusted(self, start: int) -> int:
        flag, length = _PREFIX.unpack_from(self._buffer, start)
        if flag:
            self._check_compressed(flag)
        if length > self._max_message_bytes:
            raise FramingError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"a message of {length} bytes is above the limit of {self._max_message_bytes}",
            )
        return int(length)

    def _check_compressed(self, flag: int) -> None:
        if flag != 1:
            raise FramingError(StatusCode.INTERNAL, f"a message has the unknown flag {flag}")
        if self._encoding == b"identity":
            raise FramingError(StatusCode.INTERNAL, "a compressed message came on a stream without encoding")
        if self._encoding not in ENCODINGS:
            raise FramingError(StatusCode.UNIMPLEMENTED, "a message has an encoding that is not supported")
