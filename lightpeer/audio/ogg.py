"""Ogg pages to packets and back, through libogg.

Both directions are push-style. A `Demuxer` is fed bytes as they arrive and yields the packets of one logical
stream, the first that is Opus or Vorbis. A `Muxer` takes packets and returns pages. The bytes may come from
a stranger: libogg checks each page's checksum, resynchronises after garbage and drops packets with a missing
part, and the bounds here keep it from buffering without end. Its structures are read only after a return
code that vouches for them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from lightpeer.audio import _native
from lightpeer.errors import AudioError, BadMessageError, StateMisuseError

# The longest Opus packet is 48 frames of 1275 bytes and their lengths. This is the next power of two.
MAX_PACKET_BYTES = 65536
# Most bytes that may be fed before the packets are taken: many times the largest segment.
MAX_FED_BYTES = 1 << 20
# Most bytes that may be added before a flush: more than a segment at the highest bitrate of Opus.
MAX_UNFLUSHED_BYTES = 1 << 20

_NO_MEMORY = "libogg is out of memory: close other programs and try again"
_FILL_BYTES = 1 << 30  # libogg starts a new page at this body size: never, so the 255 lacing values decide


class Packet(NamedTuple):
    """One packet of a logical stream.

    Attributes:
        data: the packet.
        granule: the page's granule position, if this is the last packet that ends on its page; else -1.
        bos: whether it is the stream's first packet.
        eos: whether it is the stream's last packet.
    """

    data: bytes
    granule: int = -1
    bos: bool = False
    eos: bool = False


class _Libogg:
    """The functions of libogg used here, with our own prototypes.

    PyOgg's prototypes take the result of `ogg_sync_buffer` for a C string, which would copy the buffer to be
    written to. Indexing the library makes function objects that are not shared.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        def function(name: str, *more: type, restype: type = ctypes.c_int) -> Any:
            found = library[name]
            found.argtypes = (ctypes.c_void_p, *more)
            found.restype = restype
            return found

        self.sync_init = function("ogg_sync_init")
        self.sync_buffer = function("ogg_sync_buffer", ctypes.c_long, restype=ctypes.c_void_p)
        self.sync_wrote = function("ogg_sync_wrote", ctypes.c_long)
        self.sync_pageout = function("ogg_sync_pageout", ctypes.c_void_p)
        self.sync_reset = function("ogg_sync_reset")
        self.sync_clear = function("ogg_sync_clear")
        self.page_bos = function("ogg_page_bos")
        self.page_packets = function("ogg_page_packets")
        self.page_serialno = function("ogg_page_serialno")
        self.stream_init = function("ogg_stream_init", ctypes.c_int)
        self.stream_pagein = function("ogg_stream_pagein", ctypes.c_void_p)
        self.stream_packetout = function("ogg_stream_packetout", ctypes.c_void_p)
        self.stream_packetin = function("ogg_stream_packetin", ctypes.c_void_p)
        self.stream_flush_fill = function("ogg_stream_flush_fill", ctypes.c_void_p, ctypes.c_int)
        self.stream_reset = function("ogg_stream_reset")
        self.stream_reset_serialno = function("ogg_stream_reset_serialno", ctypes.c_int)
        self.stream_clear = function("ogg_stream_clear")


class Demuxer:
    """Bytes in, packets of one logical stream out.

    Call `feed`, then exhaust `packets`, as often as there are bytes.

    Attributes:
        holes: the number of places where packets or bytes were missing or unusable.
    """

    def __init__(self, *, max_packet_bytes: int = MAX_PACKET_BYTES, any_serial: bool = False) -> None:
        """Begin.

        Args:
            max_packet_bytes: a longer packet is refused.
            any_serial: take pages of any serial number, for one stream that is spliced from several
                encodings.
        """
        binding = _native.ogg()
        self._lib = _Libogg(binding.libogg)
        self._sync = ctypes.pointer(binding.ogg_sync_state())
        self._stream = ctypes.pointer(binding.ogg_stream_state())
        self._page = ctypes.pointer(binding.ogg_page())
        self._packet = ctypes.pointer(binding.ogg_packet())
        self._max_packet_bytes = max_packet_bytes
        self._any_serial = any_serial
        self._serial: int | None = None
        self._fed_bytes = 0
        self._unfinished_bytes = 0  # of pages since the last one on which a packet ended
        self._closed = False
        self.holes = 0
        self._lib.sync_init(self._sync)

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the file, at most MAX_FED_BYTES before `packets` is exhausted."""
        if self._closed or self._fed_bytes + len(data) > MAX_FED_BYTES:
            raise StateMisuseError(f"take the packets before feeding more than {MAX_FED_BYTES} bytes")
        if not data:  # libogg returns no buffer for it, as if memory had run out
            return
        buffer = self._lib.sync_buffer(self._sync, len(data))
        if not buffer:
            raise AudioError(_NO_MEMORY)
        ctypes.memmove(buffer, data, len(data))
        if self._lib.sync_wrote(self._sync, len(data)) != 0:
            raise AudioError(_NO_MEMORY)
        self._fed_bytes += len(data)

    def packets(self) -> Iterator[Packet]:
        """Yield the packets that are complete, in order.

        Raises:
            BadMessageError: a packet grew longer than `max_packet_bytes`.
        """
        if self._closed:
            return
        while True:
            if self._serial is not None:
                yield from self._packets_of_page()
            if not self._next_page():
                self._fed_bytes = 0
                return

    def _packets_of_page(self) -> Iterator[Packet]:
        packetout, stream, pointer = self._lib.stream_packetout, self._stream, self._packet
        packet = pointer.contents
        while not self._closed and (found := packetout(stream, pointer)) != 0:
            if found < 0:
                self.holes += 1
                continue
            data = ctypes.string_at(packet.packet, packet.bytes) if packet.bytes > 0 else b""
            yield Packet(data, packet.granulepos, bool(packet.b_o_s), bool(packet.e_o_s))

    def _next_page(self) -> bool:
        """Pass the next page of our stream to libogg; return False where more bytes are needed."""
        while not self._closed and (found := self._lib.sync_pageout(self._sync, self._page)) != 0:
            if found < 0:
                self.holes += 1
            elif self._is_ours():
                self._bound_packet()
                if self._lib.stream_pagein(self._stream, self._page) == 0:
                    return True
                self.holes += 1  # a page of another version of Ogg
        return False

    def _is_ours(self) -> bool:
        serial = self._lib.page_serialno(self._page)
        if serial == self._serial:
            return True
        if self._serial is None:
            return self._choose(serial)
        if self._any_serial:
            self._serial = serial
            self._lib.stream_reset_serialno(self._stream, serial)
        return self._any_serial

    def _choose(self, serial: int) -> bool:
        """Choose the stream that this page begins, if it is Opus or Vorbis."""
        page = self._page.contents
        start = ctypes.string_at(page.body, min(page.body_len, 8))
        if not self._lib.page_bos(self._page) or not start.startswith((b"OpusHead", b"\x01vorbis")):
            return False
        if self._lib.stream_init(self._stream, serial) != 0:
            raise AudioError(_NO_MEMORY)
        self._serial = serial
        return True

    def _bound_packet(self) -> None:
        if self._lib.page_packets(self._page) > 0:
            self._unfinished_bytes = 0
        else:
            self._unfinished_bytes += self._page.contents.body_len
        if self._unfinished_bytes > self._max_packet_bytes:
            self.reset()
            raise BadMessageError(f"an Ogg packet is longer than {self._max_packet_bytes} bytes")

    def reset(self) -> None:
        """Drop the bytes and packets in hand, to go on elsewhere in the same stream."""
        self._fed_bytes = self._unfinished_bytes = 0
        if not self._closed:
            self._lib.sync_reset(self._sync)
            if self._serial is not None:
                self._lib.stream_reset(self._stream)

    def close(self) -> None:
        """Free libogg's memory. May be called again."""
        if not self._closed:
            self._closed = True
            self._lib.sync_clear(self._sync)
            if self._serial is not None:
                self._lib.stream_clear(self._stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_closed"):
            self.close()


class Muxer:
    """Packets in, pages of one logical stream out: `add` and `flush` in turn, then `close`."""

    def __init__(self, serial: int) -> None:
        """Begin a stream; `serial` is any 32-bit number."""
        binding = _native.ogg()
        self._lib = _Libogg(binding.libogg)
        self._stream = ctypes.pointer(binding.ogg_stream_state())
        self._page = ctypes.pointer(binding.ogg_page())
        self._packet = ctypes.pointer(binding.ogg_packet())
        self._char_p = binding.c_uchar_p
        self._unflushed_bytes = 0
        self._number = 0
        self._closed = False
        if self._lib.stream_init(self._stream, ctypes.c_int32(serial).value) != 0:
            self._closed = True
            raise AudioError(_NO_MEMORY)

    def add(self, data: bytes, granule: int, *, eos: bool = False) -> None:
        """Append a packet.

        Args:
            data: the packet.
            granule: the granule position at its end.
            eos: whether it is the stream's last.
        """
        self._unflushed_bytes += len(data)
        if self._closed or self._unflushed_bytes > MAX_UNFLUSHED_BYTES:
            raise StateMisuseError(f"flush before adding more than {MAX_UNFLUSHED_BYTES} bytes")
        packet = self._packet.contents
        packet.packet = ctypes.cast(ctypes.c_char_p(data), self._char_p)  # libogg copies it
        packet.bytes = len(data)
        packet.b_o_s = self._number == 0
        packet.e_o_s = eos
        packet.granulepos = granule
        packet.packetno = self._number
        self._number += 1
        if self._lib.stream_packetin(self._stream, self._packet) != 0:
            raise AudioError(_NO_MEMORY)

    def flush(self) -> bytes:
        """Return the added packets as pages: one, unless they need more than 255 lacing values."""
        if self._closed:
            raise StateMisuseError("the muxer is closed")
        pages = []
        page = self._page.contents
        while self._lib.stream_flush_fill(self._stream, self._page, _FILL_BYTES) != 0:
            pages.append(ctypes.string_at(page.header, page.header_len))
            pages.append(ctypes.string_at(page.body, page.body_len))
        self._unflushed_bytes = 0
        return b"".join(pages)

    def close(self) -> None:
        """Free libogg's memory. May be called again."""
        if not self._closed:
            self._closed = True
            self._lib.stream_clear(self._stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_closed"):
            self.close()
