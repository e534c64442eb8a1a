"""gRPC's length-prefixed messages: a flag byte, four bytes of length, the message.

`MessageDecoder` takes the bytes of a stream as they come and gives whole
messages as they are asked for. It believes a length only up to its limit, and says
so before it buffers anything. What waits is kept as it came, compressed and uncut: an
object for each of many small messages would take fifteen times what was received.
`inflate_untrusted` stops at the limit whatever the bytes would become.

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
"""Of a call whose messages are compressed."""

_PREFIX = struct.Struct(">BI")
_GZIP_WINDOW_BITS = 31  # zlib's way to say: gzip header and checksum


class Compression:
    """How to compress messages; names and numbers are those of `grpc.Compression`, whose own do as well."""

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
    """Tell whether a chosen compression is gzip: a `Compression`, grpcio's own, or an encoding's name.

    Raises:
        UsageError: it is deflate, which few peers read, or no compression at all.
    """
    if compression not in _IS_GZIP:
        raise UsageError(f"compression {compression!r} is not supported: use Compression.Gzip")
    return _IS_GZIP[compression]


def accepts_gzip_untrusted(value: bytes) -> bool:
    """Read a `grpc-accept-encoding`: a list of names with commas, and spaces perhaps."""
    return b"gzip" in (name.strip(b" ") for name in value.split(b","))


class Frame(NamedTuple):
    """One message as it was on the wire, without its prefix."""

    compressed: bool
    payload: bytes

    @property
    def wire_bytes(self) -> int:
        """What it took of the flow-control window, in bytes."""
        return PREFIX_BYTES + len(self.payload)

    def message_untrusted(self, max_bytes: int) -> bytes:
        """Give the message, inflated if it has to be.

        Raises:
            FramingError: it does not inflate, or to more than `max_bytes`.
        """
        return inflate_untrusted(self.payload, max_bytes) if self.compressed else self.payload


def encode_message(message: bytes, *, gzip: bool = False) -> bytes:
    """Put the prefix before a message (of less than 4 GiB), and compress it if asked."""
    if gzip:
        deflate = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)
        message = deflate.compress(message) + deflate.flush()
    return _PREFIX.pack(gzip, len(message)) + message


def inflate_untrusted(data: bytes, max_bytes: int) -> bytes:
    """Inflate one gzip member to at most `max_bytes`.

    Raises:
        FramingError: the data is not one whole gzip member (INTERNAL), or it would become larger
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
    """Cuts a stream's bytes into messages.

    Call `receive_untrusted` with each piece of data in order, and `take` while it `has_message`; at the end
    of the stream, `is_whole` says whether it ended between messages. After an error what came before can be
    taken; nothing more is to be received.

    Args:
        max_message_bytes: the largest length that is believed.
        encoding: the stream's `grpc-encoding`.
    """

    __slots__ = ("_buffer", "_encoding", "_max_message_bytes", "_whole_bytes")

    def __init__(self, max_message_bytes: int, encoding: bytes = b"identity") -> None:
        self._max_message_bytes = max_message_bytes
        self._encoding = encoding
        self._buffer = bytearray()  # whole messages that nobody took yet, and a part of one behind them
        self._whole_bytes = 0  # of these

    @property
    def held_bytes(self) -> int:
        """What was received and not taken."""
        return len(self._buffer)

    @property
    def has_message(self) -> bool:
        """Whether a whole message is here."""
        return self._whole_bytes > 0

    @property
    def has_one(self) -> bool:
        """Whether one whole message is here, and not a byte more."""
        if not self._buffer or self._whole_bytes != len(self._buffer):
            return False
        _, length = _PREFIX.unpack_from(self._buffer)
        return PREFIX_BYTES + int(length) == len(self._buffer)

    @property
    def is_whole(self) -> bool:
        """Whether no part of a message is waiting for the rest."""
        return len(self._buffer) == self._whole_bytes

    def receive_untrusted(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            FramingError: a length above the limit (RESOURCE_EXHAUSTED), an encoding that is not
                supported (UNIMPLEMENTED), a flag that is neither 0 nor 1, or compressed where the
                stream says that it is not (INTERNAL).
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= self._whole_bytes + PREFIX_BYTES:
            end = self._whole_bytes + PREFIX_BYTES + self._length_untrusted(self._whole_bytes)
            if end > len(buffer):
                break
            self._whole_bytes = end

    def take(self) -> Frame:
        """Give the first of the whole messages that are here."""
        flag, length = _PREFIX.unpack_from(self._buffer)
        end = PREFIX_BYTES + length
        with memoryview(self._buffer) as view:
            frame = Frame(bool(flag), bytes(view[PREFIX_BYTES:end]))
        del self._buffer[:end]
        self._whole_bytes -= end
        return frame

    def clear(self) -> None:
        """Drop what is here."""
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
